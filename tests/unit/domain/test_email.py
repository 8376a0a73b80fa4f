"""Addresses are compared in one form, and what is none is refused."""

from __future__ import annotations

import pytest

from midstream.domain.email import normalised
from midstream.errors import Invalid


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("ann@example.com", "ann@example.com"),
        (" Ann.B+x@Example.COM ", "ann.b+x@example.com"),
        ("root@localhost", "root@localhost"),
        ("jürgen@bücher.example", "jürgen@bücher.example"),
    ],
)
def test_an_address_has_one_form(given: str, stored: str) -> None:
    assert normalised(given) == stored


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@-example.com",
        "ann@example..com",
        "a nn@example.com",
        "ann@exam ple.com",
        "Ann <ann@example.com>",
        "a@b@example.com",
        "ann@example.com\0",
        "ann@example.com\nbcc: x@example.com",
        "a" * 65 + "@example.com",
        "ann@" + "a" * 260,
    ],
)
def test_what_is_no_address_is_refused_with_its_field(given: str) -> None:
    with pytest.raises(Invalid, match=r"emails\[0\]: expected an e-mail address"):
        normalised(given, "emails[0]")
