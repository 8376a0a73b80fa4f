"""What if the process itself is no longer ours, through a hole in V8 or Deno: what it can make us believe, and cost us."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from midstream.domain.function import Ending, FunctionSpec, Invocation, Limits
from midstream.domain.http import Exchange, Outbound
from midstream.runtime import Pool, isolation
from midstream.runtime.protocol import Kind
from tests.escape import rogue
from tests.escape.guarded import Neighbour

Make = Callable[..., Pool]
Says = list[tuple[int, Any, bytes]]
GOOD = b'12\n0{"n":1}'
FORGED = b'12\n0{"n":"FORGED"}'
WISH = b'{"batch":1,"index":%d,"method":"GET","url":"http://x.test/","redirect":"follow","headers":"%s","has_body":false}\n'
SAID = b'{"index":%s,"level":"log","at":%s,"message":"x"}'
DEEP = b"[" * 100_000


def _log(index: bytes = b"0", at: bytes = b"1") -> tuple[int, Any, bytes]:
    return (Kind.LOG, "batch", SAID % (index, at))


def _thrown(rest: bytes) -> tuple[int, Any, bytes]:
    return (Kind.DONE, "batch", b"12\n1" + rest)


_LIES: dict[str, Says] = {
    "an answer to a batch nobody sent": [(Kind.DONE, 99, FORGED)],
    "that it came up once more": [(Kind.HELLO, 0, b"")],
    "that it loaded something else": [(Kind.READY, 0, b'{"handlers":"onTrack,onDelete","error":null}')],
    "a kind there is not": [(99, "batch", b"")],
    "a frame of ours": [(Kind.RUN, "batch", b'{"type":"track"}')],
    "more lines than events": [(Kind.DONE, "batch", GOOD + b"\n0{}")],
    "no lines": [(Kind.DONE, "batch", b"")],
    "times that are none": [(Kind.DONE, "batch", b"a\n0{}")],
    "a time before it began": [(Kind.DONE, "batch", b"-12\n0{}")],
    "a time of four hundred digits": [(Kind.DONE, "batch", b"1" * 400 + b"\n0{}")],
    "a time of five thousand digits": [(Kind.DONE, "batch", b"1" * 5000 + b"\n0{}")],
    "a status there is not": [(Kind.DONE, "batch", b"12\n9{}")],
    "an empty line": [(Kind.DONE, "batch", b"12\n")],
    "an error that is none": [_thrown(b"{}")],
    "an error of endless depth": [_thrown(b'{"x":' + DEEP)],
    "an error that is not UTF-8": [_thrown(b'{"name":"\xff","message":"","stack":"","line":0,"column":0}')],
    "a console line of another event": [_log(index=b"7")],
    "a console line of the event before the first": [_log(index=b"-1")],
    "a console line at the end of time": [_log(at=b"1e300")],
    "a console line before the beginning": [_log(at=b"-1e17")],
    "a console line of nobody's": [(Kind.LOG, 99, SAID % (b"0", b"1"))],
    "a console line of endless depth": [(Kind.LOG, "batch", DEEP)],
    "a request that is none": [(Kind.FETCH, 1, b"\x00")],
    "a request of another event": [(Kind.FETCH, 1, WISH % (7, b""))],
    "the same request twice": [(Kind.FETCH, 1, WISH % (0, b""))] * 2,
    "more requests than may wait": [(Kind.FETCH, n, WISH % (0, b"")) for n in range(1001)],
}
_RAW = {
    "a frame without a kind": b"\x00\x00\x00\x00" + b"\x00" * 9,
    "a frame of four gigabytes": b"\xff\xff\xff\xff" + b"\x12" * 9,
    "noise": bytes(range(255, 0, -1)) * 100,
}


@pytest.fixture
def lying(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Pool]:
    # Behind the walls only Deno itself can be started. This one is Python, and only speaks.
    monkeypatch.setattr(isolation, "find", lambda _: ())

    def lying_(says: Says, *, raw: bytes = b"", loop: bool = False, limits: Limits = Limits(timeout=5.0)) -> Pool:  # noqa: B008 # frozen
        program = tmp_path / "deno"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {rogue.__file__} "$@"\n')
        program.chmod(0o700)
        frames = [[kind, to, base64.b64encode(payload).decode()] for kind, to, payload in says]
        told = {"frames": frames, "raw": base64.b64encode(raw).decode(), "loop": loop}
        (tmp_path / "says.json").write_text(json.dumps(told))
        return make(_never, deno=str(program), deno_dir=tmp_path, limits=limits)

    return lying_


async def _never(_: Outbound) -> Exchange:
    await asyncio.Event().wait()
    raise AssertionError


async def _ask(pool: Pool, honest: Pool) -> Invocation:
    neighbour = Neighbour(honest)
    await neighbour.works()
    spec = FunctionSpec("ifi_rogue", "ver_1", "onTrack = (e) => e")
    (one,), _ = await asyncio.gather(pool.invoke(spec, [b'{"type": "track"}']), neighbour.works())
    await neighbour.works()
    return one


@pytest.mark.parametrize("name", [*_LIES, *_RAW])
async def test_what_does_not_hold_is_a_crash_of_that_process_and_nothing_else(
    name: str, lying: Callable[..., Pool], make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    pool = lying(_LIES.get(name, []), raw=_RAW.get(name, b""))
    kills: list[str] = []
    pool.on_kill = kills.append
    with caplog.at_level(logging.ERROR, "asyncio"):
        one = await _ask(pool, make())
    assert one.ending is Ending.CRASHED
    assert one.event is None
    assert kills == ["crash"] * 4
    assert caplog.records == []  # refused in so many words, not by an exception nobody expected


async def test_a_second_answer_to_a_batch_is_not_believed(lying: Callable[..., Pool], make: Make) -> None:
    one = await _ask(lying([(Kind.DONE, "batch", GOOD), (Kind.DONE, "batch", FORGED)]), make())
    assert (one.ending, one.event) == (Ending.RETURNED, b'{"n":1}')


async def test_an_answer_nobody_waits_for_is_sent_to_nobody(lying: Callable[..., Pool], make: Make) -> None:
    one = await _ask(lying([(Kind.ABORT, 77, b"x"), (Kind.ALIVE, 5, b"x"), (Kind.DONE, "batch", GOOD)]), make())
    assert (one.ending, one.event) == (Ending.RETURNED, b'{"n":1}')


@pytest.mark.parametrize("sign", [Kind.PROGRESS, Kind.ALIVE, Kind.LOG])
async def test_endless_signs_of_life_end(sign: Kind, lying: Callable[..., Pool], make: Make) -> None:
    says = [_log()] if sign is Kind.LOG else [(sign, "batch", b"")]
    async with asyncio.timeout(60):
        one = await _ask(lying(says, loop=True, limits=Limits(timeout=0.5)), make())
    assert one.ending is Ending.TIMEOUT


async def test_headers_of_a_request_are_the_ones_it_names(lying: Callable[..., Pool], make: Make) -> None:
    """One without a colon is a name without a value; nothing is read beyond its line."""
    done = (Kind.DONE, "batch", GOOD)
    one = await _ask(lying([(Kind.FETCH, 1, WISH % (0, rb"a: 1\nb\n\n: c\n")), done]), make())
    (request,) = one.requests
    assert request.request_headers == (("a", "1"), ("b", ""), ("", "c"))
