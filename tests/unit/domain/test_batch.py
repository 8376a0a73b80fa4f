"""That a batch which is taken all at once is taken as its events would be one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from midstream.domain.batch import GROWTH, all_taken, at_once, in_pieces
from midstream.domain.event import Accepted, accept
from midstream.domain.received import Kind
from midstream.domain.rules import EVENT_BYTES
from tests.unit.domain.test_event import ANY_EVENT, CONTEXT, NOW, arrival
from tests.unit.domain.test_spelling import written_oddly

TRACK = {"type": "track", "event": "e", "userId": "u", "messageId": "m", "context": {}}


def batch_of(*items: bytes, **more: Any) -> bytes:
    return b'{"batch":[' + b",".join(items) + b"]" + json.dumps({"x": 0, **more}).encode().replace(b"{", b",", 1)


def together(body: bytes, **more: Any) -> list[tuple[Kind, Any]] | None:
    usual = at_once(body)
    taken = all_taken(usual.batch, arrival(body, **more)) if usual else None
    if taken is None:
        return None
    assert taken.lines.count(b"\n") == len(taken.kinds)
    return list(zip(taken.kinds, map(json.loads, taken.lines.split(b"\n")[:-1]), strict=True))


def compare(body: bytes, **more: Any) -> list[tuple[Kind, Any]] | None:
    """Return what is taken at once, which is what is taken one by one, or nothing."""
    found = together(body, **more)
    if found is not None:
        one_by_one = [accept(bytes(item), arrival(body, **more)) for item in in_pieces.decode(body).batch]
        assert [(each.kind, json.loads(each.raw)) for each in one_by_one if isinstance(each, Accepted)] == found
        assert len(one_by_one) == len(found)
    return found


@given(
    events=st.lists(ANY_EVENT, max_size=4),
    indent=st.sampled_from([None, 1]),
    context=st.none() | CONTEXT,
    ip=st.sampled_from([None, "203.0.113.9"]),
)
def test_what_is_taken_at_once_is_taken_one_by_one_and_comes_out_the_same(
    events: list[dict[str, Any]], indent: int | None, context: Any, ip: str | None
) -> None:
    shared = {name: Raw(json.dumps(value).encode()) for name, value in (context or {}).items()}
    compare(batch_of(*(json.dumps(event, indent=indent).encode() for event in events)), context=shared, ip=ip)


@given(st.lists(written_oddly().map(lambda members: f"{{{members}}}".encode()), max_size=3))
def test_so_it_is_however_it_is_spelled(items: list[bytes]) -> None:
    compare(batch_of(*items))


@pytest.mark.parametrize("count", [1, 50, 200])
def test_what_sdks_send_is_taken_at_once(count: int) -> None:
    events = [{**TRACK, "properties": {"number": number, "deep": [[{}]]}} for number in range(count)]
    found = compare(batch_of(*(json.dumps(event).encode() for event in events), sentAt=NOW.isoformat()))
    assert found is not None
    assert len(found) == count


def padded(size: int, how: str) -> bytes:
    """An event of that many bytes, most of which its form in the log does not have."""
    event = json.dumps(TRACK).encode()
    if how == "white space":
        return event[:-1] + b" " * (size - len(event)) + b"}"
    if how == "twice there":
        return b'{"event":"' + b"x" * (size - len(event) - 11) + b'",' + event[1:]
    spelled, rest = divmod(size - len(event), 6)
    return event.replace(b'"e"', b'"e' + b"\\u0065" * spelled + b"e" * rest + b'"')


@pytest.mark.parametrize("how", ["white space", "twice there", "escapes"])
@pytest.mark.parametrize("others", [0, 5, 300])
def test_an_events_size_is_that_of_what_was_sent(how: str, others: int) -> None:
    most, more = padded(EVENT_BYTES, how), padded(EVENT_BYTES + 1, how)
    assert (len(most), len(more)) == (EVENT_BYTES, EVENT_BYTES + 1)
    around = [json.dumps(TRACK).encode()] * others
    assert compare(batch_of(*around, most, *around)) is not None
    assert together(batch_of(*around, more, *around)) is None


@pytest.mark.parametrize(("levels", "taken"), [(197, True), (250, False)])
def test_an_event_that_is_nested_too_deeply_is_not_taken_with_the_rest(levels: int, taken: bool) -> None:
    deep = json.dumps(TRACK).encode()[:-1] + b',"properties":{"a":' + b"[" * levels + b"]" * levels + b"}}"
    around = [json.dumps(TRACK).encode()] * 20
    assert (compare(batch_of(*around, deep, *around)) is not None) == taken


@given(ANY_EVENT)
def test_an_event_grows_by_no_more_than_is_reckoned_with(event: dict[str, Any]) -> None:
    item = json.dumps(event, separators=(",", ":")).encode()
    address = "2001:0db8:0000:0000:0000:ff00:0042:8329"
    long_id = "0190163d-8694-739b-aea5-966c26f8ad90"
    found = accept(item, arrival(item, ip=address, project_id="src_" + "x" * 30, new_message_id=lambda: long_id))
    if isinstance(found, Accepted):
        assert len(found.raw) - len(item) <= GROWTH
