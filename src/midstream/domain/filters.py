"""Destination filters: a condition, and what happens to the events for which it holds (segment.md §3.1–3.2).

Enters: what people write, in the shape of Segment's Public API. Leaves: models that hold, or the faults with their places.
What filters do to an event is in `sieve.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from midstream.domain.condition import compiled
from midstream.domain.written import Section, faults_of
from midstream.errors import FqlError, Invalid

# segment.md §3.1
MAX_FILTERS = 10  # a destination
MAX_TITLE = 64  # characters
# Ours, of a filter: each path is looked for in each event, and 100 take a tenth of a second in the largest.
MAX_ACTIONS = 100
MAX_PATHS = 100

_Path = Annotated[str, StringConstraints(max_length=256)]  # dotted, as keys_of reads it; our bound
_Fields = Annotated[dict[_Path, tuple[str, ...]], Field(min_length=1)]


class Drop(Section):
    """The event does not go on."""

    type: Literal["DROP"] = "DROP"


class Sample(Section):
    """Only this share of the events goes on. With a path, all that have one value there share one fate."""

    type: Literal["SAMPLE"] = "SAMPLE"
    percent: Annotated[float, Field(ge=0, le=1, strict=True)]
    path: _Path | None = None


class DropProperties(Section):
    """These keys are taken out of the objects at these paths; the empty path is the event itself."""

    type: Literal["DROP_PROPERTIES"] = "DROP_PROPERTIES"
    fields: _Fields


class AllowProperties(Section):
    """The objects at these paths keep these keys only."""

    type: Literal["ALLOW_PROPERTIES"] = "ALLOW_PROPERTIES"
    fields: _Fields


def _without_nulls(action: Any) -> Any:
    """Take null for absent: clients made from Segment's description send all four fields."""
    return {key: value for key, value in action.items() if value is not None} if isinstance(action, dict) else action


Action = Drop | Sample | DropProperties | AllowProperties
_Action = Annotated[Action, Field(discriminator="type"), BeforeValidator(_without_nulls)]


def _some(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    # Not pydantic's min_length: that counts the actions that hold, and tells of it beside what is wrong with the others.
    if not actions:
        raise PydanticCustomError("no_actions", "expected one action at least")
    paths = sum(len(each.fields) for each in actions if isinstance(each, DropProperties | AllowProperties))
    for what, count, most in (("actions", len(actions), MAX_ACTIONS), ("paths", paths, MAX_PATHS)):
        if count > most:
            raise PydanticCustomError(
                "many", "expected at most {most} {what}, got {count}", {"most": most, "what": what, "count": count}
            )
    return actions


def _condition(text: str) -> str:
    try:
        compiled(text)
    except FqlError as fault:
        raise PydanticCustomError(
            "fql", "{message}, at character {place}", {"message": str(fault), "place": fault.position + 1}
        ) from None
    return text


def _title(text: str) -> str:
    if not text.strip() or len(text) > MAX_TITLE or not text.isprintable():
        raise PydanticCustomError(
            "title",
            "expected a title of 1 to {most} printable characters, got {count}",
            {"most": MAX_TITLE, "count": len(text)},
        )
    return text


_Condition = Annotated[str, AfterValidator(_condition)]
_Actions = Annotated[tuple[_Action, ...], AfterValidator(_some)]
_Title = Annotated[str, AfterValidator(_title)]


class Rule(Section):
    """A condition and its actions: all of a filter that matters to an event, and all that a preview needs."""

    if_: _Condition = Field(alias="if")
    actions: _Actions


class FilterSection(Rule):
    """A filter as people write it."""

    title: _Title
    description: str = ""
    enabled: bool = True


class FilterChange(Section):
    """What shall be different about a filter. What is null or absent stays, but for a null description, which empties it."""

    if_: _Condition | None = Field(None, alias="if")
    actions: _Actions | None = None
    title: _Title | None = None
    description: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class DestinationFilter:
    """A filter of a destination."""

    id: str
    title: str
    if_: str
    actions: tuple[Action, ...]
    enabled: bool = True


S = TypeVar("S", bound=Section)


def held(model: type[S], written: Mapping[str, Any]) -> S:
    """Read a rule, a filter or a change. Raises Invalid with every fault."""
    try:
        return model.model_validate(written)
    except ValidationError as error:
        raise Invalid("\n".join(faults_of(error))) from None


def actions_of(written: Sequence[Mapping[str, Any]]) -> tuple[Action, ...]:
    """Read actions as they are stored."""
    return _actions.validate_python(written)


_actions: TypeAdapter[tuple[Action, ...]] = TypeAdapter(tuple[_Action, ...])


def actions_as_written(actions: tuple[Action, ...]) -> list[dict[str, Any]]:
    """Return actions in the API's shape."""
    return [action.model_dump(mode="json", exclude_none=True) for action in actions]
