"""TypeScript: types are taken out of a code before it runs, and become blanks, so that every place stays the author's.

Enters: code that is no JavaScript. Leaves: the same without its types, or why they cannot be taken out; None when it is
no TypeScript either.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import structlog

from midstream.domain.function import ErrorInfo
from midstream.runtime.launch import Launch

log = structlog.get_logger(__name__)

STRIP = Path(__file__).with_name("strip.ts")
_PATIENCE = 30  # seconds, on a busy machine
_REMEMBERED = 256  # codes
# `TypeScript enum is not supported in strip-only mode at file:///….ts:2:1`
_PLACE = re.compile(r"(?P<message>.*) at file:///\S+?:(?P<line>\d{1,9}):(?P<column>\d{1,9})", re.DOTALL)


class _Said(msgspec.Struct):
    code: str | None = None
    error: str = ""


class Types:
    """Takes types out of codes, each once. `launch` gives the command for `strip.ts`."""

    def __init__(self, launch: Callable[[], Awaitable[Launch]]) -> None:
        self._launch = launch
        self._known: dict[str, str | ErrorInfo | None] = {}

    def plain(self, code: str) -> str:
        """Return the code without types, as far as that was found out already."""
        known = self._known.get(code)
        return known if isinstance(known, str) else code

    async def strip(self, code: str) -> str | ErrorInfo | None:
        """Return the code without types. Raises RuntimeUnavailable when Deno cannot be started."""
        if code not in self._known:
            said = await self._ask(code)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[code] = said.code if said.code is not None else _fault(said.error)
        return self._known[code]

    async def _ask(self, code: str) -> _Said:
        launch = await self._launch()
        process = await asyncio.create_subprocess_exec(
            *launch.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=launch.environment,
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                said, _ = await process.communicate(code.encode(errors="replace"))
            return msgspec.json.decode(said, type=_Said)
        except (TimeoutError, msgspec.MsgspecError, OSError) as error:
            # The code is then what it was: no JavaScript.
            log.warning("types_not_stripped", why=type(error).__name__)
            return _Said()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _fault(message: str) -> ErrorInfo | None:
    found = _PLACE.fullmatch(message)
    if found is None:
        return None
    return ErrorInfo("SyntaxError", found["message"], int(found["line"]), int(found["column"]))
