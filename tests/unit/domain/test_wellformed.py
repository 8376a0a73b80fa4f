"""JSON that is more than its later readers can take."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.domain.wellformed import LEVELS, levels, mended

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (r"\ud83e", r"\ufffd"),
        (r"\uD83E\ud83e\udd8a\uDD8A", r"\ufffd\ud83e\udd8a\ufffd"),
        (r"\\ud83e", r"\\ud83e"),
        (r"\\\ud83e", r"\\\ufffd"),
        (r"\ud83e\n\udd8a", r"\ufffd\n\ufffd"),
        ("🦊 \\u00e9 \\\\", "🦊 \\u00e9 \\\\"),
    ],
)
def test_halves_of_characters_are_replaced_and_whole_ones_are_left(text: str, wanted: str) -> None:
    assert mended(text.encode()).decode() == wanted


@given(st.dictionaries(ANY_TEXT, ANY_TEXT))
def test_whatever_javascript_can_write_can_be_read_once_mended(value: dict[str, str]) -> None:
    whole = {_whole(name): _whole(text) for name, text in value.items()}
    assert msgspec.json.decode(mended(json.dumps(value).encode())) == whole


def _whole(text: str) -> str:
    """Join the pairs, and replace the halves."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def test_levels_are_counted_outside_of_strings() -> None:
    many = '{"x":[' + ",".join(['{"a":"[[[{"}'] * LEVELS) + ', "\\"[{"]}'
    assert levels(many.encode()) == 3
    assert levels(b'{"x":' + b"[" * LEVELS + b"]" * LEVELS + b"}") == LEVELS + 1
    assert levels(b"[" * LEVELS + b"]" * LEVELS) == LEVELS
