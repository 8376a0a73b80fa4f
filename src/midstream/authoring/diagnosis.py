"""One thing to say about a function's code, and where it is."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["error", "warning"]  # what cannot work, and what may be meant so
_SOURCE_CHARS = 200  # enough to know a line again, and no minified file whole


class Diagnosis(msgspec.Struct, frozen=True, rename="camel"):
    """A diagnosis. `line` and `column` are 1-based, in the author's own file; None if it is about all of it."""

    severity: Severity
    code: str
    message: str
    line: int | None = None
    column: int | None = None
    source_line: str | None = None


def at(
    code: str, severity: Severity, kind: str, message: str, *, line: int | None = None, column: int | None = None
) -> Diagnosis:
    """Return a diagnosis of the code at a line, with what stands there."""
    lines = code.splitlines()
    source = lines[line - 1][:_SOURCE_CHARS] if line and line <= len(lines) else None
    return Diagnosis(severity, kind, message, line, column, source)


def at_offset(code: str, severity: Severity, kind: str, message: str, offset: int) -> Diagnosis:
    """Return a diagnosis of the code at a character."""
    before = code[:offset]
    line_start = before.rfind("\n") + 1
    return at(code, severity, kind, message, line=before.count("\n") + 1, column=offset - line_start + 1)
