"""Roles as they are granted: to a user, group, invite or token, on all of a workspace or on what is listed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.control.act import Act
from midstream.domain.access import Grant, Role
from midstream.store.ids import new_id
from midstream.store.people import GrantRow, GroupMemberRow, GroupRow, UserRow


async def grants_of(session: AsyncSession, workspace_id: str, *subject_ids: str) -> tuple[Grant, ...]:
    """Return what these subjects were granted themselves."""
    rows = await session.scalars(
        select(GrantRow)
        .where(GrantRow.workspace_id == workspace_id, GrantRow.subject_id.in_(subject_ids))
        .order_by(GrantRow.id)
    )
    return tuple(Grant(Role(row.role), None if row.resources is None else frozenset(row.resources)) for row in rows)


async def effective_grants(session: AsyncSession, workspace_id: str, user: UserRow) -> tuple[Grant, ...]:
    """Return what a member may by all that was granted: to them, and to the groups they are in."""
    groups = await session.scalars(
        select(GroupRow.id)
        .join(GroupMemberRow, GroupMemberRow.group_id == GroupRow.id)
        .where(GroupRow.workspace_id == workspace_id, GroupMemberRow.email == user.email)
    )
    return await grants_of(session, workspace_id, user.id, *groups)


async def give(act: Act, subject_id: str, grants: Sequence[Grant]) -> None:
    """Grant roles to a subject, besides those it has."""
    for grant in grants:
        act.session.add(
            GrantRow(
                id=new_id("gra"),
                workspace_id=act.workspace_id,
                subject_id=subject_id,
                role=grant.role.value,
                resources=None if grant.resources is None else sorted(grant.resources),
            )
        )
    await act.session.flush()
