"""Where a word is code, and where it is only text."""

from __future__ import annotations

import time
from itertools import islice

import pytest

from midstream.authoring.settings_used import unknown_settings
from midstream.authoring.words import blanked, is_code, place_of


@pytest.mark.parametrize(
    ("code", "offset"),
    [
        ("stripe.charges", 0),
        ("// stripe\nstripe", 10),
        ("/* stripe\n */ 'stripe' + \"stripe\" + `stripe` + stripe()", 47),
        ("`${stripe}`", 3),
        ("a.stripe; stripes; $stripe; stripe", 28),
        ("a.stripe // stripe", None),
        ("'it\\'s stripe'", None),
    ],
)
def test_the_first_place_where_a_word_is_code_is_found(code: str, offset: int | None) -> None:
    assert place_of("stripe", code) == offset


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("a = `x ${b} y`; c = `z`", "a = `  ${b}  `; c = ` `"),
        ("`${list.map((i) => `<b>${i}</b>`)} x` + {d: '}'}", "`${list.map((i) => `   ${i}    `)}  ` + {d:    }"),
        ("`\\` ${'`'} \\${x}` + y", "`   ${   }      ` + y"),
        ("'open\nb /* open", "     \nb        "),
        ("a / b // c\n`open ${d", "a / b     \n`     ${d"),
        ("'\\", "  "),
        ("`\\", "` "),
    ],
)
def test_all_but_code_is_made_blank_and_places_stay(code: str, seen: str) -> None:
    assert blanked(code) == seen


def test_comments_and_strings_are_no_code() -> None:
    code = "const a = 'x' // note\r\n/* more\n   lines */ b()"
    assert is_code(code, 1, 1)
    assert not is_code(code, 1, 12)
    assert not is_code(code, 1, 18)
    assert not is_code(code, 3, 4)
    assert is_code(code, 3, 13)


@pytest.mark.parametrize("piece", ["/*", "'", '"', "`", "`$", "/", "{", "settings.", "\\"])
def test_a_long_code_takes_no_time_whatever_it_is(piece: str) -> None:
    code = piece * (200_000 // len(piece))
    began = time.perf_counter()
    place_of("stripe", code)
    list(islice(unknown_settings(code, ()), 100))
    assert time.perf_counter() - began < 20
