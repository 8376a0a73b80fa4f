"""Webhooks as a receiver sees them: one a request or in batches, signed, compressed, retried by what it answers."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from midstream.destinations import CATALOG, Ports, Sender, Sent
from midstream.domain.outcome import Delivered, Discarded, Retrying
from midstream.domain.topology import Destination
from midstream.egress import Egress
from tests.integration.receiver import Received, Receiver, Reply, receiving

EVENTS = [b'{"messageId":"m%d","n":%d}' % (n, n) for n in range(5)]
IDS = [f"m{n}" for n in range(5)]

Connect = Callable[..., Sender]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.fixture
async def connect(receiver: Receiver) -> AsyncIterator[Connect]:
    egress = Egress(allow=["127.0.0.1"])

    async def publish(subject: str, data: bytes) -> None:
        raise AssertionError(f"a webhook published to {subject}")

    def build(*, secrets: tuple[str, ...] = (), door: Egress = egress, **settings: Any) -> Sender:
        epoch = datetime.fromtimestamp(0, UTC)
        chosen = {"url": f"{receiver.url}/hook", **settings}
        destination = Destination("dst_1", "src_1", "webhook", "Hook", True, epoch, epoch, None, chosen, secrets)
        return CATALOG["webhook"].build(destination, Ports(door, publish))

    yield build
    await egress.close()


def statuses(sent: Sequence[Sent]) -> list[int | None]:
    return [one.request.status if one.request else None for one in sent]


async def test_each_event_is_a_request_of_its_own(connect: Connect, receiver: Receiver) -> None:
    sent = await connect().send(EVENTS, IDS)
    assert [one.outcome for one in sent] == [Delivered()] * 5
    assert sorted(receiver.bodies) == EVENTS
    for request in receiver.requests:
        message_id = json.loads(request.body)["messageId"]
        assert (request.method, request.path) == ("POST", "/hook")
        assert request.headers["content-type"] == "application/json"
        assert request.headers["user-agent"].startswith("midstream/")
        assert request.headers["idempotency-key"] == f"{message_id}:dst_1"


async def test_each_event_has_the_outcome_of_its_own_request(connect: Connect, receiver: Receiver) -> None:
    answers = {
        0: Reply(),
        1: Reply(404),
        2: Reply(503, headers={"Retry-After": "9"}),
        3: Reply(501),
        4: Reply(hang_up=True),
    }
    receiver.reply = lambda request: answers[json.loads(request.body)["n"]]
    outcomes = [one.outcome for one in await connect().send(EVENTS, IDS)]
    assert [type(outcome) for outcome in outcomes] == [Delivered, Discarded, Retrying, Discarded, Retrying]
    assert [getattr(outcome, "reason", None) for outcome in outcomes] == [None, "404", "503", "501", "ECONNRESET"]


async def test_a_redirect_is_not_followed(connect: Connect, receiver: Receiver) -> None:
    receiver.default = Reply(307, headers={"Location": "/elsewhere"})
    (sent,) = await connect().send(EVENTS[:1], IDS[:1])
    assert isinstance(sent.outcome, Discarded)
    assert sent.outcome.reason == "307"
    assert len(receiver.requests) == 1


async def test_a_loopback_url_is_blocked_and_waits_for_an_operator(connect: Connect, receiver: Receiver) -> None:
    door = Egress()
    (sent,) = await connect(door=door).send(EVENTS[:1], IDS[:1])
    await door.close()
    assert isinstance(sent.outcome, Retrying)
    assert sent.outcome.reason == "EBLOCKED"
    assert "egress_allow" in sent.outcome.detail
    assert receiver.requests == []


async def test_a_success_with_an_endless_answer_is_a_success(connect: Connect, receiver: Receiver) -> None:
    receiver.default = Reply(body=b"x" * 10_000_000)
    (sent,) = await connect().send(EVENTS[:1], IDS[:1])
    assert sent.outcome == Delivered()


@pytest.mark.parametrize("message_id", ["ünïcode", "line\r\nbreak: 1", "tab\there", "x" * 100])
async def test_any_message_id_makes_a_header(connect: Connect, receiver: Receiver, message_id: str) -> None:
    (sent,) = await connect(shared_secret="hunter2").send(EVENTS[:1], [message_id])
    assert sent.outcome == Delivered()
    assert "break" not in receiver.requests[0].headers


async def test_an_array_holds_all_events_and_one_answer_is_for_all(connect: Connect, receiver: Receiver) -> None:
    receiver.default = Reply(429)
    sent = await connect(batch="array").send(EVENTS, IDS)
    (request,) = receiver.requests
    assert json.loads(request.body) == [json.loads(event) for event in EVENTS]
    assert request.headers["content-type"] == "application/json"
    assert "idempotency-key" not in request.headers
    assert all(isinstance(one.outcome, Retrying) and one.outcome.reason == "429" for one in sent)
    assert len({id(one.request) for one in sent}) == 1


async def test_ndjson_holds_an_event_a_line(connect: Connect, receiver: Receiver) -> None:
    await connect(batch="ndjson").send(EVENTS, IDS)
    (request,) = receiver.requests
    assert request.body == b"\n".join(EVENTS) + b"\n"
    assert request.headers["content-type"] == "application/x-ndjson"


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        ({"batch_count": 2}, [1, 2, 2]),
        ({"batch_bytes": 3 * len(EVENTS[0]) + 4}, [2, 3]),
        ({"batch_bytes": 1}, [1, 1, 1, 1, 1]),
    ],
)
async def test_batches_are_cut_by_count_and_by_bytes(
    connect: Connect, receiver: Receiver, limits: dict[str, int], sizes: list[int]
) -> None:
    sent = await connect(batch="array", **limits).send(EVENTS, IDS)
    assert len(sent) == 5
    assert sorted(len(json.loads(body)) for body in receiver.bodies) == sizes
    assert all(len(body) <= limits.get("batch_bytes", 10**9) for body in receiver.bodies if len(json.loads(body)) > 1)


async def test_outcomes_of_cut_batches_stay_with_their_events(connect: Connect, receiver: Receiver) -> None:
    receiver.reply = lambda request: Reply(404 if b'"n":2' in request.body else 200)
    sent = await connect(batch="array", batch_count=2).send(EVENTS, IDS)
    assert [isinstance(one.outcome, Delivered) for one in sent] == [True, True, False, False, True]


async def test_gzip_compresses_and_says_so_and_signs_what_is_inside(connect: Connect, receiver: Receiver) -> None:
    await connect(gzip=True, shared_secret="hunter2").send(EVENTS[:1], IDS[:1])
    (request,) = receiver.requests
    assert request.headers["content-encoding"] == "gzip"
    assert gzip.decompress(request.body) == EVENTS[0]
    assert request.headers["x-signature"] == hmac.new(b"hunter2", EVENTS[0], hashlib.sha1).hexdigest()


def verified(request: Received, key: bytes) -> bool:
    """Verify as a receiver would, from the Standard Webhooks specification."""
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    fresh = abs(time.time() - int(request.headers["webhook-timestamp"])) < 60
    return fresh and request.headers["webhook-signature"] == f"v1,{expected}"


async def test_a_receiver_can_verify_both_signatures(connect: Connect, receiver: Receiver) -> None:
    await connect(shared_secret="hunter2").send(EVENTS[:1], IDS[:1])
    (request,) = receiver.requests
    assert request.headers["webhook-id"] == "m0"
    assert verified(request, b"hunter2")
    assert request.headers["x-signature"] == hmac.new(b"hunter2", request.body, hashlib.sha1).hexdigest()


async def test_a_batch_is_signed_whole_and_keeps_its_id_when_sent_again(connect: Connect, receiver: Receiver) -> None:
    hook = connect(batch="array", shared_secret="whsec_" + base64.b64encode(b"some key").decode())
    await hook.send(EVENTS, IDS)
    await hook.send(EVENTS, IDS)
    await hook.send(EVENTS[1:], IDS[1:])
    assert all(verified(request, b"some key") for request in receiver.requests)
    first, again, other = (request.headers["webhook-id"] for request in receiver.requests)
    assert first == again != other


async def test_own_headers_are_sent_and_win(connect: Connect, receiver: Receiver) -> None:
    headers = {"content-type": "application/vnd.acme+json", "X-Team": "growth"}
    await connect(method="PUT", headers=headers, secret_headers={"Authorization": "Bearer hunter2"}).send(
        EVENTS[:1], IDS[:1]
    )
    (request,) = receiver.requests
    assert request.method == "PUT"
    assert request.headers["content-type"] == "application/vnd.acme+json"
    assert request.headers["x-team"] == "growth"
    assert request.headers["authorization"] == "Bearer hunter2"


async def test_no_more_requests_in_flight_than_set_over_all_batches(connect: Connect, receiver: Receiver) -> None:
    receiver.default = Reply(delay=0.05)
    hook = connect(concurrency=3)
    await asyncio.gather(hook.send(EVENTS, IDS), hook.send(EVENTS, IDS))
    assert len(receiver.requests) == 10
    assert receiver.most_in_flight == 3


async def test_failures_and_the_first_success_bring_a_sample(connect: Connect, receiver: Receiver) -> None:
    receiver.reply = lambda request: Reply(404 if b'"n":4' in request.body else 200)
    sent = await connect(concurrency=1).send(EVENTS, IDS)
    assert statuses(sent) == [200, None, None, None, 404]


async def test_a_sample_shows_the_exchange_without_its_secrets(connect: Connect, receiver: Receiver) -> None:
    receiver.default = Reply(
        400, b'{"error":"bad token hunter2-token","secret":"hunter2-shared","other":"hunter2-other"}'
    )
    hook = connect(
        secrets=("hunter2-other",),
        shared_secret="hunter2-shared",
        headers={"X-Api-Key": "hunter2-plain", "X-Team": "growth"},
        secret_headers={"X-Auth": "hunter2-token"},
    )
    (sent,) = await hook.send([b'{"messageId":"m0","echo":"hunter2-shared"}'], ["m0"])
    sample = sent.request
    assert sample is not None
    assert "hunter2" not in repr(sample)
    assert (sample.method, sample.url, sample.status) == ("POST", f"{receiver.url}/hook", 400)
    assert sample.request_body == '{"messageId":"m0","echo":"••••"}'
    assert sample.response_body == '{"error":"bad token ••••","secret":"••••","other":"••••"}'
    headers = dict(sample.request_headers)
    assert (headers["X-Auth"], headers["X-Api-Key"], headers["X-Team"]) == ("••••", "••••", "growth")
    assert sample.error is None
    assert sample.duration_ms > 0


async def test_a_sample_of_no_answer_says_why(connect: Connect, receiver: Receiver) -> None:
    receiver.default = Reply(hang_up=True)
    (sent,) = await connect().send(EVENTS[:1], IDS[:1])
    assert sent.request is not None
    assert (sent.request.status, sent.request.response_body) == (None, None)
    assert str(sent.request.error).startswith("ECONNRESET: ")


async def test_a_samples_bodies_are_cut_at_4_kb(connect: Connect, receiver: Receiver) -> None:
    receiver.default = Reply(500, b"y" * 10_000)
    (sent,) = await connect(gzip=True).send([b'{"x":"' + b"x" * 10_000 + b'"}'], ["m0"])
    assert sent.request is not None
    assert len(sent.request.request_body or "") == 4096
    assert len(sent.request.response_body or "") == 4096


async def test_nothing_to_send_sends_nothing(connect: Connect, receiver: Receiver) -> None:
    assert list(await connect(batch="array").send([], [])) == []
    assert receiver.requests == []
