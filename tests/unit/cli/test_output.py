"""What strangers put into events does not reach the terminal as commands, nor as markup."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime

import pytest
from rich.console import Console

from midstream.cli.deliveries import _table
from midstream.cli.events import row
from midstream.cli.options import shown
from midstream.cli.samples import show
from midstream.domain.attempt import Attempt, Sample
from midstream.store.attempts import CountRow

NASTY = "[/foo] \x1b]0;owned\x07 \x9b31m"


def test_control_characters_are_shown_as_such() -> None:
    assert shown("a\x1b[31mb\u009bc\r\nd") == "a�[31mb�c��d"
    assert shown("Grüße – 注文") == "Grüße – 注文"


def test_a_row_of_tail_holds_no_escape() -> None:
    attempt = Attempt("dst_1", "src_1", 0, "m", "track", NASTY, "discarded", "s", NASTY, 1, 1.0)
    assert row(attempt, {}).isprintable()


def test_the_table_of_deliveries_takes_any_event_name() -> None:
    now = datetime.now(UTC)
    counted = CountRow("dst_1", "src_1", "s", "discarded", NASTY, "track", NASTY, 1, 1, 1.0, 1.0, now, now)
    output = io.StringIO()
    Console(file=output, width=200).print(_table([counted], {}))
    assert "[/foo]" in output.getvalue()
    assert "\x1b" not in output.getvalue()


def sample(outcome: str = "discarded", **event: object) -> Sample:
    return Sample("dst_1", "src_1", "bad_request", 0, "m", "track", NASTY, 1, {"outcome": outcome, "event": event})


def test_a_sample_holds_no_escape_and_its_event_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    show(sample(name=NASTY, list=list(range(100))), {})
    said = capsys.readouterr().out
    assert all(line.isprintable() for line in said.split("\n"))
    assert json.loads(said.partition("event: ")[2])["list"] == list(range(100))


def test_on_a_terminal_a_samples_event_is_cut_to_the_room_there_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    show(sample(text="x" * 500, list=list(range(100))), {})
    lines = capsys.readouterr().out.splitlines()
    event = lines[next(index for index, line in enumerate(lines) if line.startswith("   event: {")) :]
    assert max(map(len, event)) == 60
    assert event[1].endswith("x…")
    assert event[-1] == "   … and 65 more lines; --json has them all"


def test_a_quarantined_event_is_said_to_be_kept(capsys: pytest.CaptureFixture[str]) -> None:
    show(sample("quarantined"), {})
    assert ", kept in quarantine until 31 Jan " in capsys.readouterr().out
    show(sample(), {})
    assert "quarantine" not in capsys.readouterr().out
