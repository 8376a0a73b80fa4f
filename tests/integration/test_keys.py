from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from midstream.control import destinations, keys, sources
from midstream.control.act import Call
from midstream.domain.access import Caller, Grant, Role
from midstream.errors import Invalid, RequestError
from midstream.secrets import Vault
from midstream.store.schema import DestinationRow
from midstream.store.session import Sessions
from midstream.store.snapshot import load
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]

SETTINGS = {"url": "https://example.com/hook", "shared_secret": "d3st-planted"}


@pytest.fixture
async def call(sessions: Sessions, vault: Vault) -> Call:
    call = await call_in(sessions, vault)
    source = await sources.create_source(call, slug="web")
    await destinations.create_destination(call, source.id, type="webhook", name="Hook", settings=SETTINGS)
    return call


async def sealed(call: Call) -> str:
    async with call.sessions() as session:
        row = (await session.scalars(select(DestinationRow))).one()
        return row.secrets["shared_secret"]


async def test_everything_is_sealed_anew_and_a_vault_that_was_open_before_goes_on(call: Call, tmp_path: Path) -> None:
    path, before = tmp_path / "master.key", await sealed(call)
    assert call.vault.sealed_by_primary(before)
    assert await keys.rotate(call, path) == 1
    after = await sealed(call)
    assert after != before
    # This vault was read from the file before; a worker's is too.
    [destination] = (await load(call.sessions, call.vault)).destinations.values()
    assert destination.settings == SETTINGS
    assert call.vault.sealed_by_primary(after)
    assert not call.vault.sealed_by_primary(before)
    assert call.vault.unseal(before, owner=destination.id, name="shared_secret") == "d3st-planted"


async def test_old_keys_are_retired_only_when_nothing_needs_them(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    before = path.read_text()
    await keys.rotate(call, path)
    await keys.retire(replace(call, vault=Vault.open(path)), path)
    assert len(json.loads(path.read_text())["key"]) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    [destination] = (await load(call.sessions, Vault.open(path))).destinations.values()
    assert destination.settings == SETTINGS
    # With the old file brought back, and a new primary key in it, nothing may be dropped.
    path.write_text(before)
    [destination] = (await load(call.sessions, Vault.open(path))).destinations.values()
    assert "cannot be decrypted" in destination.fault
    with pytest.raises(Invalid, match=r"'shared_secret' of dst_.* is still sealed with an old key"):
        await keys.retire(replace(call, vault=Vault.open(path)), path)


async def test_a_value_that_cannot_be_opened_stops_the_rotation_and_is_named(call: Call, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    Vault.open(other)
    before = await sealed(call)
    with pytest.raises(Invalid, match=r"'shared_secret' of dst_.* cannot be decrypted"):
        await keys.rotate(replace(call, vault=Vault.open(other)), other)
    assert await sealed(call) == before


async def test_only_an_owner_touches_the_master_key(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    before = path.read_text()
    grants = tuple(Grant(role) for role in Role if role is not Role.WORKSPACE_OWNER)
    stranger = replace(call, caller=Caller("usr_1", call.caller.workspace_id, grants))
    for use in (keys.rotate, keys.retire):
        with pytest.raises(RequestError, match="needs the permission access:manage"):
            await use(stranger, path)
    assert path.read_text() == before


async def test_a_keyset_that_is_given_is_used_as_it_is(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    assert await keys.rotate(replace(call, vault=Vault.open(None, path.read_text())), None) == 0


async def test_a_vault_that_was_open_before_seals_with_the_new_key(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    await keys.rotate(call, path)
    await keys.retire(replace(call, vault=Vault.open(path)), path)
    # The control process, which met no value that it could not open since.
    text = call.vault.seal("n3w", owner="dst_1", name="shared_secret")
    assert Vault.open(path).unseal(text, owner="dst_1", name="shared_secret") == "n3w"


async def test_a_vault_goes_on_sealing_while_its_file_cannot_be_read(vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "master.key").unlink()
    assert vault.unseal(vault.seal("x", owner="a", name="b"), owner="a", name="b") == "x"
