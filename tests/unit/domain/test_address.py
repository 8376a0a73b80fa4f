"""The address guard: what is refused by default, and what operators open and close."""

from __future__ import annotations

import pytest

from midstream.domain.address import Entry, Guard
from midstream.errors import ConfigError


def guard(*allow: str, deny: tuple[str, ...] = ()) -> Guard:
    return Guard(tuple(map(Entry.of, allow)), tuple(map(Entry.of, deny)))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "2002:0101:0101::1"]
)
def test_public_addresses_are_open(address: str) -> None:
    assert guard().refusal("example.com", 443, address) is None


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.169.254"),
        *("172.16.0.1", "172.31.255.255", "192.0.0.192", "192.168.1.1", "198.18.0.1", "203.0.113.9", "224.0.0.1"),
        *("239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16"),
        *(
            "::",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fc00::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "100::1",
        ),
        *("3fff::1", "5f00::1"),
    ],
)
def test_addresses_that_are_not_public_unicast_are_refused_and_named(address: str) -> None:
    refusal = guard().refusal("example.com", 443, address)
    assert refusal is not None
    assert address in refusal
    assert "egress_allow" in refusal


@pytest.mark.parametrize(
    "address",
    [
        "::ffff:127.0.0.1",  # mapped
        "::ffff:7f00:1",
        "::127.0.0.1",  # compatible
        "2002:7f00:0001::1",  # 6to4
        "2002:a00:1::",
        "64:ff9b::7f00:1",  # NAT64
        "64:ff9b:1::a00:1",  # NAT64, local use
        "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo
    ],
)
def test_an_inner_address_hidden_in_an_outer_one_is_refused(address: str) -> None:
    assert guard().refusal("example.com", 443, address) is not None


def test_what_is_not_an_address_is_refused() -> None:
    assert guard("example.com").refusal("example.com", 443, "127.1") is not None


def test_a_network_can_be_opened_and_its_mapped_spelling_with_it() -> None:
    opened = guard("10.0.0.0/8")
    assert opened.refusal("a.example", 80, "10.9.9.9") is None
    assert opened.refusal("a.example", 80, "::ffff:10.9.9.9") is None
    assert opened.refusal("a.example", 80, "192.168.0.1") is not None


def test_a_host_name_opens_wherever_that_name_leads_and_nothing_else() -> None:
    opened = guard("Internal.Example")
    assert opened.refusal("internal.example", 80, "10.0.0.1") is None
    assert opened.refusal("INTERNAL.example.", 80, "10.0.0.1") is None
    assert opened.refusal("evil.example", 80, "10.0.0.1") is not None
    assert opened.refusal("x.internal.example", 80, "10.0.0.1") is not None


@pytest.mark.parametrize(
    ("entry", "host", "address"), [("localhost:8080", "localhost", "127.0.0.1"), ("[::1]:8080", "::1", "::1")]
)
def test_an_entry_with_a_port_opens_only_that_port(entry: str, host: str, address: str) -> None:
    assert guard(entry).refusal(host, 8080, address) is None
    assert guard(entry).refusal(host, 8081, address) is not None


def test_deny_wins_over_allow_and_over_public() -> None:
    closed = guard("10.0.0.0/8", deny=("10.0.0.1", "example.com", "1.1.1.1:443"))
    assert closed.refusal("a.example", 80, "10.0.0.2") is None
    for host, port, address in (
        ("a.example", 80, "10.0.0.1"),
        ("example.com", 80, "93.184.216.34"),
        ("b.example", 443, "1.1.1.1"),
    ):
        refusal = closed.refusal(host, port, address)
        assert refusal is not None
        assert "egress_deny" in refusal


@pytest.mark.parametrize(
    "entry", ["", "10.0.0.1/8", "http://example.com", "a b", "example.com:99999", "10.0.0.0/33", "*"]
)
def test_an_entry_that_cannot_be_read_is_a_config_error_naming_it(entry: str) -> None:
    with pytest.raises(ConfigError, match="egress_allow"):
        Entry.of(entry)
