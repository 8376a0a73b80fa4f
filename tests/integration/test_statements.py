"""However much there is, it is read with as many statements as when there is little."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from midstream.control import (
    destinations,
    filters,
    functions,
    groups,
    instances,
    invites,
    labels,
    members,
    sources,
    tokens,
    versions,
)
from midstream.control.act import Call
from midstream.control.invites import Invitation
from midstream.control.labels import Label
from midstream.domain.filters import FilterSection
from midstream.secrets import Vault
from midstream.store.session import Sessions
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]

CODE = "function onTrack(event) { return event } // %s"
DROP = {"if": "event = 'x'", "actions": [{"type": "DROP"}]}

Ids = dict[str, str]
READS: dict[str, Callable[[Call, Ids], Awaitable[Any]]] = {
    "sources": lambda call, _: sources.sources(call),
    "destinations": lambda call, _: destinations.destinations(call),
    "a source's destinations": lambda call, ids: destinations.connected_destinations(call, ids["source"]),
    "filters": lambda call, ids: filters.filters(call, ids["destination"]),
    "functions": lambda call, _: functions.functions(call),
    "versions": lambda call, ids: versions.versions(call, ids["function"], count=200),
    "instances": lambda call, _: instances.instances(call),
    "deploying": lambda call, ids: instances.deploy_function(call, ids["function"]),
    "labels": lambda call, _: labels.labels(call),
    "members": lambda call, _: members.members(call),
    "groups": lambda call, _: groups.groups(call),
    "invites": lambda call, _: invites.invites(call),
    "tokens": lambda call, _: tokens.tokens(call),
}


async def add(call: Call, number: int, ids: Ids) -> Ids:
    """Add one of each to what there is."""
    source = ids.get("source") or (await sources.create_source(call, slug="first")).id
    await sources.create_source(call, slug=f"s{number}")
    destination = await destinations.create_destination(call, source, type="sink", name=None, settings={})
    at = ids.get("destination") or destination.id
    await filters.create_filter(call, at, FilterSection.model_validate(DROP | {"title": f"f{number}"}))
    function = ids.get("function") or (await functions.create_function(call, name="First", code=CODE % 0)).id
    await functions.create_function(call, name=f"F {number}", code=CODE % 0)
    await instances.create_instance(call, function, destination.id, name="In", settings={}, enabled=True)
    await functions.update_function(call, function, code=CODE % number)  # for an instance to be deployed to
    label = Label("team", f"t{number}")
    await labels.create_label(call, label)
    await labels.add_source_labels(call, source, [label])
    member = await members.create_member(call, email=f"m{number}@example.com")
    await groups.create_group(call, name=f"G {number}")
    await invites.create_invites(call, [Invitation(f"i{number}@example.com")])
    await tokens.create_token(call, name=f"T {number}", creator_id=member.id)
    return {"source": source, "destination": at, "function": function}


@contextmanager
def selects(call: Call) -> Iterator[list[str]]:
    """Collect what is asked of the database."""
    engine, seen = call.sessions.kw["bind"].sync_engine, list[str]()

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT"):
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", see)


@pytest.mark.parametrize("read", READS)
async def test_a_longer_list_asks_the_database_no_more_often(sessions: Sessions, vault: Vault, read: str) -> None:
    call = await call_in(sessions, vault)
    ids = await add(call, 1, {})
    with selects(call) as few:
        await READS[read](call, ids)
    for number in (2, 3, 4):
        await add(call, number, ids)
    with selects(call) as many:
        await READS[read](call, ids)
    assert len(many) == len(few) > 0
