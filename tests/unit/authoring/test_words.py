"""Where a word is code, and where it is only text."""

from __future__ import annotations

import pytest

from midstream.authoring.words import is_code, place_of


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


def test_comments_and_strings_are_no_code() -> None:
    code = "const a = 'x' // note\r\n/* more\n   lines */ b()"
    assert is_code(code, 1, 1)
    assert not is_code(code, 1, 12)
    assert not is_code(code, 1, 18)
    assert not is_code(code, 3, 4)
    assert is_code(code, 3, 13)
