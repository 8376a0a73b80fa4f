"""What settle writes down is bounded, whatever a function made of its event."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from midstream.domain.attempt import Record, read
from midstream.domain.function import Ending, ErrorInfo, Invocation, LogLine, Request
from midstream.domain.outcome import Delivered, Discarded, Outcome, Quarantined, Retrying, Stage
from midstream.domain.topology import Destination
from midstream.errors import LogUnavailable
from midstream.pipeline.passage import Passage, begin
from midstream.pipeline.settle import Settler

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DESTINATION = Destination("dst_1", "src_1", "webhook", "Hook", True, NOW, NOW, None, {}, secrets=("planted-secret",))


class FakeLog:
    def __init__(self, *, broken: bool = False) -> None:
        self.appended: list[tuple[str, bytes, dict[str, str]]] = []
        self.broken = broken

    async def append(self, subject: str, payload: bytes, *, message_id: str, headers: Any = None) -> int:
        if self.broken:
            raise LogUnavailable("gone")
        self.appended.append((subject, payload, headers or {}))
        return 1


class FakeNotes:
    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def put(self, subject: str, lines: bytes) -> asyncio.Future[None]:
        self.lines += lines.splitlines()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


async def settled(*passages: Passage, log: FakeLog | None = None) -> tuple[Record, FakeLog]:
    log, notes = log or FakeLog(), FakeNotes()
    await Settler(log, notes).settle(passages, DESTINATION, batch_id="EVENTS-1")  # type: ignore[arg-type] # fakes
    [record] = read(b"\n".join(notes.lines))
    return record, log


def passage(outcome: Outcome, name: str = "e", **more: Any) -> Passage:
    event = {"type": "track", "event": name, "messageId": "m", "receivedAt": "2026-01-01T00:00:00.000Z"}
    made = begin(json.dumps(event).encode(), attempt=1, first=NOW)
    made.outcome = outcome
    for field, value in more.items():
        setattr(made, field, value)
    return made


def bug(**more: Any) -> Invocation:
    return Invocation(Ending.THREW, error=ErrorInfo("Error", "why"), **more)


FAILED = Discarded("bad_request", "why", Stage.FILTERED)


async def test_each_event_is_written_down_and_only_what_was_not_delivered_brings_a_sample() -> None:
    record, _ = await settled(passage(Delivered()), passage(FAILED))
    assert [(each.outcome, each.reason) for each in record.attempts] == [
        ("delivered", "successes.attempt.1"),
        ("discarded", "bad_request"),
    ]
    assert [each.reason for each in record.samples] == ["bad_request"]


async def test_a_flood_of_logs_and_requests_does_not_make_a_sample_large() -> None:
    logs = [LogLine("log", "x" * 32_000, NOW)] * 1000
    requests = [Request("GET", "https://example.com", 200, 1.0, "y" * 4096, "z" * 4096)] * 500
    flooded = passage(FAILED, invocations=[bug(logs=logs, requests=requests)])
    record, _ = await settled(flooded)
    [sample] = record.samples
    assert len(json.dumps(sample.body)) < 256 * 1024
    assert sample.body["logs"][-1]["message"] == "… and 999 more lines"


async def test_an_event_name_of_any_length_is_cut_in_the_counts() -> None:
    record, _ = await settled(passage(FAILED, name="n" * 30_000))
    assert len(record.attempts[0].event) == len(record.samples[0].event) == 200


async def test_a_storm_of_failures_samples_only_as_many_as_are_kept() -> None:
    record, _ = await settled(*(passage(FAILED) for _ in range(500)))
    assert len(record.attempts) == 500
    assert len(record.samples) == 20


async def test_secrets_are_hidden_in_every_part_of_a_sample() -> None:
    talkative = bug(
        logs=[LogLine("log", "key planted-secret", NOW)],
        requests=[Request("GET", "https://example.com?k=planted-secret", None, 1.0, error="planted-secret refused")],
    )
    leaking = passage(
        Discarded("bad_request", "planted-secret", Stage.FILTERED), name="planted-secret", invocations=[talkative]
    )
    record, _ = await settled(leaking)
    assert "planted-secret" not in json.dumps(record.samples[0].body)


async def test_a_number_beyond_reading_is_sampled_as_its_text() -> None:
    failed = passage(FAILED, raw=b'{"type":"track","properties":{"x":1e999,"key":"planted-secret"}}')
    record, _ = await settled(failed)
    assert record.samples[0].body["event"] == {"type": "track", "properties": {"x": "1e999", "key": "••••"}}
    assert record.samples[0].body["detail"] == "why"


async def test_a_secret_that_is_a_number_is_hidden_outside_of_quotes_too() -> None:
    destination, notes = replace(DESTINATION, secrets=("1234", "null")), FakeNotes()
    failed = passage(FAILED, raw=b'{"type":"track","properties":{"pin":1234,"x":null}}')
    await Settler(FakeLog(), notes).settle([failed], destination, batch_id="EVENTS-1")  # type: ignore[arg-type] # fakes
    [record] = read(b"\n".join(notes.lines))
    assert record.samples[0].body["event"] == {"type": "track", "properties": {"pin": "••••", "x": None}}


async def test_a_secret_of_several_lines_is_hidden_however_often_it_was_escaped() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----"
    destination, notes = replace(DESTINATION, secrets=(key,)), FakeNotes()
    twice = json.dumps({"request": json.dumps({"key": key})})
    request = Request("POST", "https://example.com", 422, 1.0, twice, twice)
    inspected = "{\n  KEY: '-----BEGIN KEY-----\\n' +\n    'MIIEvQIBADANBg\\n' +\n    'kqhkiG9w0BAQEF\\n' +\n    '-----END KEY-----'\n}"
    failed = passage(
        FAILED, invocations=[bug(logs=[LogLine("log", inspected, NOW)], requests=[request])], request=request
    )
    await Settler(FakeLog(), notes).settle([failed], destination, batch_id="EVENTS-1")  # type: ignore[arg-type] # fakes
    assert "MIIEvQIBADANBg" not in b"".join(notes.lines).decode()
    assert "BEGIN KEY" not in b"".join(notes.lines).decode()


async def test_requests_with_endless_urls_make_a_small_sample() -> None:
    requests = [Request("GET", "https://example.com/" + "a" * 4_000_000, 200, 1.0)] * 20
    record, _ = await settled(passage(FAILED, invocations=[bug(requests=requests)]))
    assert len(json.dumps(record.samples[0].body)) < 300_000
    assert "cut" in record.samples[0].body


async def test_a_sample_that_cannot_be_made_does_not_stop_its_batch() -> None:
    record, _ = await settled(passage(FAILED, raw=b"not json"), passage(Delivered()))
    assert [each.outcome for each in record.attempts] == ["discarded", "delivered"]
    assert "could not be made" in record.samples[0].body["detail"]


async def test_retries_are_stored_in_groups_of_one_due_time() -> None:
    later = Retrying("503", "", Stage.FAILED)
    passages = [passage(later, due=NOW) for _ in range(250)]
    _, log = await settled(*passages)
    assert [payload.count(b"\n") for _, payload, _ in log.appended] == [100, 100, 50]
    assert {headers["Nats-Schedule-Target"] for _, _, headers in log.appended} == {"retry.due.dst_1"}


async def test_a_quarantined_event_is_kept_as_it_came() -> None:
    kept = passage(Quarantined("bad_request", "why", Stage.FILTERED))
    _, log = await settled(kept)
    [(subject, payload, _)] = log.appended
    assert subject == "quarantine.dst_1"
    assert kept.raw in payload


async def test_nothing_is_counted_when_a_retry_could_not_be_stored() -> None:
    notes = FakeNotes()
    settler = Settler(FakeLog(broken=True), notes)  # type: ignore[arg-type] # fakes
    with pytest.raises(LogUnavailable):
        await settler.settle([passage(Retrying("503", "", Stage.FAILED), due=NOW)], DESTINATION, batch_id="EVENTS-1")
    assert notes.lines == []
