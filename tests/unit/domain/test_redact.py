from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.domain.redact import MASK, Redactor

SECRET = 'p@ss "wörd"/+&'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET, safe="!~*'()"),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_each_form_of_a_secret_is_found(form: str) -> None:
    redactor = Redactor([SECRET])
    assert redactor.text(f"<{form}>") == f"<{MASK}>"
    assert redactor.data(f"<{form}>".encode()) == f"<{MASK}>".encode()


@pytest.mark.parametrize("user", ["", "u", "us", "use", "user:"])
def test_a_secret_inside_longer_base64_is_found(user: str) -> None:
    encoded = base64.b64encode(f"{user}s3cr3t-k3y-0123:".encode()).decode()
    redacted = Redactor(["s3cr3t-k3y-0123"]).text(encoded)
    before, _, after = redacted.partition(MASK)
    # What is left beside the mask is the neighbours', and at most the characters the secret shares with them.
    assert len(before) <= len(base64.b64encode(user.encode()))
    assert len(after) <= 4


def test_short_secrets_are_left_since_they_would_shred_every_text() -> None:
    assert Redactor(["a", "abc", ""]).text("abc abc") == "abc abc"
    assert Redactor([]).data(b"abc") == b"abc"


def test_the_longest_secret_wins_and_overlapping_ones_go_whole() -> None:
    assert Redactor(["abcd", "abcdef"]).text("xabcdefx") == f"x{MASK}x"
    assert Redactor(["abcd", "cdef"]).text("xabcdefx") == f"x{MASK}x"
    assert Redactor(["abcd"]).text("abcdabcd") == MASK * 2


def test_a_head_never_ends_in_half_a_secret() -> None:
    redactor = Redactor(["0123456789"])
    for limit in range(1, 30):
        shown = redactor.head(b"xxxxx0123456789xxxxx0123456789xxxxx", limit)
        assert not any(digit in shown for digit in "0123456789")
    assert redactor.head(b"x" * 100, 10) == "x" * 10
    assert Redactor([]).head("ääää".encode(), 3) == "ä\ufffd"


@given(st.lists(st.text(min_size=4, max_size=12), min_size=1, max_size=4), st.lists(st.text(max_size=8)))
def test_no_secret_survives(secrets: list[str], between: list[str]) -> None:
    secrets = [secret for secret in secrets if MASK[0] not in secret]
    text = "".join(piece + secret for piece in [*between, ""] for secret in secrets)
    redacted = Redactor(secrets).text(text)
    for secret in secrets:
        assert secret not in redacted.split(MASK)


@given(st.binary(), st.integers(0, 50))
def test_any_bytes_can_be_redacted(data: bytes, limit: int) -> None:
    redactor = Redactor(["secret"])
    redactor.data(data)
    redactor.head(data, limit)
