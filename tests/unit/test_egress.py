"""What the door refuses before it asks anybody, and how answers are unpacked. No socket is opened here."""

from __future__ import annotations

import pytest

from midstream.domain.http import NoAnswer, Outbound
from midstream.egress import Egress
from midstream.errors import ConfigError


async def refused(request: Outbound) -> NoAnswer:
    egress = Egress()
    try:
        exchange = await egress.send(request)
    finally:
        await egress.close()
    assert isinstance(exchange, NoAnswer)
    return exchange


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "/path", "ftp://example.com/", "file:///etc/passwd", "unix:///run/x.sock", "http://"),
        *("http://user:pass@example.com/", "http://user@example.com/", "http://[::1/", "http://example.com:99999/"),
        *("http://1.2.3.4.5/", "http://999.1.1.1/", "http://exa mple.com/", "http://example.com\r\nX: y/"),
    ],
)
async def test_an_unusable_url_is_einval(url: str) -> None:
    assert (await refused(Outbound("GET", url))).code == "EINVAL"


async def test_a_message_about_a_url_does_not_repeat_its_secrets() -> None:
    assert "hunter2" not in (await refused(Outbound("GET", "http://me:hunter2@example.com/?token=hunter2"))).message


@pytest.mark.parametrize(
    "header",
    [
        *(
            ("X-A", "1\r\nX-B: 2"),
            ("X-A", "1\n2"),
            ("X-A", "\x00"),
            ("X-A\r\nX-B", "1"),
            ("X A", "1"),
            ("", "1"),
            ("X:A", "1"),
        ),
    ],
)
async def test_a_header_that_would_break_out_of_its_line_is_einval(header: tuple[str, str]) -> None:
    assert (await refused(Outbound("GET", "http://example.com/", (header,)))).code == "EINVAL"


@pytest.mark.parametrize("method", ["", "GET /x HTTP/1.1\r\nX: y", "G ET", "CONNECT", "trace"])
async def test_a_method_that_cannot_be_sent_is_einval(method: str) -> None:
    assert (await refused(Outbound(method, "http://example.com/"))).code == "EINVAL"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.1.", "0", "0.0.0.0"),
        *(
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[2002:7f00:1::]",
            "[64:ff9b::7f00:1]",
        ),
        *(
            "[fe80::1%25lo]",
            "169.254.169.254",
            "[fd00:ec2::254]",
            "10.0.0.1",
            "192.168.0.1",
            "\uff11\uff12\uff17.0.0.1",
            "\u2460\u2461\u2466.0.0.1",
        ),
    ],
)
async def test_an_inner_address_in_any_spelling_is_blocked(host: str) -> None:
    exchange = await refused(Outbound("GET", f"http://{host}:9/"))
    assert exchange.code == "EBLOCKED", exchange
    assert "egress_allow" in exchange.message


def test_an_allow_entry_that_cannot_be_read_stops_the_start() -> None:
    with pytest.raises(ConfigError):
        Egress(allow=["http://example.com"])
