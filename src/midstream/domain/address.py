"""Which network addresses outbound requests may reach: the rule behind `egress`, without any I/O.

Enters: an operator's allow and deny entries, then the host asked for and the address about to be connected to. Leaves:
None, or one sentence saying why not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from midstream.errors import ConfigError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# What the IANA special-purpose registries (RFC 6890) do not call globally reachable unicast. Our own table, because
# `ipaddress.is_global` changed its answers between patch releases of Python.
_CLOSED_4 = tuple(
    IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # publicly numbered, but it is Azure's wire server: the virtual machine's own secrets
    )
)
# The only block IANA hands out for global unicast; everything outside it (fe80::, fc00::, ff00::, ::1 …) stays closed.
_OPEN_6 = IPv6Network("2000::/3")
# Protocol assignments (Teredo is 2001::/32 in it) and documentation.
_CLOSED_6 = tuple(IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "3fff::/20"))
_SIX_TO_FOUR = IPv6Network("2002::/16")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052's well-known prefix
_COMPATIBLE = IPv6Network("::/96")

_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_PORT = re.compile(r"(?P<host>\[.+\]|[^:]+):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an allow or deny list: a network or a host name, at one port or at any."""

    where: Network | str
    port: int | None

    @classmethod
    def of(cls, text: str) -> Entry:
        """Read "10.0.0.0/8", "127.0.0.1", "[::1]:8080", "internal.example" or "internal.example:8080"."""
        host, port = text.strip().lower(), None
        if match := _PORT.fullmatch(host):
            host, port = match["host"], int(match["port"])
        try:
            return cls(ip_network(host.strip("[]")), port)
        except ValueError:
            name = host.rstrip(".")
            if not _HOST_NAME.fullmatch(name) or (port or 0) > 65535:
                raise ConfigError(_unreadable(text)) from None
            return cls(name, port)

    def covers(self, host: str, port: int, faces: Sequence[Address]) -> bool:
        """Say whether this line speaks of a host, or of any of the addresses it was resolved to."""
        if self.port is not None and self.port != port:
            return False
        if isinstance(self.where, str):
            return host == self.where
        return any(face in self.where for face in faces)


def _unreadable(text: str) -> str:
    return (
        f"in egress_allow and egress_deny, expected a network (10.0.0.0/8, with its host bits zero), an address, "
        f"a host name, or one of the last two with :port; got {text!r}"
    )


@dataclass(frozen=True, slots=True)
class Guard:
    """Only globally routable unicast addresses, but for what an operator opened; what an operator closed wins."""

    allow: tuple[Entry, ...] = ()
    deny: tuple[Entry, ...] = ()

    def refusal(self, host: str, port: int, address: str) -> str | None:
        """Say why `address`, to which `host` was resolved, may not be connected to; None when it may."""
        try:
            itself = ip_address(address)
        except ValueError:
            return f"{host} was resolved to {address!r}, which is not an IP address"
        name = host.rstrip(".").lower()
        faces = _faces(itself)
        if any(entry.covers(name, port, faces) for entry in self.deny):
            return f"{host}:{port} ({address}) is closed by egress_deny"
        if any(entry.covers(name, port, faces) for entry in self.allow) or all(map(_is_public, faces)):
            return None
        return (
            f"{host}:{port} is at {address}, which is not a public address; an operator can open it with egress_allow"
        )


def _faces(address: Address) -> tuple[Address, ...]:
    """Return the address and the IPv4 one it stands for, if any: a translator on the way would go there."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _SIX_TO_FOUR:
        return (address, IPv4Address(int(address) >> 80 & 0xFFFFFFFF))
    if address in _NAT64 or address in _COMPATIBLE:
        return (address, IPv4Address(int(address) & 0xFFFFFFFF))
    return (address,)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_4)
    # With NAT64 the prefix is only a way to write an IPv4 address, which `_faces` has judged beside it.
    return address in _NAT64 or (address in _OPEN_6 and not any(address in network for network in _CLOSED_6))
