"""What a function asks for takes a bounded place in what is kept of it."""

from __future__ import annotations

from midstream.domain.http import Answer, Outbound
from midstream.domain.redact import Redactor
from midstream.runtime.fetching import Asked


def test_endless_urls_headers_and_bodies_are_cut_where_they_are_captured() -> None:
    headers = tuple((f"x-{number}", "v" * 100_000) for number in range(500))
    outbound = Outbound("POST", "https://example.com/" + "a" * 4_000_000, headers, b"b" * 1_000_000)
    asked = Asked(outbound, 0.0, Answer(200, "OK", headers, b"c" * 1_000_000, outbound.url, 1.0))
    shown = asked.shown(Redactor(()), 1.0)
    assert len(shown.url) == len(shown.request_body or "") == len(shown.response_body or "") == 4096
    assert len(shown.request_headers) == len(shown.response_headers) == 64
    assert {len(value) for _, value in shown.request_headers} == {1024}


def test_all_of_a_request_counts_as_what_it_takes() -> None:
    assert Asked(Outbound("GET", "u" * 10, (("n", "v" * 20),), b"b" * 30), 0.0).size == 61
