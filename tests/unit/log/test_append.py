"""How lines are packed into messages."""

from __future__ import annotations

import pytest

from midstream.domain.received import HEADER, Kind, read
from midstream.log.append import MESSAGE_BYTES, MESSAGE_LINES, _messages


@pytest.mark.parametrize(
    ("sizes", "messages"),
    [
        ([10], 1),
        ([10] * MESSAGE_LINES, 1),
        ([10] * (MESSAGE_LINES + 1), 2),
        ([MESSAGE_BYTES // 2, MESSAGE_BYTES // 2 - 1], 1),
        ([MESSAGE_BYTES // 2, MESSAGE_BYTES // 2], 2),
        ([MESSAGE_BYTES + 1], 1),
        ([5, MESSAGE_BYTES + 1, 5], 3),
        ([MESSAGE_BYTES // 4] * 9, 3),
    ],
)
def test_lines_are_packed_in_their_order_into_as_few_messages_as_the_caps_allow(
    sizes: list[int], messages: int
) -> None:
    lines = [b"%d" % (number % 10) * size for number, size in enumerate(sizes)]
    bodies = [body for body, _ in _messages(lines, [])]
    assert len(bodies) == messages
    assert b"\n".join(bodies) == b"\n".join(lines)
    for body in bodies:
        assert body.count(b"\n") < MESSAGE_LINES
        assert len(body) <= MESSAGE_BYTES or b"\n" not in body


def test_each_message_says_what_it_holds_itself() -> None:
    kinds: list[Kind] = [("track", f"{number // 900}", "") for number in range(2500)]
    told = [
        (body.count(b"\n") + 1, dict(read(headers[HEADER]))) for body, headers in _messages([b"x"] * len(kinds), kinds)
    ]
    assert told == [
        (1000, {("track", "0", ""): 900, ("track", "1", ""): 100}),
        (1000, {("track", "1", ""): 800, ("track", "2", ""): 200}),
        (500, {("track", "2", ""): 500}),
    ]
