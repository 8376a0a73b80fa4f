"""Finds words in the text of a code, where they are code and not comment or string."""

from __future__ import annotations

import re

# Comments, strings, and templates without code in them.
NO_CODE = r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\$])*`"""


def place_of(name: str, code: str) -> int | None:
    """Return where a code first names something, as an offset; None if it does so in no way that is seen."""
    word = rf"(?<![\w$.]){re.escape(name)}(?![\w$])"
    found = (each for each in re.finditer(rf"{NO_CODE}|(?P<word>{word})", code, re.DOTALL) if each["word"])
    return next((each.start() for each in found), None)


def is_code(code: str, line: int, column: int) -> bool:
    """Say whether what stands at a place is code."""
    offset = sum(map(len, code.splitlines(keepends=True)[: line - 1])) + column - 1
    return not any(each.start() <= offset < each.end() for each in re.finditer(NO_CODE, code, re.DOTALL))
