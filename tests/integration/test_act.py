"""What every use case keeps: permission, trail and change together, on both databases."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Executable, delete, select, update

from midstream.control import sources
from midstream.control.act import Act, Call, Writes, acting, use_case
from midstream.control.locate import etag
from midstream.domain.access import Caller, Grant, Permission, Role
from midstream.domain.audit import Action
from midstream.errors import RequestError
from midstream.secrets import Vault
from midstream.store import trail
from midstream.store.schema import SourceRow
from midstream.store.session import Sessions
from midstream.store.snapshot import revision
from midstream.store.trail import AuditHeadRow, AuditRow
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]


@pytest.fixture
async def call(sessions: Sessions, vault: Vault) -> Call:
    return await call_in(sessions, vault)


async def entries(call: Call) -> list[tuple[str, str, str]]:
    async with call.sessions() as session:
        rows = await session.scalars(select(AuditRow).order_by(AuditRow.sequence))
        return [(row.action, row.actor, row.resource_name) for row in rows]


def member(call: Call, *grants: Grant) -> Call:
    return replace(call, caller=Caller("usr_1", call.caller.workspace_id, grants, email="ann@example.com"))


async def test_a_change_and_its_entry_are_there_together(call: Call) -> None:
    await sources.create_source(call, slug="web", name="Web")
    assert await entries(call) == [
        ("Workspace Created", "__system__", "Main"),
        ("Source Created", "__system__", "Web"),
        ("Source Write Key Created", "__system__", "Web"),
    ]
    assert await trail.verify(call.sessions) is None


async def test_what_changes_nothing_leaves_no_entry_and_the_revision(call: Call) -> None:
    source = await sources.create_source(call, slug="web", name="Web")
    before = await revision(call.sessions), await entries(call)
    await sources.update_source(call, source.id, name="Web", slug=None, enabled=True)
    assert (await revision(call.sessions), await entries(call)) == before


async def test_a_change_that_is_not_noted_is_not_kept(call: Call) -> None:
    async def secretly(act: Act) -> None:
        act.session.add(
            SourceRow(
                id="src_1",
                workspace_id=act.workspace_id,
                slug="x",
                name="x",
                enabled=True,
                created_at=act.at,
                updated_at=act.at,
            )
        )

    await use_case(secretly, Permission.SOURCE_CREATE, writes=Writes.TOPOLOGY)(call)
    assert await sources.sources(call) == []


async def test_a_refusal_names_the_permission_and_is_in_the_trail(call: Call) -> None:
    source = await sources.create_source(call, slug="web", name="Web")
    reader = member(call, Grant(Role.SOURCE_READ_ONLY))
    with pytest.raises(RequestError, match=f"needs the permission source:edit on {source.id}") as caught:
        await sources.delete_source(reader, source.id)
    assert caught.value.status == 403
    assert [each.id for each in await sources.sources(reader)] == [source.id]
    assert (await entries(call))[-1] == ("Permission Check", "usr_1", "")
    assert await trail.verify(call.sessions) is None


async def test_what_is_another_workspaces_is_not_there(call: Call) -> None:
    elsewhere = await call_in(call.sessions, call.vault, "other")
    source = await sources.create_source(elsewhere, slug="web", name="Web")
    for use in (sources.get_source, sources.delete_source):
        with pytest.raises(RequestError, match="there is no source with the id") as caught:
            await use(call, source.id)
        assert caught.value.status == 404
    assert await sources.sources(call) == []


async def test_only_what_is_listed_is_seen(call: Call) -> None:
    shown = await sources.create_source(call, slug="a", name="A")
    await sources.create_source(call, slug="b", name="B")
    narrow = member(call, Grant(Role.SOURCE_ADMIN, frozenset({shown.id})))
    assert [each.slug for each in await sources.sources(narrow)] == ["a"]


async def test_a_stale_tag_is_refused_and_a_fresh_one_taken(call: Call) -> None:
    source = await sources.create_source(call, slug="web", name="Web")
    async with acting(call, Writes.NOTHING) as act:
        tag = etag((await act.find(SourceRow, source.id))[0])
    fresh = replace(call, if_match=f'W/"0", {tag}')
    assert (await sources.update_source(fresh, source.id, name="New", slug=None, enabled=None)).name == "New"
    with pytest.raises(RequestError, match="changed meanwhile") as caught:
        await sources.update_source(fresh, source.id, name="Newer", slug=None, enabled=None)
    assert caught.value.status == 412
    anything = replace(call, if_match="*")
    assert (await sources.update_source(anything, source.id, name="Newer", slug=None, enabled=None)).name == "Newer"


async def test_changes_at_once_make_one_unbroken_chain(call: Call) -> None:
    await asyncio.gather(*(sources.create_source(call, slug=f"s{n}", name="S") for n in range(12)))
    assert len(await entries(call)) == 1 + 2 * 12
    assert await trail.verify(call.sessions) is None


@pytest.mark.parametrize(
    ("tampering", "complaint"),
    [
        (update(AuditRow).where(AuditRow.sequence == 3).values(actor="usr_2"), "entry 3 .* was altered"),
        (delete(AuditRow).where(AuditRow.sequence == 4), "entries 4 to 4 are missing"),
        (delete(AuditRow).where(AuditRow.sequence >= 6), "entries 6 to 7 are missing"),
        (delete(AuditRow).where(AuditRow.sequence <= 2), "entries 1 to 2 are missing"),
    ],
)
async def test_an_altered_a_removed_and_a_cut_off_entry_are_found(
    call: Call, tampering: Executable, complaint: str
) -> None:
    for name in "abc":
        await sources.create_source(call, slug=name, name=name)
    assert await trail.verify(call.sessions) is None
    async with call.sessions.begin() as session:
        await session.execute(tampering)
    assert re.search(complaint, await trail.verify(call.sessions) or "")


async def test_old_entries_are_forgotten_and_the_rest_still_holds(call: Call) -> None:
    await sources.create_source(call, slug="a", name="a")
    cut = datetime.now(UTC)
    await sources.create_source(call, slug="b", name="b")
    assert await trail.forget(call.sessions, before=cut) == 3
    assert await trail.forget(call.sessions, before=cut - timedelta(days=1)) == 0
    assert [action for action, *_ in await entries(call)] == ["Source Created", "Source Write Key Created"]
    assert await trail.verify(call.sessions) is None
    async with call.sessions.begin() as session:
        await session.execute(update(AuditHeadRow).values(forgotten=1))
    assert await trail.verify(call.sessions) == "entries 2 to 3 are missing"


def test_the_vocabulary_has_no_name_twice() -> None:
    assert len({each.value for each in Action}) == len(Action)
