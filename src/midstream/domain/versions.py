"""What differs between two versions of a function, as people read it: a unified diff of the code and of the settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from difflib import unified_diff

import msgspec

from midstream.domain.settings import Definition

Version = tuple[str, str, Sequence[Definition]]  # its name, code and settings
NOTHING = "/dev/null"  # as tools call what was not there before
_LINES = 10_000  # comparing takes up to the square of them: a second, and an hour for what code has room for


def diff(before: Version | None, after: Version) -> str:
    """Return the diff from one version, or from nothing, to another; empty when they agree."""
    (old, old_code, old_schema), (new, new_code, new_schema) = before or (None, "", ()), after
    parts = [
        *_part("code", old, new, old_code, new_code),
        *_part("settings", old, new, _lines_of(old_schema), _lines_of(new_schema)),
    ]
    return "".join(parts)


def _part(what: str, old: str | None, new: str, before: str, after: str) -> Iterator[str]:
    named = (f"{what} of {old}" if old else NOTHING, f"{what} of {new}")
    one, other = before.splitlines(keepends=True), after.splitlines(keepends=True)
    if max(len(one), len(other)) > _LINES:
        if one != other:
            yield "--- {}\n+++ {}\n".format(*named)
            yield f"They differ, and have more than {_LINES:,} lines, which is too much to compare\n"
        return
    for line in unified_diff(one, other, *named):
        yield line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n"


def _lines_of(schema: Sequence[Definition]) -> str:
    """Write settings a line a member, in the order they are declared."""
    return "".join(json.dumps(msgspec.to_builtins(it), indent=1, ensure_ascii=False) + "\n" for it in schema)
