"""The events the benchmark sends, and the very bytes of the requests that carry them.

Leaves: files of requests. Generators replay them, so that making JSON is never part of what is measured.
"""

from __future__ import annotations

import base64
import json
import random
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_LENGTH = struct.Struct("<I")
_NAMES = ("Order Completed", "Product Viewed", "Product Added", "Checkout Started", "Coupon Applied")
_CITIES = ("Lisboa", "Zürich", "東京", "Austin", "København")
_AGENTS = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "analytics-node/2.3.0",
)


def message_id(index: int) -> str:
    """Return the messageId of event number `index`: as long as a UUID, and the number can be read back."""
    return f"bench-{index:030d}"


def track(index: int, chance: random.Random) -> dict[str, Any]:
    """Return an event as a Segment library sends it: 0.6 to 1.6 KB, about 1 KB on average."""
    return {
        "type": "track",
        "event": chance.choice(_NAMES),
        "messageId": message_id(index),
        "userId": f"user-{chance.randrange(5000)}",
        "anonymousId": f"{chance.getrandbits(128):032x}",
        "timestamp": "2026-01-01T00:00:01.000Z",
        "properties": {
            "email": f"person.{index}@example.com",
            "comment": "left at the door, thank you",
            "orderId": f"order-{index}",
            "total": round(chance.uniform(5, 500), 2),
            "currency": "EUR",
            "products": [
                {"product_id": f"p-{chance.randrange(9999)}", "sku": f"G-{n:02}", "name": "Monopoly", "price": 19 + n}
                for n in range(chance.randrange(10))
            ],
        },
        "context": {
            "library": {"name": "analytics-node", "version": "2.3.0"},
            "locale": "en-US",
            "location": {"city": chance.choice(_CITIES), "country": "Elsewhere"},
            "userAgent": chance.choice(_AGENTS),
            "page": {"path": "/checkout", "url": "https://shop.example/checkout", "title": "Checkout", "referrer": ""},
        },
        "integrations": {"All": True},
    }


def singles(count: int, write_key: str) -> Iterator[bytes]:
    """Return requests of one event each."""
    chance = random.Random(1)
    return (_request("/v1/track", track(index, chance), write_key) for index in range(count))


def batches(events: int, sizes: tuple[int, int], write_key: str) -> Iterator[bytes]:
    """Return requests of so many events each, drawn between the two `sizes`, until there are `events` in all."""
    chance = random.Random(2)
    sent = 0
    while sent < events:
        size = min(chance.randint(*sizes), events - sent)
        batch = [track(index, chance) for index in range(sent, sent + size)]
        yield _request("/v1/batch", {"batch": batch, "sentAt": "2026-01-01T00:00:02.000Z"}, write_key)
        sent += size


def _request(path: str, body: dict[str, Any], write_key: str) -> bytes:
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: analytics-node/2.3.0\r\nAccept: */*\r\n"
        f"Authorization: Basic {base64.b64encode(f'{write_key}:'.encode()).decode()}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def write(requests: Iterable[bytes], file: Path) -> Path:
    """Store requests, and return the file."""
    with file.open("wb") as out:
        for request in requests:
            out.write(_LENGTH.pack(len(request)) + request)
    return file


def read(file: Path) -> list[bytes]:
    """Load stored requests."""
    content = file.read_bytes()
    found, at = [], 0
    while at < len(content):
        (length,) = _LENGTH.unpack_from(content, at)
        at += _LENGTH.size
        found.append(content[at : at + length])
        at += length
    return found
