"""Deno's cache, which the first start fills and no other can write."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from midstream.runtime import launch
from tests.integration.runtime.conftest import LIMITS


async def test_the_cache_has_all_of_the_host(tmp_path: Path) -> None:
    """It used to lack it about one time in six, and then each start took half as long again."""
    await launch.prepare(LIMITS, None, tmp_path)
    rows = await asyncio.to_thread(_cached, tmp_path)
    ours = {f"file://{file}" for file in [launch.HOST, *launch.HOST.with_suffix("").glob("*.ts")]}
    assert ours - rows == set()


def _cached(folder: Path) -> set[str]:
    """Return what Deno keeps compiled code of."""
    connection = sqlite3.connect(folder / "v8_code_cache_v2")
    try:
        return {name for (name,) in connection.execute("select specifier from codecache")}
    finally:
        connection.close()
