"""What strangers put into events does not reach the terminal as commands, nor as markup."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from rich.console import Console

from midstream.cli.deliveries import _table
from midstream.cli.events import row
from midstream.cli.options import shown
from midstream.domain.attempt import Attempt
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
