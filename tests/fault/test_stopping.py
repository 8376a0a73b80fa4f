"""SIGTERM under load: what was taken is finished, what was not is left whole, and nothing is done twice."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.fault.load import QUICK, account, eventually, loading, set_up
from tests.integration.receiver import Reply, receiving
from tests.whole import running

pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]

STOPS = 5
DRAIN = 20.0  # config.default.toml: drain_timeout


@pytest.mark.parametrize("batch", ["off", "array"])
async def test_a_stop_under_load_loses_nothing_and_repeats_nothing(tmp_path: Path, batch: str) -> None:
    with running(tmp_path, "--workers", "2", **QUICK) as whole:
        async with receiving() as receiver:
            arrivals = await set_up(whole, receiver, batch=batch)
            arrivals.answer = Reply(delay=0.1)  # so that some are always under way
            longest = 0.0
            async with loading(whole) as load:
                for _ in range(STOPS):
                    enough = len(arrivals) + 300
                    await eventually(lambda enough=enough: len(arrivals) >= enough)
                    began = time.monotonic()
                    assert await asyncio.to_thread(whole.stop) == 0
                    longest = max(longest, time.monotonic() - began)
                    await asyncio.to_thread(whole.start)
            share = await account(f"stopped {STOPS} times, batch {batch}", whole, load, arrivals)
            print(f"longest stop: {longest:.1f} s")  # noqa: T201 # the figures are what this is for
            assert longest < DRAIN
            assert share == 0
            assert "Traceback" not in whole.log()
