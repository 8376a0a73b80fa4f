"""The demo's customers: a steady trickle of real-looking events of all types, sent over HTTP as Segment's SDKs send them.

Leaves: requests to the Tracking API, single ones as from a browser and batches as from a server.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from midstream.domain.http import Answer, Outbound
from midstream.domain.times import iso
from midstream.egress import Egress

Event = dict[str, Any]

_PEOPLE = ("ada", "grace", "linus", "margaret", "dennis", "barbara", "ken", "radia", "edsger", "frances")
_PRODUCTS = (
    ("Espresso cup", 12.5),
    ("Moka pot", 34.9),
    ("Kettle", 59.0),
    ("Hand grinder", 89.0),
    ("Filter papers", 6.2),
)
_PAGES = ("/", "/coffee", "/coffee/espresso-cup", "/cart", "/checkout", "/login")
_AGENTS = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/19.0 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36",
    "Mozilla/5.0 (compatible; ExampleBot/2.1)",
)


class Traffic:
    """Makes and sends events at about `rate` a second until cancelled."""

    def __init__(self, base_url: str, write_key: str, *, rate: float, seed: int | None = None) -> None:
        self._base_url = base_url
        self._headers = (
            ("authorization", f"Basic {base64.b64encode(f'{write_key}:'.encode()).decode()}"),
            ("content-type", "application/json"),
        )
        self._rate = rate
        self._random = random.Random(seed)  # noqa: S311 # make-believe customers
        self.accepted = 0
        self.refused = 0

    async def run(self) -> None:
        """Send until cancelled."""
        # Our own front, wherever it listens: this is us talking to ourselves.
        egress = Egress(allow=["0.0.0.0/0", "::/0"])
        try:
            while True:
                size = self._random.choice((1, 1, 1, 5, 10))
                await asyncio.gather(self._send(egress, size), asyncio.sleep(size / self._rate))
        finally:
            await egress.close()

    async def _send(self, egress: Egress, size: int) -> None:
        events = [self._event() for _ in range(size)]
        if size == 1:
            path, body = f"/v1/{events[0]['type']}", events[0]
        else:
            path, body = "/v1/batch", {"batch": events, "sentAt": iso(datetime.now(UTC))}
        request = Outbound(
            "POST", self._base_url + path, self._headers, json.dumps(body).encode(), timedelta(seconds=10)
        )
        answer = await egress.send(request)
        rejected = 0
        if isinstance(answer, Answer) and answer.status == 200:
            rejected = len(json.loads(answer.body).get("rejected", ()))
            self.accepted += size - rejected
        self.refused += rejected if isinstance(answer, Answer) and answer.status == 200 else size

    def _event(self) -> Event:
        make: Callable[[str], Event] = self._random.choices(
            (
                self._track,
                self._page,
                self._identify,
                self._screen,
                self._group,
                self._alias,
                self._delete,
                self._broken,
            ),
            (50, 20, 12, 6, 5, 2, 2, 1),
        )[0]
        person = self._random.choice(_PEOPLE)
        sent = datetime.now(UTC)
        event = {
            "messageId": str(uuid.uuid4()),
            "userId": f"u-{person}",
            "timestamp": iso(sent - timedelta(milliseconds=self._random.randint(5, 900))),
            "context": {
                "library": {"name": "analytics-python", "version": "2.4.0"},
                "userAgent": self._random.choices(_AGENTS, (40, 30, 25, 5))[0],
                "locale": self._random.choice(("en-GB", "de-DE", "fr-FR", "ja-JP")),
            },
            **make(person),
        }
        return {key: value for key, value in event.items() if value is not None}

    def _track(self, person: str) -> Event:
        product, price = self._random.choice(_PRODUCTS)
        name = self._random.choices(
            ("Product Viewed", "Product Added", "Order Completed", "Newsletter Subscribed"), (5, 3, 2, 1)
        )[0]
        properties: Event = {"product": product, "price": price, "currency": "EUR"}
        if name == "Newsletter Subscribed":
            properties = {"email": f"{person}@example.com"}
        elif name == "Order Completed":
            count = self._random.randint(1, 4)
            total = None if self._random.random() < 0.08 else round(price * count, 2)  # a few have lost theirs
            currency = "BTC" if self._random.random() < 0.05 else "EUR"
            properties = {
                "orderId": uuid.uuid4().hex[:8],
                "total": total,
                "currency": currency,
                "receiptTo": f"{person}@example.com",
            }
        return {"type": "track", "event": name, "properties": properties}

    def _page(self, person: str) -> Event:
        path = self._random.choice(_PAGES)
        return {
            "type": "page",
            "name": path.strip("/") or "home",
            "properties": {"path": path, "url": f"https://shop.example{path}"},
        }

    def _screen(self, person: str) -> Event:
        return {
            "type": "screen",
            "name": self._random.choice(("Home", "Product", "Cart")),
            "properties": {"variation": "b"},
        }

    def _identify(self, person: str) -> Event:
        return {"type": "identify", "traits": {"email": f"{person}@example.com", "name": person.title(), "plan": "pro"}}

    def _group(self, person: str) -> Event:
        return {
            "type": "group",
            "groupId": "g-1",
            "traits": {"name": "Bean Counters Ltd", "email": "office@example.com"},
        }

    def _alias(self, person: str) -> Event:
        return {"type": "alias", "previousId": f"anon-{uuid.uuid4().hex[:6]}"}

    def _delete(self, person: str) -> Event:
        return {"type": "delete", "context": None}

    def _broken(self, person: str) -> Event:
        return {"type": "track", "event": "", "properties": {}}
