"""The webhook: events as HTTP requests to one URL, singly or in batches, signed if there is a shared secret.

Enters: events as bytes, never parsed here. Leaves: what the answer means for each event, by contract §2.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Annotated, Literal, assert_never
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from midstream.destinations.kind import Kind, Ports, Sent, checked
from midstream.destinations.signature import Signer
from midstream.domain.function import Request
from midstream.domain.http import Answer, Exchange, NoAnswer, Outbound
from midstream.domain.outcome import Delivered, Discarded, Outcome, Retrying, Stage
from midstream.domain.redact import MASK, Redactor
from midstream.domain.rules import TYPES
from midstream.domain.topology import Destination
from midstream.egress import USER_AGENT

# segment.md §8.6
_TIMEOUT = timedelta(seconds=5)
_CAPTURED = 4 * 1024
# More of an answer is not read: nobody looks at it.
_ANSWER_BYTES = 64 * 1024
# What cannot have harmed and may go better next time (contract §2, segment.md §8.4).
_WORTH_ANOTHER_TRY = frozenset({408, 423, 429})
# The same request would be refused again. An address our own door refuses is not among these: an operator can open it.
_HOPELESS = frozenset({"EINVAL"})

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_RESERVED = frozenset(
    {"connection", "content-encoding", "content-length", "expect", "host", "idempotency-key", "te"}
    | {"transfer-encoding", "upgrade", "webhook-id", "webhook-signature", "webhook-timestamp", "x-signature"}
)
_TELLTALE = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.IGNORECASE)


def _usable_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in url):
        raise ValueError("expected an http or https URL such as https://example.com/hook")
    if "@" in parts.netloc:
        raise ValueError('expected a URL without credentials; put them into "secret_headers" as Authorization')
    return url


def _usable_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a header name: letters, digits and -_. are")
        if name.lower() in _RESERVED:
            raise ValueError(f"{name} is set by midstream itself")
        if not value.isprintable():
            raise ValueError(f"the value of {name} holds a line break or another character that is not printable")
    return headers


def _usable_secret(secret: str | None) -> str | None:
    if secret is not None:
        Signer(secret)
    return secret


Headers = Annotated[dict[str, str], AfterValidator(_usable_headers)]


class WebhookSettings(BaseModel):
    """What can be set on a webhook. The descriptions are what people see."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: Annotated[str, AfterValidator(_usable_url)] = Field(description="Where to send the events, http or https.")
    method: Literal["POST", "PUT", "PATCH"] = Field(default="POST", description="The HTTP method.")
    headers: Headers = Field(default_factory=dict, description="Headers to add to each request.")
    secret_headers: Headers = Field(
        default_factory=dict,
        repr=False,
        description="Headers whose values nobody may see again, such as Authorization.",
    )
    shared_secret: Annotated[str | None, AfterValidator(_usable_secret)] = Field(
        default=None,
        min_length=1,
        repr=False,
        description="Signs each request: X-Signature (hex HMAC-SHA1 of the body) and the Standard Webhooks headers. "
        "The body is signed as it is before gzip. A secret that begins with whsec_ holds its key in Base64.",
    )
    batch: Literal["off", "array", "ndjson"] = Field(
        default="off", description="One event a request, or many: as a JSON array, or one a line."
    )
    batch_count: int = Field(default=100, ge=1, le=4000, description="The most events in one request.")
    batch_bytes: int = Field(
        default=450_000,
        ge=1,
        le=5_000_000,
        description="The most bytes in one request, before gzip; a longer event goes alone.",
    )
    gzip: bool = Field(default=False, description="Compress each body.")
    concurrency: int = Field(default=50, ge=1, le=500, description="The most requests in flight at once.")


@dataclass(frozen=True, slots=True)
class _Parcel:
    """What goes out in one request: the body and the place of its events in the batch."""

    body: bytes
    events: slice


class Webhook:
    """Sends to one URL. `send` may be called concurrently; all calls share the limit of requests in flight."""

    def __init__(self, destination: Destination, ports: Ports) -> None:
        settings = checked(WebhookSettings, destination.settings or {}, "webhook")
        self._id = destination.id
        self._settings = settings
        self._egress = ports.egress
        self._signer = Signer(settings.shared_secret) if settings.shared_secret else None
        self._headers = _standing_headers(settings)
        self._capture = _Capture(settings, destination.secrets)
        self._free = asyncio.Semaphore(settings.concurrency)

    async def send(self, events: Sequence[bytes], ids: Sequence[str]) -> Sequence[Sent]:
        """Send the events and say what became of each. Successes but the first have no sample."""
        sent: list[Sent | None] = [None] * len(events)
        parcels = list(self._parcels(events))
        waiting = iter(parcels)
        captured = False

        async def carry() -> None:
            nonlocal captured
            for parcel in waiting:
                async with self._free:
                    outbound, exchange = await self._exchange(parcel, ids[parcel.events])
                outcome = outcome_of(exchange)
                sample = None
                if not captured or not isinstance(outcome, Delivered):
                    sample = self._capture.of(outbound, parcel.body, exchange)
                    captured = True
                one = Sent(outcome, sample)
                sent[parcel.events] = [one] * len(ids[parcel.events])

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._settings.concurrency, len(parcels))):
                group.create_task(carry())
        return [one for one in sent if one is not None]

    async def close(self) -> None:
        """Nothing is held: the connections are the egress's."""

    def _parcels(self, events: Sequence[bytes]) -> Iterator[_Parcel]:
        match self._settings.batch:
            case "off":
                return (_Parcel(event, slice(at, at + 1)) for at, event in enumerate(events))
            case "array":
                return (_Parcel(b"[" + b",".join(events[part]) + b"]", part) for part in self._parts(events))
            case "ndjson":
                return (_Parcel(b"\n".join(events[part]) + b"\n", part) for part in self._parts(events))
            case never:
                assert_never(never)

    def _parts(self, events: Sequence[bytes]) -> Iterator[slice]:
        """Cut a batch by count and bytes. Each event is charged one byte of punctuation, each request one more."""
        start, size = 0, 1
        for at, event in enumerate(events):
            full = at - start == self._settings.batch_count or size + len(event) + 1 > self._settings.batch_bytes
            if full and at > start:
                yield slice(start, at)
                start, size = at, 1
            size += len(event) + 1
        if start < len(events):
            yield slice(start, len(events))

    async def _exchange(self, parcel: _Parcel, ids: Sequence[str]) -> tuple[Outbound, Exchange]:
        outbound = Outbound(
            method=self._settings.method,
            url=self._settings.url,
            headers=self._headers + self._own_headers(parcel.body, ids),
            # Level 1: on events, the higher ones win little and cost this loop several times as much.
            body=gzip.compress(parcel.body, compresslevel=1, mtime=0) if self._settings.gzip else parcel.body,
            timeout=_TIMEOUT,
            max_response_bytes=_ANSWER_BYTES,
            cut=True,
        )
        return outbound, await self._egress.send(outbound)

    def _own_headers(self, body: bytes, ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
        single = self._settings.batch == "off"
        key = (("Idempotency-Key", f"{_header_safe(ids[0])}:{self._id}"),) if single else ()
        if self._signer is None:
            return key
        return key + self._signer.headers(_header_safe(ids[0]) if single else _batch_id(ids), int(time.time()), body)


def _standing_headers(settings: WebhookSettings) -> tuple[tuple[str, str], ...]:
    """Return the headers every request has. The user's own win over ours, the secret ones over all."""
    kind = "application/x-ndjson" if settings.batch == "ndjson" else "application/json"
    ours = {"Content-Type": kind, "User-Agent": USER_AGENT} | ({"Content-Encoding": "gzip"} if settings.gzip else {})
    layers = (ours, settings.headers, settings.secret_headers)
    return tuple({name.lower(): (name, value) for layer in layers for name, value in layer.items()}.values())


def _header_safe(message_id: str) -> str:
    """Return a messageId as a header can carry it: clients choose them freely."""
    return message_id if message_id.isascii() and message_id.isprintable() else quote(message_id)


def _batch_id(ids: Sequence[str]) -> str:
    """Name a batch after its events, so that the same one sent again has the same name."""
    return "batch_" + sha256("\n".join(ids).encode()).hexdigest()[:32]


def outcome_of(exchange: Exchange) -> Outcome:
    """Say what an answer means for the events it answers (contract §2)."""
    match exchange:
        case NoAnswer(code=code, message=message):
            hopeless = code in _HOPELESS
            return Discarded(code, message, Stage.FAILED) if hopeless else Retrying(code, message, Stage.FAILED)
        case Answer(status=status) if 200 <= status < 300:
            return Delivered()
        case Answer(status=status, reason=phrase):
            detail = f"the destination answered {status} {phrase[:100]}".rstrip()
            if status in _WORTH_ANOTHER_TRY or (status >= 500 and status != 501):
                asked = retry_after(exchange.header("Retry-After"), datetime.now(UTC))
                return Retrying(str(status), detail, Stage.FAILED, asked)
            return Discarded(str(status), detail, Stage.FAILED)
        case never:
            assert_never(never)


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Read a Retry-After header, in seconds or as an HTTP date; None where it says nothing. Never negative."""
    text = (value or "").strip()
    try:
        if text.isascii() and text.isdigit():
            return timedelta(seconds=int(text))
        moment = parsedate_to_datetime(text)
        return max((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now, timedelta(0))
    except (ValueError, OverflowError):
        return None


class _Capture:
    """Makes samples of exchanges that anyone may see."""

    def __init__(self, settings: WebhookSettings, secrets: Sequence[str]) -> None:
        own = [settings.shared_secret] if settings.shared_secret else []
        self._redactor = Redactor([*secrets, *own, *settings.secret_headers.values()])
        self._secret_names = {name.lower() for name in settings.secret_headers}

    def of(self, outbound: Outbound, body: bytes, exchange: Exchange) -> Request:
        """Return the sample; `body` is the request's before compression."""
        answer, fault = (
            (exchange, None) if isinstance(exchange, Answer) else (None, f"{exchange.code}: {exchange.message}")
        )
        return Request(
            method=outbound.method,
            url=self._redactor.text(outbound.url),
            status=answer.status if answer else None,
            duration_ms=exchange.duration_ms,
            request_body=self._redactor.head(body, _CAPTURED),
            response_body=self._redactor.head(answer.body, _CAPTURED) if answer else None,
            error=self._redactor.text(fault) if fault else None,
            request_headers=self._masked(outbound.headers),
            response_headers=self._masked(answer.headers) if answer else (),
        )

    def _masked(self, headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        return tuple((name, MASK if self._hidden(name) else self._redactor.text(value)) for name, value in headers)

    def _hidden(self, name: str) -> bool:
        return name.lower() in self._secret_names or _TELLTALE.search(name) is not None


WEBHOOK = Kind(
    slug="webhook",
    name="Webhook",
    description="Sends each event, or batches of them, as JSON to a URL of yours.",
    event_types=frozenset(TYPES),
    settings=WebhookSettings,
    sensitive=frozenset({"shared_secret", "secret_headers"}),
    build=Webhook,
    sent_to=(("secret_headers", "url"),),
)
