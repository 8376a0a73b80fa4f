"""`/labels`, and the labels of a source."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from midstream.api.office import TheCall
from midstream.api.routing import Body, Done, Routes, Shape
from midstream.control import labels
from midstream.control.labels import Label

routes = Routes("Labels")


class LabelInput(Body):
    """A label."""

    key: str
    value: str
    description: str | None = None


class CreateLabel(Body):
    """A label to be made."""

    label: LabelInput


class SourceLabels(Body):
    """Labels that are there already."""

    labels: Annotated[tuple[LabelInput, ...], Field(max_length=100)]


class LabelShape(Shape):
    """A label."""

    key: str
    value: str
    description: str


class OneLabel(Shape):
    """A label."""

    label: LabelShape


class LabelList(Shape):
    """Labels."""

    labels: tuple[LabelShape, ...]


@routes.get("/labels", labels.labels)
async def listLabels(call: TheCall) -> LabelList:
    """List the labels."""
    return _list(await labels.labels(call))


@routes.post("/labels", labels.create_label, status=201)
async def createLabel(call: TheCall, body: CreateLabel) -> OneLabel:
    """Make a label."""
    return OneLabel(label=_shaped(await labels.create_label(call, _read(body.label))))


@routes.delete("/labels/{key}/{value}", labels.delete_label)
async def deleteLabel(call: TheCall, key: str, value: str) -> Done:
    """Delete a label; sources that carry it lose it."""
    await labels.delete_label(call, key, value)
    return Done()


@routes.post("/sources/{sourceId}/labels", labels.add_source_labels)
async def addLabelsToSource(call: TheCall, sourceId: str, body: SourceLabels) -> LabelList:
    """Put labels on a source, besides those it carries."""
    return _list(await labels.add_source_labels(call, sourceId, [_read(each) for each in body.labels]))


@routes.put("/sources/{sourceId}/labels", labels.replace_source_labels)
async def replaceLabelsInSource(call: TheCall, sourceId: str, body: SourceLabels) -> LabelList:
    """Let a source carry these labels and no others."""
    return _list(await labels.replace_source_labels(call, sourceId, [_read(each) for each in body.labels]))


def _read(label: LabelInput) -> Label:
    return Label(label.key, label.value, label.description or "")


def _shaped(label: Label) -> LabelShape:
    return LabelShape(key=label.key, value=label.value, description=label.description)


def _list(found: Iterable[Label]) -> LabelList:
    return LabelList(labels=tuple(_shaped(each) for each in found))
