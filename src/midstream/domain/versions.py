"""What differs between two versions of a function, as people read it: a unified diff of the code and of the settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from difflib import unified_diff

import msgspec

from midstream.domain.settings import Definition

_LINES = 10_000  # comparing takes up to the square of them: a second, and an hour for what code has room for


def diff(before: tuple[str, str, Sequence[Definition]], after: tuple[str, str, Sequence[Definition]]) -> str:
    """Return the diff from one version to another, each given by its name, code and settings; empty when they agree."""
    (old, old_code, old_schema), (new, new_code, new_schema) = before, after
    parts = [
        *_part("code", old, new, old_code, new_code),
        *_part("settings", old, new, _lines_of(old_schema), _lines_of(new_schema)),
    ]
    return "".join(parts)


def _part(what: str, old: str, new: str, before: str, after: str) -> Iterator[str]:
    one, other = before.splitlines(keepends=True), after.splitlines(keepends=True)
    if max(len(one), len(other)) > _LINES:
        if one != other:
            yield f"--- {what} of {old}\n+++ {what} of {new}\n"
            yield f"They differ, and have more than {_LINES:,} lines, which is too much to compare\n"
        return
    for line in unified_diff(one, other, f"{what} of {old}", f"{what} of {new}"):
        yield line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n"


def _lines_of(schema: Sequence[Definition]) -> str:
    """Write settings a line a member, in the order they are declared."""
    return "".join(json.dumps(msgspec.to_builtins(it), indent=1, ensure_ascii=False) + "\n" for it in schema)
