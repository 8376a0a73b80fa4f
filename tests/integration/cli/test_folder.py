from __future__ import annotations

import pytest

from tests.integration.cli.terminal import DECLARED, Terminal, terminal

__all__ = ["terminal"]

SALT = "s4lt-planted"


def test_what_is_exported_can_be_applied_and_changes_nothing(terminal: Terminal) -> None:
    terminal.apply()
    terminal.run("functions", "push", terminal.function())
    terminal.run("destinations", "connect", "mark", "warehouse", "--set", "mark=x", "--secret", "salt", stdin=SALT)
    place = terminal.folder / "out"
    written = terminal.run("export", str(place)).splitlines()
    assert written == [
        str(place / name) for name in ("workspace.toml", "functions.toml", "destinations.toml", "functions/mark.js")
    ]
    assert terminal.said == (
        "Secrets come from these variables; where one is not set, `apply` leaves what is there:\n"
        "  SOURCE_WEBSITE_WRITE_KEY\n  INSTANCE_WAREHOUSE_MARK_SALT\n"
    )
    assert not [path for path in place.rglob("*.*") if SALT in path.read_text()]
    applied = terminal.run("apply", str(place), "--prune")
    assert applied.endswith("\n0 created, 0 updated, 6 unchanged.\n")
    assert "settings.salt stays as it is: INSTANCE_WAREHOUSE_MARK_SALT is not set\n" in applied
    assert terminal.json("export", str(place)) == {
        "files": ["workspace.toml", "functions.toml", "destinations.toml", "functions/mark.js"],
        "environment": ["SOURCE_WEBSITE_WRITE_KEY", "INSTANCE_WAREHOUSE_MARK_SALT"],
        "notes": [],
    }


def test_an_export_stands_alone_and_says_what_is_left_of_an_earlier_one(terminal: Terminal) -> None:
    terminal.apply()
    terminal.run("export", str(terminal.folder / "folder"), code=1)
    assert terminal.said.endswith(
        "/folder: holds what no export wrote: shop.toml. Name a new folder, or one of an earlier export"
    )
    place = terminal.folder / "out"
    terminal.run("functions", "push", terminal.function(declared=DECLARED))
    terminal.run("export", str(place))
    (place / "midstream.toml").write_text("workers = 2\n")
    (place / ".git").mkdir()
    (place / "README.md").write_text("ours\n")
    terminal.run("functions", "delete", "mark")
    terminal.run("export", str(place))
    assert f"{place}/functions/mark.js is not part of it any more\n" in terminal.said
    assert terminal.run("apply", str(place)).endswith("\n0 created, 0 updated, 4 unchanged.\n")
    (terminal.folder / "file").write_text("")
    terminal.run("export", str(terminal.folder / "file"), code=2)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["workspace.toml"], "workspace.toml"),
        (["functions/mark.js"], "functions"),
        (["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
    ],
)
def test_an_export_writes_over_no_files_but_its_own(terminal: Terminal, names: list[str], said: str) -> None:
    terminal.apply()
    terminal.run("functions", "push", terminal.function())
    place = terminal.folder / "out"
    for path in (place / name for name in names):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    terminal.run("export", str(place), code=1)
    assert f"holds what no export wrote: {said}. Name a new folder" in terminal.said
    found = {path.relative_to(place).as_posix(): path.read_text() for path in place.rglob("*") if path.is_file()}
    assert found == dict.fromkeys(names, "mine")


def test_a_table_of_ones_own_beside_an_earlier_export_is_not_written_over(terminal: Terminal) -> None:
    terminal.apply()
    place = terminal.folder / "out"
    terminal.run("export", str(place))
    (place / "functions.toml").write_text("# mine\n")
    terminal.run("export", str(place), code=1)
    assert "holds what no export wrote: functions.toml." in terminal.said
    assert (place / "functions.toml").read_text() == "# mine\n"


def test_code_of_ones_own_in_an_earlier_export_is_not_written_over(terminal: Terminal) -> None:
    terminal.apply()
    place = terminal.folder / "out"
    terminal.run("export", str(place))
    (place / "functions/mark.js").write_text("// mine\n")
    (place / "functions/other.js").write_text("// not in the way\n")
    terminal.run("functions", "push", terminal.function())
    terminal.run("export", str(place), code=1)
    assert "holds what no export wrote: functions/mark.js." in terminal.said
    assert (place / "functions/mark.js").read_text() == "// mine\n"
    (place / "functions/mark.js").unlink()
    terminal.run("export", str(place))
    (place / "functions/mark.js").write_text("// changed since\n")
    terminal.run("export", str(place))
    assert (place / "functions/mark.js").read_text() != "// changed since\n"
