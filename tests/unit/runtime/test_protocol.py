from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.domain.function import Limits
from midstream.domain.http import Answer, NoAnswer
from midstream.runtime import protocol
from midstream.runtime.protocol import Frame, FrameReader, Kind, ProtocolError

frames = st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=2000)), max_size=20)


def fed(reader: FrameReader, data: bytes, sizes: Iterator[int]) -> list[Frame]:
    """Give the reader the data in pieces, as a socket would."""
    found: list[Frame] = []
    while data:
        space = reader.space()
        count = min(next(sizes), len(space), len(data))
        space[:count] = data[:count]
        data = data[count:]
        found += reader.received(count)
    return found


@given(frames, st.lists(st.integers(1, 5000), min_size=1))
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    sent: list[tuple[Kind, int, bytes]], sizes: list[int]
) -> None:
    data = b"".join(protocol.frame(*one) for one in sent)
    cut = (sizes[n % len(sizes)] for n in range(len(data) + 1))
    assert fed(FrameReader(), data, cut) == sent


def test_a_frame_larger_than_the_first_buffer_arrives_and_the_buffer_shrinks_again() -> None:
    reader = FrameReader()
    large = protocol.frame(Kind.DONE, 7, b"x" * 3_000_000)
    small = protocol.frame(Kind.ALIVE, 8, b"")
    found = fed(reader, small + large + small, iter(lambda: 100_000, 0))
    assert [(one.kind, one.id, len(one.payload)) for one in found] == [(21, 8, 0), (18, 7, 3_000_000), (21, 8, 0)]
    assert len(reader.space()) < 1_000_000


@pytest.mark.parametrize("length", [0, 4, 1001, 2**32 - 1])
def test_a_frame_of_impossible_length_is_refused(length: int) -> None:
    data = struct.pack("<IBI", length, Kind.DONE, 1)
    with pytest.raises(ProtocolError, match="at most 1000"):
        fed(FrameReader(max_frame=1000), data, iter(lambda: 100, 0))


@given(st.binary())
def test_bytes_of_any_kind_are_frames_or_refused(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        fed(FrameReader(max_frame=10_000), data, iter(lambda: 7, 0))


@given(st.binary(), st.integers(1, 5))
def test_lines_of_any_kind_are_read_or_refused(payload: bytes, count: int) -> None:
    try:
        lines, times = protocol.lines(payload, count)
    except ProtocolError:
        return
    assert len(lines) == len(times) == count


@pytest.mark.parametrize("read", [protocol.ready, protocol.said, protocol.wish, protocol.fault, protocol.sentence])
@pytest.mark.parametrize("payload", [b"", b"{}", b"nonsense", b'{"index": "one"}', b"\xff"])
def test_a_payload_that_does_not_hold_is_refused(read: Callable[[bytes], object], payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(payload)


def test_a_line_too_few_is_refused() -> None:
    with pytest.raises(ProtocolError, match="expected 2"):
        protocol.lines(b"1,2\n0{}", 2)


def test_events_travel_one_a_line_even_if_they_hold_newlines() -> None:
    assert protocol.run([b'{"a":1}', b'{"b":2}']) == b'{"a":1}\n{"b":2}'
    assert protocol.run([b'{\n"a":1}', b'{"b":2}']) == b'{ "a":1}\n{"b":2}'


def test_a_body_is_told_from_no_body() -> None:
    head = {"batch": 1, "index": 0, "method": "GET", "url": "u", "redirect": "follow", "headers": "", "has_body": False}
    assert protocol.wish(json.dumps(head).encode() + b"\n")[1] is None
    assert protocol.wish(json.dumps({**head, "has_body": True}).encode() + b"\n")[1] == b""


def test_an_answer_is_a_head_and_a_body() -> None:
    payload = protocol.answer(Answer(200, "OK", [("a", "b")], b"x\ny", "http://b.test/", 1.0), "http://a.test/")
    head, _, body = payload.partition(b"\n")
    assert body == b"x\ny"
    assert json.loads(head)["redirected"] is True
    assert json.loads(protocol.answer(NoAnswer("ENOTFOUND", "no such name", 1.0), "u"))["code"] == "ENOTFOUND"


def test_code_with_half_a_character_can_be_sent() -> None:
    assert json.loads(protocol.load("'\ud800'", {"k": 1}, Limits()))["code"] == "'?'"
