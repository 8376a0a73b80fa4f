"""What a function asks for takes a bounded place in what is kept of it, and shows its secrets nowhere."""

from __future__ import annotations

import msgspec
import pytest

from midstream.domain.function import Ending, Invocation
from midstream.domain.http import Answer, NoAnswer, Outbound
from midstream.domain.redact import Redactor
from midstream.runtime.fetching import Asked, Shown


def test_endless_urls_headers_and_bodies_are_cut_where_they_are_captured() -> None:
    headers = tuple((f"x-{number}", "v" * 100_000) for number in range(500))
    outbound = Outbound("POST", "https://example.com/" + "a" * 4_000_000, headers, b"b" * 1_000_000)
    asked = Asked(outbound, 0.0, Answer(200, "OK", headers, b"c" * 1_000_000, outbound.url, 1.0))
    whole = asked.shown(Redactor(()), 1.0)
    assert asked.cut(Redactor(())) < 5000
    shown = asked.shown(Redactor(()), 1.0)
    assert shown == whole
    assert len(shown.url) == len(shown.request_body or "") == len(shown.response_body or "") == 4096
    assert len(shown.request_headers) == len(shown.response_headers) == 64
    assert {len(value) for _, value in shown.request_headers} == {1024}


def test_all_of_a_request_counts_as_what_it_takes() -> None:
    assert Asked(Outbound("GET", "u" * 10, (("n", "v" * 20),), b"b" * 30), 0.0).size == 61


SECRET = "correct horse battery staple"


@pytest.mark.parametrize("before", [0, 4096 - len(SECRET), 4090, 4096, 5000])
def test_what_is_cut_first_and_redacted_later_is_what_is_redacted_at_once(before: int) -> None:
    redactor = Redactor([SECRET])
    said = ("x" * before + SECRET * 3).encode()
    headers = (("x-key", "x" * (before // 4) + SECRET * 50),)
    outbound = Outbound("POST", f"https://example.com/{said.decode()}", headers, said)
    asked = Asked(outbound, 0.0, Answer(200, "OK", headers, said, outbound.url, 1.0))
    at_once = asked.shown(redactor, 1.0)
    asked.cut(redactor)
    (later,) = Shown([asked], redactor, 1.0)
    assert later == at_once
    assert SECRET not in str(later)


def test_requests_are_redacted_when_somebody_looks_and_seen_in_no_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Asked] = []
    monkeypatch.setattr(Asked, "shown", lambda self, *_: looked.append(self))
    asked = [Asked(Outbound("GET", f"https://{SECRET}"), 0.0, NoAnswer("ENOTFOUND", SECRET, 1.0)) for _ in range(3)]
    invocation = Invocation(Ending.RETURNED, requests=Shown(asked, Redactor([SECRET]), 1.0))
    assert SECRET not in repr(invocation)
    with pytest.raises((TypeError, NotImplementedError)):
        msgspec.json.encode(invocation)
    assert (len(invocation.requests), looked) == (3, [])
    _ = invocation.requests[1], list(invocation.requests[2:])
    assert looked == asked[1:]


def test_a_request_without_an_answer_stays_one_when_the_answer_comes_later() -> None:
    asked = Asked(Outbound("GET", "https://example.com"), 1.0)
    shown = Shown([asked], Redactor([]), 3.0)
    asked.exchange = Answer(200, "OK", (), b"late", "https://example.com", 5000.0)
    assert (shown[0].status, shown[0].duration_ms) == (None, 2000.0)
