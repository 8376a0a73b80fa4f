"""What may be configured as an OpenID Connect issuer, and where it is. Enters: a URL. Leaves: the same, or a `ValueError`."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def check_issuer(issuer: str) -> str:
    """Refuse an issuer that is not an https URL; on loopback, http will do."""
    parts = urlsplit(issuer)
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("expected a URL such as https://login.example.com, without a query")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError("expected an https URL; http is for a provider on this machine only")
    return issuer


def place_of(issuer: str) -> str:
    """Return the issuer's host and port, as an entry of `egress_allow`: whoever sets it means that host."""
    parts = urlsplit(issuer)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
