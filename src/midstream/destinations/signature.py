"""Signatures on webhooks, so that a receiver can tell who sent them: Segment's classic one, and Standard Webhooks.

Enters: a shared secret, then each body as it is before compression. Leaves: the headers to add.
"""

from __future__ import annotations

import base64
import binascii
import hmac

_STANDARD_PREFIX = "whsec_"


class Signer:
    """Signs bodies with one shared secret. `ValueError` when it begins with whsec_ but holds no key in Base64."""

    def __init__(self, secret: str) -> None:
        self._classic_key = secret.encode()
        self._standard_key = _standard_key(secret)

    def headers(self, message_id: str, timestamp: int, body: bytes) -> tuple[tuple[str, str], ...]:
        """Return the signature headers. `timestamp` is epoch seconds; receivers may refuse old ones."""
        signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
        digest = hmac.digest(self._standard_key, signed, "sha256")
        return (
            ("X-Signature", hmac.digest(self._classic_key, body, "sha1").hex()),  # segment.md §8.6
            ("webhook-id", message_id),
            ("webhook-timestamp", str(timestamp)),
            ("webhook-signature", f"v1,{base64.b64encode(digest).decode()}"),  # standardwebhooks.com, symmetric v1
        )


def _standard_key(secret: str) -> bytes:
    if not secret.startswith(_STANDARD_PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(_STANDARD_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError(f"expected Base64 after {_STANDARD_PREFIX}; another secret may be any text")
    return key
