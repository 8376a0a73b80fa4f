"""Which settings a code asks for: read from its text, not from running it.

Enters: code and the schema of its settings. Leaves: a diagnosis for each that is not declared, with the one meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from midstream.authoring.diagnosis import Diagnosis, at_offset
from midstream.authoring.words import blanked
from midstream.domain.settings import Definition
from midstream.domain.written import nearest

_NAME = r"[A-Za-z_$][\w$]*"
# The second parameter of a handler, however it is declared, is the settings. Possessive: comments are a lot of blank.
_PARAMETER = re.compile(
    r"\bon(?:Track|Identify|Page|Screen|Group|Alias|Delete|Batch)\s*+(?:=\s*+)?(?:async\s*+)?"
    r"(?:function\b\s*+[\w$]*+\s*+)?"
    rf"\(\s*[\w$]+\s*,\s*({_NAME})"
)
_KEY = re.compile(r"\s*([\"'])(?P<key>[^\"'\\\n]*)\1\s*\]")
# Every object has these.
_INHERITED = frozenset(
    {"constructor", "hasOwnProperty", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf"}
)


def unknown_settings(code: str, schema: Sequence[Definition]) -> Iterator[Diagnosis]:
    """Yield a diagnosis for each use of a setting that the schema does not have."""
    declared = {it.name for it in schema}
    for name, offset in _used(code):
        if name not in declared and name not in _INHERITED:
            message = f"unknown setting {name!r}{nearest(name, declared)}"
            yield at_offset(code, "error", "unknown_setting", message, offset)


def _used(code: str) -> Iterator[tuple[str, int]]:
    seen = blanked(code)
    names = {"settings", *_PARAMETER.findall(seen)}
    # A variable of that name may hold anything.
    own = [name for name in sorted(names) if not re.search(rf"\b(?:const|let|var)\s+{re.escape(name)}\b", seen)]
    if not own:
        return
    called = rf"(?<![\w$.])(?:{'|'.join(map(re.escape, own))})"
    pattern = (
        rf"{called}\s*\??\.\s*(?P<property>{_NAME})|{called}\s*(?:\?\.\s*)?(?P<opened>\[)"
        rf"|\{{(?P<taken>[^{{}}]*)\}}\s*=\s*{called}(?!\s*[\w$.\[?(])"
    )
    for found in re.finditer(pattern, seen):
        if found["property"]:
            yield found["property"], found.start("property")
        elif found["opened"]:
            if key := _KEY.match(code, found.end()):
                yield key["key"], key.start("key")
        else:
            yield from _taken(found["taken"], found.start("taken"))


def _taken(names: str, offset: int) -> Iterator[tuple[str, int]]:
    """Yield what `const { names } = settings` takes: the name before a colon or a default."""
    for found in re.finditer(rf"(?:^|,)\s*(?P<name>{_NAME})\s*(?=[,:=]|$)", names):
        yield found["name"], offset + found.start("name")
