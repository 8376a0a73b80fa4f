"""A real Deno for these tests, its cache warmed once a session, and a pool whose network is a function."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from midstream.domain.function import FunctionSpec, Invocation, Limits
from midstream.domain.http import Answer, Exchange, Outbound
from midstream.runtime import Pool, isolation, launch

# Short enough to wait for, long enough for a busy machine to do the little that most tests ask for.
LIMITS = Limits(timeout=2)


def event(type_: str = "track", **fields: Any) -> bytes:
    """Return an event as the pool takes it."""
    return json.dumps({"type": type_, **fields}).encode()


async def echo(outbound: Outbound) -> Exchange:
    """Answer every request with what it said."""
    body = outbound.body or b""
    return Answer(200, "OK", [("content-type", "text/plain"), ("x-method", outbound.method)], body, outbound.url, 1.0)


class Runner:
    """A pool, and the shortest way to run a code in it."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.kills: list[str] = []
        pool.on_kill = self.kills.append

    async def __call__(
        self, code: str, *events: bytes, instance: str = "ifi_1", secrets: tuple[str, ...] = (), **settings: Any
    ) -> list[Invocation]:
        spec = FunctionSpec(instance, "ver_1", code, settings, secrets)
        return await self.pool.invoke(spec, events or (event(),))

    async def value(self, expression: str) -> Any:
        """Return what a JavaScript expression gives inside a handler."""
        code = f"async function onTrack() {{ return {{ value: await ({expression}) }} }}"
        (one,) = await self(code, instance=expression)
        assert one.event is not None, one
        return json.loads(one.event).get("value")


@pytest.fixture(scope="session")
def deno_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deno")


@pytest.fixture
async def make(deno_dir: Path) -> AsyncIterator[Callable[..., Runner]]:
    pools: list[Pool] = []

    def make_(fetch: Any = echo, **options: Any) -> Runner:
        pools.append(Pool(fetch, **{"limits": LIMITS, "deno_dir": deno_dir, **options}))
        return Runner(pools[-1])

    yield make_
    for pool in pools:
        await pool.close()


@pytest.fixture
def run(make: Callable[..., Runner]) -> Runner:
    return make()


@pytest.fixture(params=["core", "node"])
async def either(request: pytest.FixtureRequest, make: Callable[..., Runner], deno_dir: Path) -> Runner:
    """Run code by what Deno makes Node's vm of, and by that itself, as where the cache can be written."""
    layers = isolation.find()
    if request.param == "core" and not any(layer.name == "landlock" and layer.on for layer in layers):
        pytest.skip("needs Landlock")
    if request.param == "node":
        layers = tuple(layer for layer in layers if layer.name != "landlock")
    runner = make()
    runner.pool._launch = await launch.prepare(LIMITS, None, deno_dir, layers)
    assert runner.pool._launch.program[-1] == request.param
    return runner
