"""Rotating the master key: a new primary key, and everything sealed anew with it, in one transaction.

Enters: the vault and, where the keyset is a file, its path. Leaves: how many values were sealed anew. Running processes
take the new keyset over when they meet a value that they cannot open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream import secrets
from midstream.control.act import Act, Writes, use_case
from midstream.domain.access import Permission
from midstream.domain.audit import Action, Resource
from midstream.errors import Invalid
from midstream.secrets import Vault
from midstream.store.people import AnsweredRow
from midstream.store.schema import DestinationRow, InstanceRow


async def seal_anew(act: Act, path: Path | None) -> int:
    """Seal everything anew with a new primary key; without a file, with the primary key of the given keyset."""
    # The file first: a value must never be sealed with a key that is nowhere yet.
    vault = secrets.rotate(path) if path is not None else act.vault
    count = 0
    async for row in _holders(act.session):
        resealed = {name: _anew(vault, row.id, name, text) for name, text in row.secrets.items()}
        count += sum(row.secrets[name] != text for name, text in resealed.items())
        row.secrets = resealed
    # What they answer may be repeated once more rather than kept under an old key.
    await act.session.execute(delete(AnsweredRow))
    act.note(Action.KEYS_ROTATED, Resource("workspace", act.workspace_id), f"{count} values sealed anew")
    return count


async def drop_old_keys(act: Act, path: Path) -> None:
    """Drop all keys but the primary one, once nothing needs them."""
    async for row in _holders(act.session):
        for name, text in row.secrets.items():
            if not act.vault.sealed_by_primary(text):
                raise Invalid(f"setting {name!r} of {row.id} is still sealed with an old key: rotate first")
    await act.session.execute(delete(AnsweredRow))
    secrets.retire(path)
    act.note(Action.KEYS_ROTATED, Resource("workspace", act.workspace_id), "old keys retired")


async def _holders(session: AsyncSession) -> AsyncIterator[DestinationRow | InstanceRow]:
    """Yield whatever has sealed settings, of all workspaces: there is one master key."""
    for row in (await session.scalars(select(DestinationRow).order_by(DestinationRow.id))).all():
        yield row
    for instance in (await session.scalars(select(InstanceRow).order_by(InstanceRow.id))).all():
        yield instance


def _anew(vault: Vault, owner: str, name: str, text: str) -> str:
    if vault.sealed_by_primary(text):
        return text
    return vault.seal(vault.unseal(text, owner=owner, name=name), owner=owner, name=name)


rotate = use_case(seal_anew, Permission.ACCESS_MANAGE, writes=Writes.TOPOLOGY)
retire = use_case(drop_old_keys, Permission.ACCESS_MANAGE, writes=Writes.TOPOLOGY)
