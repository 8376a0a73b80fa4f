from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from midstream.cli import app
from tests.integration.cli.terminal import CODE, DECLARED, Terminal, terminal

__all__ = ["terminal"]


def test_a_folder_is_pushed_once_and_again_only_where_something_differs(terminal: Terminal) -> None:
    folder = terminal.function()
    assert terminal.run("functions", "push", folder).startswith("created mark (ifnd_")
    assert "warning: no onIdentify, onPage, onScreen" in terminal.said
    assert terminal.run("functions", "push", folder).startswith("unchanged mark (")
    terminal.function(code=CODE + "// better\n")
    saved = terminal.json("functions", "push", folder, "--message", "better")
    assert (saved["created"], saved["changed"], saved["function"]["latestVersionNumber"]) == (False, True, 2)
    assert saved["warnings"] != []
    found = terminal.json("functions", "show", "mark")
    assert found == saved["function"]
    assert (found["displayName"], found["allowedHosts"], found["batchMaxCount"]) == (
        "Mark events",
        ["api.example.com"],
        50,
    )
    assert [(it["name"], it["required"], it["sensitive"]) for it in found["settings"]][:2] == [
        ("mark", True, False),
        ("salt", False, True),
    ]
    assert terminal.run("functions", "show", found["id"], "--code") == CODE + "// better\n"


def test_what_people_read_stays_unless_the_folder_says_it(terminal: Terminal) -> None:
    terminal.run("functions", "push", terminal.function())
    terminal.run("functions", "push", terminal.function(declared=""))
    found = terminal.json("functions", "show", "mark")
    assert (found["displayName"], found["allowedHosts"], found["settings"]) == ("Mark events", [], [])


def test_code_alone_leaves_the_declared_settings_of_the_server(terminal: Terminal) -> None:
    terminal.run("functions", "push", terminal.function())
    alone = terminal.folder / "other.js"
    alone.write_text(CODE + "\n")
    pushed = terminal.json("functions", "push", str(alone), "--as", "mark")
    assert (pushed["function"]["latestVersionNumber"], len(pushed["function"]["settings"])) == (2, 4)


def test_code_that_does_not_load_is_not_saved(terminal: Terminal) -> None:
    terminal.run("functions", "push", terminal.function(code="function onTrack( {"), code=1)
    assert "code: SyntaxError" in terminal.said
    assert terminal.json("functions", "list") == []


def test_a_version_is_deployed_to_chosen_instances_and_rolled_back_everywhere(terminal: Terminal) -> None:
    terminal.apply()
    folder = terminal.function(declared=DECLARED.replace("required = true", ""))
    terminal.run("functions", "push", folder)
    for place in ("warehouse", "attic"):
        terminal.run("destinations", "connect", "mark", place)
    terminal.function(code=CODE + "\n", declared=DECLARED.replace("required = true", ""))
    terminal.run("functions", "push", folder)

    def running() -> dict[str, int]:
        return {
            it["destinationName"]: it["versionNumber"] for it in terminal.json("functions", "show", "mark")["instances"]
        }

    assert running() == {"warehouse": 1, "attic": 1}
    assert "runs version 2 (disabled)\n" in terminal.run("functions", "deploy", "mark", "--instance", "attic/mark")
    assert running() == {"warehouse": 1, "attic": 2}
    assert terminal.json("functions", "deploy", "mark")["instances"][0]["versionNumber"] == 2
    back = terminal.json("functions", "rollback", "mark", "1")
    assert terminal.said == "Version 1 is restored as version 3.\n"
    assert (back["version"]["code"], {it["versionNumber"] for it in back["instances"]}) == (CODE, {3})
    versions = terminal.json("functions", "versions", "mark")
    assert [(it["number"], it["isDeployed"]) for it in versions] == [(3, True), (2, False), (1, False)]
    assert "restored from version 1" in terminal.run("functions", "versions", "mark").splitlines()[0]
    assert terminal.run("functions", "deploy", "mark", "--version", "v2").count("runs version 2") == 2


def test_pushing_and_deploying_says_what_is_saved_when_it_cannot_be_deployed(terminal: Terminal) -> None:
    terminal.apply()
    folder = terminal.function(declared="")
    terminal.run("functions", "push", folder)
    terminal.run("destinations", "connect", "mark", "warehouse")
    terminal.function()
    terminal.run("functions", "push", folder, "--deploy", code=1)
    assert "Version 2 is saved, but not deployed:\n" in terminal.said
    assert "setting 'mark' is required" in terminal.said
    terminal.function(declared="")
    assert "runs version 3" in terminal.run("functions", "push", folder, "--deploy")


def test_functions_are_listed_and_deleted_unless_they_are_connected(terminal: Terminal) -> None:
    terminal.apply()
    terminal.run("functions", "push", terminal.function(declared=""))
    [line] = terminal.run("functions", "list").splitlines()
    assert line.split()[1:] == ["mark", "mark", "not", "deployed"]
    terminal.run("destinations", "connect", "mark", "warehouse")
    terminal.run("functions", "delete", "mark", code=1)
    assert "connected to destinations" in terminal.said
    [one] = terminal.json("functions", "list")
    terminal.run("functions", "show", "mrak", code=1)
    assert terminal.said.endswith("there is no function 'mrak'; there are: mark")
    terminal.run("functions", "deploy", "mark", "--version", "7", code=1)
    assert terminal.said.endswith("the function has no version '7'; there are: 1")
    terminal.run("functions", "show", "ifnd_nowhere", code=1)
    terminal.run("functions", "deploy", one["id"], "--instance", "attic/mark", code=1)
    assert "is not connected to 'attic'" in terminal.said


def test_a_slug_that_is_none_is_refused_in_words_with_one_that_is(terminal: Terminal) -> None:
    terminal.run("functions", "push", terminal.function(), "--as", "Bad Name!", code=2, COLUMNS="300")
    assert "expected lower-case letters, digits, - and _, of which the first is a letter or a digit" in terminal.said
    assert "try 'bad-name'" in terminal.said
    assert "^[" not in terminal.said


def test_the_first_version_is_told_to_be_all_new(terminal: Terminal) -> None:
    terminal.run("functions", "push", terminal.function())
    assert terminal.run("functions", "diff", "mark", "1").startswith("--- /dev/null\n+++ code of version 1\n")
    assert terminal.said == "This is the first version: all of it is new.\n"
    assert terminal.run("functions", "diff", "mark", "1", "--since", "1") == ""
    assert terminal.said == "Nothing differs.\n"


def test_what_comes_next_can_be_pasted_where_a_folder_has_spaces(tmp_path: Path) -> None:
    folder = tmp_path / "my mask"
    said = CliRunner().invoke(app, ["functions", "init", str(folder)]).stderr
    assert f"  midstream functions test '{folder}' --watch\n" in said
    assert f"  midstream functions check '{folder}'\n" in said
