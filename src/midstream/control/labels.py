"""Labels, `key:value`, and the sources that carry them. They sort sources for people and grant nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import delete, select

from midstream.control.act import Act, Writes, use_case, use_case_on
from midstream.control.sources import resource as source_resource
from midstream.control.transaction import assign
from midstream.domain.access import Permission
from midstream.domain.audit import Action, Resource
from midstream.errors import Invalid, RequestError
from midstream.store.people import LabelRow, SourceLabelRow
from midstream.store.schema import SourceRow

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")  # segment.md §9.1; the length is ours
_LONGEST_DESCRIPTION = 500


class Label(msgspec.Struct, frozen=True):
    """A label."""

    key: str
    value: str
    description: str = ""

    def __str__(self) -> str:
        """Return the label as people write it."""
        return f"{self.key}:{self.value}"


async def list_labels(act: Act) -> list[Label]:
    """List the workspace's labels, by key and value."""
    query = select(LabelRow).where(LabelRow.workspace_id == act.workspace_id).order_by(LabelRow.key, LabelRow.value)
    return [Label(row.key, row.value, row.description) for row in await act.session.scalars(query)]


async def create(act: Act, label: Label) -> Label:
    """Add a label."""
    _check_words(label, "label")
    _check_description(label.description)
    if await act.session.get(LabelRow, (act.workspace_id, label.key, label.value)):
        raise RequestError(409, "conflict", f"there is a label {label} already", "label")
    row = LabelRow(workspace_id=act.workspace_id, key=label.key, value=label.value, description=label.description)
    act.session.add(row)
    act.note(Action.LABEL_CREATED, _resource(label))
    return label


def change(act: Act, row: LabelRow, *, description: str) -> tuple[str, ...]:
    """Describe a label anew; return what changed."""
    _check_description(description)
    changed = assign(row, description=description)
    if changed:
        act.note(Action.LABEL_MODIFIED, _resource(Label(row.key, row.value)), *changed)
    return changed


def _check_description(text: str) -> None:
    if len(text) > _LONGEST_DESCRIPTION or "\0" in text:
        raise Invalid(f"expected at most {_LONGEST_DESCRIPTION} characters", "label.description")


def _check_words(label: Label, where: str) -> None:
    for name in ("key", "value"):
        if not _WORD.fullmatch(getattr(label, name)):
            raise Invalid("expected 1 to 64 letters, digits and hyphens, a letter first", f"{where}.{name}")


async def remove(act: Act, key: str, value: str) -> None:
    """Delete a label, and take it off the sources that carry it."""
    _check_words(Label(key, value), "label")
    row = await act.session.get(LabelRow, (act.workspace_id, key, value))
    if row is None:
        raise RequestError(404, "not-found", f"there is no label {key}:{value}")
    carried = (SourceLabelRow.key == key, SourceLabelRow.value == value)
    query = (
        select(SourceRow)
        .join(SourceLabelRow, SourceLabelRow.source_id == SourceRow.id)
        .where(SourceRow.workspace_id == act.workspace_id, *carried)
        .order_by(SourceRow.slug)
    )
    sources = list(await act.session.scalars(query))
    where = (SourceLabelRow.source_id.in_([source.id for source in sources]), *carried)
    await act.session.execute(delete(SourceLabelRow).where(*where).execution_options(synchronize_session="fetch"))
    await act.session.delete(row)
    act.note(Action.LABEL_DELETED, _resource(Label(key, value)), *(f"off {source.slug}" for source in sources))


async def add_to_source(act: Act, row: SourceRow, labels: Sequence[Label]) -> list[Label]:
    """Put labels on a source; return all it carries now."""
    was = await _carried(act, row)
    return await _let_carry(act, row, was, [*was, *await _known(act, labels)])


async def replace_on_source(act: Act, row: SourceRow, labels: Sequence[Label]) -> list[Label]:
    """Let a source carry these labels and no others."""
    return await _let_carry(act, row, await _carried(act, row), await _known(act, labels))


async def _carried(act: Act, row: SourceRow) -> list[tuple[str, str]]:
    query = select(SourceLabelRow).where(SourceLabelRow.source_id == row.id)
    return [(each.key, each.value) for each in await act.session.scalars(query)]


async def _known(act: Act, labels: Sequence[Label]) -> list[tuple[str, str]]:
    for place, label in enumerate(labels):
        _check_words(label, f"labels[{place}]")
        if await act.session.get(LabelRow, (act.workspace_id, label.key, label.value)) is None:
            raise Invalid(f"there is no label {label}: create it first", f"labels[{place}]")
    return [(label.key, label.value) for label in labels]


async def _let_carry(
    act: Act, row: SourceRow, was: Iterable[tuple[str, str]], wanted: Iterable[tuple[str, str]]
) -> list[Label]:
    before, after = set(was), set(wanted)
    for key, value in before - after:
        await act.session.delete(await act.session.get_one(SourceLabelRow, (row.id, key, value)))
    act.session.add_all(SourceLabelRow(source_id=row.id, key=key, value=value) for key, value in sorted(after - before))
    if before != after:
        row.updated_at = act.at
        act.note(Action.SOURCE_MODIFIED, source_resource(row), "labels")
    return [label for label in await list_labels(act) if (label.key, label.value) in after]


def _resource(label: Label) -> Resource:
    return Resource("label", str(label), str(label))


labels = use_case(list_labels, Permission.ACCESS_MANAGE)
create_label = use_case(create, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
# Sources are changed in the order of their revision, so that none is deleted while it is given a label.
delete_label = use_case(remove, Permission.ACCESS_MANAGE, writes=Writes.TOPOLOGY)
add_source_labels = use_case_on(SourceRow, add_to_source, Permission.SOURCE_EDIT, writes=Writes.TOPOLOGY)
replace_source_labels = use_case_on(SourceRow, replace_on_source, Permission.SOURCE_EDIT, writes=Writes.TOPOLOGY)
