"""Answers to `fetch` from a list instead of the network.

Enters: entries as a case's `fetch` or a preview's `responses` has them. Leaves: a network for the runtime.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from yarl import URL

from midstream.domain.http import Answer, Exchange, NoAnswer, Outbound
from midstream.domain.written import Section, faults_of
from midstream.errors import Invalid

UNMATCHED = "EUNMATCHED"


class Reply(Section):
    """One answer. Without `method` any will do; a `url` that ends with * stands for all that begin like it."""

    method: str | None = None
    url: str
    status: Annotated[int, Field(ge=200, le=599)] = 200
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None  # a string as it is, anything else as JSON
    error: str | None = None  # instead of an answer: ECONNREFUSED, ETIMEDOUT …
    delayMs: Annotated[float, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _answer_or_error(self) -> Self:
        given = sorted(self.model_fields_set & {"status", "headers", "body"})
        if self.error is not None and given:
            raise PydanticCustomError(
                "both", "an entry with an error has no {given}: no answer came", {"given": " or ".join(given)}
            )
        return self

    def matches(self, request: Outbound) -> bool:
        """Say whether it answers a request."""
        if self.method is not None and self.method.upper() != request.method.upper():
            return False
        if self.url.endswith("*"):
            return request.url.startswith(self.url[:-1])
        return self.url == request.url or _canonical(self.url) == _canonical(request.url)

    def exchange(self, request: Outbound) -> Exchange:
        """Return what it answers."""
        if self.error is not None:
            return NoAnswer(self.error, "as the mocked responses say", self.delayMs)
        headers, body = dict(self.headers), self._body()
        if self.body is not None and not isinstance(self.body, str):
            headers = {"content-type": "application/json"} | headers
        return Answer(self.status, _reason(self.status), tuple(headers.items()), body, request.url, self.delayMs)

    def _body(self) -> bytes:
        match self.body:
            case None:
                return b""
            case str() as text:
                return text.encode(errors="replace")
            case value:
                return json.dumps(value, separators=(",", ":")).encode()


class Mocked:
    """A network that is a list. `unmatched` are the requests nothing answered, as `METHOD URL`.

    Several entries for the same request answer in their order, and the last one goes on answering.
    """

    def __init__(self, replies: Sequence[Reply]) -> None:
        self._replies = replies
        self._used: set[int] = set()
        self.unmatched: list[str] = []

    async def send(self, request: Outbound) -> Exchange:
        """Answer a request."""
        if refusal := _refusal(request):
            return NoAnswer("EBLOCKED", refusal, 0.0)
        matching = [index for index, reply in enumerate(self._replies) if reply.matches(request)]
        if not matching:
            self.unmatched.append(f"{request.method} {request.url}")
            return NoAnswer(UNMATCHED, unmatched(self.unmatched[-1]), 0.0)
        index = next((each for each in matching if each not in self._used), matching[-1])
        self._used.add(index)
        reply = self._replies[index]
        await asyncio.sleep(reply.delayMs / 1000)
        return reply.exchange(request)


def unmatched(asked: str) -> str:
    """Say that nothing answers `METHOD URL`, and what to do."""
    method, _, url = asked.partition(" ")
    entry = json.dumps({"method": method, "url": url}, ensure_ascii=False)
    return f"no mocked response matches {asked}: add {entry[:-1]}, …}}"


def replies_of(entries: Any, where: str) -> list[Reply]:
    """Read a list of entries. Raises Invalid with the place of each fault."""
    try:
        return _REPLIES.validate_python(entries)
    except ValidationError as error:
        raise Invalid("\n".join(faults_of(error, where))) from None


_REPLIES = TypeAdapter(list[Reply])


def _canonical(url: str) -> object:
    """Take a URL apart as `fetch` reads it: `https://example.com` asks for `https://example.com/`."""
    try:
        read = URL(url)
        return read.origin(), read.path, [*read.query.items()]
    except ValueError:
        return url


def _refusal(request: Outbound) -> str | None:
    """Say why the function may not ask there, as the real network would."""
    url = URL(request.url)
    refusals = (hosts.refusal(url.scheme, url.raw_host or "", url.port or 0) for hosts in request.hosts)
    return next((refusal for refusal in refusals if refusal), None)


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
