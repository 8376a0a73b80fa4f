"""Which issuers may be configured, and what is opened for them."""

from __future__ import annotations

import pytest

from midstream.domain.issuer import check_issuer, place_of


@pytest.mark.parametrize(
    "issuer",
    ["http://login.example.com", "login.example.com", "https://x.example/?a=1", "https://u:p@x.example", "ftp://x"],
)
def test_an_issuer_that_is_not_https_is_refused(issuer: str) -> None:
    with pytest.raises(ValueError, match="expected a"):
        check_issuer(issuer)


@pytest.mark.parametrize(
    ("issuer", "place"),
    [
        ("https://login.example.com/realms/a", "login.example.com:443"),
        ("http://localhost:8080", "localhost:8080"),
        ("http://127.0.0.1", "127.0.0.1:80"),
        ("https://[fd00::1]", "[fd00::1]:443"),
    ],
)
def test_the_issuers_host_and_port_are_what_is_opened(issuer: str, place: str) -> None:
    assert place_of(check_issuer(issuer)) == place
