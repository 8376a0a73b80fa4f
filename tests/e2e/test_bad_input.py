"""What the Tracking API answers to what it cannot take, and while it cannot take anything (contract §4.1)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from midstream.domain.rules import BATCH_BYTES, EVENT_BYTES
from midstream.log import Log, Pull, connect
from midstream.log.server import running_endpoint
from tests.e2e.client import AUTH, apply
from tests.whole import WRITE_KEY, Whole, running

Answer = tuple[int, Any]

TRACK: dict[str, Any] = {"type": "track", "event": "Order Completed", "userId": "u-1"}
OK: Answer = (200, {"success": True})
DISABLED = "wk_ffffffffffffffffffffffffffffffff"
SOURCES = f"""
[source.website]
write_keys = ["{WRITE_KEY}"]
[source.closed]
enabled = false
write_keys = ["{DISABLED}"]
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with running(tmp_path_factory.mktemp("bad-input")) as whole:
        asyncio.run(apply(whole, {"sources.toml": SOURCES}))
        yield whole


def basic(user: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(user.encode()).decode()}


async def send(whole: Whole, path: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
    """POST a body: text and bytes as they are, all else as JSON."""
    data = body if isinstance(body, (str, bytes)) else json.dumps(body)
    async with (
        aiohttp.ClientSession(base_url=whole.base_url, headers=AUTH if headers is None else headers) as session,
        session.post(path, data=data) as answer,
    ):
        assert answer.headers["access-control-allow-origin"] == "*"
        return answer.status, await answer.json()


def refusal(status: int, reason: str, detail: str, field: str | None = None) -> Answer:
    return status, {"success": False, "errors": [{"reason": reason, "field": field, "detail": detail}]}


def malformed(detail: str) -> Answer:
    return refusal(400, "bad_request", detail)


def padded(size: int) -> dict[str, Any]:
    """Make a track of exactly so many bytes."""
    empty = {**TRACK, "properties": {"x": ""}}
    return {**TRACK, "properties": {"x": "y" * (size - len(json.dumps(empty)))}}


NOT_JSON = "the body is not valid JSON: "
NO_FORM = "the body does not have the right form: "
CASES: dict[str, tuple[str, Any, Answer]] = {
    "cut off": ("/v1/track", '{"userId":', malformed(NOT_JSON + "Input data was truncated")),
    "empty": ("/v1/track", "", malformed("the body is empty; expected a JSON object")),
    "more after it": (
        "/v1/track",
        json.dumps(TRACK) + "}",
        malformed(NOT_JSON + "JSON is malformed: trailing characters (byte 63)"),
    ),
    "not a number": (
        "/v1/track",
        '{"x": NaN}',
        malformed(NOT_JSON + "JSON is malformed: invalid character (byte 6)"),
    ),
    "an array": ("/v1/track", [], malformed(NO_FORM + "Expected `object`, got `array`")),
    "a string": ("/v1/track", '"x"', malformed(NO_FORM + "Expected `object`, got `str`")),
    "not UTF-8": (
        "/v1/track",
        b'{"event":"\xff"}',
        malformed(NOT_JSON + "'utf-8' codec can't decode byte 0xff in position 10: invalid start byte"),
    ),
    "an event of 33 KB": (
        "/v1/track",
        padded(33 * 1024),
        malformed("the event is too large; the limit is 32,768 bytes"),
    ),
    "a batch of 501 KB": (
        "/v1/batch",
        {"batch": [padded(30 * 1024)] * 16 + [padded(21 * 1024)]},
        malformed("the batch is too large; the limit is 512,000 bytes"),
    ),
    "2,501 events": (
        "/v1/batch",
        {"batch": [{"type": "page", "userId": "u"}] * 2501},
        refusal(400, "bad_request", "batch holds 2,501 events; the limit is 2,500", "batch"),
    ),
    "no batch": ("/v1/batch", {}, malformed(NO_FORM + "Object missing required field `batch`")),
    "an object as batch": (
        "/v1/batch",
        {"batch": {}},
        malformed(NO_FORM + "Expected `array`, got `object` - at `$.batch`"),
    ),
    "an empty batch": ("/v1/batch", {"batch": []}, refusal(400, "empty_batch", "batch holds no events", "batch")),
    "too deep to read": (
        "/v1/track",
        '{"x":' + "[" * 9000 + "]" * 9000 + "}",
        malformed("the body is nested too deeply"),
    ),
    "too deep": (
        "/v1/track",
        json.dumps(TRACK)[:-1] + ', "x":' + "[" * 300 + "]" * 300 + "}",
        malformed("the event is nested more than 200 levels deep"),
    ),
    "an unknown path": (
        "/v1/tracks",
        TRACK,
        refusal(404, "not_found", "there is no POST /v1/tracks; POST to /v1/track, /v1/batch and so on"),
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_bad_body_is_refused_with_what_is_wrong_with_it(whole: Whole, case: str) -> None:
    path, body, answer = CASES[case]
    assert await send(whole, path, body) == answer


REASONS: list[tuple[str, dict[str, Any], str, str | None, str]] = [
    ("track", {"event": "e"}, "no_user_anon_id", "userId", "either userId or anonymousId is required"),
    ("track", {"userId": "", "event": "e"}, "no_user_anon_id", "userId", "either userId or anonymousId is required"),
    ("track", {"userId": "u"}, "event_not_defined", "event", "a track needs an event name"),
    ("track", {"userId": "u", "event": 5}, "event_not_string", "event", "event must be a string"),
    ("track", {"userId": 5, "event": "e"}, "id_not_string", "userId", "userId must be a string"),
    (
        "track",
        {"userId": "u", "event": "e", "properties": []},
        "properties_not_object",
        "properties",
        "properties must be an object",
    ),
    (
        "track",
        {"userId": "u", "event": "e", "messageId": "m" * 101},
        "bad_request",
        "messageId",
        "messageId must be at most 100 characters",
    ),
    ("identify", {"userId": "u", "traits": "x"}, "traits_not_object", "traits", "traits must be an object"),
    ("page", {"userId": "u", "name": 5}, "name_not_string", "name", "name must be a string"),
    ("screen", {"userId": "u", "category": 5}, "category_not_string", "category", "category must be a string"),
    ("group", {"userId": "u"}, "id_required", "groupId", "a group needs a groupId"),
    ("alias", {"userId": "u"}, "id_required", "previousId", "an alias needs a previousId"),
    ("delete", {"anonymousId": "a"}, "id_required", "userId", "a delete needs a userId"),
    ("page", {"userId": "u", "context": "x"}, "context_not_object", "context", "context must be an object"),
    ("page", {"userId": "u", "integrations": 5}, "integrations_not_object", "integrations", "integrations must be an object"),
]  # fmt: skip


async def test_a_bad_event_is_refused_with_segments_reason_alone_and_in_a_batch(whole: Whole) -> None:
    for path, event, reason, field, detail in REASONS:
        assert await send(whole, f"/v1/{path}", event) == refusal(400, reason, detail, field)
    typed = [{"type": path, **event} for path, event, *_ in REASONS]
    typed += [padded(EVENT_BYTES + 1), 5, None, {"userId": "u"}]  # type: ignore[list-item] # no events at all
    size = f"the event is {EVENT_BYTES + 1:,} bytes; the limit is {EVENT_BYTES:,}"
    types = "type must be one of identify, track, page, screen, group, alias, delete"
    wanted = [(reason, detail) for _, _, reason, _, detail in REASONS]
    wanted += (
        [("bad_request", size)] + [("bad_request", "an event must be a JSON object")] * 2 + [("bad_request", types)]
    )
    good = [TRACK, padded(EVENT_BYTES)]
    status, answer = await send(whole, "/v1/batch", {"batch": [good[0], *typed, good[1]]})
    assert (status, answer["success"]) == (200, True)
    assert answer["rejected"] == [
        {"index": index, "reason": reason, "detail": detail} for index, (reason, detail) in enumerate(wanted, 1)
    ]


async def test_half_a_character_does_not_cost_the_batch(whole: Whole) -> None:
    # JavaScript writes "🦊".slice(0, 1) so; an escaped whole one, and an escaped backslash before a u, stay as they are.
    body = r'{"batch":[{"type":"track","userId":"u","event":"\ud83e|\ud83e\udd8a|\\ud83e|\uDD8A","messageId":"half"}]}'
    async with reading(whole) as events:
        assert await send(whole, "/v1/batch", body) == OK
        assert await send(whole, "/v1/track", body[10:-2]) == OK
        for _ in range(2):
            assert (await events())["event"] == "\ufffd|🦊|\\ud83e|\ufffd"


@contextlib.asynccontextmanager
async def reading(whole: Whole) -> AsyncIterator[Any]:
    """Read the log from now on; yields what returns the next event that was accepted."""
    log = await connect(running_endpoint(whole.data_dir), name="test")
    pull = Pull(log, "EVENTS", await log.ensure_reader("EVENTS", after=None), batch=200)
    await pull.start()
    lines: list[bytes] = []

    async def following() -> Any:
        while not lines:
            async with asyncio.timeout(20):
                for message in await pull.get(200):
                    lines.extend(message.data.split(b"\n"))
        return json.loads(lines.pop(0))

    try:
        yield following
    finally:
        await pull.stop()
        await log.close()


async def test_every_way_to_give_the_write_key_is_taken_and_a_wrong_one_is_told(whole: Whole) -> None:
    keyed = {**TRACK, "writeKey": WRITE_KEY}
    for headers, body in (
        (basic(f"{WRITE_KEY}:"), TRACK),
        (basic(WRITE_KEY), TRACK),  # without the colon
        ({}, keyed),
        (basic(":"), keyed),
        ({"authorization": "Bearer of-some-oauth"}, keyed),
        (basic(f"{WRITE_KEY}:"), {**TRACK, "writeKey": None}),
    ):
        assert await send(whole, "/v1/track", body, headers) == OK
        batch = {"batch": [TRACK], **({"writeKey": body["writeKey"]} if "writeKey" in body else {})}
        assert await send(whole, "/v1/batch", batch, headers) == OK
    missing = refusal(401, "unknown_source", "no write key: send it as the Basic auth user or as writeKey", "writeKey")
    assert await send(whole, "/v1/track", TRACK, {}) == missing
    assert await send(whole, "/v1/batch", {"batch": [TRACK]}, {}) == missing
    unknown = refusal(401, "unknown_source", "no source has this write key", "writeKey")
    assert await send(whole, "/v1/track", TRACK, basic("wk_nobody:")) == unknown
    assert await send(whole, "/v1/batch", {"batch": [TRACK], "writeKey": "wk_nobody"}, {}) == unknown
    garbled = refusal(401, "unknown_source", "the Authorization header is not valid Basic auth")
    assert await send(whole, "/v1/track", TRACK, {"authorization": "Basic !!!"}) == garbled
    closed = refusal(403, "source_disabled", "the source 'closed' is disabled")
    assert await send(whole, "/v1/track", TRACK, basic(f"{DISABLED}:")) == closed


async def test_gzip_is_taken_and_what_is_wrong_with_it_is_told(whole: Whole) -> None:
    zipped = gzip.compress(json.dumps(TRACK).encode())
    encoded = {**AUTH, "content-encoding": "gzip"}
    assert await send(whole, "/v1/track", zipped, encoded) == OK
    assert await send(whole, "/v1/track", zipped, {**AUTH, "content-encoding": "GZIP"}) == OK
    assert await send(whole, "/v1/track", json.dumps(TRACK), {**AUTH, "content-encoding": "identity"}) == OK
    for body, detail in (
        (json.dumps(TRACK), "content-encoding says gzip, but the body is not gzip"),
        (zipped[:-2], "the gzip body is cut off before its end"),
        (b"", "the gzip body is cut off before its end"),
        (zipped + zipped, "the gzip body goes on after its end; send one gzip member"),
        # Bombs: 10 MB of white space in 10 KB, and what fits only while it is zipped.
        (gzip.compress(b" " * 10_000_000), f"the event is too large; the limit is {EVENT_BYTES:,} bytes"),
        (
            gzip.compress(json.dumps(padded(EVENT_BYTES + 1)).encode()),
            f"the event is too large; the limit is {EVENT_BYTES:,} bytes",
        ),
    ):
        assert await send(whole, "/v1/track", body, encoded) == malformed(detail)
    bomb = gzip.compress(b" " * 200_000_000)
    assert len(bomb) < BATCH_BYTES
    assert await send(whole, "/v1/batch", bomb, encoded) == malformed(
        "the batch is too large; the limit is 512,000 bytes"
    )
    for encoding in ("br", "gzip, gzip"):
        refused = malformed(f"content-encoding {encoding!r} is not supported; use gzip or none")
        assert await send(whole, "/v1/track", zipped, {**AUTH, "content-encoding": encoding}) == refused


async def test_short_forms_plain_text_and_import_are_taken_as_browsers_send_them(whole: Whole) -> None:
    event = {"userId": "u", "event": "e", "groupId": "g", "previousId": "p"}
    plain = {**AUTH, "content-type": "text/plain"}
    async with reading(whole) as events:
        for path, type_ in zip("itpsga", ("identify", "track", "page", "screen", "group", "alias"), strict=True):
            # The path says what it is, whatever the event says.
            assert await send(whole, f"/v1/{path}", {**event, "type": "delete"}, plain) == OK
            assert (await events())["type"] == type_
        for path in ("b", "batch", "import"):
            assert await send(whole, f"/v1/{path}", {"batch": [{**event, "type": "page"}]}, plain) == OK
            assert (await events())["type"] == "page"
    assert await send(whole, "/v1/m", "the SDK's own metrics", {}) == OK


async def test_browsers_on_any_site_may_send(whole: Whole) -> None:
    asked = {
        "origin": "https://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type",
    }
    async with aiohttp.ClientSession() as session:
        for path in ("track", "t", "b", "batch"):
            async with session.options(f"{whole.base_url}/v1/{path}", headers=asked) as answer:
                assert answer.status == 204
                assert answer.headers["access-control-allow-origin"] == "*"
                assert "POST" in answer.headers["access-control-allow-methods"]
                assert {"authorization", "content-type"} <= set(
                    answer.headers["access-control-allow-headers"].split(", ")
                )


# --- while the log cannot take anything ---


async def stored(log: Log) -> int:
    """Count the events in the log."""
    pull = Pull(log, "EVENTS", await log.ensure_reader("EVENTS", after=0), batch=200)
    await pull.start()
    wanted, found = (await log.stream_info("EVENTS")).messages, 0
    messages = 0
    try:
        while messages < wanted:
            async with asyncio.timeout(30):
                for message in await pull.get(200):
                    messages += 1
                    found += message.data.count(b"\n") + 1
    finally:
        await pull.stop()
    return found


async def flood(whole: Whole, *, until_refused: int) -> tuple[int, list[dict[str, str]]]:
    """Send batches until so many were refused; return how many events got a 200, and the refusals' headers."""
    taken = 0
    refused: list[dict[str, str]] = []
    batch = {"batch": [padded(20_000) | {"messageId": None} for _ in range(10)]}
    async with aiohttp.ClientSession(base_url=whole.base_url, headers=AUTH) as session:
        deadline = time.monotonic() + 60
        while len(refused) < until_refused and time.monotonic() < deadline:
            async with session.post("/v1/batch", json=batch) as answer:
                if answer.status == 200:
                    assert await answer.json() == {"success": True}
                    taken += 10
                else:
                    assert answer.status == 503, await answer.text()
                    said = await answer.json()
                    assert said["success"] is False
                    assert said["errors"][0]["reason"] == "unavailable"
                    refused.append(dict(answer.headers) | {"detail": said["errors"][0]["detail"]})
    return taken, refused


async def test_a_full_log_answers_503_and_holds_all_that_was_answered_with_200(tmp_path: Path) -> None:
    # A destination that has everything before it still: nothing may give way.
    hook = '[destination.hook]\nsource = "website"\ntype = "webhook"\nsettings = { url = "http://127.0.0.1:1" }\n'
    with running(tmp_path, "--workers", "1", MIDSTREAM_LOG_MAX_BYTES="2097152") as whole:
        await apply(whole, {"sources.toml": SOURCES + hook})
        for worker in whole.pids("worker"):
            os.kill(worker, signal.SIGSTOP)
        try:
            taken, refused = await flood(whole, until_refused=5)
            log = await connect(running_endpoint(whole.data_dir), name="test")
            assert taken > 0
            assert len(refused) == 5
            assert all(each["Retry-After"] == "1" for each in refused)
            assert refused[0]["detail"] == "the event log is full; send it again"
            assert await stored(log) == taken
            await log.close()
        finally:
            for worker in whole.pids("worker"):
                os.kill(worker, signal.SIGCONT)


async def test_a_log_that_is_gone_gives_503_in_time_and_works_again_once_it_is_back(tmp_path: Path) -> None:
    with running(tmp_path, MIDSTREAM_INGEST_TIMEOUT="1") as whole:
        await apply(whole, {"sources.toml": SOURCES})
        assert await send(whole, "/v1/track", {**TRACK, "messageId": "before"}) == OK
        (server,) = whole.pids("log")
        os.kill(server, signal.SIGSTOP)
        try:
            started = time.monotonic()
            status, answer = await send(whole, "/v1/track", {**TRACK, "messageId": "meanwhile"})
            assert time.monotonic() - started < 5
            detail = "the event log did not answer in time; send it again"
            assert (status, answer) == refusal(503, "unavailable", detail)
        finally:
            os.kill(server, signal.SIGCONT)
        await until_taken(whole, {**TRACK, "messageId": "after"})
        log = await connect(running_endpoint(whole.data_dir), name="test")
        # What was refused may be there all the same, since it may have been on its way; what was taken must be.
        assert await stored(log) >= 2
        await log.close()


async def until_taken(whole: Whole, event: dict[str, Any]) -> None:
    deadline = time.monotonic() + 60
    while (answer := await send(whole, "/v1/track", event)) != OK:
        assert answer[0] == 503
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.1)


@pytest.mark.root
async def test_a_full_disk_gives_503_and_nothing_that_got_200_is_missing_after_room_was_made(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, running(disk, MIDSTREAM_INGEST_TIMEOUT="1") as whole:
        await apply(whole, {"sources.toml": SOURCES})
        ballast = disk / "ballast"
        ballast.write_bytes(b"\0" * (room(disk) - 3 * 1024 * 1024))
        taken, refused = await flood(whole, until_refused=5)
        assert len(refused) == 5
        assert all(each["Retry-After"] == "1" for each in refused)
        ballast.unlink()
        await until_taken(whole, TRACK)
        log = await connect(running_endpoint(whole.data_dir), name="test")
        assert await stored(log) >= taken + 1
        await log.close()
        assert whole.is_ready()
        assert "there is room on the disk again" in whole.log()


def room(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
