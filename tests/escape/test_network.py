"""Ways out by `fetch`: addresses in every spelling, redirects, what is written into a request, answers without end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from midstream.domain.function import FunctionSpec, Invocation
from midstream.domain.http import Answer, Exchange, Outbound
from midstream.runtime import Pool

Make = Callable[..., Pool]


async def run(pool: Pool, code: str, *events: dict[str, Any]) -> list[Invocation]:
    """Run a function on events of type track."""
    given = [json.dumps({"type": "track", **event}).encode() for event in events or ({},)]
    return await pool.invoke(FunctionSpec("ifi_1", "ver_1", code), given)


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85"])
async def test_a_value_from_an_event_does_not_become_another_header(make: Make, mark: str) -> None:
    """The standard allows all of these in a value; only Python takes them for the end of a line."""
    asked: list[Outbound] = []

    async def network(outbound: Outbound) -> Exchange:
        asked.append(outbound)
        return Answer(200, "OK", [], b"", outbound.url, 1.0)

    value = f"Ada{mark}authorization: Bearer forged"
    code = "onTrack = async (e) => { await fetch('http://x.test/', { headers: { 'x-name': e.name } }); return e }"
    await run(make(network), code, {"name": value})
    assert asked[0].headers == (("x-name", value),)
