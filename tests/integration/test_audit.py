"""The audit trail as owners read it, on both databases; and how long it is kept."""

from __future__ import annotations

import asyncio
import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from midstream.control import audit, groups, members, sources
from midstream.control.act import Call
from midstream.control.housekeeping import keep_house
from midstream.domain.access import Caller, Grant, Role
from midstream.domain.audit import Wanted
from midstream.domain.topology import EMPTY
from midstream.errors import RequestError
from midstream.secrets import Vault
from midstream.store import trail
from midstream.store.session import Sessions
from midstream.store.trail import AuditRow
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in
from tests.integration.test_log import serving

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]

ALL = Wanted()


@pytest.fixture
async def call(sessions: Sessions, vault: Vault) -> Call:
    return await call_in(sessions, vault)


async def names(call: Call, wanted: Wanted = ALL) -> list[str]:
    return [entry.resource.name for entry in (await audit.entries(call, wanted, count=100)).entries]


async def test_pages_follow_each_other_without_a_gap_while_entries_are_added(call: Call) -> None:
    for number in range(5):
        await groups.create_group(call, name=f"g{number}")
    first = await audit.entries(call, ALL, count=2)
    await groups.create_group(call, name="later")
    second = await audit.entries(call, ALL, before=first.before, count=2)
    third = await audit.entries(call, ALL, before=second.before, count=2)
    found = [[entry.resource.name for entry in page.entries] for page in (first, second, third)]
    assert found == [["g4", "g3"], ["g2", "g1"], ["g0", "Main"]]
    assert third.before is None


async def test_entries_are_found_by_what_they_are_about_and_by_whom(call: Call) -> None:
    source = await sources.create_source(call, slug="web", name="Web")
    ann = await members.create_member(call, email="ann@example.com")
    as_ann = replace(
        call, caller=Caller(ann.id, call.caller.workspace_id, (Grant(Role.WORKSPACE_OWNER),), email=ann.email)
    )
    await groups.create_group(as_ann, name="Shop")
    assert await names(call, Wanted(resource_ids=audit.ids_of(source.id))) == ["Web", "Web"]
    assert await names(call, Wanted(resource_ids=audit.ids_of(source.id.removeprefix("src_")))) == ["Web", "Web"]
    assert await names(call, Wanted(resource_type="user")) == ["ann@example.com"]
    assert await names(call, Wanted(action="Source Created")) == ["Web"]
    assert await names(call, Wanted(actor=ann.id)) == await names(call, Wanted(actor=ann.email)) == ["Shop"]
    assert await names(call, Wanted(actor=ann.id, resource_type="source")) == []


async def test_entries_are_found_by_when_it_happened(call: Call) -> None:
    await groups.create_group(call, name="before")
    cut = datetime.now(UTC) + timedelta(milliseconds=1)
    while datetime.now(UTC) < cut + timedelta(milliseconds=1):
        pass
    await groups.create_group(call, name="after")
    assert await names(call, Wanted(start=cut)) == ["after"]
    assert await names(call, Wanted(end=cut)) == ["before", "Main"]
    assert await names(call, Wanted(start=cut, end=cut)) == []


async def test_another_workspaces_entries_are_not_seen_and_owners_only_see_their_own(call: Call) -> None:
    elsewhere = await call_in(call.sessions, call.vault, "other")
    await groups.create_group(elsewhere, name="Theirs")
    assert await names(call) == ["Main"]
    member = replace(call, caller=Caller("usr_1", call.caller.workspace_id, (Grant(Role.FUNCTIONS_ADMIN),)))
    for asked in (audit.entries(member, ALL, count=1), audit.export(member, ALL)):
        with pytest.raises(RequestError, match="audit:read"):
            await asked


async def exported(call: Call, wanted: Wanted = ALL) -> str:
    return "".join([piece async for piece in await audit.export(call, wanted)])


async def test_the_whole_trail_is_exported_page_by_page(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_EXPORTED", 2)
    for number in range(4):
        await groups.create_group(call, name=f'g{number}, "{number}"')
    text = await exported(call)
    assert text.count("\r\n") == text.count("\n") == 6
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["resourceName"] for row in rows] == ['g3, "3"', 'g2, "2"', 'g1, "1"', 'g0, "0"', "Main"]
    assert rows[0]["actor"] == "__system__"
    assert (rows[0]["type"], rows[0]["resourceType"]) == ("User Group Created", "user_group")
    assert len(await exported(call, Wanted(action="Nothing"))) < 120


@pytest.mark.parametrize("name", ['=HYPERLINK("http://evil.example")', "+1", "-1", "@SUM(A1)", "\uff1d1+1"])
async def test_a_name_cannot_be_a_formula_in_a_spreadsheet(call: Call, name: str) -> None:
    await groups.create_group(call, name=name)
    [newest, *_] = csv.DictReader(io.StringIO(await exported(call)))
    assert newest["resourceName"] == f"'{name}"


async def test_entries_of_another_age_are_forgotten(call: Call, tmp_path: Path) -> None:
    await groups.create_group(call, name="old")
    await groups.create_group(call, name="new")
    long_ago = datetime.now(UTC) - timedelta(days=91)
    async with call.sessions.begin() as session:
        await session.execute(update(AuditRow).where(AuditRow.sequence <= 2).values(at=long_ago))
    async with serving(tmp_path) as (_, log):
        house = keep_house(log, call.sessions, lambda: EMPTY, log_max_bytes=1 << 30, audit_max_age=timedelta(days=90))
        task = asyncio.create_task(house)
        async with asyncio.timeout(20):
            while await kept(call) > 1:
                await asyncio.sleep(0.05)
        task.cancel()
    assert await names(call) == ["new"]
    assert await trail.verify(call.sessions) is None


async def kept(call: Call) -> int:
    async with call.sessions() as session:
        return await session.scalar(select(func.count()).select_from(AuditRow)) or 0
