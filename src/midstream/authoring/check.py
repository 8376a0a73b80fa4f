"""Looks a function over without running a handler: does it load, what does it handle, what does it name.

Enters: code and, if known, the schema of its settings. Leaves: its handlers and a list of diagnoses. `functions check` and
the API say the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import islice

import msgspec

from midstream.authoring.diagnosis import Diagnosis, at, at_offset
from midstream.authoring.preview import Workbench
from midstream.authoring.settings_used import unknown_settings
from midstream.authoring.types import Depth, type_faults
from midstream.authoring.words import blanked, place_of
from midstream.domain.function import ErrorInfo
from midstream.domain.http import Exchange, NoAnswer, Outbound
from midstream.domain.rules import TYPES
from midstream.domain.settings import Definition
from midstream.runtime.stubs import stubs_named

_MOST = 100  # of one kind: nobody reads more, and code from outside may have any number
_ON_BATCH = "onBatch"
_ON_DELETE = "onDelete"
_LIKE_A_HANDLER = re.compile(
    r"^(?:async\s+)?function\s+(?P<declared>on\w+)|^(?:(?:const|let|var)\s+)?(?P<assigned>on\w+)\s*=(?![=>])",
    re.MULTILINE | re.IGNORECASE,
)
_ALIKE = 0.75  # of difflib's measure: onIdentity, ontrack and onTracks are, onEvent is not
_HANDLERS = tuple(f"on{name.capitalize()}" for name in TYPES)


class Checked(msgspec.Struct, frozen=True):
    """What was found."""

    handlers: tuple[str, ...]
    diagnoses: tuple[Diagnosis, ...]

    @property
    def faulty(self) -> bool:
        """Whether there is anything that cannot work."""
        return any(each.severity == "error" for each in self.diagnoses)


async def check(
    code: str,
    bench: Workbench,
    *,
    schema: Sequence[Definition] | None = None,
    types: Depth = "names",
    typescript: bool = False,
) -> Checked:
    """Look a code over; `types` says how far its types are looked at. Raises RuntimeUnavailable."""
    async with bench.pool(_no_network) as pool:
        loaded = await pool.check(code)
    if loaded.error:
        return Checked((), (_unloadable(code, loaded.error),))
    found = [*_handler_faults(loaded.handlers), *_misnamed(code, loaded.handlers)]
    if schema is not None:
        found += islice(unknown_settings(code, schema), _MOST)
    found += _absent_globals(code)
    if types != "none":
        found += await type_faults(code, bench.deno, depth=types, typescript=typescript)
    return Checked(loaded.handlers, tuple(sorted(found, key=lambda each: (each.line or 0, each.column or 0))))


def _unloadable(code: str, error: ErrorInfo) -> Diagnosis:
    kind = "syntax" if error.name == "SyntaxError" else "load"
    return at(code, "error", kind, f"{error.name}: {error.message}", line=error.line, column=error.column)


def _handler_faults(handlers: Sequence[str]) -> Iterator[Diagnosis]:
    if not handlers:
        yield Diagnosis("error", "no_handler", f"no handler found; a function needs at least one of {_listed()}")
        return
    if _ON_BATCH in handlers:
        return  # it gets whatever has no handler of its own
    missing = [name for name in _HANDLERS if name not in handlers]
    if others := [name for name in missing if name != _ON_DELETE]:
        message = f"no {', '.join(others)}: such events will not be delivered"
        yield Diagnosis("warning", "missing_handlers", message)
    if _ON_DELETE in missing:
        message = "no onDelete: requests to delete a user's data will not be delivered"
        yield Diagnosis("warning", "no_on_delete", message)


def _misnamed(code: str, handlers: Sequence[str]) -> Iterator[Diagnosis]:
    """Yield a diagnosis for each top-level function that is nearly called like a handler, which is not there."""
    missing = [name for name in (*_HANDLERS, _ON_BATCH) if name not in handlers]
    for found in islice(_LIKE_A_HANDLER.finditer(blanked(code)), _MOST):
        name = found["declared"] or found["assigned"]
        close = get_close_matches(name, missing, n=1, cutoff=_ALIKE)
        if close and name not in _HANDLERS:
            message = f"{name} is no handler, nothing will call it; did you mean {close[0]!r}?"
            place = found.start("declared") if found["declared"] else found.start("assigned")
            yield at_offset(code, "warning", "misnamed_handler", message, place)


def _listed() -> str:
    return ", ".join(_HANDLERS)


def _absent_globals(code: str) -> Iterator[Diagnosis]:
    """Yield a diagnosis for each global that Segment has and midstream has not, where it is named first."""
    for path, sentence in stubs_named(code):
        offset = place_of(path.partition(".")[0], code)
        if offset is None:
            yield Diagnosis("warning", "absent_global", sentence)
        else:
            yield at_offset(code, "warning", "absent_global", sentence, offset)


async def _no_network(request: Outbound) -> Exchange:
    return NoAnswer("EBLOCKED", "code is only loaded here, not run", 0)
