"""Which globals a code names: generously, so that what it needs is there, and strictly, for those who warn its author.

Enters: a function's code. Leaves: names. It is read by words, not parsed: linear, whatever the code is.
"""

from __future__ import annotations

import re
from functools import cache

# What is no code of the author's naming: comments, strings, properties of something, keys. Template literals hold code.
# Possessive throughout, and what is not closed ends with its line or the code.
_TOKEN = re.compile(
    r"""//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?|"(?:\\.|[^"\\\n])*+"?|'(?:\\.|[^'\\\n])*+'?"""
    r"""|(?:(?<![\w$.])|(?<=\.\.\.))(?P<names>(?:(?:globalThis|window|global|self|this)\s*+\??\.\s*+)?"""
    r"""(?!\$\{)[A-Za-z_$][\w$]*+(?:\s*+\??\.\s*+[A-Za-z_$][\w$]*+){0,2}+)(?!\s*+:)""",
    re.DOTALL,
)
_BETWEEN = re.compile(r"[\s?.]+")
_SCOPES = frozenset({"globalThis", "window", "global", "self", "this"})
_DECLARED = r"(?<![\w$.])(?:const|let|var|function|class)\s+{}(?![\w$])"

# To be wrong in `mentions` costs an author a ReferenceError, and in the other direction us a few milliseconds, so a word
# in a comment counts. These two are in too many strings, though: https://… and application/xml.
_WORDS = {"https": r"(?<![\w$])https(?![\w$:])", "xml": r"(?<![\w$/+])xml(?![\w$])"}


def mentions(code: str, name: str) -> bool:
    """Say whether a global's name stands anywhere in the code as a word of its own."""
    return name in code and _word(name).search(code) is not None  # most codes are done with the first half


def names_in(code: str) -> set[str]:
    """Return what the code names outside comments and strings: of a chain `a.b.c` also `a` and `a.b`."""
    named: set[str] = set()
    for found in _TOKEN.finditer(code):
        if found["names"] is None:
            continue
        names = _BETWEEN.split(found["names"])
        if len(names) > 1 and names[0] in _SCOPES:
            del names[0]
        named.update(".".join(names[:count]) for count in range(1, len(names) + 1))
    return named


def declares(code: str, name: str) -> bool:
    """Say whether the code has something of its own of that name."""
    return re.search(_DECLARED.format(re.escape(name)), code) is not None


@cache
def _word(name: str) -> re.Pattern[str]:
    return re.compile(_WORDS.get(name, rf"(?<![\w$]){re.escape(name)}(?![\w$])"))
