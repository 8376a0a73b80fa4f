"""The audit trail as owners read it: pages, newest first, and the whole as CSV.

Enters: what is wanted. Leaves: entries of the caller's workspace.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from midstream.control.act import Act, Call, use_case
from midstream.control.locate import KINDS
from midstream.domain.access import Permission
from midstream.domain.audit import Entry, Wanted
from midstream.domain.times import iso
from midstream.store import trail

_EXPORTED = 1000  # entries read at once
_COLUMNS = (
    "timestamp",
    "type",
    "actor",
    "actorEmail",
    "origin",
    "resourceType",
    "resourceId",
    "resourceName",
    "changed",
    "id",
)
# What a spreadsheet takes for the beginning of a formula; also in the full width of East Asian text.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, and the sequence that the next page is before; None when this is the last."""

    entries: list[Entry]
    before: int | None


def ids_of(key: str) -> frozenset[str]:
    """Return the ids that a key may stand for: itself, and with the prefix that Segment's clients leave out."""
    return frozenset({key, *(prefix + key for _, prefix in KINDS.values())})


async def list_entries(act: Act, wanted: Wanted, *, before: int | None = None, count: int) -> Page:
    """Return `count` entries at most, the newest first."""
    found = await trail.found(act.session, act.workspace_id, wanted, before=before, limit=count + 1)
    return Page(found[:count], found[count - 1].sequence if len(found) > count else None)


async def export(call: Call, wanted: Wanted) -> AsyncIterator[str]:
    """Return the pieces of a CSV (RFC 4180) of all entries that are wanted; refusals come before the first piece."""
    first = await entries(call, wanted, count=_EXPORTED)
    return _pieces(call, wanted, first)


async def _pieces(call: Call, wanted: Wanted, page: Page) -> AsyncIterator[str]:
    yield _csv([_COLUMNS])
    while True:
        yield _csv(map(_line, page.entries))
        if page.before is None:
            return
        page = await entries(call, wanted, before=page.before, count=_EXPORTED)


def _line(entry: Entry) -> tuple[str, ...]:
    resource = entry.resource
    return (
        iso(entry.at),
        entry.action,
        entry.actor,
        entry.actor_email,
        entry.origin,
        resource.type,
        resource.id,
        resource.name,
        "; ".join(entry.changed),
        entry.id,
    )


def _csv(lines: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([map(_inert, line) for line in lines])
    return out.getvalue()


def _inert(cell: str) -> str:
    """Keep a cell that somebody else named from being run as a formula by the spreadsheet it is opened in."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


entries = use_case(list_entries, Permission.AUDIT_READ)
