"""The integrations object decides, then the types a destination takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from midstream.domain.head import head
from midstream.domain.routing import refusal


def asked(integrations: Any, type_: str = "track", names: tuple[str, ...] = ("Warehouse", "Webhook")) -> str | None:
    event = head(json.dumps({"type": type_, "integrations": integrations}).encode())
    refused = refusal(event, names, frozenset({"track"}))
    return refused.reason if refused else None


@pytest.mark.parametrize(
    "integrations",
    [
        None,
        {},
        [],
        {"All": True},
        {"All": False, "Warehouse": True},
        {"All": False, "Webhook": {"option": 1}},
        {"Other": False},
    ],
)
def test_an_event_goes_where_it_wants_to(integrations: Any) -> None:
    assert asked(integrations) is None


@pytest.mark.parametrize("integrations", [{"All": False}, {"Warehouse": False}, {"All": True, "Webhook": False}])
def test_an_event_stays_away_where_it_says_so(integrations: Any) -> None:
    assert asked(integrations) == "FILTERED_BY_INTEGRATIONS_OBJECT"


def test_names_are_case_sensitive() -> None:
    assert asked({"warehouse": False}) is None


def test_a_type_the_destination_does_not_take_is_filtered() -> None:
    assert asked({}, "page") == "UNSUPPORTED_EVENT_TYPE"
