"""Segment's Public API SDK for TypeScript against midstream: every call answers in the SDK's own types.

The SDK takes any answer without a word, so what came is compared with the models it is generated from.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.compat.installed import node
from tests.whole import running

__all__ = ["node"]


def faults(kind: str, value: Any, models: Mapping[str, Any], at: str) -> Iterator[str]:
    """Say where a value is not what the SDK's types say."""
    if listed := re.fullmatch(r"Array<(.*)>", kind):
        if not isinstance(value, list):
            yield f"{at}: expected a list"
            return
        for place, each in enumerate(value):
            yield from faults(listed[1], each, models, f"{at}[{place}]")
    elif kind in models:
        if not isinstance(value, dict):
            yield f"{at}: expected {kind}"
            return
        for name, field in models[kind].items():
            yield from _field(field, value.get(name), models, f"{at}.{name}", there=name in value)
    elif kind == "string" and not isinstance(value, str):
        yield f"{at}: expected a string, got {value!r}"
    elif kind == "number" and (isinstance(value, bool) or not isinstance(value, int | float)):
        yield f"{at}: expected a number, got {value!r}"
    elif kind == "boolean" and not isinstance(value, bool):
        yield f"{at}: expected a boolean, got {value!r}"


def _field(field: Mapping[str, Any], value: Any, models: Mapping[str, Any], at: str, *, there: bool) -> Iterator[str]:
    if not there:
        if field["required"]:
            yield f"{at}: is missing"
    elif value is None:
        if not field["nullable"] and field["type"] != "any":
            yield f"{at}: is null"
    elif field["enum"]:
        if value not in field["enum"]:
            yield f"{at}: {value!r} is none of {field['enum']}"
    else:
        yield from faults(field["type"], value, models, at)


@pytest.fixture(scope="module")
def tour(node: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Run the tour once; give what it printed, and what the SDK says about its types."""
    with running(tmp_path_factory.mktemp("api")) as whole:
        token = whole.run("token", "create").stdout.strip()
        member = whole.run("user", "create", "member@example.com", "--role", "workspace_member")
        assert member.returncode == 0, member.stderr
        said = subprocess.run(
            ["node", "public_api.mjs", whole.base_url, token, "http://127.0.0.1:9/"],
            cwd=node,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        log = whole.log()
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    types = json.loads(subprocess.run(["node", "models.mjs"], cwd=node, capture_output=True, check=True).stdout)
    assert lines, said.stderr
    return {"calls": lines[:-1], "end": lines[-1], "types": types, "log": log, "said": said.stdout + said.stderr}


def test_every_call_is_answered(tour: Mapping[str, Any]) -> None:
    assert [call for call in tour["calls"] if "error" in call] == []
    assert "seen" in tour["end"], tour["said"]


def test_every_answer_is_of_the_sdks_own_types(tour: Mapping[str, Any]) -> None:
    models, operations = tour["types"]["models"], tour["types"]["operations"]
    found = [
        f"{call['operation']}{fault}"
        for call in tour["calls"]
        if "answer" in call
        for fault in faults(operations[call["operation"]], call["answer"], models, "")
    ]
    assert found == []


def test_all_of_the_sdks_operations_in_scope_are_called(tour: Mapping[str, Any]) -> None:
    called = {call["operation"] for call in tour["calls"]} | {"getWarehouseMetadata"}
    scope = (Path(__file__).parent / "node" / "scope.txt").read_text().split()
    print(  # noqa: T201 # the figure is what the test is run for
        f"{len(called & set(scope))} of {len(scope)} operations in scope are covered"
    )
    assert set(scope) - called == set()
    assert set(scope) <= set(tour["types"]["operations"])


def test_refusals_are_told_in_the_sdks_errors(tour: Mapping[str, Any]) -> None:
    seen = tour["end"]["seen"]
    assert "Mask for the warehouse" not in seen["deleteConnectedFunction"]["message"]  # it names destinations
    assert "Warehouse (ifi_" in seen["deleteConnectedFunction"]["message"]
    assert seen["getMissingFunction"] == {
        "type": "not-found",
        "message": "there is no function with the id 'ifnd_none'",
    }
    assert seen["createUnreadableFilter"]["field"] == "if"
    assert seen["writeKey"].startswith("wk_")


def test_no_secret_comes_back(tour: Mapping[str, Any]) -> None:
    assert "planted" not in tour["said"]
    assert "planted" not in tour["log"]
