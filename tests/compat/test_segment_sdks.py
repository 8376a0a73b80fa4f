"""Segment's own clients against midstream, with only their host changed: nothing lost, nothing twice, nothing bent."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.compat.installed import HERE, node
from tests.e2e.client import apply, poll
from tests.integration.receiver import Received, Reply, receiving
from tests.whole import WRITE_KEY, Whole, running, shop

__all__ = ["node"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]

EVENTS = 10_000
MARKING = """
function change(event) {
  event.context.changed = event.messageId;
  const own = event.traits ?? event.properties;
  if (own && own.email) own.email = own.email.toLowerCase();
  return event;
}
function onIdentify(event) { return change(event) }
function onTrack(event) { return change(event) }
function onPage(event) { return change(event) }
async function onScreen(event) { return change(event) }
async function onGroup(event) { return change(event) }
async function onAlias(event) { return change(event) }
"""
# What the server adds or sets (segment.md §4.4), compared on its own.
STAMPS = ("messageId", "timestamp", "originalTimestamp", "sentAt", "receivedAt", "projectId", "version", "channel")


@dataclass
class Arrivals:
    """What the webhook's receiver took, by the number of the call it came of."""

    events: dict[int, Json] = field(default_factory=dict)
    message_ids: Counter[str] = field(default_factory=Counter)
    acceptances: Counter[tuple[str, str]] = field(default_factory=Counter)  # messageId and receivedAt

    def take(self, received: Received) -> Reply:
        for event in json.loads(received.body):
            self.events[event["context"]["call"]] = event
            self.message_ids[event["messageId"]] += 1
            self.acceptances[event["messageId"], event["receivedAt"]] += 1
        return Reply()

    def clear(self) -> None:
        self.events.clear()
        self.message_ids.clear()
        self.acceptances.clear()


@dataclass
class Stage:
    """A running midstream with a function and a webhook, and what arrives there."""

    whole: Whole
    arrivals: Arrivals


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    arrivals = Arrivals()
    async with receiving() as receiver:
        receiver.reply = arrivals.take
        with running(tmp_path_factory.mktemp("compat")) as whole:
            await apply(whole, shop(receiver.url, code=MARKING, batch="array"))
            yield Stage(whole, arrivals)


@pytest.fixture
def stage(shared: Stage) -> Stage:
    shared.arrivals.clear()
    return shared


# --- what is sent ---

_NAMES = ("Zoë", "北京", "🦊 fox", 'O\'Brien "Bo"', "a\nb\tc\\d", "مرحبا", "line\u2028end", "")
_NESTED: tuple[Any, ...] = (
    {"a": {"b": {"c": [1, {"d": None}]}}},
    [],
    {},
    [[1, [2, [3]]], "x"],
    {"key with space": 1, "dotted.key": {"ключ": True}},
    -1.5,
    9007199254740991,
    0,
    1e-7,
    False,
    None,
    "x" * 3000,
)


def calls(count: int) -> list[Json]:
    """Make calls of all the types that Segment's server SDKs offer, each a little different; the seed is fixed."""
    chance = random.Random(1)
    return [_call(number, chance) for number in range(count)]


def _call(number: int, chance: random.Random) -> Json:
    type_ = ("track", "identify", "page", "screen", "group", "alias")[number % 6]
    call: Json = {"type": type_, "context": {"call": number, "locale": "pt-BR", "app": {"name": chance.choice(_NAMES)}}}
    call |= {"userId": f"user-{number}-{chance.choice(_NAMES)}"}
    if type_ != "alias" and number % 3 == 0:
        call["anonymousId"] = f"anon-{number}"
        if number % 2:
            del call["userId"]
    if number % 4 == 0:
        call["timestamp"] = _moment(chance).isoformat()
    if number % 5 == 0:
        call["integrations"] = {"All": True, "Other Tool": {"option": chance.choice(_NAMES)}}
    if number % 7 == 0:
        call["messageId"] = f"own-{uuid4()}"
    own = {
        "email": f"Someone.{number}@Example.COM",
        "name": chance.choice(_NAMES),
        "value": chance.choice(_NESTED),
        "more": {chance.choice(_NAMES) or "empty": chance.choice(_NESTED) for _ in range(chance.randrange(4))},
    }
    match type_:
        case "track":
            call |= {"event": f"Order {chance.choice(_NAMES)}".strip(), "properties": own}
        case "identify":
            call |= {"traits": {**own, "createdAt": _moment(chance).isoformat()}}
        case "group":
            call |= {"groupId": f"group-{number % 10}", "traits": own}
        case "alias":
            call |= {"previousId": f"before-{number}"}
        case _:
            call |= {"name": f"Page {number}", "category": "Docs", "properties": own}
    return call


def _moment(chance: random.Random) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=chance.randrange(10**10))


def _written(folder: Path, wanted: list[Json]) -> str:
    path = folder / "calls.ndjson"
    path.write_text("".join(json.dumps(call) + "\n" for call in wanted), "utf-8")
    return str(path)


async def _finish(process: asyncio.subprocess.Process) -> None:
    _, said = await asyncio.wait_for(process.communicate(), 150)
    assert process.returncode == 0, said.decode()


async def python_sdk(whole: Whole, path: str, **settings: Any) -> asyncio.subprocess.Process:
    settings = {"host": whole.base_url, "write_key": WRITE_KEY, "max_queue_size": EVENTS, **settings}
    return await _sender(sys.executable, "-W", "error", str(HERE / "send.py"), path, json.dumps(settings))


async def node_sdk(whole: Whole, folder: Path, path: str, *more: str, **settings: Any) -> asyncio.subprocess.Process:
    settings = {"host": whole.base_url, "writeKey": WRITE_KEY, **settings}
    return await _sender("node", str(folder / "send.mjs"), path, json.dumps(settings), *more)


async def _sender(*command: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)


# --- what must have become of it ---


def check_each_event(wanted: list[Json], arrivals: Arrivals, sent_by: Callable[[Json], Json]) -> None:
    """Check that all came, each once, changed as the function does and not otherwise. `sent_by`: what the SDK makes of a call."""
    assert len(arrivals.events) == len(wanted), f"{len(wanted) - len(arrivals.events)} are missing"
    assert not (twice := {each: n for each, n in arrivals.message_ids.items() if n > 1}), twice
    assert len(arrivals.message_ids) == len(wanted)
    for number, call in enumerate(wanted):
        event = arrivals.events[number]
        assert _own(event) == _changed(sent_by(_with_dates(call)), event["messageId"])
        assert event["messageId"] == call.get("messageId", event["messageId"])
        check_stamps(event, call.get("timestamp"))


def _own(event: Json) -> Json:
    """Return what the client said: without the server's stamps, dates read."""
    return _with_dates({name: value for name, value in event.items() if name not in STAMPS})


def _changed(sent: Json, message_id: str) -> Json:
    """Do what the function does."""
    wanted = {name: value for name, value in sent.items() if name not in STAMPS}
    for name in ("traits", "properties"):
        if name in wanted:
            wanted[name] = {**wanted[name], "email": wanted[name]["email"].lower()}
    return {**wanted, "context": {**wanted["context"], "changed": message_id}}


def _with_dates(event: Json) -> Json:
    if "createdAt" not in event.get("traits", {}):
        return event
    return {**event, "traits": {**event["traits"], "createdAt": datetime.fromisoformat(event["traits"]["createdAt"])}}


def check_stamps(event: Json, given: str | None) -> None:
    original, sent, received, corrected = (
        datetime.fromisoformat(event[name]) for name in ("originalTimestamp", "sentAt", "receivedAt", "timestamp")
    )
    assert (event["version"], event["channel"]) == (2, "server")
    assert event["projectId"].startswith("src_")
    if given:
        assert original == datetime.fromisoformat(given).replace(microsecond=original.microsecond)
        assert abs(original - datetime.fromisoformat(given)) < timedelta(milliseconds=1)
    # Each is cut to milliseconds by itself.
    assert abs(corrected - (received - (sent - original))) <= timedelta(milliseconds=2)


def by_python(call: Json) -> Json:
    """Return what the Python SDK is known to send: it also names the id that it was not given."""
    library = {"name": "analytics-python", "version": metadata.version("segment-analytics-python")}
    unnamed: Json = {"userId": None, "anonymousId": None, "integrations": {}}
    return unnamed | call | {"context": {**call["context"], "library": library}}


def by_node(folder: Path) -> Callable[[Json], Json]:
    """Return what the Node SDK is known to send: a page's category also stands in its properties."""
    package = json.loads((folder / "node_modules/@segment/analytics-node/package.json").read_text())
    library = {"name": package["name"], "version": package["version"]}
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()

    def sent(call: Json) -> Json:
        made = {**call, "context": {**call["context"], "library": library}}
        made |= {"integrations": call.get("integrations", {})}
        made["_metadata"] = {"nodeVersion": version, "jsRuntime": "node"}
        if call["type"] == "page":
            made["properties"] = {**call["properties"], "category": call["category"]}
        return made

    return sent


@pytest.mark.parametrize("settings", [{}, {"gzip": True}], ids=["plain", "gzip"])
async def test_all_that_the_python_sdk_sends_arrives_once_changed_and_otherwise_intact(
    stage: Stage, tmp_path: Path, settings: Json
) -> None:
    wanted = calls(EVENTS)
    await _finish(await python_sdk(stage.whole, _written(tmp_path, wanted), **settings))
    await poll(lambda: len(stage.arrivals.events) >= len(wanted), 60)
    check_each_event(wanted, stage.arrivals, by_python)


async def test_the_python_sdk_may_send_each_event_by_itself(stage: Stage, tmp_path: Path) -> None:
    wanted = calls(100)
    await _finish(await python_sdk(stage.whole, _written(tmp_path, wanted), sync_mode=True))
    await poll(lambda: len(stage.arrivals.events) >= len(wanted))
    check_each_event(wanted, stage.arrivals, by_python)


async def test_all_that_the_node_sdk_sends_arrives_once_changed_and_otherwise_intact(
    stage: Stage, node: Path, tmp_path: Path
) -> None:
    wanted = calls(EVENTS)
    await _finish(await node_sdk(stage.whole, node, _written(tmp_path, wanted)))
    await poll(lambda: len(stage.arrivals.events) >= len(wanted), 60)
    check_each_event(wanted, stage.arrivals, by_node(node))


async def test_the_times_of_a_client_whose_clock_is_an_hour_ahead_are_put_right(
    stage: Stage, node: Path, tmp_path: Path
) -> None:
    wanted = [each for each in calls(40) if "timestamp" not in each]
    for number, call in enumerate(wanted):
        call["context"]["call"] = number
    await _finish(await node_sdk(stage.whole, node, _written(tmp_path, wanted), "1"))
    await poll(lambda: len(stage.arrivals.events) == len(wanted))
    for event in stage.arrivals.events.values():
        check_stamps(event, None)
        sent, received, corrected = (datetime.fromisoformat(event[n]) for n in ("sentAt", "receivedAt", "timestamp"))
        assert timedelta(minutes=59) < sent - received < timedelta(minutes=61)
        assert abs(corrected - received) < timedelta(minutes=1)


@pytest.mark.parametrize("sdk", ["python", "node"])
async def test_an_sdk_whose_front_is_killed_meanwhile_loses_nothing(
    stage: Stage, tmp_path: Path, sdk: str, request: pytest.FixtureRequest
) -> None:
    wanted = calls(EVENTS)
    path = _written(tmp_path, wanted)
    if sdk == "python":
        sender = await python_sdk(stage.whole, path)
    else:
        sender = await node_sdk(stage.whole, request.getfixturevalue("node"), path)
    await poll(lambda: len(stage.arrivals.events) > EVENTS / 10)
    at_kill = len(stage.arrivals.events)
    assert stage.whole.kill("front")
    assert at_kill < EVENTS, "the kill came too late to show anything"
    await _finish(sender)
    await poll(lambda: len(stage.arrivals.events) >= EVENTS, 60)
    repeated = sum(count - 1 for count in stage.arrivals.message_ids.values())
    print(f"{sdk}: killed after {at_kill:,} of {EVENTS:,}; {repeated:,} arrived twice")  # noqa: T201 # a figure to read
    # What was stored while its answer died with the process is sent again by the SDK, which has up to all of its requests
    # under way at once. Nothing is repeated but that: what was accepted once is delivered once.
    assert max(stage.arrivals.acceptances.values()) == 1
    assert set(stage.arrivals.events) == set(range(EVENTS))


async def test_the_node_sdk_is_pinned_and_comes_from_the_public_registry_only() -> None:
    package = json.loads((HERE / "node" / "package.json").read_text())
    lock = json.loads((HERE / "node" / "package-lock.json").read_text())
    pinned = itertools.chain(package["dependencies"].values(), (lock["packages"][""]["dependencies"]).values())
    assert all(version[0].isdigit() or version == "file:./no-ldexp" for version in pinned)
    ours = {"no-ldexp", "node_modules/@stdlib/math-base-special-ldexp"}  # a file beside it, and the link there
    packages = {name: each for name, each in lock["packages"].items() if name and name not in ours}
    assert all(each["integrity"].startswith("sha512-") for each in packages.values())
    assert all(
        each.get("resolved", "https://registry.npmjs.org/").startswith("https://registry.npmjs.org/")
        for each in packages.values()
    )
