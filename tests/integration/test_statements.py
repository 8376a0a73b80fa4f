"""However much there is, it is read with as many statements as when there is little."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
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
from midstream.control.parts import ALL, Part
from midstream.domain.access import Caller, Grant, Role
from midstream.domain.filters import FilterSection
from midstream.secrets import Vault
from midstream.store.session import Sessions
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]

CODE = "function onTrack(event) { return event } // %s"
DROP = {"if": "event = 'x'", "actions": [{"type": "DROP"}]}

Ids = dict[str, str]
LISTS: dict[str, Callable[[Call, Ids, slice], Awaitable[Part[Any]]]] = {
    "sources": lambda call, _, place: sources.sources(call, place),
    "destinations": lambda call, _, place: destinations.destinations(call, place),
    "a source's destinations": lambda call, ids, place: destinations.connected_destinations(call, ids["source"], place),
    "functions": lambda call, _, place: functions.functions(call, place),
    "versions": lambda call, ids, place: versions.versions(call, ids["function"], place),
    "instances": lambda call, _, place: instances.instances(call, place),
    "members": lambda call, _, place: members.members(call, place),
    "a member's groups": lambda call, ids, place: members.groups_of_member(call, ids["member"], place),
    "groups": lambda call, _, place: groups.groups(call, place),
    "a group's members": lambda call, ids, place: groups.people_of_group(call, ids["group"], place),
    "a group's invited": lambda call, ids, place: groups.invited_to_group(call, ids["group"], place),
    "invites": lambda call, _, place: invites.invites(call, place),
    "tokens": lambda call, _, place: tokens.tokens(call, place),
}
READS: dict[str, Callable[[Call, Ids], Awaitable[Any]]] = {
    "filters": lambda call, ids: filters.filters(call, ids["destination"]),
    "deploying": lambda call, ids: instances.deploy_function(call, ids["function"]),
    "labels": lambda call, _: labels.labels(call),
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
    made = await groups.create_group(call, name=f"G {number}")
    group, first = ids.get("group") or made.id, ids.get("member") or member.id
    await invites.create_invites(call, [Invitation(f"i{number}@example.com")])
    await groups.add_to_group(call, group, [member.email, f"i{number}@example.com"])
    if group != made.id:
        await groups.add_to_group(call, made.id, ["m1@example.com"])
    await tokens.create_token(call, name=f"T {number}", creator_id=member.id)
    return {"source": source, "destination": at, "function": function, "group": group, "member": first}


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


@pytest.mark.parametrize("name", [*READS, *LISTS])
async def test_a_longer_list_asks_the_database_no_more_often(sessions: Sessions, vault: Vault, name: str) -> None:
    read = READS.get(name) or (lambda call, ids: LISTS[name](call, ids, ALL))
    call = await call_in(sessions, vault)
    ids = await add(call, 1, {})
    with selects(call) as few:
        await read(call, ids)
    for number in (2, 3, 4):
        await add(call, number, ids)
    with selects(call) as many:
        await read(call, ids)
    assert len(many) == len(few) > 0


@pytest.mark.parametrize("name", LISTS)
async def test_the_pages_of_a_list_are_all_of_it(sessions: Sessions, vault: Vault, name: str) -> None:
    call = await call_in(sessions, vault)
    ids = await add(call, 1, {})
    for number in (2, 3, 4):
        await add(call, number, ids)
    whole = await LISTS[name](call, ids, ALL)
    pages = [await LISTS[name](call, ids, slice(start, start + 3)) for start in range(0, len(whole) + 3, 3)]
    assert [len(page) for page in pages[:2]] == [3, min(3, len(whole) - 3)]
    assert [each for page in pages for each in page] == whole
    assert {page.total for page in [whole, *pages]} == {len(whole)}


async def test_a_page_holds_and_counts_only_what_its_reader_may_see(sessions: Sessions, vault: Vault) -> None:
    call = await call_in(sessions, vault)
    ids = await add(call, 1, {})
    await add(call, 2, ids)
    seen = frozenset({ids["source"], ids["function"]})
    grants = (Grant(Role.SOURCE_READ_ONLY, seen), Grant(Role.FUNCTIONS_READ_ONLY, seen))
    narrow = replace(call, caller=Caller("usr_x", call.caller.workspace_id, grants))
    assert [(len(each), each.total) for each in await two_of_each(call)] == [(2, 3), (2, 3), (2, 2), (2, 2)]
    assert [(len(each), each.total) for each in await two_of_each(narrow)] == [(1, 1), (1, 1), (2, 2), (2, 2)]
    blind = replace(call, caller=Caller("usr_x", call.caller.workspace_id, (Grant(Role.WORKSPACE_MEMBER),)))
    assert [(len(each), each.total) for each in await two_of_each(blind)] == [(0, 0)] * 4


async def two_of_each(call: Call) -> list[Part[Any]]:
    lists = (sources.sources, functions.functions, destinations.destinations, instances.instances)
    return [await each(call, slice(0, 2)) for each in lists]


async def test_a_list_of_functions_loads_no_code(sessions: Sessions, vault: Vault) -> None:
    call = await call_in(sessions, vault)
    await add(call, 1, {})
    with selects(call) as seen:
        assert await functions.functions(call)
    assert not [each for each in seen if "function_version" in each]
