"""accept: the Tracking API, up to the fsynced append and not a step further.

Enters: HTTP requests as Segment's SDKs send them. Leaves: events on `events.<source>`, and the answer, which is 200 only
after the log said that they are on disk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import msgspec
import uuid_utils
from msgspec import Raw
from prometheus_client import Counter as Counted
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from midstream import telemetry
from midstream.domain import rules, wellformed
from midstream.domain.arrival import Arrival
from midstream.domain.attempt import OUTCOMES, Attempt, Record, Sample, written
from midstream.domain.batch import Batch, all_taken, at_once, in_pieces
from midstream.domain.bearer import hash_of
from midstream.domain.event import Accepted, accept
from midstream.domain.head import refused_kind
from midstream.domain.outcome import Stage
from midstream.domain.received import Kind
from midstream.domain.rules import Rejection
from midstream.domain.topology import Snapshot, Source
from midstream.errors import LogUnavailable, RequestError, StoreUnavailable, Unavailable
from midstream.log import Appender
from midstream.pipeline.asked import Asked

T = TypeVar("T")

_CORS = {"access-control-allow-origin": "*"}
_PREFLIGHT = _CORS | {
    "access-control-allow-methods": "POST, GET, OPTIONS",
    "access-control-allow-headers": "authorization, content-type, content-encoding, x-retry-count",
    "access-control-max-age": "86400",
}
_json = msgspec.json.Encoder().encode
_OK = Response(_json({"success": True}), media_type="application/json", headers=_CORS)
_SAMPLE_BYTES = 4096
# Most SDKs send the same header with all their requests, so the hash of the key in it is remembered.
_REMEMBERED_KEYS = 1024


_Handle = Callable[[Asked, str | None], Awaitable[Response]]


class _Keyed(msgspec.Struct):
    writeKey: str | None = None


_keyed = msgspec.json.Decoder(_Keyed)


class Configuration(Protocol):
    """What sources there are."""

    @property
    def snapshot(self) -> Snapshot:
        """What was last known, at most a moment old."""

    async def look(self) -> bool:
        """Bring `snapshot` up to now, and return whether that went well."""


class Ingest:
    """The Tracking API's handlers. `events` appends to EVENTS, `notes` to OUTCOMES."""

    def __init__(self, configuration: Configuration, events: Appender, notes: Appender) -> None:
        self._configuration = configuration
        self._events = events
        self._notes = notes
        self._hashes: dict[bytes, str] = {}
        self._received: dict[
            tuple[str, str], Counted
        ] = {}  # by source and type: finding a metric costs more than counting

    def before(self, rest: ASGIApp) -> ASGIApp:
        """Return an application that answers the POSTs of contract §4.1 itself, and leaves all other requests to `rest`."""
        # On plain ASGI, by one look-up: what Starlette does for a request takes as long as all that ingest does with it.
        handlers = self._handlers()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            handler = handlers.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
            if handler is None:
                await rest(scope, receive, send)
            else:
                response = await _answered(*handler, Asked.of(scope, receive))
                await response(scope, receive, send)

        return app

    def _handlers(self) -> dict[str, tuple[_Handle, str | None]]:
        singles = {name: name for name in rules.TYPES} | rules.SHORT_FORMS
        handlers: dict[str, tuple[_Handle, str | None]] = {
            f"/v1/{path}": (self._single, type_) for path, type_ in singles.items()
        }
        handlers |= {f"/v1/{path}": (self._many, None) for path in ("batch", "b", "import")}
        handlers["/v1/m"] = (_ignored, None)
        return handlers

    async def _single(self, asked: Asked, type_: str | None) -> Response:
        body = await asked.body(rules.EVENT_BYTES, "the event")
        keyed, body = _decoded(_keyed, body)
        source = await self._source_of(asked, keyed.writeKey)
        match accept(body, _arrival(asked, source, body, type_)):
            case Rejection() as rejection:
                self._note(source, [(body, rejection)], type_)
                return _refused(400, [rejection])
            case Accepted() as accepted:
                await self._append(source, accepted.raw + b"\n", [accepted.kind])
                return _OK

    async def _many(self, asked: Asked, type_: str | None) -> Response:
        body = await asked.body(rules.BATCH_BYTES, "the batch")
        usual = at_once(body)
        batch, body = (usual, body) if usual else _decoded(in_pieces, body)
        source = await self._source_of(asked, batch.writeKey)
        if not batch.batch:
            raise RequestError(400, "empty_batch", "batch holds no events", "batch")
        if len(batch.batch) > rules.BATCH_EVENTS:
            detail = f"batch holds {len(batch.batch):,} events; the limit is {rules.BATCH_EVENTS:,}"
            raise RequestError(400, "bad_request", detail, "batch")
        arrival = _arrival(asked, source, body, None, batch)
        if usual and (taken := all_taken(usual.batch, arrival)):
            await self._append(source, taken.lines, taken.kinds)
            return _OK
        return await self._each(source, arrival, in_pieces.decode(body).batch)

    async def _each(self, source: Source, arrival: Arrival, pieces: Sequence[Raw]) -> Response:
        """Take what is good of a batch, and say what is wrong with the rest."""
        good: list[Accepted] = []
        bad: list[tuple[int, bytes, Rejection]] = []
        for index, item in enumerate(map(bytes, pieces)):
            result = accept(item, arrival)
            if isinstance(result, Accepted):
                good.append(result)
            else:
                bad.append((index, item, result))
        _check_growth(good)
        if good:
            await self._append(source, b"".join(each.raw + b"\n" for each in good), [each.kind for each in good])
        if not bad:
            return _OK
        self._note(source, [(item, rejection) for _, item, rejection in bad], None)
        rejected = [{"index": index, "reason": each.reason, "detail": each.detail} for index, _, each in bad]
        return Response(_json({"success": True, "rejected": rejected}), media_type="application/json", headers=_CORS)

    async def _source_of(self, asked: Asked, in_body: str | None) -> Source:
        known = self._hashes.get(asked.authorization)
        hashed = known or _hash(asked.basic_key() or in_body)
        source = self._configuration.snapshot.by_key.get(hashed) or await self._new_source(hashed)
        if not known and asked.basic_key():
            if len(self._hashes) >= _REMEMBERED_KEYS:
                self._hashes.clear()
            self._hashes[asked.authorization] = hashed
        if not source.enabled:
            raise RequestError(403, "source_disabled", f"the source {source.name!r} is disabled")
        return source

    async def _new_source(self, hashed: str) -> Source:
        # The key may be younger than what is known here, and SDKs throw away what is answered with 401.
        if not await self._configuration.look():
            raise StoreUnavailable(
                "no source is known to have this write key, and whether a new one has it cannot be asked now"
            )
        source = self._configuration.snapshot.by_key.get(hashed)
        if source is None:
            raise RequestError(401, "unknown_source", "no source has this write key", "writeKey")
        return source

    async def _append(self, source: Source, lines: bytes, kinds: Sequence[Kind]) -> None:
        # After a failure it may still be stored; the sender comes again with the same messageId, so that is a repeat, not
        # a loss.
        await self._events.put(f"events.{source.id}", lines, kinds)
        counts: dict[str, int] = {}  # a Counter takes three times as long for so few
        for type_, _, _ in kinds:
            counts[type_] = counts.get(type_, 0) + 1
        for type_, count in counts.items():
            self._count(source, type_, count)

    def _count(self, source: Source, type_: str, count: int) -> None:
        counter = self._received.get((source.id, type_))
        if counter is None:
            counter = self._received[source.id, type_] = telemetry.events_received.labels(source.id, type_)
        counter.inc(count)

    def _note(self, source: Source, bad: Sequence[tuple[bytes, Rejection]], type_: str | None) -> None:
        """Count what was refused and keep a sample of each reason. Not waited for: the sender is told anyway."""
        now = int(datetime.now(UTC).timestamp() * 1000)
        attempts, samples = [], {}
        for item, rejection in bad:
            telemetry.events_rejected.labels(rejection.reason).inc()
            of, name, version = refused_kind(item, type_)
            ending = ("rejected", Stage.INGEST, rejection.reason, 1, 0.0)
            attempts.append(Attempt("", source.id, now, "", of, name, *ending, app_version=version))
            body = {"event": item[:_SAMPLE_BYTES].decode("utf-8", "replace"), "error": {"message": rejection.detail}}
            samples[rejection.reason] = Sample("", source.id, rejection.reason, now, "", "", "", 1, body)
        try:
            noted = self._notes.put(OUTCOMES, written(Record(attempts, list(samples.values()))) + b"\n")
        except LogUnavailable as error:
            telemetry.logger().warning("a rejection was not noted", error=str(error))
        else:
            noted.add_done_callback(lambda future: future.cancelled() or future.exception())


async def _answered(handle: _Handle, type_: str | None, asked: Asked) -> Response:
    try:
        return await handle(asked, type_)
    except RequestError as error:
        telemetry.events_rejected.labels(error.reason).inc()
        return _refused(error.status, [Rejection(error.reason, error.detail, error.field)])
    except Unavailable as error:
        reason = "log_unavailable" if isinstance(error, LogUnavailable) else "database_unavailable"
        telemetry.events_rejected.labels(reason).inc()
        return _refused(503, [Rejection("unavailable", f"{error}; send it again")], {"retry-after": "1"})
    except ClientDisconnect:
        return Response(status_code=400)


async def _ignored(asked: Asked, type_: str | None) -> Response:
    """Answer the SDKs' own telemetry."""
    return _OK


def routes() -> list[Route]:
    """Return what is under /v1/ besides: permission for browsers, and for all else an answer that API clients read."""
    return [
        Route("/v1/{path:path}", _preflight, methods=["OPTIONS"]),
        Route("/v1/{path:path}", _unknown, methods=["GET", "POST"]),
    ]


async def _preflight(request: Request) -> Response:
    return Response(status_code=204, headers=_PREFLIGHT)


async def _unknown(request: Request) -> Response:
    """Answer what is not there in the form that a Tracking API client reads."""
    path = f"/v1/{request.path_params['path'][:100]}"
    detail = f"there is no {request.method} {path}; POST to /v1/track, /v1/batch and so on"
    return _refused(404, [Rejection("not_found", detail)])


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> tuple[T, bytes]:
    """Parse the body; return also the body that was parsed, which is a mended one where it held halves of characters."""
    if not body:
        raise RequestError(400, "bad_request", "the body is empty; expected a JSON object")
    try:
        # Raw pieces are passed on unparsed, so that they are UTF-8 is checked here, once.
        body.decode()
        return _parsed(decoder, body)
    except msgspec.ValidationError as error:
        raise RequestError(400, "bad_request", f"the body does not have the right form: {error}") from None
    except RecursionError:
        raise RequestError(400, "bad_request", "the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(400, "bad_request", f"the body is not valid JSON: {error}") from None


def _parsed(decoder: msgspec.json.Decoder[T], body: bytes) -> tuple[T, bytes]:
    try:
        return decoder.decode(body), body
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        mended = wellformed.mended(body)
        if mended == body:
            raise
        return decoder.decode(mended), mended


def _check_growth(accepted: Sequence[Accepted]) -> None:
    """Refuse a batch whose own context, merged into each event, makes it many times what was sent."""
    size = sum(len(each.raw) for each in accepted)
    limit = 16 * rules.BATCH_BYTES
    if size > limit:
        detail = f"with its context merged into each event, the batch is {size:,} bytes; the limit is {limit:,}"
        raise RequestError(400, "bad_request", detail, "context")


def _hash(key: str | None) -> str:
    if not key:
        raise RequestError(
            401, "unknown_source", "no write key: send it as the Basic auth user or as writeKey", "writeKey"
        )
    return hash_of(key)


def _arrival(asked: Asked, source: Source, body: bytes, type_: str | None, batch: Batch[Any] | None = None) -> Arrival:
    return Arrival(
        project_id=source.id,
        received_at=datetime.now(UTC),
        new_message_id=_new_message_id,
        body=body,
        ip=asked.ip,
        type=type_,
        sent_at=batch.sentAt if batch else None,
        context=batch.context if batch else None,
        integrations=batch.integrations if batch else None,
    )


def _new_message_id() -> str:
    return f"api-{uuid_utils.uuid7()}"


def _refused(status: int, rejections: Sequence[Rejection], headers: dict[str, str] | None = None) -> Response:
    errors = [{"reason": each.reason, "field": each.field, "detail": each.detail} for each in rejections]
    return Response(
        _json({"success": False, "errors": errors}),
        status,
        media_type="application/json",
        headers=_CORS | (headers or {}),
    )
