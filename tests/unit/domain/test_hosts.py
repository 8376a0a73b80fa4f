"""An entry speaks of exactly the hosts its owner meant."""

from __future__ import annotations

import pytest

from midstream.domain.hosts import Hosts
from midstream.errors import Invalid


@pytest.mark.parametrize(
    ("entry", "scheme", "host", "port", "allowed"),
    [
        ("api.example.com", "https", "api.example.com", 443, True),
        ("api.example.com", "https", "API.Example.com.", 8443, True),
        ("api.example.com", "http", "api.example.com", 80, False),
        ("api.example.com", "https", "api.example.com.evil.test", 443, False),
        ("api.example.com", "https", "notapi.example.com", 443, False),
        ("api.example.com:8443", "https", "api.example.com", 8443, True),
        ("api.example.com:8443", "https", "api.example.com", 443, False),
        ("*.example.com", "https", "a.b.example.com", 443, True),
        ("*.example.com", "https", "example.com", 443, False),
        ("*.example.com", "https", "badexample.com", 443, False),
        ("http://127.0.0.1:8080", "http", "127.0.0.1", 8080, True),
        ("http://127.0.0.1:8080", "http", "127.0.0.1", 8081, False),
        ("http://example.com", "https", "example.com", 443, True),
        ("https://example.com/", "https", "example.com", 443, True),
        ("[::1]:8443", "https", "::1", 8443, True),
    ],
)
def test_an_entry_covers_what_it_names(entry: str, scheme: str, host: str, port: int, allowed: bool) -> None:
    refusal = Hosts.of("this function may ask", [entry]).refusal(scheme, host, port)
    assert (refusal is None) is allowed
    if refusal:
        assert refusal == f"{scheme}://{host}:{port} is not among the hosts that this function may ask"


@pytest.mark.parametrize(
    "entry",
    ["", "*", "*.", "a b.test", "ftp://a.test", "a.test/path", "a.test:99999", "*a.test", "user@a.test", "é.test"],
)
def test_what_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(Invalid, match="expected a host such as"):
        Hosts.of("", [entry])


def test_a_list_has_an_end() -> None:
    with pytest.raises(Invalid, match="at most 100 hosts, got 101"):
        Hosts.of("", ["a.test"] * 101)
