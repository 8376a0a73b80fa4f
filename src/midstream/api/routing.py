"""How a route is declared: with the use case that decides about it, Segment's envelope around what it answers.

Enters: a path, a `UseCase` and a handler. Leaves: a FastAPI route. There is no way to add one without a use case, and so
without the permissions it names; a test walks all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from types import UnionType
from typing import Any, Generic, TypeVar, get_args, get_type_hints

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from midstream.api.once import Once
from midstream.api.problems import MEDIA_TYPE, Problem
from midstream.control.act import UseCase
from midstream.domain.written import Section

T = TypeVar("T")
Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])


class Body(Section):
    """What a request may say. An unknown field is refused with the nearest there is."""


class Shape(BaseModel):
    """What an answer says, in Segment's names."""

    model_config = ConfigDict(frozen=True)


class Data(BaseModel, Generic[T]):
    """Segment's envelope of a success."""

    data: T


class Done(Shape):
    """That something is gone."""

    status: str = "SUCCESS"


_TROUBLE = {
    400: "The request cannot be read.",
    401: "No token and no session, or one that is not good.",
    403: "The caller lacks a permission, or no page of ours asked with this session; the message says which.",
    404: "There is no such thing in this workspace.",
    409: "It stands in the way of something else; the message names that.",
    412: "It was changed since the entity tag of If-Match.",
    413: "The body is too large.",
    422: "A field is not as it should be; the message says what is expected.",
    429: "Too many requests; see Retry-After.",
    503: "A part that is needed does not answer; see Retry-After.",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "model": Problem, "content": {MEDIA_TYPE: {}}} for status, text in _TROUBLE.items()
}


class Routes:
    """The routes of one resource."""

    def __init__(self, tag: str) -> None:
        self.router = APIRouter(tags=[tag], route_class=Once, redirect_slashes=False)
        self.decided: dict[tuple[str, str], UseCase[..., Any]] = {}

    def get(
        self, path: str, by: UseCase[..., Any], *, query: Sequence[dict[str, Any]] = (), also: str = ""
    ) -> Callable[[Handler], Handler]:
        """Declare what is read. `query` documents its query parameters, `also` another media type it may come in."""
        return self._route("GET", path, by, 200, query, also)

    def post(
        self, path: str, by: UseCase[..., Any], *, status: int = 200, query: Sequence[dict[str, Any]] = ()
    ) -> Callable[[Handler], Handler]:
        """Declare what is made or done."""
        return self._route("POST", path, by, status, query)

    def patch(self, path: str, by: UseCase[..., Any]) -> Callable[[Handler], Handler]:
        """Declare what is changed."""
        return self._route("PATCH", path, by, 200, ())

    def put(self, path: str, by: UseCase[..., Any]) -> Callable[[Handler], Handler]:
        """Declare what is replaced."""
        return self._route("PUT", path, by, 200, ())

    def delete(
        self, path: str, by: UseCase[..., Any], *, query: Sequence[dict[str, Any]] = ()
    ) -> Callable[[Handler], Handler]:
        """Declare what is taken away."""
        return self._route("DELETE", path, by, 200, query)

    def _route(
        self,
        method: str,
        path: str,
        by: UseCase[..., Any],
        status: int,
        query: Sequence[dict[str, Any]],
        also: str = "",
    ) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            self.decided[method, path] = by
            answer = _shape(get_type_hints(handler)["return"])
            self.router.add_api_route(
                path,
                _enveloped(handler, answer),
                methods=[method],
                status_code=status,
                response_model=Data.__class_getitem__(answer),
                response_model_exclude_unset=False,
                responses=PROBLEMS | ({status: {"content": {also: {"schema": {"type": "string"}}}}} if also else {}),
                operation_id=handler.__name__,
                openapi_extra={
                    **({"parameters": list(query)} if query else {}),
                    "x-permissions": [each.value for each in by.needs],
                },
            )
            return handler

        return declare


def _shape(answer: Any) -> Any:
    """Return the shape a handler answers with, which may also answer with something that is no JSON, as it is."""
    if not isinstance(answer, UnionType):
        return answer
    [shape] = [each for each in get_args(answer) if not issubclass(each, Response)]
    return shape


def _enveloped(handler: Callable[..., Awaitable[Any]], answer: Any) -> Callable[..., Awaitable[Any]]:
    """Put what a handler returns into the envelope, keeping its signature for FastAPI."""
    envelope: Callable[..., Any] = Data.__class_getitem__(answer)

    @wraps(handler)
    async def enveloped(*args: Any, **kwargs: Any) -> Any:
        found = await handler(*args, **kwargs)
        return found if isinstance(found, Response) else envelope(data=found)

    return enveloped
