"""Labels in a folder, on both databases."""

from __future__ import annotations

from midstream.control import labels, sources
from midstream.control.labels import Label
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.test_apply import Shop, shop
from tests.integration.test_members import entries

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "shop", "vault"]

LABELS = '[workspace.labels]\n"environment:prod" = "Customers see it"\n"team:shop" = ""\n\n[source.website]\n'


async def carried(shop: Shop) -> list[str]:
    [website] = await sources.sources(await shop.call())
    return [f"{key}:{value}" for key, value in website.labels]


async def test_a_folder_makes_describes_and_gives_labels(shop: Shop) -> None:
    shop.edit("[source.website]\n", f'{LABELS}labels = ["team:shop"]\n')
    made = {f"{it.noun} {it.slug}": it.kind for it in await shop.apply()}
    assert (made["label environment:prod"], made["label team:shop"]) == ("create", "create")
    assert await carried(shop) == ["team:shop"]
    assert await shop.changed() == {}
    shop.edit("Customers see it", "What customers see")
    shop.edit('labels = ["team:shop"]', 'labels = ["environment:prod"]')
    assert await shop.changed() == {"label environment:prod": ("description",), "source website": ("labels",)}
    assert await carried(shop) == ["environment:prod"]
    assert (await labels.labels(await shop.call()))[0] == Label("environment", "prod", "What customers see")
    assert (await entries(await shop.call()))[-2:] == [
        ("Label Modified", "environment:prod", ("description",)),
        ("Source Modified", "Website", ("labels",)),
    ]


async def test_what_the_folder_does_not_say_of_labels_stays_until_it_is_pruned(shop: Shop) -> None:
    shop.edit("[source.website]\n", f'{LABELS}labels = ["team:shop", "environment:prod"]\n')
    await shop.apply()
    shop.edit(f'{LABELS}labels = ["team:shop", "environment:prod"]\n', "[source.website]\n")
    assert await shop.changed() == {}
    assert await carried(shop) == ["environment:prod", "team:shop"]
    shop.edit("[source.website]\n", '[source.website]\nlabels = ["team:shop"]\n')
    planned = await shop.apply(prune=True, dry_run=True)
    assert await carried(shop) == ["environment:prod", "team:shop"]
    pruned = await shop.apply(prune=True)
    assert pruned == planned
    assert [(it.noun, it.slug) for it in pruned if it.kind == "delete"] == [("label", "environment:prod")]
    assert await carried(shop) == ["team:shop"]
    shop.edit('labels = ["team:shop"]\n', "")
    await shop.apply(prune=True)
    assert await carried(shop) == []
    assert await labels.labels(await shop.call()) == []


async def test_a_label_that_is_not_one_or_not_there_is_told_with_its_place(shop: Shop) -> None:
    shop.edit("[source.website]\n", '[source.website]\nlabels = ["team:shop"]\n')
    assert "shop.toml: source.website.labels[0]: there is no label team:shop: create it first" in await shop.refusal()
    shop.edit('"team:shop"', '"shop"')
    assert "shop.toml: source.website.labels[0]: string should match pattern" in await shop.refusal()
    shop.edit('labels = ["shop"]\n', "")
    shop.edit("[source.website]\n", '[workspace.labels]\n"1:2" = ""\n[source.website]\n')
    assert "shop.toml: workspace.labels.1:2.label.key: expected 1 to 64 letters" in await shop.refusal()
