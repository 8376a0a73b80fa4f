"""The Tracking API on plain ASGI, with a log that answers at once. What it says to bad input is tested end to end."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from midstream.domain.attempt import read
from midstream.domain.received import Kind
from midstream.domain.topology import Snapshot, Source
from midstream.errors import LogUnavailable
from midstream.log import Appender
from midstream.pipeline.ingest import Ingest

KEY = "wk_0123456789abcdef0123456789abcdef"
AUTH = (b"authorization", b"Basic " + base64.b64encode(f"{KEY}:".encode()))
TRACK = {"userId": "u", "event": "e"}


class Stored(Appender):
    """An appender that keeps what it is given, or refuses."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.kinds: list[Kind] = []
        self.refuses = False

    def put(self, subject: str, lines: bytes, kinds: Sequence[Kind] = ()) -> asyncio.Future[None]:
        assert lines.endswith(b"\n")
        future = asyncio.get_running_loop().create_future()
        if self.refuses:
            future.set_exception(LogUnavailable("no log"))
        else:
            self.lines += lines[:-1].split(b"\n")
            self.kinds += kinds
            future.set_result(None)
        return future


class Asking:
    """Sends requests to an Ingest. What is not for it goes to `rest`, which answers 404."""

    def __init__(self) -> None:
        self.snapshot = _snapshot(KEY)
        self.events = Stored()
        self.notes = Stored()
        self.held: Snapshot | None = self.snapshot  # by a database that may know more, or not answer
        self._app = Ingest(self, self.events, self.notes).before(_rest)

    async def look(self) -> bool:
        self.snapshot = self.held or self.snapshot
        return self.held is not None

    async def __call__(
        self, path: str, *bodies: bytes, headers: Sequence[tuple[bytes, bytes]] = (AUTH,), method: str = "POST"
    ) -> tuple[int, Any]:
        coming: list[Message] = [{"type": "http.request", "body": body, "more_body": True} for body in bodies]
        coming[-1]["more_body"] = False
        return await self.answer(path, coming, headers, method)

    async def answer(
        self, path: str, coming: list[Message], headers: Sequence[tuple[bytes, bytes]] = (AUTH,), method: str = "POST"
    ) -> tuple[int, Any]:
        said: list[Message] = []

        async def receive() -> Message:
            return coming.pop(0)

        async def send(message: Message) -> None:
            said.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": list(headers), "client": ("127.0.0.1", 1)}
        await self._app(scope, receive, send)
        return said[0]["status"], json.loads(said[1]["body"] or b"null")


def _snapshot(*keys: str) -> Snapshot:
    hashes = frozenset(hashlib.sha256(key.encode()).hexdigest() for key in keys)
    return Snapshot.of(1, [Source("src_1", "website", "website", True, hashes)], [])


async def _rest(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b'"rest"'})


@pytest.fixture
def ask() -> Asking:
    return Asking()


async def test_a_body_may_come_in_pieces(ask: Asking) -> None:
    body = json.dumps(TRACK).encode()
    assert await ask("/v1/track", body[:5], b"", body[5:]) == (200, {"success": True})
    assert json.loads(ask.events.lines[0])["event"] == "e"


async def test_the_log_is_told_of_what_kind_each_accepted_event_is(ask: Asking) -> None:
    batch = [
        TRACK | {"type": "track", "context": {"app": {"version": "2.0"}}},
        {"type": "page", "name": "Home", "userId": "u"},
        {"type": "track", "userId": "u"},
    ]
    await ask("/v1/batch", json.dumps({"batch": batch, "context": {"app": {"version": "1.0"}}}).encode())
    await ask("/v1/track", json.dumps(TRACK).encode())
    assert ask.events.kinds == [("track", "e", "2.0"), ("page", "Home", "1.0"), ("track", "e", "")]


@pytest.mark.parametrize(
    ("path", "event", "counted"),
    [
        ("/v1/track", {"event": "Paid", "context": {"app": {"version": "1.0"}}}, ("track", "Paid", "1.0")),
        ("/v1/page", {"event": "no", "name": "Home"}, ("page", "Home", "")),
        ("/v1/track", {"event": 5, "userId": "u"}, ("track", "", "")),
        ("/v1/track", {"event": "x" * 5000}, ("track", "x" * 120, "")),
        ("/v1/track", {"messageId": 5}, ("track", "", "")),
        ("/v1/batch", {"batch": [{"type": "track", "event": "Paid"}]}, ("track", "Paid", "")),
        ("/v1/batch", {"batch": [{"type": "mystery", "event": "Paid", "userId": "u"}]}, ("", "", "")),
        ("/v1/batch", {"batch": ["not an event"]}, ("", "", "")),
    ],
)
async def test_a_refused_event_is_counted_as_what_it_seems_to_be(
    ask: Asking, path: str, event: Any, counted: tuple[str, str, str]
) -> None:
    await ask(path, json.dumps(event).encode())
    [record] = read(ask.notes.lines[0])
    assert [(each.type, each.event, each.app_version) for each in record.attempts] == [counted]


async def test_a_body_is_refused_before_its_end_once_it_is_too_large(ask: Asking) -> None:
    coming: list[Message] = [{"type": "http.request", "body": b" " * 20_000, "more_body": True} for _ in range(5)]
    status, answer = await ask.answer("/v1/track", coming)
    assert (status, answer["errors"][0]["reason"]) == (400, "bad_request")
    assert len(coming) == 3


async def test_who_leaves_before_the_end_of_the_body_stores_nothing(ask: Asking) -> None:
    coming: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    assert await ask.answer("/v1/track", coming) == (400, None)
    assert ask.events.lines == []


async def test_of_a_header_given_twice_the_first_counts(ask: Asking) -> None:
    body = json.dumps(TRACK).encode()
    wrong = (b"authorization", b"Basic " + base64.b64encode(b"wk_nobody:"))
    assert (await ask("/v1/track", body, headers=[AUTH, wrong]))[0] == 200
    assert (await ask("/v1/track", body, headers=[wrong, AUTH]))[0] == 401


async def test_a_write_key_that_was_good_is_refused_once_it_is_revoked(ask: Asking) -> None:
    body = json.dumps(TRACK).encode()
    assert (await ask("/v1/track", body))[0] == 200
    ask.snapshot = ask.held = Snapshot.of(2, [], [])
    assert (await ask("/v1/track", body))[0] == 401


async def test_a_key_in_the_body_counts_only_where_the_header_has_none(ask: Asking) -> None:
    empty = (b"authorization", b"Basic " + base64.b64encode(b":"))
    for headers in ((), [empty], [(b"authorization", b"Bearer x")]):
        for key, status in ((KEY, 200), ("wk_nobody", 401), (None, 401), (KEY, 200)):
            body = json.dumps({**TRACK, "writeKey": key}).encode()
            assert (await ask("/v1/track", body, headers=headers))[0] == status
    body = json.dumps({**TRACK, "writeKey": "wk_nobody"}).encode()
    assert (await ask("/v1/track", body))[0] == 200


async def test_what_the_log_did_not_take_never_gets_a_200(ask: Asking) -> None:
    ask.events.refuses = True
    event = json.dumps(TRACK | {"type": "track"})
    for path, body in (("/v1/t", event), ("/v1/batch", f'{{"batch": [{event}, {{}}]}}')):
        status, answer = await ask(path, body.encode())
        assert (status, answer["errors"][0]["reason"]) == (503, "unavailable")


async def test_all_but_posts_to_its_own_paths_is_left_to_the_rest(ask: Asking) -> None:
    for method, path in (("GET", "/v1/track"), ("POST", "/v1/tracks"), ("POST", "/v1/track/"), ("OPTIONS", "/v1/t")):
        assert await ask(path, b"{}", method=method) == (404, "rest")


async def test_a_write_key_that_was_made_a_moment_ago_is_taken(ask: Asking) -> None:
    new = "wk_fedcba9876543210fedcba9876543210"
    ask.held = _snapshot(KEY, new)
    body = json.dumps(TRACK | {"writeKey": new}).encode()
    assert await ask("/v1/track", body, headers=()) == (200, {"success": True})
    assert len(ask.events.lines) == 1


async def test_an_unknown_write_key_is_to_be_sent_again_while_the_database_does_not_answer(ask: Asking) -> None:
    ask.held = None
    status, answer = await ask("/v1/track", json.dumps(TRACK | {"writeKey": "wk_nobody"}).encode(), headers=())
    assert (status, answer["errors"][0]["reason"]) == (503, "unavailable")
    assert (await ask("/v1/track", json.dumps(TRACK).encode()))[0] == 200
