"""What the commands about people, tokens and the trail say as JSON."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def said(terminal: Terminal, *arguments: str, **more: Any) -> Any:
    return json.loads(terminal.run(*arguments, "--json", **more))


def test_what_is_taken_away_is_named(terminal: Terminal) -> None:
    token = said(terminal, "token", "create")
    assert said(terminal, "token", "delete", token["id"]) == {"id": token["id"]}
    assert said(terminal, "token", "list") == []
    member = said(terminal, "user", "create", "bob@example.com")
    assert said(terminal, "user", "remove", "bob@example.com") == {"ids": [member["id"]]}


def test_a_password_that_is_set_says_how_many_sessions_ended(terminal: Terminal) -> None:
    terminal.run("user", "create", "ann@example.com")
    told = said(terminal, "user", "password", "ann@example.com", stdin="correct horse battery\n")
    assert told == {"email": "ann@example.com", "sessionsEnded": 0}


def test_whether_the_trail_is_whole(terminal: Terminal) -> None:
    terminal.run("user", "create", "ann@example.com")
    assert said(terminal, "audit", "verify") == {"whole": True, "fault": None}
    database = sqlite3.connect(terminal.folder / "data" / "midstream.db")
    with database:
        database.execute("update audit_event set actor_email = 'eve' where sequence = 1")
    database.close()
    told = said(terminal, "audit", "verify", code=3)
    assert told["whole"] is False
    assert told["fault"].startswith("entry 1 (aud_")
