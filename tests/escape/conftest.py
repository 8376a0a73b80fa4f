"""A warm Deno cache a session, a pool with the real door to the network, shut, and what is planted beyond."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from midstream.egress import Egress
from midstream.runtime import Pool
from tests.escape.attempts.attempt import FOUND
from tests.escape.planted import VARIABLE, Planted, planting

Make = Callable[..., Pool]


@pytest.fixture(scope="session")
def deno_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deno")


@pytest.fixture
async def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Planted]:
    monkeypatch.setenv(VARIABLE, FOUND)
    async with planting(tmp_path) as there:
        yield there


@pytest.fixture
async def make(deno_dir: Path) -> AsyncIterator[Make]:
    """Make pools whose network is the real one with nothing opened, unless a fetcher is given."""
    pools: list[Pool] = []
    doors: list[Egress] = []

    def make_(fetch: Any = None, **options: Any) -> Pool:
        if fetch is None:
            doors.append(Egress())
            fetch = doors[-1].send
        pools.append(Pool(fetch, **{"deno_dir": deno_dir, **options}))
        return pools[-1]

    yield make_
    for pool in pools:
        await pool.close()
    for door in doors:
        await door.close()
