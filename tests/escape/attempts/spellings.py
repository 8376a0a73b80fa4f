"""Every way to write an inner address into a URL that we know of, each as a template for any address and port."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

Spelling = Callable[[IPv4Address, int], str]

_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
_CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")


def _octets(address: IPv4Address) -> list[int]:
    return list(address.packed)


def _groups(address: IPv4Address) -> str:
    a, b, c, d = _octets(address)
    return f"{a << 8 | b:x}:{c << 8 | d:x}"


def _short(address: IPv4Address, parts: int) -> str:
    """Write the address with the last octets in one number, as in 127.1."""
    octets = _octets(address)
    last = int.from_bytes(bytes(octets[parts - 1 :]), "big")
    return ".".join(map(str, [*octets[: parts - 1], last]))


def _at(host: Callable[[IPv4Address], str]) -> Spelling:
    return lambda address, port: f"http://{host(address)}:{port}/"


SPELLINGS: dict[str, Spelling] = {
    "plain": _at(str),
    "decimal": _at(lambda ip: str(int(ip))),
    "hexadecimal": _at(lambda ip: hex(int(ip))),
    "hexadecimal in capitals": _at(lambda ip: hex(int(ip)).upper()),
    "octal": _at(lambda ip: f"0{int(ip):o}"),
    "octal with many zeros": _at(lambda ip: ".".join(f"000{octet:04o}" for octet in _octets(ip))),
    "dotted hexadecimal": _at(lambda ip: ".".join(map(hex, _octets(ip)))),
    "dotted, each part otherwise": _at(lambda ip: "{:#x}.{}.0{:o}.{:#x}".format(*_octets(ip))),
    "two parts": _at(lambda ip: _short(ip, 2)),
    "three parts": _at(lambda ip: _short(ip, 3)),
    "a trailing dot": _at(lambda ip: f"{ip}."),
    "decimal and a trailing dot": _at(lambda ip: f"{int(ip)}."),
    "percent signs": _at(lambda ip: "".join(f"%{ord(each):02x}" for each in str(ip))),
    "full-width digits": _at(lambda ip: str(ip).translate(_FULL_WIDTH)),
    "circled digits": _at(lambda ip: str(ip).translate(_CIRCLED)),
    "ideographic full stops": _at(lambda ip: str(ip).replace(".", "。")),
    "half-width full stops": _at(lambda ip: str(ip).replace(".", "｡")),
    "a soft hyphen within": _at(lambda ip: "\u00ad".join(str(ip))),
    "tabs and line feeds": _at(lambda ip: "\t\n".join(str(ip))),
    "mapped into IPv6": _at(lambda ip: f"[::ffff:{ip}]"),
    "mapped into IPv6, in hexadecimal": _at(lambda ip: f"[::ffff:{_groups(ip)}]"),
    "mapped into IPv6, at full length": _at(lambda ip: f"[0000:0000:0000:0000:0000:FFFF:{_groups(ip)}]"),
    "a user's name that looks like a host": lambda ip, port: f"http://x.test@{ip}:{port}/",
    "a user's name and a password": lambda ip, port: f"http://x.test:80@{ip}:{port}/",
    "a fragment that looks like a host": lambda ip, port: f"http://{ip}:{port}#@x.test/",
    "a backslash before what looks like a host": lambda ip, port: f"http://{ip}:{port}\\@x.test/",
    "no slashes": lambda ip, port: f"http:{ip}:{port}/",
    "too many slashes": lambda ip, port: f"http:////{ip}:{port}/",
    "backslashes": lambda ip, port: f"http:\\\\{ip}:{port}\\",
    "capitals and spaces around": lambda ip, port: f"  \n HTTP://{ip}:{port}/ ",
    "a port with many zeros": lambda ip, port: f"http://{ip}:0000{port}/",
}
# These are other addresses: they lead to the same listeners only by what the system makes of them.
LOOPBACK: dict[str, Spelling] = {
    "nowhere": lambda _, port: f"http://0.0.0.0:{port}/",
    "zero": lambda _, port: f"http://0:{port}/",
    "localhost": lambda _, port: f"http://localhost:{port}/",
    "nowhere mapped into IPv6": lambda _, port: f"http://[::ffff:0:0]:{port}/",
}
# Translators, resolvers and interfaces may lead inside by these; where there are none, nothing is there to reach.
ELSEWHERE: dict[str, Spelling] = {
    "another of loopback": _at(lambda _: "127.255.255.254"),
    "nowhere of IPv6": _at(lambda _: "[::]"),
    "localhost and a dot": _at(lambda _: "LOCALHOST."),
    "a name below localhost": _at(lambda _: "x.localhost"),
    "a name of the system's": _at(lambda _: "ip6-localhost"),
    "a name that spells the address": _at(lambda ip: f"{ip}.x.test"),
    "6to4": _at(lambda ip: f"[2002:{_groups(ip)}::]"),
    "NAT64": _at(lambda ip: f"[64:ff9b::{_groups(ip)}]"),
    "NAT64 of a local prefix": _at(lambda ip: f"[64:ff9b:1::{_groups(ip)}]"),
    "compatible with IPv4": _at(lambda ip: f"[::{ip}]"),
    "Teredo": _at(lambda ip: f"[2001:0:1:2:3:4:{_groups(IPv4Address(int(ip) ^ 0xFFFFFFFF))}]"),
    "ISATAP": _at(lambda ip: f"[fe80::5efe:{_groups(ip)}]"),
    "a zone": _at(lambda _: "[fe80::1%25lo]"),
    "the metadata of a cloud": _at(lambda _: "[fd00:ec2::254]"),
    "a unique local address": _at(lambda _: "[fd12:3456::1]"),
    "loopback of IPv6": _at(lambda _: "[::1]"),
    "loopback of IPv6 at full length": _at(lambda _: "[0:0:0:0:0:0:0:1]"),
}
INNER = [
    IPv4Address(text)
    for text in (
        *("127.0.0.1", "169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.100.100.200"),
        *("168.63.129.16", "192.0.0.192", "198.18.0.1"),
    )
]
