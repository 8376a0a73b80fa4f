"""Cases: events, settings and answers of the network, kept as `cases/*.json` beside a function, with what is expected.

Enters: a file. Leaves: a `Case`, or `Invalid` with the file, and the key or the line and column at fault.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, JsonValue, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from midstream.authoring.comparing import ANY
from midstream.authoring.mocked import Reply
from midstream.domain.written import Section, decoded, faults_of, nearest, not_json
from midstream.errors import Invalid

OUTCOMES = ("returned", "filtered", "discarded", "retry")
_KEYS = ("outcome", "discardReason", "message", "event", "logs", "requests", "error")
_KEYS_OF: Mapping[str, tuple[str, ...]] = {
    "logs": ("level", "message"),
    "requests": ("method", "url", "body"),
    "error": ("name", "message", "line"),
}
_LISTS = ("logs", "requests")


class Case(Section):
    """One case. Only the keys that `expected` gives are compared; without it, it has yet to be recorded."""

    description: str = ""
    event: dict[str, JsonValue] | None = None
    events: list[dict[str, JsonValue]] | None = None
    settings: dict[str, JsonValue] = Field(default_factory=dict, repr=False)
    fetch: list[Reply] = Field(default_factory=list)
    expected: JsonValue = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.event is None) == (self.events is None):
            raise PydanticCustomError("events", "a case has either an event or events")
        if self.events == []:
            raise PydanticCustomError("events", "events is empty; give at least one")
        if fault := self._unexpectable():
            raise PydanticCustomError("expected", "{fault}", {"fault": fault})
        return self

    @property
    def given(self) -> list[dict[str, Any]]:
        """Its events, be they one or several."""
        return [self.event] if self.event is not None else self.events or []

    @property
    def expectations(self) -> list[dict[str, Any]] | None:
        """What is expected of each event; None if that is not recorded yet."""
        expected: Any = self.expected
        return [expected] if isinstance(expected, dict) else expected

    def _unexpectable(self) -> str | None:
        """Say what is wrong with `expected`."""
        if self.expected is None:
            return None
        if self.event is not None:
            return _object_fault(self.expected, "expected")
        if not isinstance(self.expected, list) or len(self.expected) != len(self.given):
            return f"expected must be a list of {len(self.given)} objects, one for each of the events"
        faults = (_object_fault(each, f"expected[{index}]") for index, each in enumerate(self.expected))
        return next((fault for fault in faults if fault), None)


def read_case(path: Path) -> Case:
    """Read a case's file."""
    return case_of(content_of(path), str(path))


def case_of(content: Any, where: str) -> Case:
    """Read a case from JSON that is decoded already. `where` is its name, for faults."""
    if not isinstance(content, dict):
        raise Invalid("expected a JSON object", where)
    try:
        return Case.model_validate(content)
    except ValidationError as error:
        raise Invalid("\n".join(f"{where}: {fault}" for fault in faults_of(error))) from None


def record(path: Path, expected: Any) -> None:
    """Put what is expected into a case's file; the rest of it stays as it is."""
    content = content_of(path) | {"expected": _sorted(expected)}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def content_of(path: Path) -> Any:
    """Read a file's JSON."""
    try:
        return decoded(path.read_text("utf-8-sig"))
    except OSError as error:
        raise Invalid(f"cannot be read: {error.strerror}", str(path)) from None
    except UnicodeDecodeError as error:
        raise Invalid(f"is not UTF-8 text (at byte {error.start})", str(path)) from None
    except ValueError as error:
        raise not_json(error, str(path)) from None


def _sorted(value: Any) -> Any:
    match value:
        case dict():
            return {name: _sorted(value[name]) for name in sorted(value)}
        case list():
            return [_sorted(each) for each in value]
        case _:
            return value


def _object_fault(expected: Any, path: str) -> str | None:
    if not isinstance(expected, dict):
        return f"{path} must be an object"
    if fault := _key_fault(expected, _KEYS, path):
        return fault
    outcome = expected.get("outcome", ANY)
    if outcome not in (*OUTCOMES, ANY):
        return f"{path}.outcome: unknown outcome {outcome!r}{nearest(str(outcome), OUTCOMES)}"
    faults = (_inner_fault(name, expected[name], f"{path}.{name}") for name in _KEYS_OF if name in expected)
    return next((fault for fault in faults if fault), None)


def _inner_fault(name: str, value: Any, path: str) -> str | None:
    if value is None or value == ANY:
        return None
    if name not in _LISTS:
        return _key_fault(value, _KEYS_OF[name], path) if isinstance(value, dict) else f"{path} must be an object"
    if not isinstance(value, list):
        return f"{path} must be a list"
    return next(
        (fault for index, each in enumerate(value) if (fault := _entry_fault(name, each, f"{path}[{index}]"))), None
    )


def _entry_fault(name: str, entry: Any, path: str) -> str | None:
    if isinstance(entry, dict):
        return _key_fault(entry, _KEYS_OF[name], path)
    if isinstance(entry, str) and (name == "logs" or entry == ANY):
        return None
    return f"{path} must be a string or an object" if name == "logs" else f"{path} must be an object"


def _key_fault(given: Mapping[str, Any], known: Sequence[str], path: str) -> str | None:
    unknown = next((name for name in given if name not in known), None)
    return None if unknown is None else f"{path}: unknown key {unknown!r}{nearest(unknown, known)}"
