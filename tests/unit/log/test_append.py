"""How lines are packed into messages."""

from __future__ import annotations

import pytest

from midstream.log.append import MESSAGE_BYTES, MESSAGE_LINES, _bodies


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
    bodies = _bodies(lines)
    assert len(bodies) == messages
    assert b"\n".join(bodies) == b"\n".join(lines)
    for body in bodies:
        assert body.count(b"\n") < MESSAGE_LINES
        assert len(body) <= MESSAGE_BYTES or b"\n" not in body
