"""Deno's cache, which the first start fills and no other can write."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from midstream.domain.isolation import Layer
from midstream.runtime import launch
from tests.integration.runtime.conftest import LIMITS


@pytest.mark.parametrize("layers", [[Layer("landlock", on=True)], []])
async def test_the_cache_has_all_of_the_host_and_what_only_some_code_needs(tmp_path: Path, layers: list[Layer]) -> None:
    """It used to lack the host about one time in six, and then each start took half as long again."""
    await launch.prepare(LIMITS, None, tmp_path, layers)
    rows = await asyncio.to_thread(_cached, tmp_path)
    ours = {f"file://{file}" for file in [launch.HOST, *launch.HOST.with_suffix("").glob("*.ts")]}
    assert ours - rows == set()
    assert {
        "node:crypto",
        "node:stream",
        "node:module",
        "ext:deno_node/util.ts",
        "ext:deno_fetch/23_request.js",
    } <= rows


def _cached(folder: Path) -> set[str]:
    """Return what Deno keeps compiled code of."""
    connection = sqlite3.connect(folder / "v8_code_cache_v2")
    try:
        return {name for (name,) in connection.execute("select specifier from codecache")}
    finally:
        connection.close()
