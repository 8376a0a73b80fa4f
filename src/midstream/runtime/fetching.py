"""The network of user code: takes its `fetch` requests from the channel and has them sent.

Enters: FETCH and ABORT frames of one process. Leaves: ANSWER payloads, and each exchange as its author may see it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import overload

import structlog

from midstream.domain.function import Limits, Request
from midstream.domain.hosts import Hosts
from midstream.domain.http import Answer, Exchange, NoAnswer, Outbound
from midstream.domain.redact import Redactor
from midstream.runtime import protocol
from midstream.runtime.pacing import Pacer
from midstream.runtime.sealing import Seals

log = structlog.get_logger(__name__)

Fetcher = Callable[[Outbound], Awaitable[Exchange]]

REDIRECTS = 20  # the Fetch standard's
CAPTURED_BYTES = 4 * 1024
_CAPTURED_HEADERS = 64
_CAPTURED_HEADER_BYTES = 1024
# Waiting requests are in our memory, not in the process's: so many responses' worth of it may be used.
_WAITING_RESPONSES = 8
# A request is some 0.3 ms of the worker's one event loop, in a few steps. Begun all at once, those of a function that
# floods would keep the events of all others waiting that long, times their number.
_BEGUN_A_TURN = 2
# Each turn costs something by itself. While no other function has work, a longer one keeps only deliveries waiting.
_BEGUN_A_TURN_ALONE = 8
_WAITING = 1000  # host/fetch.ts lets no more wait


@dataclass(slots=True, eq=False)
class Asked:
    """One request, and what came of it once something did."""

    outbound: Outbound
    started: float
    exchange: Exchange | None = None

    @property
    def size(self) -> int:
        """What the request takes of our memory while it is under way."""
        return len(self.outbound.url) + _size(self.outbound.headers) + len(self.outbound.body or b"")

    def cut(self, redactor: Redactor) -> int:
        """Let go of all that `shown` would leave out, now that it has ended; return what is kept of the answer.

        It keeps its secrets: nothing of it may be seen but by `shown`.
        """
        outbound, exchange, most = self.outbound, self.exchange, redactor.enough(CAPTURED_BYTES)
        if self.size > most:
            url, body = outbound.url[:most], outbound.body and outbound.body[:most]
            self.outbound = replace(outbound, url=url, headers=_few(outbound.headers, redactor), body=body)
        if not isinstance(exchange, Answer):
            return 0
        if len(exchange.body) + _size(exchange.headers) > most:
            headers, body = _few(exchange.headers, redactor), exchange.body[:most]
            self.exchange = exchange = replace(exchange, headers=headers, body=body)
        return len(exchange.body)

    def shown(self, redactor: Redactor, now: float) -> Request:
        """Return it as captured: all of it cut, secrets replaced."""
        exchange, outbound = self.exchange, self.outbound
        answer = exchange if isinstance(exchange, Answer) else None
        return Request(
            method=outbound.method,
            url=redactor.head(outbound.url.encode(), CAPTURED_BYTES),
            status=answer.status if answer else None,
            duration_ms=exchange.duration_ms if exchange else (now - self.started) * 1000,
            request_body=None if outbound.body is None else redactor.head(outbound.body, CAPTURED_BYTES),
            response_body=redactor.head(answer.body, CAPTURED_BYTES) if answer else None,
            error=_why(exchange, redactor),
            request_headers=_headers(outbound.headers, redactor),
            response_headers=_headers(answer.headers, redactor) if answer else (),
        )


def _why(exchange: Exchange | None, redactor: Redactor) -> str | None:
    match exchange:
        case None:
            return "no answer had come when the invocation ended"
        case NoAnswer():
            return redactor.text(f"{exchange.code} {exchange.message}")
        case Answer():
            return None


def _size(headers: Sequence[tuple[str, str]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _few(headers: Sequence[tuple[str, str]], redactor: Redactor) -> tuple[tuple[str, str], ...]:
    most = redactor.enough(_CAPTURED_HEADER_BYTES)
    return tuple((name[:most], value[:most]) for name, value in headers[:_CAPTURED_HEADERS])


def _headers(headers: Sequence[tuple[str, str]], redactor: Redactor) -> tuple[tuple[str, str], ...]:
    cut = _CAPTURED_HEADER_BYTES
    return tuple(
        (redactor.head(name.encode(), cut), redactor.head(value.encode(), cut))
        for name, value in headers[:_CAPTURED_HEADERS]
    )


class Shown(Sequence[Request]):
    """Requests as their author may see them, made so when somebody looks: few events' are ever kept as a sample.

    Until then they have their secrets. So it says nothing of them in any other way, and cannot be written anywhere.
    """

    def __init__(self, asked: Sequence[Asked], redactor: Redactor, now: float) -> None:
        # What has no answer by now will not have had one when somebody looks.
        self._asked: list[Asked | Request] = [each if each.exchange else each.shown(redactor, now) for each in asked]
        self._redactor = redactor

    def __len__(self) -> int:
        return len(self._asked)

    @overload
    def __getitem__(self, index: int) -> Request: ...

    @overload
    def __getitem__(self, index: slice) -> list[Request]: ...

    def __getitem__(self, index: int | slice) -> Request | list[Request]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        found = self._asked[index]
        if isinstance(found, Asked):
            found = self._asked[index] = found.shown(self._redactor, 0)
        return found


@dataclass(slots=True)
class Broker:
    """Sends the requests of one process. `reply` takes a fetch id and an ANSWER payload; `hosts` bind every request.

    `alone` says whether no other process has work.
    """

    fetch: Fetcher
    limits: Limits
    reply: Callable[[int, bytes], None]
    seals: Seals
    alone: Callable[[], bool]
    hosts: tuple[Hosts, ...] = ()
    _tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _waiting_bytes: int = 0
    _free: asyncio.Semaphore = field(init=False)
    _pacer: Pacer = field(init=False)

    def __post_init__(self) -> None:
        self._pacer = Pacer(lambda: _BEGUN_A_TURN_ALONE if self.alone() else _BEGUN_A_TURN)
        self._free = asyncio.Semaphore(self.limits.fetches)

    def ask(self, id_: int, payload: bytes, when_done: Callable[[Asked], None]) -> tuple[protocol.Wish, Asked]:
        """Send a request in the background; `when_done` is called with what came of it. Raises ProtocolError."""
        wish, body = protocol.wish(payload)
        if id_ in self._tasks:
            raise protocol.ProtocolError("expected a new id for a fetch, got one in use")
        if len(self._tasks) >= _WAITING:
            raise protocol.ProtocolError(f"expected at most {_WAITING} fetches to wait")
        asked = Asked(self._outbound(wish, body), asyncio.get_running_loop().time())
        task = asyncio.create_task(self._serve(id_, asked, wish.redirect, when_done))
        self._tasks[id_] = task
        return wish, asked

    def cancel(self, id_: int) -> None:
        """Give up a request, if it is still under way."""
        if task := self._tasks.pop(id_, None):
            task.cancel()

    def close(self) -> None:
        """Give up all requests."""
        for id_ in list(self._tasks):
            self.cancel(id_)

    def _outbound(self, wish: protocol.Wish, body: bytes | None) -> Outbound:
        # Only at line feeds, which no value can hold; splitlines() would make a header of what follows a U+0085.
        pairs = (line.partition(": ") for line in wish.headers.split("\n") if line)
        return Outbound(
            wish.method,
            wish.url,
            tuple((name, value) for name, _, value in pairs),
            body,
            timedelta(seconds=self.limits.timeout),
            REDIRECTS if wish.redirect == "follow" else 0,
            self.limits.fetch_response_bytes,
            hosts=self.hosts,
        )

    async def _serve(self, id_: int, asked: Asked, redirect: str, when_done: Callable[[Asked], None]) -> None:
        try:
            asked.exchange = exchange = _redirected(await self._sent(asked), redirect)
            self.reply(id_, protocol.answer(exchange, asked.outbound.url))
            when_done(asked)
        except Exception:  # the top of this task: nobody awaits it, and the handler must not wait for ever
            log.exception("fetch_failed", method=asked.outbound.method)
            self.reply(id_, protocol.answer(NoAnswer("EINTERNAL", "see the server's log", 0.0), asked.outbound.url))
        finally:
            self._tasks.pop(id_, None)

    async def _sent(self, asked: Asked) -> Exchange:
        size = asked.size
        if self._waiting_bytes + size > _WAITING_RESPONSES * self.limits.fetch_response_bytes:
            return NoAnswer("ENOBUFS", "this function's waiting requests are too large together", 0.0)
        self._waiting_bytes += size
        try:
            async with self._free:
                await self._pacer.enter()
                # What is kept to be shown has the tokens: the values are nowhere but in what is sent.
                return self.seals.closed(await self.fetch(self.seals.opened(asked.outbound)))
        finally:
            self._waiting_bytes -= size


def _redirected(exchange: Exchange, redirect: str) -> Exchange:
    """Apply `redirect: "error"`, which the Fetch standard makes a network error."""
    if redirect == "error" and isinstance(exchange, Answer) and exchange.status in {301, 302, 303, 307, 308}:
        return NoAnswer("EREDIRECT", "the answer was a redirect and the request allows none", exchange.duration_ms)
    return exchange
