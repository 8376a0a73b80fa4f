"""Tells in the text of a code what is code from what is comment, string or the text of a template.

Enters: code, whatever it is. Leaves: the same with all but code made blank, so that places stay. The time is linear.
"""

from __future__ import annotations

import re

# Possessive throughout, and what is not closed ends with its line or the code.
_IN_CODE = re.compile(
    r"""(?P<code>[^/"'`{}]++|/(?![/*]))|(?P<mark>[`{}])"""
    r"""|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?|"(?:\\.|[^"\\\n])*+["\\]?|'(?:\\.|[^'\\\n])*+['\\]?""",
    re.DOTALL,
)
_IN_TEMPLATE = re.compile(r"(?P<mark>`|\$\{)|(?:\\.|[^`\\$]|\$(?!\{))++|\\", re.DOTALL)
_VISIBLE = re.compile(r"[^\r\n]")


def blanked(code: str) -> str:
    """Return the code with spaces for what is none; line ends stay."""
    pieces: list[str] = []
    closes: list[bool] = []  # for each brace that is open, whether a template's text goes on after it
    at, in_template = 0, False
    while at < len(code):
        found = (_IN_TEMPLATE if in_template else _IN_CODE).match(code, at)
        assert found is not None  # one of the alternatives takes any character
        pieces.append(found[0] if found.lastgroup else _VISIBLE.sub(" ", found[0]))
        mark = found["mark"]
        if mark == "`":
            in_template = not in_template
        elif mark == "}":
            in_template = bool(closes) and closes.pop()
        elif mark:
            closes.append(mark == "${")
            in_template = False
        at = found.end()
    return "".join(pieces)


def place_of(name: str, code: str) -> int | None:
    """Return where a code first names something, as an offset; None if it does so in no way that is seen."""
    found = re.search(rf"(?<![\w$.]){re.escape(name)}(?![\w$])", blanked(code))
    return found.start() if found else None


def is_code(code: str, line: int, column: int) -> bool:
    """Say whether what stands at a place is code."""
    offset = sum(map(len, code.splitlines(keepends=True)[: line - 1])) + column - 1
    return not blanked(code)[offset : offset + 1].isspace()
