"""What every operation is held to, whatever it is about and whoever asks.

After each: the chain of the trail is whole; what was refused changed nothing and stands in the trail; what changed anything
has an entry by who did it, and moves the revision if it is of the topology; and a caller was let through exactly where the
table of roles says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant
from sqlalchemy import inspect, select

from midstream.control import instances, tokens
from midstream.control.act import UseCase
from midstream.domain.access import WORKSPACE, Caller, Grant, Role, Subject
from midstream.domain.audit import Action
from midstream.errors import Invalid, RequestError
from midstream.secrets import Vault
from midstream.store import trail
from midstream.store.people import GrantRow, GroupMemberRow, GroupRow, InviteRow, MemberRow, TokenRow, UserRow
from midstream.store.schema import (
    DestinationRow,
    FilterRow,
    FunctionRow,
    InstanceRow,
    SourceRow,
    Table,
    VersionRow,
    WriteKeyRow,
)
from midstream.store.session import open_engine, open_sessions
from midstream.store.snapshot import revision
from midstream.store.trail import AuditRow
from tests.integration.office import call_in

Rows = dict[type[Table], list[Any]]

TOPOLOGY = (SourceRow, WriteKeyRow, DestinationRow, FilterRow, FunctionRow, VersionRow, InstanceRow)
PEOPLE = (UserRow, MemberRow, GroupRow, GroupMemberRow, GrantRow, InviteRow, TokenRow)
REFUSALS = (Action.PERMISSION_CHECK, Action.SIGN_IN_REFUSED)  # noted, though nothing changed


@dataclass(frozen=True)
class Holder:
    """Somebody who is granted one role, or two; on all there is, or only on what the operation is about."""

    role: Role
    also: Role | None
    narrow: bool


@dataclass(frozen=True)
class Token:
    """A token that was made. It may be gone meanwhile."""

    id: str
    secret: str


# Whoever is let through to the members' doors has to be an owner: without more of them little would happen there.
_HOLDERS = st.builds(Holder, st.sampled_from(Role), st.none() | st.sampled_from(Role), st.booleans())
TOKENS: Bundle[Token] = Bundle("tokens")
ANYBODY = _HOLDERS | TOKENS
OWNERS = st.just(Holder(Role.WORKSPACE_OWNER, None, narrow=False)) | ANYBODY


@dataclass(frozen=True)
class Seen:
    """What can be seen of the database at one moment."""

    topology: Rows
    people: Rows
    entries: list[AuditRow]
    revision: int


class Machine(RuleBasedStateMachine):
    """A workspace on a database of its own, and what is done to it at random."""

    def __init__(self, new_database: Callable[[], str], vault: Vault) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.engine = open_engine(new_database())
        self.call = self.run(call_in(open_sessions(self.engine), vault))
        self.made = 0

    def teardown(self) -> None:
        self.run(self.engine.dispose())
        self.runner.close()

    def run(self, what: Any) -> Any:
        return self.runner.run(what)

    def number(self) -> int:
        """Give a number that nothing has in its name yet."""
        self.made += 1
        return self.made

    # -- who asks --

    async def caller(self, who: Holder | Token, ids: tuple[str, ...]) -> Caller | None:
        """Return who asks, about these; None for a token that is good for nothing any more."""
        if isinstance(who, Token):
            return await self.by_token(who)
        resources = frozenset(ids) if who.narrow else None
        grants = tuple(Grant(each, resources) for each in (who.role, who.also) if each)
        return Caller("usr_x", self.call.caller.workspace_id, grants, email="x@example.com")

    async def by_token(self, token: Token) -> Caller | None:
        """Return who a token says is asking: itself, with what it and its creator hold at this moment."""
        rows = await self.rows(PEOPLE)
        there = [row for row in rows[TokenRow] if row.id == token.id]
        found, refused = await outcome(tokens.authenticate(self.call.sessions, token.secret, datetime.now(UTC)))
        assert refused == (0 if there else 401)
        if refused:
            return None
        caller: Caller = found
        [creator] = [row for row in rows[UserRow] if row.id == there[0].creator_id]
        within = {creator.id} | {row.group_id for row in rows[GroupMemberRow] if row.email == creator.email}
        assert caller.within is not None
        assert set(caller.grants) == {_grant(row) for row in rows[GrantRow] if row.subject_id == token.id}
        assert set(caller.within) == {_grant(row) for row in rows[GrantRow] if row.subject_id in within}
        return caller

    # -- what comes of it --

    def do(self, who: Holder | Token, use: UseCase[..., Any], *given: Any, on: Subject = WORKSPACE, **more: Any) -> Any:
        """Do it on behalf of somebody; return its answer, or True where it has none. None when it was refused."""
        ids = tuple(each for each in (on.function_id, on.source_id) if each)
        caller = self.run(self.caller(who, ids))
        if caller is None:
            return None
        call = replace(self.call, caller=caller)
        found, refused, noted = self.run(self.watch(use(call, *given, **more)))
        # Deploying asks for more than the function: Source Admin where each instance is.
        allowed = all(caller.may(each, on) for each in use.needs)
        assert allowed or refused in (403, 404)  # it may have been deleted before
        assert refused != 403 or not allowed or use is instances.deploy_function
        assert (refused == 403) == ([each.action for each in noted] == [Action.PERMISSION_CHECK])
        assert all(each.actor == caller.id for each in noted)
        if refused:
            return None
        return True if found is None else found

    async def watch(self, done: Awaitable[Any]) -> tuple[Any, int, list[AuditRow]]:
        """Wait for what somebody does, and hold it to what has to hold; return answer, refusal, and what was noted."""
        before = await self.seen()
        found, refused = await outcome(done)
        after = await self.seen()
        added = after.entries[len(before.entries) :]
        moved = after.topology != before.topology
        changed = moved or after.people != before.people
        assert not (refused and changed)
        assert changed == any(each.action not in REFUSALS for each in added)
        assert (after.revision > before.revision) == moved
        assert _owned(after.people) >= _owned(before.people)  # the last owner cannot go
        return found, refused, added

    async def seen(self) -> Seen:
        return Seen(
            await self.rows(TOPOLOGY),
            await self.rows(PEOPLE),
            (await self.rows((AuditRow,)))[AuditRow],
            await revision(self.call.sessions),
        )

    async def rows(self, tables: tuple[type[Table], ...]) -> Rows:
        async with self.call.sessions() as session:
            return {each: await _rows(session, each) for each in tables}

    @invariant()
    def the_trail_is_whole(self) -> None:
        assert self.run(trail.verify(self.call.sessions)) is None


async def _rows(session: Any, table: type[Table]) -> list[Any]:
    return list(await session.execute(select(*table.__table__.columns).order_by(*inspect(table).primary_key)))


def _grant(row: Any) -> Grant:
    return Grant(Role(row.role), None if row.resources is None else frozenset(row.resources))


def _owned(rows: Rows) -> bool:
    """Say whether a member is a Workspace Owner, by themselves or by a group."""
    owning = {row.subject_id for row in rows[GrantRow] if row.role == Role.WORKSPACE_OWNER}
    emails = {row.email for row in rows[GroupMemberRow] if row.group_id in owning}
    members = {row.user_id for row in rows[MemberRow]}
    return any(row.id in members and (row.id in owning or row.email in emails) for row in rows[UserRow])


async def outcome(done: Awaitable[Any]) -> tuple[Any, int]:
    """Return what came of it: the answer, or the status of its refusal."""
    try:
        return await done, 0
    except RequestError as error:
        return None, error.status
    except Invalid:
        return None, 422
