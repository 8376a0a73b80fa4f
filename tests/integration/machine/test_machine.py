"""Random people do random things, on both databases."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from midstream.secrets import Vault
from midstream.store.migrate import migrate
from tests.integration.database import database_url, postgres_server, postgres_url, vault
from tests.integration.machine.people import People
from tests.integration.postgres import new_database

__all__ = ["database_url", "postgres_server", "postgres_url", "vault"]

# About 15 s on SQLite and 20 s on PostgreSQL, measured beside other work on two cores.
BOUNDED = settings(max_examples=12, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def fresh(request: pytest.FixtureRequest, database_url: str) -> Iterator[Callable[[], str]]:
    """Give what makes a migrated database, again and again; all are gone in the end."""
    asyncio.run(migrate(database_url))
    with ExitStack() as made:
        if database_url.startswith("sqlite"):
            yield partial(_copy, Path(database_url.removeprefix("sqlite:///")), iter(range(1_000_000)))
        else:
            server = request.getfixturevalue("postgres_server")
            like = database_url.partition("@/")[2].partition("?")[0]
            yield lambda: made.enter_context(new_database(server, like))


def _copy(migrated: Path, numbers: Iterator[int]) -> str:
    to = migrated.with_name(f"{next(numbers)}.db")
    shutil.copy(migrated, to)
    return f"sqlite:///{to}"


def test_whatever_people_do_control_keeps_what_has_to_hold(fresh: Callable[[], str], vault: Vault) -> None:
    class Control(People):
        def __init__(self) -> None:
            super().__init__(fresh, vault)

    run_state_machine_as_test(Control, settings=BOUNDED)
