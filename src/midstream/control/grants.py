"""What is granted to whom: roles on resources, to users, groups, invites and tokens; and what a user may do in all.

Enters: permissions in Segment's shape, a role with the resources it is on. Leaves: rows, and `Grant`s for the decision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
from sqlalchemy import Select, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.control.act import Act, use_case
from midstream.domain.access import ROLES, Grant, Permission, Role, Scope
from midstream.errors import Invalid, RequestError
from midstream.store.ids import new_id
from midstream.store.people import GrantRow, GroupMemberRow, GroupRow, MemberRow, UserRow
from midstream.store.schema import FunctionRow, SourceRow

# Roles held, each on all there is and will be (None) or on listed ids: a subject has each role at most once.
Held = Mapping[Role, frozenset[str] | None]


class Target(msgspec.Struct, frozen=True):
    """What a role is on: a function, a source, or the workspace, which means all of them."""

    id: str
    type: str


class Granted(msgspec.Struct, frozen=True):
    """A role and what it is on, as it is asked for and as it is shown."""

    role: str
    resources: tuple[Target, ...] = ()


class RoleView(msgspec.Struct, frozen=True):
    """A role that can be granted."""

    id: str
    name: str
    description: str


async def list_roles(act: Act) -> list[RoleView]:
    """List the roles there are."""
    return [RoleView(role.value, facts.name, facts.description) for role, facts in ROLES.items()]


async def grants_of(session: AsyncSession, workspace_id: str, *subject_ids: str) -> tuple[Grant, ...]:
    """Return what these subjects are granted by themselves."""
    return tuple(map(_grant, await session.scalars(_of(workspace_id, subject_ids))))


async def effective_grants(session: AsyncSession, workspace_id: str, user: UserRow) -> tuple[Grant, ...]:
    """Return what a user may by all that is granted to them and to the groups they are in: nothing unless a member."""
    return (await effective_grants_of(session, workspace_id, [user]))[user.id]


async def effective_grants_of(
    session: AsyncSession, workspace_id: str, users: Sequence[UserRow]
) -> dict[str, tuple[Grant, ...]]:
    """Return what each of these users may, by their ids."""
    there = (MemberRow.workspace_id == workspace_id, MemberRow.user_id.in_([user.id for user in users]))
    members = set(await session.scalars(select(MemberRow.user_id).where(*there)))
    by_email = {user.email: user.id for user in users if user.id in members}
    groups = await session.execute(
        select(GroupRow.id, GroupMemberRow.email)
        .join(GroupMemberRow, GroupMemberRow.group_id == GroupRow.id)
        .where(GroupRow.workspace_id == workspace_id, GroupMemberRow.email.in_(by_email))
    )
    holders: dict[str, list[str]] = defaultdict(list, {member: [member] for member in members})
    for group, email in groups:
        holders[group].append(by_email[email])
    found: dict[str, list[Grant]] = {user.id: [] for user in users}
    for row in await session.scalars(_of(workspace_id, holders)):
        for holder in holders[row.subject_id]:
            found[holder].append(_grant(row))
    return {user: tuple(grants) for user, grants in found.items()}


def _grant(row: GrantRow) -> Grant:
    return Grant(Role(row.role), None if row.resources is None else frozenset(row.resources))


async def checked(act: Act, wanted: Sequence[Granted], where: str = "permissions") -> Held:
    """Return what is asked for, or raise `Invalid`: resources must be of the role's kind and of this workspace."""
    found: Held = {}
    for place, each in enumerate(wanted):
        at = f"{where}[{place}]"
        if each.role not in set(Role):
            raise Invalid(f"there is no role {each.role!r}; there are: {', '.join(Role)}", f"{at}.roleId")
        role = Role(each.role)
        found = together(found, {role: await _ids(act, role, each.resources, f"{at}.resources")})
    return found


async def _ids(act: Act, role: Role, targets: Sequence[Target], where: str) -> frozenset[str] | None:
    facts = ROLES[role]
    if not targets and facts.scope is not Scope.WORKSPACE:
        everything = f'{{"id": "{act.workspace_id}", "type": "WORKSPACE"}}'
        raise Invalid(
            f"name each {facts.scope.lower()} that {facts.name} is granted on, or {everything} for all", where
        )
    found = [await _id(act, role, target, f"{where}[{place}]") for place, target in enumerate(targets)]
    return None if act.workspace_id in found or not found else frozenset(found)


async def _id(act: Act, role: Role, target: Target, where: str) -> str:
    """Return the id of a target. That of the workspace stands for all."""
    facts = ROLES[role]
    if target.type == Scope.WORKSPACE:
        if target.id not in (act.workspace_id, act.workspace_id.removeprefix("ws_")):
            raise Invalid(f"this is not the workspace's id, which is {act.workspace_id}", f"{where}.id")
        return act.workspace_id
    if target.type != facts.scope:
        kinds = " or ".join(dict.fromkeys((facts.scope, Scope.WORKSPACE)))
        raise Invalid(f"{facts.name} is granted on {kinds}, not on {target.type!r}", f"{where}.type")
    try:
        _, found = await act.find(FunctionRow if facts.scope is Scope.FUNCTION else SourceRow, target.id)
    except RequestError as error:
        raise Invalid(error.detail, f"{where}.id") from None
    return str(found.function_id or found.source_id)


def together(one: Held, other: Held) -> Held:
    """Add roles up: a role on all and on some is one on all."""
    found = dict(one)
    for role, ids in other.items():
        known = found.get(role, frozenset())
        found[role] = None if known is None or ids is None else known | ids
    return found


def said(wanted: Held) -> tuple[str, ...]:
    """Say in the audit trail what somebody was granted."""
    return tuple(
        ROLES[role].name + ("" if ids is None else f" on {', '.join(sorted(ids))}") for role, ids in wanted.items()
    )


def held(grants: Iterable[Grant]) -> Held:
    """Add grants up."""
    found: Held = {}
    for grant in grants:
        found = together(found, {grant.role: grant.resources})
    return found


async def held_by(act: Act, subject_id: str) -> Held:
    """Return what a user, group, invite or token is granted by itself."""
    return held(await grants_of(act.session, act.workspace_id, subject_id))


async def give(act: Act, subject_id: str, grants: Iterable[Grant]) -> None:
    """Grant roles to a subject, besides those it has."""
    await let_hold(act, subject_id, together(await held_by(act, subject_id), held(grants)))


async def let_hold(act: Act, subject_id: str, wanted: Held) -> bool:
    """Let a subject hold exactly this; False when it did already."""
    if await held_by(act, subject_id) == wanted:
        return False
    await take(act, [subject_id])
    for role, ids in wanted.items():
        act.session.add(
            GrantRow(
                id=new_id("gra"),
                workspace_id=act.workspace_id,
                subject_id=subject_id,
                role=role.value,
                resources=None if ids is None else sorted(ids),
            )
        )
    await act.session.flush()
    return True


async def take(act: Act, subject_ids: Iterable[str]) -> None:
    """Take everything away that these are granted by themselves."""
    wanted = (GrantRow.workspace_id == act.workspace_id, GrantRow.subject_id.in_(list(subject_ids)))
    await act.session.execute(delete(GrantRow).where(*wanted).execution_options(synchronize_session="fetch"))


async def shown(act: Act, subject_ids: Iterable[str]) -> Mapping[str, tuple[Granted, ...]]:
    """Return what each of these is granted by itself. What was deleted since is not shown; nobody can have it again."""
    rows = list(await act.session.scalars(_of(act.workspace_id, subject_ids)))
    named = {each for row in rows for each in row.resources or ()}
    there: set[str] = set()
    for ids in (
        select(FunctionRow.id).where(FunctionRow.id.in_(named)),
        select(SourceRow.id).where(SourceRow.id.in_(named)),
    ):
        there |= set(await act.session.scalars(ids))
    found: dict[str, list[Granted]] = defaultdict(list)
    for row in rows:
        targets = _targets(act, Role(row.role), None if row.resources is None else there & set(row.resources))
        if targets:
            found[row.subject_id].append(Granted(row.role, targets))
    return defaultdict(tuple, {subject: tuple(each) for subject, each in found.items()})


def grant_of(it: Granted) -> Grant:
    """Return what a permission is to the decision; it is one that was checked."""
    everything = any(each.type == Scope.WORKSPACE for each in it.resources)
    return Grant(Role(it.role), None if everything else frozenset(each.id for each in it.resources))


def said_of(act: Act, grants: Iterable[Grant]) -> tuple[Granted, ...]:
    """Return grants as they are shown."""
    return tuple(Granted(each.role.value, _targets(act, each.role, each.resources)) for each in grants)


def _targets(act: Act, role: Role, ids: Iterable[str] | None) -> tuple[Target, ...]:
    if ids is None:
        return (Target(act.workspace_id, Scope.WORKSPACE),)
    return tuple(Target(each, ROLES[role].scope) for each in sorted(ids))


def _of(workspace_id: str, subject_ids: Iterable[str]) -> Select[GrantRow]:
    wanted = (GrantRow.workspace_id == workspace_id, GrantRow.subject_id.in_(list(subject_ids)))
    return select(GrantRow).where(*wanted).order_by(GrantRow.id)


@asynccontextmanager
async def keeping_an_owner(act: Act) -> AsyncIterator[None]:
    """Refuse what would leave a workspace that has a Workspace Owner without one."""
    owned = await has_owner(act)
    yield
    await act.session.flush()
    if owned and not await has_owner(act):
        raise RequestError(
            409,
            "conflict",
            "this would leave the workspace without a Workspace Owner: make another member one first",
        )


async def has_owner(act: Act) -> bool:
    """Say whether some member is a Workspace Owner, by themselves or by a group."""
    return bool(await owners(act))


async def owners(act: Act) -> Sequence[UserRow]:
    """Return the members that are Workspace Owners, by themselves or by a group, by e-mail address."""
    owning = select(GrantRow.subject_id).where(
        GrantRow.workspace_id == act.workspace_id, GrantRow.role == Role.WORKSPACE_OWNER.value
    )
    by_group = select(GroupMemberRow.email).where(GroupMemberRow.group_id.in_(owning))
    query = (
        select(UserRow)
        .join(MemberRow, MemberRow.user_id == UserRow.id)
        .where(MemberRow.workspace_id == act.workspace_id, or_(UserRow.id.in_(owning), UserRow.email.in_(by_group)))
    )
    return (await act.session.scalars(query.order_by(UserRow.email))).all()


roles = use_case(list_roles, Permission.WORKSPACE_READ)
