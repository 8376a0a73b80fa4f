"""The header that says what a message holds: exact, safe and bounded, whatever events are called."""

from __future__ import annotations

from collections import Counter

import pytest

from midstream.domain.received import Kind, read, written


def test_what_was_counted_is_read_back() -> None:
    kinds: list[Kind] = [("track", "Paid", "1.2"), ("page", "Home", ""), ("track", "Paid", "1.2"), ("identify", "", "")]
    assert read(written(kinds)) == Counter(kinds)


@pytest.mark.parametrize("name", ["a\r\nNats-Msg-Id: x", "Zoë 🎉", "a\0b", '"],[', " padded ", "\x85\u2028"])
def test_no_name_gets_out_of_the_header(name: str) -> None:
    value = written([("track", name, name)])
    assert value.isascii()
    assert value.isprintable()
    assert read(value) == {("track", name, name): 1}


@pytest.mark.parametrize("letter", ["x", "🎉", "\0"])
def test_many_names_make_a_bounded_header_that_loses_no_event(letter: str) -> None:
    often: Kind = ("track", "Paid", "")
    kinds: list[Kind] = [often] * 5 + [
        ("track", f"{number:04}" + letter * 2000, letter * 2000) for number in range(995)
    ]
    value = written(kinds)
    assert len(value) <= 16 * 1024
    counts = read(value)
    assert counts.total() == 1000
    assert counts[often] == 5
    assert counts["track", "", ""] > 0


def test_types_are_told_apart_even_where_names_are_not() -> None:
    kinds: list[Kind] = [(type_, f"{number}", "") for number in range(400) for type_ in ("track", "page")]
    by_type: Counter[str] = Counter()
    for (type_, *_), count in read(written(kinds)).items():
        by_type[type_] += count
    assert by_type == {"track": 400, "page": 400}


@pytest.mark.parametrize("value", ["", "x", "{}", "[1]", '[["track"]]', '[["track","","","1"]]'])
def test_a_header_of_somebody_else_tells_nothing(value: str) -> None:
    assert not read(value)
