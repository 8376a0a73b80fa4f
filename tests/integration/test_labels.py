"""Labels, and the sources that carry them, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midstream.control import labels, sources
from midstream.control.act import Call
from midstream.control.labels import Label
from midstream.domain.access import Caller, Grant, Role
from midstream.errors import Invalid, RequestError
from midstream.secrets import Vault
from midstream.store.session import Sessions
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in
from tests.integration.test_members import entries

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]

PROD, DEV = Label("environment", "prod", "Customers see it"), Label("environment", "dev")


@pytest.fixture
async def call(sessions: Sessions, vault: Vault) -> Call:
    return await call_in(sessions, vault)


async def test_labels_are_made_listed_and_deleted(call: Call) -> None:
    assert [await labels.create_label(call, each) for each in (PROD, DEV)] == [PROD, DEV]
    assert await labels.labels(call) == [DEV, PROD]
    with pytest.raises(RequestError, match="there is a label environment:prod already") as caught:
        await labels.create_label(call, PROD)
    assert caught.value.status == 409
    await labels.delete_label(call, "environment", "dev")
    assert await labels.labels(call) == [PROD]
    with pytest.raises(RequestError, match="there is no label environment:dev"):
        await labels.delete_label(call, "environment", "dev")


@pytest.mark.parametrize(
    ("label", "field"),
    [
        (Label("", "x"), "label.key"),
        (Label("1st", "x"), "label.key"),
        (Label("key", "a/b"), "label.value"),
        (Label("key", "x" * 65), "label.value"),
        (Label("key", "x", "y" * 501), "label.description"),
    ],
)
async def test_a_label_that_does_not_hold_names_its_field(call: Call, label: Label, field: str) -> None:
    with pytest.raises(Invalid, match=f"{field}: expected"):
        await labels.create_label(call, label)


async def test_a_source_is_given_labels_and_loses_those_that_are_deleted(call: Call) -> None:
    for each in (PROD, DEV):
        await labels.create_label(call, each)
    source = await sources.create_source(call, slug="web", name="Web")
    assert await labels.add_source_labels(call, source.id, [DEV]) == [DEV]
    assert await labels.add_source_labels(call, source.id, [Label("environment", "prod"), DEV]) == [DEV, PROD]
    assert await labels.replace_source_labels(call, source.id, [PROD]) == [PROD]
    before = await entries(call)
    await labels.add_source_labels(call, source.id, [PROD])
    assert await entries(call) == before
    assert (await sources.get_source(call, source.id)).labels == (("environment", "prod"),)
    await labels.delete_label(call, "environment", "prod")
    assert (await sources.get_source(call, source.id)).labels == ()
    assert (await entries(call))[-1] == ("Label Deleted", "environment:prod", ("off web",))


async def test_a_label_that_is_not_there_cannot_be_given(call: Call) -> None:
    elsewhere = await call_in(call.sessions, call.vault, "other")
    await labels.create_label(elsewhere, PROD)
    source = await sources.create_source(call, slug="web", name="Web")
    with pytest.raises(Invalid, match=r"labels\[0\]: there is no label environment:prod: create it first"):
        await labels.add_source_labels(call, source.id, [PROD])


async def test_a_source_admin_labels_their_source_but_makes_no_labels(call: Call) -> None:
    await labels.create_label(call, PROD)
    source = await sources.create_source(call, slug="web", name="Web")
    grants = (Grant(Role.SOURCE_ADMIN, frozenset({source.id})),)
    admin = replace(call, caller=Caller("usr_1", call.caller.workspace_id, grants))
    assert await labels.add_source_labels(admin, source.id, [PROD]) == [PROD]
    with pytest.raises(RequestError, match="access:manage"):
        await labels.create_label(admin, DEV)
