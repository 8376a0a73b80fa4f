"""What ingest reads of an HTTP request, straight from ASGI: its body, its write key and where it came from.

Enters: an ASGI scope. Leaves: bytes within their limits, or a `RequestError` that says what to change.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from midstream.errors import RequestError


@dataclass(slots=True)
class Asked:
    """One request. Made in one go over the headers: Starlette's `Request` costs several times as much."""

    receive: Receive
    ip: str | None
    authorization: bytes = b""
    encoding: bytes = b"identity"

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> Asked:
        """Read what a scope says."""
        client = scope.get("client")
        asked = cls(receive, client[0] if client else None)
        for name, value in reversed(scope["headers"]):  # of a header given twice the first counts
            if name == b"authorization":
                asked.authorization = value
            elif name == b"content-encoding":
                asked.encoding = value
        return asked

    async def body(self, limit: int, what: str) -> bytes:
        """Read the body, unzipped, and stop as soon as it is too large in either form."""
        encoding = self.encoding.lower()
        if encoding not in (b"identity", b"gzip"):
            detail = f"content-encoding {encoding.decode('latin-1')!r} is not supported; use gzip or none"
            raise RequestError(400, "bad_request", detail)
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise RequestError(400, "bad_request", f"{what} is too large; the limit is {limit:,} bytes")
            chunks.append(chunk)
            more = message.get("more_body", False)
        body = b"".join(chunks)
        return _unzipped(body, limit, what) if encoding == b"gzip" else body

    def basic_key(self) -> str:
        """Return the user of Basic auth, which is the write key; empty where another way is used."""
        scheme, _, credentials = self.authorization.partition(b" ")
        if scheme.lower() != b"basic":
            return ""
        try:
            # Segment also takes the key without the colon (segment.md §4.1).
            return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            raise RequestError(401, "unknown_source", "the Authorization header is not valid Basic auth") from None


def _unzipped(body: bytes, limit: int, what: str) -> bytes:
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unzip.decompress(body, limit + 1)
    except zlib.error:
        raise RequestError(400, "bad_request", "content-encoding says gzip, but the body is not gzip") from None
    if len(plain) > limit:
        raise RequestError(400, "bad_request", f"{what} is too large; the limit is {limit:,} bytes")
    if not unzip.eof:
        raise RequestError(400, "bad_request", "the gzip body is cut off before its end")
    if unzip.unused_data:
        # What follows would be lost without a word.
        raise RequestError(400, "bad_request", "the gzip body goes on after its end; send one gzip member")
    return plain
