"""The part of applying a folder that is about labels: those of the workspace, and the sources that carry them.

Enters: an `Application`. Leaves: rows, and `Change`s told. Labels come before the sources that carry them, and go after.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from midstream.control import labels
from midstream.control.changes import Application
from midstream.control.labels import Label
from midstream.control.transaction import at
from midstream.store.people import LabelRow
from midstream.store.schema import SourceRow


async def apply_labels(it: Application) -> None:
    """Add the workspace's labels, and describe those there are as the folder does."""
    there = {row.name: row for row in await _rows(it)}
    for name, description in it.folder.workspace.labels.items():
        changed: tuple[str, ...] = ()
        with at(it.folder.where("workspace", f".labels.{name}")):
            if name in there:
                changed = labels.change(it.act, there[name], description=description)
            else:
                await labels.create(it.act, _label(name, description))
        it.tell("label", name, changed, created=name not in there)


async def label_source(it: Application, row: SourceRow, names: Sequence[str] | None) -> tuple[str, ...]:
    """Let a source carry these labels and no others; None leaves what it carries, unless that is to be pruned."""
    if names is None and not it.prune:
        return ()
    before = len(it.act.notes)
    await labels.replace_on_source(it.act, row, [_label(name) for name in names or ()])
    return ("labels",) if len(it.act.notes) > before else ()


async def remove_labels(it: Application) -> None:
    """Remove the labels that the folder does not mention."""
    carried = {name for each in it.folder.sources.values() for name in each.labels or ()}
    for row in await _rows(it):
        if row.name not in it.folder.workspace.labels.keys() | carried:
            await labels.remove(it.act, row.key, row.value)
            it.tell_gone("label", row.name)


async def _rows(it: Application) -> Sequence[LabelRow]:
    query = select(LabelRow).where(LabelRow.workspace_id == it.act.workspace_id)
    return (await it.act.session.scalars(query.order_by(LabelRow.key, LabelRow.value))).all()


def _label(name: str, description: str = "") -> Label:
    key, _, value = name.partition(":")
    return Label(key, value, description)
