"""What is written is true: settings, metrics, commands, links and examples of the documentation exist and work."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
from prometheus_client.metrics import MetricWrapperBase
from typer.testing import CliRunner

from midstream import cli, telemetry
from midstream.authoring.cases import case_of
from midstream.authoring.preview import Workbench
from midstream.authoring.running import run_case
from midstream.config import CLIENT_VARIABLES, Config, default_text
from midstream.control.folder import DestinationSection, read
from midstream.destinations import CATALOG, validated
from midstream.domain.access import ROLES, Permission, Role
from midstream.domain.http import Exchange, NoAnswer, Outbound
from midstream.runtime import Pool
from tests.whole import running, until

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text("utf-8")

page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


# -- settings --


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    assert tomllib.loads(default_text()).keys() == Config.model_fields.keys()


@page
def test_every_variable_that_is_named_exists(page: Path) -> None:
    known = {f"MIDSTREAM_{name.upper()}{end}" for name in Config.model_fields for end in ("", "_FILE")}
    named = set(re.findall(r"MIDSTREAM_[A-Z_]*[A-Z]", page.read_text("utf-8")))
    assert named <= known | CLIENT_VARIABLES


# -- metrics --


def test_every_metric_is_documented_with_its_labels_and_every_documented_metric_exists() -> None:
    existing = {
        telemetry.log_pending: {"destination"},
        telemetry.log_bytes: {"stream"},
        telemetry.log_limit: {"stream"},
    }
    for metric in vars(telemetry).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            existing[name] = set(metric._labelnames)
    rows = re.findall(
        r"^\| `(midstream_\w+)` \|([^|]*)\|", (ROOT / "docs/operations.md").read_text("utf-8"), re.MULTILINE
    )
    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == existing


@page
def test_every_metric_that_is_named_is_in_the_table(page: Path) -> None:
    table = (ROOT / "docs/operations.md").read_text("utf-8")
    assert [
        name for name in re.findall(r"`(midstream_\w+)", page.read_text("utf-8")) if f"| `{name}` |" not in table
    ] == []


# -- roles --


def test_the_table_of_roles_is_what_the_code_has() -> None:
    told = {}
    for line in (ROOT / "docs/access.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[1].strip("`") in set(Role):
            held = set(Permission) if cells[3] == "everything" else set(re.findall(r"`([\w:]+)`", cells[3]))
            told[cells[1].strip("`")] = (cells[0], cells[2].removeprefix("the ").removesuffix("s"), held)
    assert told == {role: (facts.name, facts.scope.lower(), facts.permissions) for role, facts in ROLES.items()}


# -- commands --


def command_lines(text: str) -> Iterator[list[str]]:
    """Yield the words after each `midstream` that is called in a block of shell or named in code."""
    lines = [line for block in blocks(text, "bash") for line in block.replace("\\\n", " ").splitlines()]
    for line in [*lines, *re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))]:
        called = re.match(r"(?:[A-Z_]+=(?:\"[^\"]*\"|\S+) )*midstream (?!\d)(.+)", line)
        if called:
            yield shlex.split(called[1], comments=True)


def resolved(words: list[str]) -> tuple[list[str], Any]:
    """Return a command's name and the command."""
    command, name = typer.main.get_command(cli.app), []
    commands: Mapping[str, Any] = {each: cli.command(each) for each in cli.COMMANDS if each in words}
    for word in words:
        if not commands or word.startswith("-"):
            break
        assert word in commands, f"there is no command {' '.join([*name, word])!r}"
        command, name = commands[word], [*name, word]
        commands = getattr(command, "commands", {})
    return name, command


@page
def test_every_command_that_is_named_exists_with_its_options(page: Path) -> None:
    for words in command_lines(page.read_text("utf-8")):
        name, command = resolved(words)
        assert CliRunner().invoke(cli.app, [*name, "--help"]).exit_code == 0
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"} <= options, words


def every_command() -> Iterator[tuple[str, Any]]:
    """Yield each command that does something, by its whole name."""
    for name in cli.COMMANDS:
        yield from _below(cli.command(name), (name,))


def _below(command: Any, name: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for word, inner in getattr(command, "commands", {}).items():
        yield from _below(inner, (*name, word))
    if not hasattr(command, "commands"):
        yield " ".join(name), command


def test_the_reference_has_an_example_of_every_command() -> None:
    shell = "\n".join(f"```bash\n{block}```" for block in blocks((ROOT / "docs/cli.md").read_text("utf-8"), "bash"))
    shown = {" ".join(resolved(words)[0]) for words in command_lines(shell)}
    assert [name for name, _ in every_command() if name not in shown] == []


@pytest.mark.parametrize(("name", "command"), [pytest.param(*each, id=each[0]) for each in every_command()])
def test_the_help_of_a_command_has_an_example_of_it(name: str, command: Any) -> None:
    [example] = re.findall(r"^\s*Example: (.+)$", command.help, re.MULTILINE)
    [words] = command_lines(f"`{example}`")
    called, _ = resolved(words)
    options = {option for parameter in command.params for option in parameter.opts}
    assert " ".join(called) == name
    assert {word for word in words if word.startswith("--")} <= options


def test_the_readme_shows_every_command_a_beginner_needs() -> None:
    shown = {" ".join(resolved(words)[0]) for words in command_lines(README)}
    wanted = {"serve", "apply", "tail", "deliveries", "functions test", "events send", "config show"}
    assert wanted <= shown


def test_what_runs_until_ctrl_c_is_the_last_in_its_block_of_the_readme() -> None:
    for block in blocks(README, "bash"):
        called = list(command_lines(f"```bash\n{block}```"))
        endless = [words[0] in ("demo", "serve", "tail") or "--watch" in words for words in called]
        assert not any(endless[:-1]), block


@page
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", page.read_text("utf-8"))) <= targets


# -- links --


def headings(path: Path) -> set[str]:
    found = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8"))):
        if not link.startswith("https://"):
            target, _, anchor = link.partition("#")
            path = (page.parent / target).resolve() if target else page
            assert path.exists(), f"{link} leads nowhere"
            assert not anchor or anchor in headings(path), f"{link}: there is no such heading"


@page
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"`((?:src|tests|docs|bench)/[^`\s*]+)`", page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_page_that_code_points_to_exists() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py")]
    named = {name for text in sources for name in re.findall(r"docs/[\w/-]+(?:\.md)?", text)}
    assert [name for name in sorted(named) if not list(ROOT.glob(f"{name.removesuffix('.md')}*"))] == []


def test_the_list_of_decisions_is_complete() -> None:
    index = (ROOT / "docs/adr/0001-record-decisions.md").read_text("utf-8")
    others = [path.name for path in (ROOT / "docs/adr").glob("*.md") if not path.name.startswith("0001")]
    assert [name for name in others if f"({name})" not in index] == []


# -- examples --


@page
def test_every_block_of_data_parses(page: Path) -> None:
    text = page.read_text("utf-8")
    for block in blocks(text, "json"):
        json.loads(block)
    for block in blocks(text, "toml"):
        tomllib.loads(block)
    for block in blocks(text, "python"):
        compile(block, page.name, "exec")


@page
def test_every_case_that_is_shown_is_one(page: Path) -> None:
    for block in blocks(page.read_text("utf-8"), "json"):
        content = json.loads(block)
        if "expected" in content:
            case_of(content, page.name)


def test_every_destination_in_the_readme_has_settings_that_hold() -> None:
    tables = [tomllib.loads(block) for block in blocks(README, "toml")]
    sections = [DestinationSection.model_validate(it) for table in tables for it in table["destination"].values()]
    assert {section.type for section in sections} == CATALOG.keys()
    for section in sections:
        settings = {name: "secret" if isinstance(value, dict) else value for name, value in section.settings.items()}
        validated(CATALOG[section.type], settings)


async def test_every_function_that_is_shown_loads(tmp_path: Path) -> None:
    pool = Pool(no_network, deno_dir=tmp_path)
    try:
        for path in PAGES:
            for block in blocks(path.read_text("utf-8"), "(?:js|ts)"):
                found = await pool.check(block)
                assert found.error is None
                assert found.handlers
    finally:
        await pool.close()


EXAMPLES = re.findall(
    r"^```(?:js|ts)\n(.*?)^```\n\n```json\n(.*?)^```",
    (ROOT / "docs/functions.md").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)


def test_every_function_of_the_reference_stands_with_a_case() -> None:
    shown = blocks((ROOT / "docs/functions.md").read_text("utf-8"), "(?:js|ts)")
    assert shown == [code for code, _ in EXAMPLES]
    assert len(shown) >= 6


@pytest.mark.parametrize(("code", "case"), EXAMPLES, ids=lambda text: text.strip().splitlines()[0])
async def test_what_the_reference_says_of_a_function_is_so(code: str, case: str) -> None:
    verdict = await run_case(code, case_of(json.loads(case), "docs/functions.md"), Workbench())
    assert verdict.passed, (verdict.problems, verdict.differences)


async def no_network(request: Outbound) -> Exchange:
    return NoAnswer("EBLOCKED", "nothing is sent from here", 0)


def test_the_readme_can_be_followed_by_hand(tmp_path: Path) -> None:
    files = {"shop.toml": blocks(README, "toml")[0], "mask-email.js": blocks(README, "js")[0]}
    shell = "\n".join(blocks(README, "bash"))
    echoed = re.findall(r"^echo '(.+)' > (\w+\.json)$", shell, re.MULTILINE)
    files |= {name: content for content, name in echoed}
    with running(tmp_path) as whole:
        applied = whole.apply(files, SALT="pepper")
        assert applied.returncode == 0, applied.stderr
        folder = tmp_path / "folder"
        assert set(read(folder).functions) == {"mask-email"}
        (key,) = re.findall(r"write key (wk_\S+) \(shown only now\)", applied.stdout)
        tried = whole.run(
            *("functions", "test", str(folder / "mask-email.js"), "--json"),
            *("--event", str(folder / "event.json"), "--settings", str(folder / "settings.json")),
        )
        (result,) = json.loads(tried.stdout)["results"]
        assert result["outcome"] == "returned"
        assert "ada@example.com" not in json.dumps(result["event"])
        (body,) = re.findall(r"-d '(\{.*\})'", shell)
        until(lambda: post(f"{whole.base_url}/v1/track", key, body) == 200)
        sent = whole.run(
            "events", "send", str(folder / "event.json"), MIDSTREAM_WRITE_KEY=key, MIDSTREAM_URL=whole.base_url
        )
        assert sent.stdout == "1 taken, 0 refused\n"

        def delivered() -> int:
            rows = json.loads(whole.run("deliveries", "--json").stdout)["deliveries"]
            return sum(
                row["count"] for row in rows if (row["destination"], row["outcome"]) == ("warehouse", "delivered")
            )

        until(lambda: delivered() == 2)


def post(url: str, write_key: str, body: str) -> int:
    authorization = f"Basic {b64encode(f'{write_key}:'.encode()).decode()}"
    headers = {"authorization": authorization, "content-type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
