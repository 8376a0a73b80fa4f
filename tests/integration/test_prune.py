from __future__ import annotations

from typing import Any

import pytest

from midstream.control import destinations, functions, instances, sources
from midstream.control.changes import Change
from midstream.store.session import Sessions
from midstream.store.snapshot import load, revision
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.test_apply import Shop, shop

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "shop", "vault"]


async def gone(shop: Shop, **more: Any) -> list[tuple[str, str, tuple[str, ...]]]:
    changes: list[Change] = await shop.apply(prune=True, **more)
    return [(it.noun, it.slug, it.details) for it in changes if it.kind == "delete"]


async def test_what_the_folder_does_not_mention_goes_whoever_points_to_it_first(shop: Shop) -> None:
    await shop.apply()
    (shop.directory / "shop.toml").write_text("[source.app]\nwrite_keys = []\n")
    planned = await gone(shop, dry_run=True)
    assert planned == [
        ("instance", "warehouse/mask", ()),
        ("instance", "warehouse/drop", ()),
        ("destination", "warehouse", ("events that wait for it will not be delivered",)),
        ("function", "drop", ()),
        ("function", "mask", ()),
        ("source", "website", ()),
    ]
    assert len((await load(shop.sessions, shop.vault)).destinations) == 1
    assert await gone(shop) == planned
    snapshot = await load(shop.sessions, shop.vault)
    assert ([it.slug for it in snapshot.sources.values()], snapshot.destinations) == (["app"], {})
    assert await functions.functions(await shop.call()) == []
    before = await revision(shop.sessions)
    assert await gone(shop) == []
    assert await revision(shop.sessions) == before


async def test_a_function_connected_by_hand_is_disconnected_and_not_warned_of(shop: Shop) -> None:
    await shop.apply()
    call = await shop.call()
    [drop] = [it for it in await functions.functions(call) if it.slug == "drop"]
    [warehouse] = await destinations.destinations(call)
    await instances.create_instance(call, drop.id, warehouse.id, name="By hand", settings={})
    changes = await shop.apply(prune=True)
    assert [(it.kind, it.noun, it.slug) for it in changes if it.kind != "unchanged"] == [
        ("delete", "instance", "warehouse/drop")
    ]
    assert [it.name for it in await instances.instances(call)] == ["Mask e-mail addresses", "drop"]


async def test_a_full_set_of_filters_is_replaced_by_another(shop: Shop) -> None:
    text = (shop.directory / "shop.toml").read_text()

    def filters(names: str) -> str:
        written = [
            f"[[destination.warehouse.filters]]\ntitle = '{name}'\nif = 'all'\nactions = [{{ type = 'DROP' }}]\n"
            for name in names
        ]
        return "".join(written) + text

    (shop.directory / "shop.toml").write_text(filters("abcdefghij"))
    await shop.apply()
    (shop.directory / "shop.toml").write_text(filters("jklmnopqrs"))
    assert [it[:2] for it in await gone(shop)] == [("filter", f"warehouse/{name}") for name in "abcdefghi"]
    assert await shop.changed() == {}
    (shop.directory / "shop.toml").write_text(text)
    [warehouse] = [it for it in await shop.apply() if it.noun == "destination"]
    assert len(warehouse.details) == 10
    assert warehouse.details[0] == "warning: it also has a filter that is not in this folder: 'j'"
    assert len(await gone(shop)) == 10


async def test_what_the_folder_only_refers_to_stays(shop: Shop) -> None:
    await shop.apply()
    (shop.directory / "shop.toml").write_text(
        "[destination.second]\nsource = 'website'\ntype = 'sink'\nfunctions = [{ function = 'drop' }]"
    )
    assert [slug for _, slug, _ in await gone(shop)] == ["warehouse/mask", "warehouse/drop", "warehouse", "mask"]
    call = await shop.call()
    assert [it.slug for it in await functions.functions(call)] == ["drop"]
    assert [it.slug for it in await sources.sources(call)] == ["website"]


@pytest.fixture
async def other(shop: Shop, sessions: Sessions) -> Shop:
    """Give the same folder as another workspace's."""
    directory = shop.directory.with_name("other")
    directory.mkdir()
    for path in shop.directory.iterdir():
        (directory / path.name).write_text(path.read_text())
    text = (directory / "shop.toml").read_text()
    (directory / "shop.toml").write_text(
        text.replace('name = "Shop"', 'slug = "other"').replace("WEBSITE_WRITE_KEY", "OTHER_WRITE_KEY")
    )
    return Shop(directory, sessions, shop.vault)


async def test_other_workspaces_are_left_alone(shop: Shop, other: Shop) -> None:
    await shop.apply()
    await other.apply(environ={"OTHER_WRITE_KEY": "wk_planted_key_2", "HOOK_SECRET": "a", "MASK_SALT": "b"})
    (shop.directory / "shop.toml").write_text("[workspace]\n")
    assert len(await gone(shop)) == 6
    assert len((await load(shop.sessions, shop.vault)).destinations) == 1
