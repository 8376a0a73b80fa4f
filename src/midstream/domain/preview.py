"""One function run on given events, as the Test tab, the API and `functions test` show it (contract §4.2)."""

from __future__ import annotations

from typing import Any

import msgspec

from midstream.domain.function import Ending, Invocation, LogLine, Request, outcome_of
from midstream.domain.outcome import Filtered, Retrying
from midstream.domain.times import iso
from midstream.domain.wellformed import mended


def result_of(event: bytes, invocation: Invocation) -> dict[str, Any]:
    """Return one entry of the `results` list; keys without a value are None."""
    outcome = outcome_of(invocation)
    name = "returned" if outcome is None else _NAMES.get(type(outcome), "discarded")
    error = invocation.error if invocation.ending not in (Ending.NOTHING, Ending.RETURNED) else None
    return {
        "messageId": _message_id(event),
        "outcome": name,
        "discardReason": getattr(outcome, "reason", None),
        "message": getattr(outcome, "detail", None),
        "event": _event(invocation.event) if invocation.event is not None else None,
        "logs": [_log(line) for line in invocation.logs],
        "requests": [_request(each) for each in invocation.requests],
        "error": {
            "name": error.name,
            "message": error.message,
            "line": error.line,
            "column": error.column,
            "stack": error.stack,
            "source": error.source,
        }
        if error
        else None,
        "durationMs": round(invocation.duration_ms, 3),
    }


def _message_id(event: bytes) -> Any:
    # Whatever an author wrote there: a trial runs events that ingest would refuse.
    return msgspec.json.decode(event, type=_Identified).messageId or None


class _Identified(msgspec.Struct):
    messageId: Any = None  # noqa: N815 # a name on the wire


_NAMES = {Filtered: "filtered", Retrying: "retry"}


def _event(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(mended(raw))
    except (msgspec.DecodeError, RecursionError):  # JavaScript writes what others do not read, such as 1,000 levels
        return raw.decode("utf-8", "replace")


def _log(line: LogLine) -> dict[str, Any]:
    return {"level": line.level, "message": line.message, "at": iso(line.at)}


def _request(each: Request) -> dict[str, Any]:
    return {
        "method": each.method,
        "url": each.url,
        "status": each.status,
        "durationMs": round(each.duration_ms, 3),
        "requestBody": each.request_body,
        "responseBody": each.response_body,
        **({"error": each.error} if each.error else {}),
    }
