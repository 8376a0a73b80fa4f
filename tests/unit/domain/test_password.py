"""What is taken as a password, and what is not."""

from __future__ import annotations

import pytest

from midstream.domain.password import fault_of, normal

EMAIL = "ann.lee@example.com"


@pytest.mark.parametrize("password", ["correct horse battery", "żółty-ołówek", "123456789012", "x7!" * 4 + "yz"])
def test_twelve_characters_that_are_not_the_address_are_taken(password: str) -> None:
    assert fault_of(password, EMAIL) is None


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("", "at least 12 characters"),
        ("elevenchars", "at least 12 characters"),
        ("a" * 257, "at most 256"),
        ("aaaaaaaaaaaaaaa", "different characters"),
        (EMAIL, "without those of the e-mail address"),
        ("ANN.LEE@Example.COM!", "without those of the e-mail address"),
        ("example-2026-ok", "without those of the e-mail address"),
    ],
)
def test_what_others_would_guess_is_not(password: str, fault: str) -> None:
    assert fault in (fault_of(password, EMAIL) or "")


def test_short_parts_of_an_address_may_be_in_a_password() -> None:
    assert fault_of("planning-a-con", "ann@co.example") is None


def test_what_looks_the_same_is_the_same_password() -> None:
    assert normal("cafe\N{COMBINING ACUTE ACCENT}") == normal("caf\N{LATIN SMALL LETTER E WITH ACUTE}")
