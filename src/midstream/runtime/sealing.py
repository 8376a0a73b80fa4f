"""Sealed settings: the process of a function gets a token, and only the requests that leave get the value.

Enters: the sealed settings of one process, its requests, the answers to them. Leaves: settings with tokens in place of
values; requests with values in place of tokens, bound to the hosts named for them; answers without the values.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

from midstream.domain.function import Sealed
from midstream.domain.hosts import Hosts
from midstream.domain.http import Answer, Exchange, Outbound
from midstream.domain.redact import Redactor

_TOKEN_BYTES = 16
_Encode = Callable[[str], str]


class Seals:
    """The sealed settings of one process, each under a token that means nothing anywhere else."""

    def __init__(self, sealed: Sequence[Sealed]) -> None:
        self._by_token = {f"sealed_{secrets.token_hex(_TOKEN_BYTES)}": each for each in sealed}
        self._hosts = {
            each.name: Hosts.of(f"the sealed setting {each.name!r} may be sent to", each.hosts) for each in sealed
        }
        self._redactor = Redactor(each.value for each in sealed)

    @property
    def tokens(self) -> tuple[str, ...]:
        """What the code sees."""
        return tuple(self._by_token)

    def covered(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings as the code may have them."""
        return {**settings, **{each.name: token for token, each in self._by_token.items()}}

    def opened(self, outbound: Outbound) -> Outbound:
        """Put the values where their tokens are, and bind the request to the hosts that may have them."""
        used = [each for token, each in self._by_token.items() if _names(outbound, token)]
        if not used:
            return outbound
        return replace(
            outbound,
            url=self._filled(outbound.url, _in_url),
            headers=[(name, self._header(name, value)) for name, value in outbound.headers],
            body=outbound.body and self._body(outbound.body, _encoding(outbound)),
            hosts=(*outbound.hosts, *(self._hosts[each.name] for each in used)),
        )

    def closed(self, exchange: Exchange) -> Exchange:
        """Take the values out of an answer: the other side may say them back."""
        if not self._by_token or not isinstance(exchange, Answer):
            return exchange
        return replace(
            exchange,
            headers=[(name, self._redactor.text(value)) for name, value in exchange.headers],
            body=self._redactor.data(exchange.body),
            url=self._redactor.text(exchange.url),
        )

    def _filled(self, text: str, encode: _Encode) -> str:
        for token, each in self._by_token.items():
            text = text.replace(token, encode(each.value))
        return text

    def _header(self, name: str, value: str) -> str:
        credentials = _basic(name, value)
        if credentials is None:
            return self._filled(value, _as_it_is)
        return f"Basic {base64.b64encode(self._filled(credentials, _as_it_is).encode()).decode()}"

    def _body(self, body: bytes, encode: _Encode) -> bytes:
        for token, each in self._by_token.items():
            body = body.replace(token.encode(), encode(each.value).encode())
        return body


def _names(outbound: Outbound, token: str) -> bool:
    return (
        token in outbound.url
        or (outbound.body is not None and token.encode() in outbound.body)
        or any(token in (_basic(name, value) or value) for name, value in outbound.headers)
    )


def _basic(name: str, value: str) -> str | None:
    """Return the credentials of Basic auth, in whose Base64 a token would not be seen; None for any other header."""
    scheme, _, encoded = value.partition(" ")
    if name.lower() not in ("authorization", "proxy-authorization") or scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _encoding(outbound: Outbound) -> _Encode:
    """Say how a text is written inside this request's body."""
    kind = next((value for name, value in outbound.headers if name.lower() == "content-type"), "")
    kind = kind.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return quote_plus
    return _in_json if kind == "application/json" or kind.endswith("+json") else _as_it_is


def _as_it_is(text: str) -> str:
    return text


def _in_url(text: str) -> str:
    return quote(text, safe="")


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
