"""What an answer means for its events, when to come again, and signatures against an independent computation."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from midstream.destinations.signature import Signer
from midstream.destinations.webhook import outcome_of, retry_after
from midstream.domain.http import Answer, NoAnswer
from midstream.domain.outcome import Delivered, Discarded, Retrying, Stage

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def answer(status: int, *headers: tuple[str, str]) -> Answer:
    return Answer(status, "Some Words", headers, b"", "http://example.com/", 1.0)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_delivered(status: int) -> None:
    assert outcome_of(answer(status)) == Delivered()


@pytest.mark.parametrize("status", [408, 423, 429, 500, 502, 503, 504, 599])
def test_an_answer_that_may_change_is_retried_under_its_status(status: int) -> None:
    expected = Retrying(str(status), f"the destination answered {status} Some Words", Stage.FAILED)
    assert outcome_of(answer(status)) == expected


@pytest.mark.parametrize("status", [301, 302, 304, 307, 400, 401, 403, 404, 409, 410, 413, 422, 501])
def test_any_other_answer_is_final(status: int) -> None:
    expected = Discarded(str(status), f"the destination answered {status} Some Words", Stage.FAILED)
    assert outcome_of(answer(status)) == expected


@pytest.mark.parametrize(
    "code", ["ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ECERT", "EBLOCKED"]
)
def test_a_destination_that_cannot_be_reached_is_retried_under_the_errno(code: str) -> None:
    assert outcome_of(NoAnswer(code, "why", 1.0)) == Retrying(code, "why", Stage.FAILED)


def test_a_request_that_cannot_be_made_at_all_is_final() -> None:
    assert outcome_of(NoAnswer("EINVAL", "why", 1.0)) == Discarded("EINVAL", "why", Stage.FAILED)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(seconds=120)),
        (" 0 ", timedelta(0)),
        ("Fri, 02 Jan 2026 03:05:05 GMT", timedelta(minutes=1)),
        ("Fri, 02 Jan 2026 03:05:05 -0000", timedelta(minutes=1)),
        ("Fri, 02 Jan 2026 02:00:00 GMT", timedelta(0)),
        *((None, None), ("", None), ("soon", None), ("-5", None), ("1.5", None), ("9" * 5000, None), ("9" * 30, None)),
        *(("٣", None), ("Fri, 99 Jan 2026 99:99:99 GMT", None)),
    ],
)
def test_retry_after_is_read_in_both_its_forms(value: str | None, wait: timedelta | None) -> None:
    assert retry_after(value, NOW) == wait


def test_retry_after_reaches_the_outcome() -> None:
    outcome = outcome_of(answer(503, ("retry-after", "7")))
    assert isinstance(outcome, Retrying)
    assert outcome.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("hunter2", b"hunter2"),
        ("kühn", "kühn".encode()),
        ("whsec_" + base64.b64encode(b"\x00key\xff").decode(), b"\x00key\xff"),
    ],
)
def test_signatures_equal_an_independent_computation(secret: str, key: bytes) -> None:
    body = b'{"type":"track"}'
    headers = dict(Signer(secret).headers("msg-1", 1700000000, body))
    expected = hmac.new(key, b"msg-1.1700000000." + body, hashlib.sha256).digest()
    assert headers == {
        "X-Signature": hmac.new(secret.encode(), body, hashlib.sha1).hexdigest(),
        "webhook-id": "msg-1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": "v1," + base64.b64encode(expected).decode(),
    }


def test_signatures_match_values_worked_out_elsewhere() -> None:
    # openssl dgst -sha1 -hmac key; openssl dgst -sha256 -hmac key -binary | base64
    headers = dict(Signer("key").headers("id", 1, b"body"))
    assert headers["X-Signature"] == "70bbf6819d1037aa94ca7e7f537cbea25fe49283"
    assert headers["webhook-signature"] == "v1,sYA3/+8KvyXbe4KAKZy0QWKFoLKSHDq/QWu0xQZyY7s="


@pytest.mark.parametrize("secret", ["whsec_", "whsec_!!!!", "whsec_abc"])
def test_a_secret_that_says_it_is_base64_must_be(secret: str) -> None:
    with pytest.raises(ValueError, match="Base64"):
        Signer(secret)
