"""Secrets, replaced wherever they would show: logs, captured requests, error texts.

Enters: the secret values of one instance and any text. Leaves: the text with ••••. Besides the plain value its Base64,
URL-encoded and JSON-escaped forms are found.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "••••"
# A shorter value would be found in every text, and replacing it would tell more than it hides.
SHORTEST = 4
# A line of a longer secret is looked for by itself: who prints a key prints it line by line.
_SHORTEST_LINE = 8
# The same for a piece of Base64, which has lost what it shares with its neighbours.
_SHORTEST_BASE64 = 6
_UNESCAPED_BY_JAVASCRIPT = "!~*'()"  # encodeURIComponent leaves these, quote() does not


class Redactor:
    """Replaces the given secrets. Those shorter than four characters are left, since they would shred every text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # Half a surrogate pair has no bytes, hence no Base64 or URL form, and never reaches us as such.
        whole = (secret.encode(errors="replace").decode() for secret in secrets)
        forms = {form for secret in whole if len(secret) >= SHORTEST for form in (*_forms(secret), *_lines(secret))}
        longest_first = sorted(forms, key=len, reverse=True)
        self._longest = len(longest_first[0].encode()) if longest_first else 0
        # The look-ahead finds overlapping secrets too; each of them must go whole.
        self._pattern = _alternatives(longest_first)
        self._bytes = re.compile(self._pattern.pattern.encode()) if self._pattern else None

    def enough(self, limit: int) -> int:
        """Return of how many bytes `head` makes the same as of more."""
        return limit + self._longest + 1

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        if self._pattern is None:
            return text
        spans = _merged((match.start(), match.end(1)) for match in self._pattern.finditer(text))
        pieces, at = [], 0
        for start, end in spans:
            pieces += [text[at:start], MASK]
            at = end
        return "".join([*pieces, text[at:]]) if pieces else text

    def data(self, data: bytes) -> bytes:
        """Return the bytes without secrets, taking these as UTF-8."""
        if self._bytes is None:
            return data
        spans = _merged((match.start(), match.end(1)) for match in self._bytes.finditer(data))
        pieces, at = [], 0
        for start, end in spans:
            pieces += [data[at:start], MASK.encode()]
            at = end
        return b"".join([*pieces, data[at:]]) if pieces else data

    def values(self, value: Any) -> Any:
        """Return a JSON value without secrets in its strings, keys and numbers; all else is as it was."""
        match value:
            case str():
                return self.text(value)
            case int() | float() if not isinstance(value, bool):
                shown = self.text(repr(value))
                return value if shown == repr(value) else shown
            case list() | tuple():
                return [self.values(each) for each in value]
            case dict():
                return {self.text(name): self.values(each) for name, each in value.items()}
            case _:
                return value

    def head(self, data: bytes, limit: int) -> str:
        """Return about the first `limit` bytes as text without secrets, none of them cut in half at the end."""
        if len(data) <= limit or self._bytes is None:
            return self.data(data[:limit]).decode(errors="replace")
        window = data[: limit + self._longest]
        crossing = [match for match in self._bytes.finditer(window) if match.start() < limit < match.end(1)]
        cut = min((match.start() for match in crossing), default=limit)
        return self.data(data[:cut]).decode(errors="replace") + (MASK if crossing else "")


def _alternatives(forms: list[str]) -> re.Pattern[str] | None:
    return re.compile(f"(?=({'|'.join(map(re.escape, forms))}))") if forms else None


def _merged(spans: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote(secret, safe=_UNESCAPED_BY_JAVASCRIPT)
    yield quote_plus(secret)
    yield from _escaped(secret)
    yield from _base64_forms(secret.encode())


def _escaped(secret: str) -> Iterator[str]:
    """Yield what a secret looks like inside a JSON string, in one inside another one, and as Node prints a string."""
    for ascii_only in (True, False):
        once = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]
    yield secret.replace("\\", "\\\\").replace("\n", "\\n").replace("'", "\\'")


def _lines(secret: str) -> Iterator[str]:
    lines = secret.splitlines()
    for line in lines if len(lines) > 1 else ():
        if len(line.strip()) >= _SHORTEST_LINE:
            yield line.strip()
            yield from _escaped(line.strip())


def _base64_forms(secret: bytes) -> Iterator[str]:
    """Yield what Base64 makes of the secret wherever in a longer text it begins, as in `Basic user:secret`.

    Three bytes become four characters, so there are three ways to begin; the characters shared with a neighbour vary
    and are left out.
    """
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(secret).decode()
        yield whole
        yield whole.rstrip("=")
        for before, shared in ((0, 0), (1, 2), (2, 3)):
            filled = before + len(secret)
            piece = encode(b"\0" * before + secret).decode()[shared : filled // 3 * 4]
            if len(piece) >= _SHORTEST_BASE64:
                yield piece
