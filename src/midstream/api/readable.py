"""Refuses what JSON can spell and nobody can keep or repeat: half of a character, and numbers that are none."""

from __future__ import annotations

import re

import msgspec
from starlette.requests import Request

from midstream.errors import RequestError

# What may begin it. Most bodies have none of this, and are not read twice.
_ODD = re.compile(rb"\\u[dD][89a-fA-F]|NaN|Infinity")


async def check_body(request: Request) -> None:
    """Raise 400 for a body that Python reads as JSON, and that is none."""
    body = await request.body()
    if not _ODD.search(body):
        return
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        message = "the body is not valid JSON: it may hold half of a character (a lone surrogate), NaN or Infinity"
        raise RequestError(400, "bad-request", message) from None
