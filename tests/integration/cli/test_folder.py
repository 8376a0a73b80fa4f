from __future__ import annotations

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
    assert terminal.said.endswith("shop.toml would say the same once more: give a folder of its own")
    place = terminal.folder / "out"
    terminal.run("functions", "push", terminal.function(declared=DECLARED))
    terminal.run("export", str(place))
    (place / "midstream.toml").write_text("workers = 2\n")
    terminal.run("functions", "delete", "mark")
    terminal.run("export", str(place))
    assert f"{place}/functions/mark.js is not part of it any more\n" in terminal.said
    assert terminal.run("apply", str(place)).endswith("\n0 created, 0 updated, 4 unchanged.\n")
    (terminal.folder / "file").write_text("")
    terminal.run("export", str(terminal.folder / "file"), code=2)
