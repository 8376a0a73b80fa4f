"""`/functions/preview` and `/functions/check`: code that is tried and looked over; nothing is saved."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from midstream.api.definitions import Settings, defined
from midstream.api.office import TheCall, TheOffice
from midstream.api.routing import Body, Routes, Shape
from midstream.authoring.check import check
from midstream.authoring.mocked import Mocked, replies_of
from midstream.authoring.preview import Trial, preview
from midstream.control import functions
from midstream.control.transaction import at
from midstream.domain.settings import check_values

routes = Routes("Functions")


class PreviewFunction(Body):
    """Code to run on events, as production would. `responses` answer its requests instead of the network."""

    code: str
    events: tuple[dict[str, Any], ...] = Field(min_length=1, max_length=400)
    settings: dict[str, Any] = Field(default_factory=dict)
    settingsSchema: Settings = ()
    responses: Annotated[list[dict[str, Any]] | None, Field(max_length=1000)] = None
    allowedHosts: tuple[str, ...] = ()


class CheckFunction(Body):
    """Code to look over without running a handler."""

    code: str
    settingsSchema: Settings | None = None
    types: Literal["none", "names", "all"] = "none"


class PreviewedFunction(Shape):
    """What came of each event, in order: contract §4.2's `results`."""

    results: list[dict[str, Any]]
    warnings: list[str]


class CheckedOver(Shape):
    """What was found in the code."""

    handlers: tuple[str, ...]
    diagnoses: list[dict[str, Any]]


@routes.post("/functions/preview", functions.try_code)
async def previewFunction(call: TheCall, office: TheOffice, body: PreviewFunction) -> PreviewedFunction:
    """Run code on events in a sandbox of its own; nothing is saved or delivered."""
    await functions.try_code(call)
    schema = defined(body.settingsSchema)
    with at("settings"):
        check_values(schema, body.settings)
    trial = Trial(body.code, body.events, body.settings, schema, tuple(body.allowedHosts))
    network = office.network if body.responses is None else Mocked(replies_of(body.responses, "responses")).send
    async with office.trying:
        shown = await preview(trial, network, office.bench)
    return PreviewedFunction(results=shown.results, warnings=shown.warnings)


@routes.post("/functions/check", functions.try_code)
async def checkFunction(call: TheCall, office: TheOffice, body: CheckFunction) -> CheckedOver:
    """Look code over: does it load, which handlers has it, what does it name that is not there."""
    await functions.try_code(call)
    schema = None if body.settingsSchema is None else defined(body.settingsSchema)
    async with office.trying:
        found = await check(body.code, office.bench, schema=schema, types=body.types)
    return CheckedOver(handlers=found.handlers, diagnoses=[msgspec.to_builtins(each) for each in found.diagnoses])
