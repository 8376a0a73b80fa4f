"""Two instances share nothing: what one leaves, the other does not find. Where nothing guards, it does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from midstream.domain.function import FunctionSpec
from midstream.runtime import Pool
from tests.escape import unguarded
from tests.escape.attempts.attempt import FOUND, Attempt, tried
from tests.escape.attempts.leaks import LEAKS, Leak
from tests.escape.planted import Planted

Make = Callable[..., Pool]
each = pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.name)


def _code(statement: str) -> str:
    handler = tried("look(e, settings)").replace("onTrack(e)", "onTrack(e, settings)")
    return f"const look = async (e, settings) => {{ return {statement} }}; {handler}"


@each
async def test_what_one_instance_leaves_no_other_finds(leak: Leak, make: Make) -> None:
    pool = make()
    leaving = FunctionSpec("ifi_leaves", "ver_1", _code(f"({leak.leaves}, 1)"), {"secret": FOUND})
    finding = FunctionSpec("ifi_finds", "ver_1", _code(leak.finds), {"mine": 1})
    await pool.invoke(leaving, [b'{"type": "track"}'])
    (found,) = await pool.invoke(finding, [b'{"type": "track"}'])
    assert json.loads(found.event or b"{}") == {"got": leak.gets}
    await pool.close()


@each
async def test_what_is_left_is_found_where_nothing_guards(leak: Leak, planted: Planted, tmp_path: Path) -> None:
    leaves, finds = _code(f"({leak.leaves}, 1)"), _code(leak.finds)
    if leak.one_process:
        both = f"(() => {{ {leaves}; globalThis.leave = onTrack }})(); {finds}; const find = onTrack;"
        both += "onTrack = async (...all) => { await leave(...all); return find(...all) }"
        result = await unguarded.run(Attempt(leak.name, both, None, FOUND), planted, tmp_path)
    else:
        await unguarded.run(Attempt(leak.name, leaves, None, 1), planted, tmp_path)
        result = await unguarded.run(Attempt(leak.name, finds, None, FOUND), planted, tmp_path)
    assert result.got == FOUND


async def test_an_instance_sees_its_own_settings_only(make: Make) -> None:
    pool = make()
    code = "onTrack = (e, settings) => ({ settings, all: JSON.stringify(globalThis) + JSON.stringify([e, settings]) })"
    for name in ("a", "b"):
        spec = FunctionSpec(f"ifi_{name}", "ver_1", code, {"key": f"secret of {name}"})
        (one,) = await pool.invoke(spec, [b'{"type": "track"}'])
        got = json.loads(one.event or b"{}")
        assert got["settings"] == {"key": f"secret of {name}"}
        assert f"secret of {'ab'.replace(name, '')}" not in got["all"]
