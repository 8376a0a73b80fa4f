from __future__ import annotations

import time

import pytest

from midstream.runtime.naming import mentions, names_in


def test_names_are_those_outside_comments_strings_and_keys() -> None:
    code = 'a.b.c.d /* e */; // f\n\'g\' + "h\\"i" + `${j}`; ({ k: l?.m, ...n }); this . o; window.p.q'
    assert names_in(code) == {"a", "a.b", "a.b.c", "j", "l", "l.m", "n", "o", "p", "p.q"}


def test_a_mention_is_a_word_of_its_own_wherever_it_stands() -> None:
    assert mentions("/* _ */", "_")
    assert not mentions("__ + _a + a_ + $_", "_")


@pytest.mark.parametrize(
    "code", ["/*" * 200_000, "'" * 400_000, '"' + '\\"' * 200_000, "a" * 400_000, "a ." * 150_000, "a" + " " * 400_000]
)
def test_reading_is_linear_whatever_the_code(code: str) -> None:
    began = time.process_time()
    names_in(code)
    mentions(code, "moment")
    assert time.process_time() - began < 5
