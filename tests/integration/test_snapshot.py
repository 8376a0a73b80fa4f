from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from midstream.control.destinations import create_destination, update_destination
from midstream.control.functions import create_function, update_function
from midstream.control.instances import create_instance, deploy_function, update_instance
from midstream.control.sources import create_source, create_write_key
from midstream.domain.bearer import hash_of
from midstream.domain.function import Forming, Sealed
from midstream.domain.settings import Definition
from midstream.domain.topology import EMPTY, OnError
from midstream.errors import Invalid, RequestError
from midstream.secrets import Closed, Vault
from midstream.store.session import Sessions
from midstream.store.snapshot import holds_secrets, load, revision
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]

SALT = Definition("salt", "Salt", "", "STRING", required=True, sensitive=True)
FIELDS = Definition("fields", "Fields", "", "ARRAY", required=False, sensitive=False)
HOOK = {"url": "https://example.com/hook"}


class World:
    """A source, a destination and a function in an empty database."""

    def __init__(self, sessions: Sessions, vault: Vault) -> None:
        self.sessions, self.vault = sessions, vault
        self.source = self.destination = self.function = ""

    async def build(self) -> World:
        self.call = await call_in(self.sessions, self.vault)
        self.source = (await create_source(self.call, slug="web", name="Web")).id
        settings = HOOK | {"shared_secret": "d3st", "secret_headers": {"Authorization": "Bearer t0ken"}}
        self.destination = (
            await create_destination(self.call, self.source, type="webhook", name="Hook", settings=settings)
        ).id
        code = "function onTrack(e) { return e }"
        self.function = (await create_function(self.call, name="Mask", code=code, schema=(SALT, FIELDS))).id
        return self

    async def connect(self, name: str, salt: str = "s4lt", *, enabled: bool = True, **more: OnError) -> str:
        settings = {"salt": salt, "fields": ["email"]}
        instance = await create_instance(
            self.call, self.function, self.destination, name=name, settings=settings, enabled=enabled, **more
        )
        return instance.id

    async def save(self, *schema: Definition, code: str = "function onTrack() {}") -> int:
        return (await update_function(self.call, self.function, code=code, schema=schema)).version


@pytest.fixture
async def world(sessions: Sessions, vault: Vault) -> World:
    return await World(sessions, vault).build()


async def test_an_empty_database_gives_an_empty_snapshot(sessions: Sessions, vault: Vault) -> None:
    assert await load(sessions, vault) == EMPTY
    assert not await holds_secrets(sessions)


async def test_every_change_counts_the_revision_up(world: World) -> None:
    before = await revision(world.sessions)
    await world.connect("one")
    assert await revision(world.sessions) == before + 1
    assert (await load(world.sessions, world.vault)).revision == before + 1


async def test_a_change_that_fails_leaves_the_revision_and_everything_else(world: World) -> None:
    before = await revision(world.sessions)
    with pytest.raises(Invalid):
        await update_destination(world.call, world.destination, name="New", settings={"url": "nope"})
    with pytest.raises(RequestError, match="there is no destination with the id 'dst_none'"):
        await update_destination(world.call, "dst_none", name="New")
    assert await revision(world.sessions) == before
    assert (await load(world.sessions, world.vault)).destinations[world.destination].name == "Hook"


async def test_a_source_is_found_by_each_of_its_write_keys(world: World) -> None:
    made = [(await create_write_key(world.call, world.source)).made or "" for _ in range(2)]
    snapshot = await load(world.sessions, world.vault)
    assert snapshot.by_key[hash_of(made[0])] is snapshot.by_key[hash_of(made[1])]
    assert snapshot.sources[world.source].key_hashes > {hash_of(key) for key in made}  # and the first one


async def test_settings_are_in_the_clear_and_what_to_hide_is_named(world: World) -> None:
    await world.connect("one")
    destination = (await load(world.sessions, world.vault)).destinations[world.destination]
    assert destination.settings == HOOK | {
        "shared_secret": "d3st",
        "secret_headers": {"Authorization": "Bearer t0ken"},
    }
    # What one of them was told, another may print: all hide what any of them knows.
    assert destination.secrets == ("Bearer t0ken", "d3st", "s4lt")
    [instance] = destination.instances
    assert instance.spec is not None
    assert instance.spec.settings == {"salt": "s4lt", "fields": ["email"]}
    assert instance.spec.secrets == destination.secrets
    assert await holds_secrets(world.sessions)


async def test_only_enabled_instances_are_there_in_the_order_of_the_chain(world: World) -> None:
    first, second = await world.connect("one"), await world.connect("two", on_error=OnError.QUARANTINE)
    await world.connect("off", enabled=False)
    chain = (await load(world.sessions, world.vault)).destinations[world.destination].instances
    assert [(it.id, it.on_error) for it in chain] == [(first, OnError.BLOCK), (second, OnError.QUARANTINE)]
    before = await revision(world.sessions)
    for _ in range(2):
        await update_instance(world.call, second, position=0)
    assert await revision(world.sessions) == before + 1  # the second time it was there already
    chain = (await load(world.sessions, world.vault)).destinations[world.destination].instances
    assert [it.id for it in chain] == [second, first]


async def test_a_disabled_destination_is_there_with_the_time_it_was_off(world: World) -> None:
    before = (await load(world.sessions, world.vault)).destinations[world.destination]
    assert before.disabled_at is None
    await update_destination(world.call, world.destination, enabled=False)
    off = (await load(world.sessions, world.vault)).destinations[world.destination]
    assert not off.enabled
    assert off.disabled_at is not None
    assert off.disabled_at > off.enabled_at == before.enabled_at
    await update_destination(world.call, world.destination, enabled=True)
    on = (await load(world.sessions, world.vault)).destinations[world.destination]
    assert on.enabled
    assert on.enabled_at > off.disabled_at == on.disabled_at


async def test_what_cannot_be_decrypted_has_no_settings_and_says_why(world: World, tmp_path: Path) -> None:
    await world.connect("one")
    destination = (await load(world.sessions, Vault.open(tmp_path / "another.key"))).destinations[world.destination]
    assert destination.settings is None
    assert destination.secrets == ()
    assert "cannot be decrypted with the present master key" in destination.fault
    [instance] = destination.instances
    assert instance.spec is None
    assert instance.fault.startswith("setting 'salt' of ifi_")
    assert "s4lt" not in instance.fault


async def test_code_sees_only_the_settings_of_its_own_version_and_the_others_are_kept(world: World) -> None:
    await world.connect("one")
    assert await world.save(SALT) == 2
    assert await spec_settings(world) == {"salt": "s4lt", "fields": ["email"]}
    [instance] = await deploy_function(world.call, world.function)
    assert (instance.version, instance.settings) == (2, {"fields": ["email"]})
    assert await spec_settings(world) == {"salt": "s4lt"}
    await world.save(SALT, FIELDS, code="function onPage() {}")
    await deploy_function(world.call, world.function)
    assert await spec_settings(world) == {"salt": "s4lt", "fields": ["email"]}


async def test_a_setting_that_becomes_sensitive_is_sealed_with_the_deploy(world: World) -> None:
    await world.connect("one")
    await world.save(SALT, Definition("fields", "Fields", "", "ARRAY", required=False, sensitive=True))
    [instance] = await deploy_function(world.call, world.function)
    assert (instance.settings, instance.sensitive) == ({}, ("fields", "salt"))
    [found] = (await load(world.sessions, world.vault)).destinations[world.destination].instances
    assert found.spec is not None
    assert found.spec.settings == {"salt": "s4lt", "fields": ["email"]}
    assert {"email", "s4lt"} <= set(found.spec.secrets)


async def test_a_value_that_was_sealed_is_not_shown_by_a_version_that_calls_it_plain(world: World) -> None:
    plain = Definition("salt", "Salt", "", "STRING", required=True, sensitive=False)
    key = await world.connect("one")
    await world.save(plain, FIELDS)
    [instance] = await deploy_function(world.call, world.function)
    assert (instance.version, instance.settings, instance.sensitive) == (2, {"fields": ["email"]}, ("salt",))
    shown = await update_instance(world.call, key, settings={"fields": ["name"]})
    assert (shown.settings, shown.sensitive) == ({"fields": ["name"]}, ("salt",))
    assert await spec_settings(world) == {"salt": "s4lt", "fields": ["name"]}
    shown = await update_instance(world.call, key, settings={"salt": "another"})  # given anew, it is what it is called
    assert (shown.settings, shown.sensitive) == ({"fields": ["name"], "salt": "another"}, ())


async def test_a_version_that_requires_more_is_not_deployed_without_it(world: World) -> None:
    instance = await world.connect("one")
    await world.save(SALT, Definition("key", "Key", "", "STRING", required=True, sensitive=False))
    with pytest.raises(RequestError, match=f"as 'one' \\({instance}\\): setting 'key' is required") as caught:
        await deploy_function(world.call, world.function)
    assert caught.value.status == 409


async def test_two_of_a_name_and_what_is_of_another_workspace_are_refused(world: World) -> None:
    elsewhere = await call_in(world.sessions, world.vault, "other")
    foreign = await create_function(elsewhere, name="Mask", code="function onTrack() {}")
    with pytest.raises(RequestError, match="there is no function version"):
        await deploy_function(world.call, world.function, version_id="ver_none")
    with pytest.raises(RequestError, match="there is no function version with the id"):
        await deploy_function(world.call, world.function, version_id=foreign.version_id)
    with pytest.raises(RequestError, match="there is no function with the id"):
        await create_instance(world.call, foreign.id, world.destination, name="x", settings={})
    with pytest.raises(RequestError, match="there is a source 'web' already") as caught:
        await create_source(world.call, slug="web", name="Web")
    assert caught.value.status == 409


async def spec_settings(world: World) -> object:
    [found] = (await load(world.sessions, world.vault)).destinations[world.destination].instances
    assert found.spec is not None
    return found.spec.settings


async def test_a_process_without_the_vault_sees_what_is_connected_and_no_secret(
    sessions: Sessions, vault: Vault
) -> None:
    world = await World(sessions, vault).build()
    await world.connect("mask")
    snapshot = await load(sessions, Closed())
    destination = snapshot.destinations[world.destination]
    assert [each.spec for each in destination.instances] == [None]
    assert (destination.settings, destination.secrets) == (None, ())
    assert snapshot.sources[world.source].name == "Web"


async def test_how_a_function_runs_is_in_the_snapshot_and_sealed_settings_are_apart(world: World) -> None:
    key = Definition("key", "Key", "", "STRING", required=True, sensitive=True, sealed=("api.example.com",))
    forming = Forming(max_count=50, max_wait=2.5)
    function = await create_function(
        world.call,
        name="Enrich",
        code="function onBatch(e) { return e }",
        schema=(SALT, key),
        hosts=["*.example.com"],
        forming=forming,
    )
    settings = {"salt": "s4lt", "key": "k3y-planted"}
    await create_instance(world.call, function.id, world.destination, name="Enrich", settings=settings, enabled=True)
    (instance,) = (await load(world.sessions, world.vault)).destinations[world.destination].instances
    assert instance.spec is not None
    assert (instance.spec.hosts, instance.spec.forming) == (("*.example.com",), forming)
    assert instance.spec.settings == {"salt": "s4lt"}
    assert instance.spec.sealed == (Sealed("key", "k3y-planted", ("api.example.com",)),)
    assert {"s4lt", "k3y-planted"} <= set(instance.spec.secrets)
    assert "k3y-planted" not in repr(instance)


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        (Definition("k", "K", "", "STRING", False, False, ("a.test",)), "only a sensitive setting of type STRING"),
        (Definition("k", "K", "", "ARRAY", False, True, ("a.test",)), "only a sensitive setting of type STRING"),
        (Definition("k", "K", "", "STRING", False, True, ("a test",)), "setting 'k', sealed: expected a host such as"),
    ],
)
async def test_what_cannot_be_sealed_is_refused(world: World, definition: Definition, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        await world.save(definition)


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ({"hosts": ["http//x"]}, "expected a host such as"),
        ({"batch_max_count": 401}, "batch_max_count: expected 1 to 400 events, got 401"),
        ({"batch_max_count": 0}, "batch_max_count: expected 1 to 400 events, got 0"),
        ({"batch_max_wait": 10.5}, "batch_max_wait: expected 0 to 10 seconds, got 10.5"),
    ],
)
async def test_how_no_function_can_run_is_refused(world: World, how: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        await update_function(world.call, world.function, **how)
