"""Every attempt of the list against the sandbox, and the same list where nothing guards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from midstream.runtime import Pool
from tests.escape import guarded, unguarded
from tests.escape.attempts import ATTEMPTS
from tests.escape.attempts.attempt import Attempt, Harm
from tests.escape.planted import Planted

Make = Callable[..., Pool]
each = pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.name)


@each
async def test_an_attempt_gets_what_the_sandbox_gives_and_its_neighbour_notices_nothing(
    attempt: Attempt, planted: Planted, make: Make
) -> None:
    kills: list[str] = []
    pool = make(limits=attempt.limits)
    pool.on_kill = kills.append
    guarded.judge(attempt, await guarded.run(attempt, planted, pool))
    assert set(kills) == set(attempt.kills)
    assert planted.callers == 0


@pytest.mark.parametrize("attempt", [one for one in ATTEMPTS if not one.not_shown], ids=lambda attempt: attempt.name)
async def test_the_list_succeeds_where_nothing_guards(attempt: Attempt, planted: Planted, tmp_path: Path) -> None:
    result = await unguarded.run(attempt, planted, tmp_path)
    if isinstance(attempt.wins, Harm):
        assert result.suffers(attempt.wins), result
    else:
        assert result.got == attempt.wins, result


def test_few_attempts_cannot_be_shown_where_nothing_guards() -> None:
    silent = [one for one in ATTEMPTS if one.not_shown]
    told = [f"{one.name}: {one.not_shown}" for one in silent]
    told.append(f"{len(ATTEMPTS) - len(silent)} of {len(ATTEMPTS)} attempts are shown to succeed where nothing guards")
    print(*told, sep="\n")  # noqa: T201 # `pytest -rP` shows the list
    assert len(ATTEMPTS) >= 60
    assert len(silent) <= len(ATTEMPTS) / 10


def test_names_are_unique() -> None:
    assert len({one.name for one in ATTEMPTS}) == len(ATTEMPTS)
