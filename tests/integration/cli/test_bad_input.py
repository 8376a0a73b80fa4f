"""What is wrong with what is typed, or with a file that is named, is told on stderr, and in the exit code."""

from __future__ import annotations

import pytest

from tests.integration.cli.terminal import CODE, Terminal, terminal

__all__ = ["terminal"]

SALTED = "[settings.salt]\nrequired = true\n"
# The words, files to write first, the exit code, and what stands on stderr or stdout.
TABLE: tuple[tuple[str, dict[str, str], int, str], ...] = (
    ("functions list --jsno", {}, 2, "No such option: --jsno"),
    ("functions show gone", {}, 1, "there is no function 'gone'"),
    ("functions deploy gone", {}, 1, "there is no function 'gone'"),
    ("functions rollback mark 7", {}, 1, "7"),
    ("functions push broken.js", {"broken.js": "function onTrack( {"}, 1, "code: SyntaxError: Unexpected end of input"),
    ("functions push idle.js", {"idle.js": "let x = 1"}, 1, "code: no handler found"),
    ("functions push large.js", {"large.js": CODE + "/" * 2_000_000}, 1, "the body is larger than 1572864 bytes"),
    ("functions push f", {"f/function.js": CODE, "f/function.toml": "nname = 'x'"}, 1, "unknown key 'nname'; did you mean 'name'?"),
    ("functions push f", {"f/function.js": CODE, "f/function.toml": f"name = '{'x' * 121}'"}, 1, "displayName: expected a name of 1 to 120 pri"),
    ("destinations connect mark gone", {}, 1, "there is no destination 'gone'"),
    ("destinations connect mark warehouse --set colour=red", {}, 1, "unknown setting 'colour'; known: salt"),
    ("destinations connect mark warehouse", {}, 1, "settings: setting 'salt' is required: give it a value"),
    ("apply other", {"other/a.toml": "[source.a]\nnname = 'x'"}, 1, "a.toml: source.a: unknown key 'nname'; did you mean 'name'?"),
    ("apply other", {"other/a.toml": "[destination.d]\nsource = 'gone'\ntype = 'sink'"}, 1, "unknown source 'gone'"),
    ("token delete tok_gone", {}, 1, "there is no token with the id 'tok_gone'"),
    ("user remove gone@example.com", {}, 1, "there is no user 'gone@example.com'"),
)  # fmt: skip


@pytest.fixture
def shop(terminal: Terminal) -> Terminal:
    terminal.apply()
    terminal.run("functions", "push", terminal.function(declared=SALTED))
    return terminal


def test_it_is_told_and_changes_nothing(shop: Terminal) -> None:
    before = shop.json("audit", "list")
    for typed, files, code, said in TABLE:
        for name, text in files.items():
            path = shop.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        named = {name.partition("/")[0] for name in files}
        printed = shop.run(*(str(shop.folder / word) if word in named else word for word in typed.split()), code=code)
        assert said in printed + shop.said, typed
    assert shop.json("audit", "list") == before
