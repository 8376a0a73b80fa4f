"""Turns what went wrong into Segment's error envelope, inside RFC 9457's `application/problem+json`.

Every answer that is not a success has `errors` with at least one `message`: Segment's clients read nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from midstream.errors import Invalid, RequestError, TooManyRequests, Unavailable
from midstream.telemetry import logger

MEDIA_TYPE = "application/problem+json"
# The framework takes a body for a text where no content type says that it is JSON.
_NO_OBJECT = ("missing", "model_type", "model_attributes_type", "dict_type")
_EXPECTED_BODY = "expected a JSON object as the body, sent with the header Content-Type: application/json"
RETRY_AFTER = {"Retry-After": "1"}
_PLAIN = {
    "missing": "this field is missing",
    "too_short": "expected at least {min_length}, got {actual_length}",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "dict_type": "expected an object",
    "model_attributes_type": "expected an object",
}
_MOST = 100  # faults that are told: nobody reads more, and a body has room for half a million


class Fault(BaseModel):
    """One thing that is wrong."""

    type: str
    message: str
    field: str | None = None


class Problem(BaseModel):
    """Why a request was not served."""

    type: str = "about:blank"
    title: str
    status: int
    errors: list[Fault]


def answer(status: int, faults: Iterable[Fault], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Make the answer."""
    problem = Problem(title=HTTPStatus(status).phrase, status=status, errors=list(faults))
    return JSONResponse(
        problem.model_dump(exclude_none=True), status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def refused(error: RequestError) -> JSONResponse:
    """Answer a `RequestError`."""
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    if isinstance(error, TooManyRequests):
        headers = {**error.headers, "Retry-After": str(error.wait)}
    return answer(error.status, [Fault(type=error.reason, message=error.detail, field=error.field)], headers)


def install(app: FastAPI) -> None:
    """Answer everything that can go wrong in this form, the framework's own errors included."""

    @app.exception_handler(RequestError)
    async def _refused(request: Request, error: RequestError) -> JSONResponse:
        return refused(error)

    @app.exception_handler(Invalid)
    async def _invalid(request: Request, error: Invalid) -> JSONResponse:
        return answer(422, [Fault(type="input-validation", message=error.detail, field=error.where)])

    @app.exception_handler(RequestValidationError)
    async def _unreadable(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [_fault(each) for each in _causes(error.errors()[:_MOST])]
        return answer(400 if any(fault.type == "bad-request" for fault in faults) else 422, faults)

    @app.exception_handler(Unavailable)
    async def _unavailable(request: Request, error: Unavailable) -> JSONResponse:
        return answer(503, [Fault(type="unavailable", message=str(error))], RETRY_AFTER)

    @app.exception_handler(HTTPException)
    async def _framework(request: Request, error: HTTPException) -> JSONResponse:
        message = {
            404: f"there is nothing at {request.method} {request.url.path}",
            405: f"{request.url.path} does not take {request.method}",
        }.get(error.status_code, str(error.detail))
        kind = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "bad-request")
        return answer(error.status_code, [Fault(type=kind, message=message)], error.headers)

    @app.exception_handler(Exception)
    async def _ours(request: Request, error: Exception) -> JSONResponse:
        logger().error("a request failed", method=request.method, path=request.url.path, exc_info=error)
        return answer(500, [Fault(type="internal", message="this is our fault; it was logged")])


def _causes(errors: Sequence[Any]) -> Iterator[Any]:
    """Yield the errors, but for lists that are too short because of what is wrong with what they have."""
    for error in errors:
        inner = [each for each in errors if each["loc"][: len(error["loc"])] == error["loc"] and each is not error]
        if error["type"] != "too_short" or not inner:
            yield error


def _fault(error: Mapping[str, Any]) -> Fault:
    """Name the field, and say what was expected; never what came, which may be a secret."""
    place = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
    if error["type"] == "json_invalid":
        reason = error.get("ctx", {}).get("error", "")
        return Fault(type="bad-request", message=f"the body is not valid JSON: {reason}")
    if tuple(error["loc"]) == ("body",) and error["type"] in _NO_OBJECT:
        return Fault(type="input-validation", message=_EXPECTED_BODY)
    if error["type"] == "unknown_key":
        place.append(error["ctx"]["key"].strip("'\""))
    message = _PLAIN[error["type"]].format(**error.get("ctx", {})) if error["type"] in _PLAIN else error["msg"]
    return Fault(type="input-validation", message=message[0].lower() + message[1:], field=".".join(place) or None)
