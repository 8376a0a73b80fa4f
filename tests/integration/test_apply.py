from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from midstream.control import destinations, functions, instances, sources
from midstream.control.act import Call
from midstream.control.apply import plan_and_apply
from midstream.control.changes import Change
from midstream.control.folder import read
from midstream.control.functions import FunctionView
from midstream.domain.attempt import Sample
from midstream.domain.bearer import hash_of
from midstream.domain.function import ErrorInfo
from midstream.domain.topology import EMPTY
from midstream.errors import Invalid
from midstream.secrets import Vault
from midstream.store.attempts import record
from midstream.store.schema import Table, WorkspaceRow
from midstream.store.session import Sessions
from midstream.store.snapshot import load, revision
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]

SHOP = """
[workspace]
name = "Shop"

[source.website]
name = "Website"
write_keys = [{ env = "WEBSITE_WRITE_KEY" }]

[destination.warehouse]
source = "website"
type = "webhook"
settings = { url = "https://example.com/in", shared_secret = { env = "HOOK_SECRET" } }

[[destination.warehouse.functions]]
function = "mask"
on_error = "quarantine"
settings = { salt = { env = "MASK_SALT" } }

[[destination.warehouse.functions]]
function = "drop"

[function.mask]
name = "Mask e-mail addresses"
code = "mask.js"

[function.mask.settings.salt]
label = "Salt"
required = true
sensitive = true

[function.drop]
code = "drop.js"
"""
ENVIRON = {"WEBSITE_WRITE_KEY": "wk_planted_key_1", "HOOK_SECRET": "h00k-planted", "MASK_SALT": "s4lt-planted"}
MASK, DROP = "function onTrack(event) { return event }", "function onTrack() { throw new DropEvent('no') }"
EVERY_HANDLER = tuple(f"on{it}" for it in ("Identify", "Track", "Page", "Screen", "Group", "Alias", "Delete"))


@dataclass
class Check:
    handlers: tuple[str, ...] = EVERY_HANDLER
    error: ErrorInfo | None = None


@dataclass
class Shop:
    """A folder and a database that can be changed and applied again."""

    directory: Path
    sessions: Sessions
    vault: Vault

    async def call(self) -> Call:
        return await call_in(self.sessions, self.vault)

    def edit(self, old: str, new: str) -> None:
        path = self.directory / "shop.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    async def apply(self, found: Check | None = None, environ: dict[str, str] = ENVIRON, **more: Any) -> list[Change]:
        async def check(_: str) -> Check:
            return found or Check()

        folder = read(self.directory)
        return await plan_and_apply(self.sessions, self.vault, folder, check=check, environ=environ, **more)

    async def changed(self, **more: Any) -> dict[str, tuple[str, ...]]:
        """Apply; return the details of what was updated or created, by noun and slug."""
        changes = await self.apply(**more)
        return {f"{it.noun} {it.slug}": it.details for it in changes if it.kind != "unchanged"}

    async def refusal(self, **more: Any) -> str:
        before = await revision(self.sessions)
        with pytest.raises(Invalid) as caught:
            await self.apply(**more)
        assert await revision(self.sessions) == before
        return str(caught.value)


@pytest.fixture
async def shop(sessions: Sessions, vault: Vault, tmp_path: Path) -> Shop:
    directory = tmp_path / "shop"
    directory.mkdir()
    (directory / "shop.toml").write_text(SHOP)
    (directory / "mask.js").write_text(MASK)
    (directory / "drop.js").write_text(DROP)
    return Shop(directory, sessions, vault)


async def whole_functions(shop: Shop) -> list[FunctionView]:
    call = await shop.call()
    return [await functions.get_function(call, it.id) for it in await functions.functions(call)]


async def test_a_folder_becomes_a_running_topology(shop: Shop) -> None:
    changes = await shop.apply()
    assert [(it.kind, it.noun, it.slug) for it in changes] == [
        ("create", "workspace", "main"),
        ("create", "source", "website"),
        ("create", "function", "mask"),
        ("create", "function", "drop"),
        ("create", "destination", "warehouse"),
        ("create", "instance", "warehouse/mask"),
        ("create", "instance", "warehouse/drop"),
    ]
    snapshot = await load(shop.sessions, shop.vault)
    assert snapshot.by_key[hash_of("wk_planted_key_1")].slug == "website"
    [destination] = snapshot.destinations.values()
    assert destination.settings == {"url": "https://example.com/in", "shared_secret": "h00k-planted"}
    mask, drop = destination.instances
    assert (mask.name, mask.on_error) == ("Mask e-mail addresses", "quarantine")
    assert mask.spec is not None
    assert (mask.spec.code, mask.spec.settings) == (MASK, {"salt": "s4lt-planted"})
    assert drop.spec is not None
    assert drop.spec.code == DROP


async def test_applying_again_changes_nothing_and_the_revision_stays(shop: Shop) -> None:
    await shop.apply()
    before = await revision(shop.sessions)
    again = await shop.apply()
    assert {it.kind for it in again} == {"unchanged"}
    assert all(it.details == () for it in again)
    assert await revision(shop.sessions) == before == 1


async def test_a_dry_run_tells_the_same_and_changes_nothing(shop: Shop) -> None:
    planned = await shop.apply(dry_run=True)
    assert await load(shop.sessions, shop.vault) == EMPTY
    assert await shop.apply() == planned


async def test_a_dry_run_without_the_secrets_shows_the_plan_and_warns_of_each(shop: Shop) -> None:
    shop.edit(
        "shared_secret =", 'secret_headers = { A = { env = "HEADER" }, B = { env = "MASK_SALT" } }, shared_secret ='
    )
    planned = await shop.apply(dry_run=True, environ={"MASK_SALT": "s4lt-planted"})
    assert [(it.kind, it.slug) for it in planned][-3:] == [
        ("create", "warehouse"),
        ("create", "warehouse/mask"),
        ("create", "warehouse/drop"),
    ]
    without = "is not set, without which this cannot be applied"
    assert [detail for it in planned for detail in it.details if detail.startswith("warning")] == [
        f"warning: WEBSITE_WRITE_KEY {without}",
        f"warning: settings.secret_headers: HEADER {without}",
        f"warning: settings.shared_secret: HOOK_SECRET {without}",
    ]
    await shop.refusal(environ={"MASK_SALT": "s4lt-planted"})


@pytest.mark.parametrize("kind", ["STRING", "BOOLEAN", "ARRAY", "TEXT_MAP"])
async def test_a_dry_run_goes_on_without_a_secret_of_any_type(shop: Shop, kind: str) -> None:
    shop.edit('label = "Salt"', f'label = "Salt"\ntype = "{kind}"')
    told = await shop.changed(dry_run=True, environ={})
    assert told["instance warehouse/mask"][0].startswith("warning: settings.salt: MASK_SALT is not set")


async def test_each_change_is_told_by_name_and_never_by_value(shop: Shop) -> None:
    await shop.apply()
    shop.edit('name = "Website"', 'name = "The website"\nenabled = false')
    shop.edit("https://example.com/in", "https://example.com/other")
    shop.edit('on_error = "quarantine"', 'on_error = "pass"')
    (shop.directory / "mask.js").write_text(MASK + "\n// better")
    shop.edit('label = "Salt"', 'label = "Grain of salt"')
    told = await shop.changed(environ=ENVIRON | {"HOOK_SECRET": "n3w", "MASK_SALT": "n3w"})
    assert told == {
        "source website": ("name", "enabled"),
        "function mask": ("code (version 2)", "settings schema (version 2)"),
        "destination warehouse": ("settings.shared_secret", "settings.url"),
        "instance warehouse/mask": ("on_error", "version 2", "settings.salt"),
    }
    [destination] = (await load(shop.sessions, shop.vault)).destinations.values()
    assert destination.instances[0].spec is not None
    assert destination.instances[0].spec.code.endswith("// better")


FILTERS = """
[[destination.warehouse.filters]]
title = "Only orders"
if = "event != 'Order Completed'"
actions = [{ type = "DROP" }]

[[destination.warehouse.filters]]
title = "No addresses"
if = "all"
actions = [{ type = "DROP_PROPERTIES", fields = { context = ["ip"] } }]

[[destination.warehouse.functions]]
function = "mask"
"""


async def test_filters_are_applied_with_their_destination_and_told_by_title(shop: Shop) -> None:
    await shop.apply()
    shop.edit('[[destination.warehouse.functions]]\nfunction = "mask"\n', FILTERS)
    assert await shop.changed() == {"filter warehouse/Only orders": (), "filter warehouse/No addresses": ()}
    assert await shop.changed() == {}
    [destination] = (await load(shop.sessions, shop.vault)).destinations.values()
    assert [each.title for each in destination.filters] == ["Only orders", "No addresses"]
    shop.edit("event != 'Order Completed'", "event != 'Order Paid'")
    shop.edit('title = "No addresses"', 'title = "No addresses"\nenabled = false')
    assert await shop.changed() == {
        "filter warehouse/Only orders": ("if",),
        "filter warehouse/No addresses": ("enabled",),
    }
    [destination] = (await load(shop.sessions, shop.vault)).destinations.values()
    assert [each.if_ for each in destination.filters] == ["event != 'Order Paid'"]


async def test_a_filter_that_the_folder_does_not_mention_is_warned_of(shop: Shop) -> None:
    shop.edit('[[destination.warehouse.functions]]\nfunction = "mask"\n', FILTERS)
    await shop.apply()
    shop.edit('title = "No addresses"', 'title = "No IP addresses"')
    changes = {f"{it.noun} {it.slug}": it for it in await shop.apply()}
    assert changes["filter warehouse/No IP addresses"].kind == "create"
    assert changes["destination warehouse"].details == (
        "warning: it also has a filter that is not in this folder: 'No addresses'",
    )


async def test_a_filter_whose_condition_is_one_word_is_warned_of(shop: Shop) -> None:
    shop.edit('[[destination.warehouse.functions]]\nfunction = "mask"\n', FILTERS)
    shop.edit('if = "all"', 'if = "al"')
    told = await shop.changed()
    assert told["filter warehouse/Only orders"] == ()
    [warning] = told["filter warehouse/No addresses"]
    assert warning.startswith("warning: 'al' alone holds only where a field of this name is true")


async def test_a_filter_that_does_not_hold_is_refused_at_its_place(shop: Shop) -> None:
    shop.edit('[[destination.warehouse.functions]]\nfunction = "mask"\n', FILTERS)
    shop.edit("event != 'Order Completed'", "event <> 'Order Completed'")
    assert await shop.refusal() == (
        "shop.toml: destination.warehouse.filters[0].if: expected a field or a value, got '>', at character 8"
    )
    shop.edit("event <> 'Order Completed'", "all")
    shop.edit('title = "No addresses"', 'title = "Only orders"')
    assert await shop.refusal() == "shop.toml: destination.warehouse: two filters have the title 'Only orders'"


async def test_more_filters_than_a_destination_may_have_are_refused(shop: Shop) -> None:
    tables = [f"{{ title = '{number}', if = 'all', actions = [{{ type = 'DROP' }}] }}" for number in range(11)]
    shop.edit('type = "webhook"', f'type = "webhook"\nfilters = [{", ".join(tables)}]')
    assert await shop.refusal() == "shop.toml: destination.warehouse: expected at most 10 filters, got 11"


async def test_versions_are_kept_when_new_ones_come(shop: Shop) -> None:
    await shop.apply()
    (shop.directory / "drop.js").write_text(DROP + "\n")
    assert await shop.changed(author="ann") == {
        "function drop": ("code (version 2)",),
        "instance warehouse/drop": ("version 2",),
    }
    views = {it.slug: it for it in await whole_functions(shop)}
    assert (views["drop"].version, views["mask"].version) == (2, 1)
    [warehouse] = await destinations.destinations(await shop.call())
    assert [(it.destination_id, it.version) for it in views["drop"].connections] == [(warehouse.id, 2)]


async def test_the_order_of_the_chain_is_the_folders(shop: Shop) -> None:
    await shop.apply()
    text = (shop.directory / "shop.toml").read_text()
    first, second = re.findall(r"\[\[destination.*?\n\n", text, re.DOTALL)
    shop.edit(first + second, second + first)
    assert await shop.changed() == {"destination warehouse": ("order of functions",)}
    [destination] = (await load(shop.sessions, shop.vault)).destinations.values()
    assert [it.name for it in destination.instances] == ["drop", "Mask e-mail addresses"]


async def test_what_the_folder_does_not_mention_is_left_alone(shop: Shop) -> None:
    await shop.apply()
    (shop.directory / "shop.toml").write_text("[source.app]\nwrite_keys = []\n")
    assert await shop.changed() == {"source app": ()}
    snapshot = await load(shop.sessions, shop.vault)
    assert {it.slug for it in snapshot.sources.values()} == {"website", "app"}
    [destination] = snapshot.destinations.values()
    assert len(destination.instances) == 2


async def test_a_function_connected_elsewhere_is_warned_of_and_stays_last(shop: Shop) -> None:
    shop.edit('[[destination.warehouse.functions]]\nfunction = "drop"', "")
    await shop.apply()
    [drop] = [it for it in await functions.functions(await shop.call()) if it.slug == "drop"]
    [warehouse] = await destinations.destinations(await shop.call())
    await instances.create_instance(await shop.call(), drop.id, warehouse.id, name="By hand", settings={})
    [destination] = [it for it in await shop.apply() if it.noun == "destination"]
    assert destination.kind == "unchanged"
    assert destination.details == ("warning: also connected, though not in this folder: 'By hand'",)
    chain = await instances.instances(await shop.call(), destination_id=warehouse.id)
    assert [it.name for it in chain] == ["Mask e-mail addresses", "By hand"]


async def test_a_folder_may_refer_to_what_is_in_the_database_only(shop: Shop) -> None:
    await shop.apply()
    (shop.directory / "shop.toml").write_text(
        "[destination.second]\nsource = 'website'\ntype = 'sink'\nfunctions = [{ function = 'drop' }]"
    )
    assert list(await shop.changed()) == ["destination second", "instance second/drop"]
    assert await shop.changed() == {}


async def test_a_source_without_write_keys_gets_one_that_is_shown_once(shop: Shop) -> None:
    shop.edit('write_keys = [{ env = "WEBSITE_WRITE_KEY" }]', "")
    [planned] = (await shop.changed(dry_run=True))["source website"]
    assert planned == "a write key will be made"
    [detail] = (await shop.changed())["source website"]
    match = re.fullmatch(r"write key (wk_[A-Za-z0-9]{32}) \(shown only now\)", detail)
    assert match is not None
    assert hash_of(match[1]) in (await load(shop.sessions, shop.vault)).by_key
    assert await shop.changed() == {}
    [source] = await sources.sources(await shop.call())
    assert source.write_keys == (f"wk_••••{match[1][-4:]}",)


async def test_a_new_write_key_leaves_the_old_one_working(shop: Shop) -> None:
    await shop.apply()
    told = await shop.changed(environ=ENVIRON | {"WEBSITE_WRITE_KEY": "wk_planted_key_2"})
    assert told == {"source website": ("write key …ey_2",)}
    assert len((await load(shop.sessions, shop.vault)).by_key) == 2


async def test_a_secret_whose_variable_is_not_set_stays_where_there_is_one(shop: Shop) -> None:
    await shop.apply()
    before = await revision(shop.sessions)
    changes = await shop.apply(environ={})
    assert {it.kind for it in changes} == {"unchanged"}
    assert [detail for it in changes for detail in it.details] == [
        "warning: its write keys stay as they are: WEBSITE_WRITE_KEY is not set",
        "warning: settings.shared_secret stays as it is: HOOK_SECRET is not set",
        "warning: settings.salt stays as it is: MASK_SALT is not set",
    ]
    assert await revision(shop.sessions) == before
    assert await shop.changed(environ={"MASK_SALT": "n3w"}) == {"instance warehouse/mask": ("settings.salt",)}


async def test_a_secret_that_is_no_text_comes_from_a_variable_as_json(shop: Shop) -> None:
    shop.edit("shared_secret = {", 'secret_headers = { env = "HEADERS", json = true }, shared_secret = {')
    said = await shop.refusal(environ=ENVIRON | {"HEADERS": "{planted"})
    assert said == (
        "shop.toml: destination.warehouse: the environment variable HEADERS does not hold JSON, as json = true says"
    )
    await shop.apply(environ=ENVIRON | {"HEADERS": '{"Authorization": "planted"}'})
    [destination] = (await load(shop.sessions, shop.vault)).destinations.values()
    assert destination.settings is not None
    assert destination.settings["secret_headers"] == {"Authorization": "planted"}


async def test_a_function_stands_twice_in_a_chain_under_names_of_their_own(shop: Shop) -> None:
    shop.edit(
        'function = "drop"',
        'function = "drop"\n\n[[destination.warehouse.functions]]\nfunction = "drop"\nname = "Late"',
    )
    await shop.apply()
    assert await shop.changed() == {}
    shop.edit('name = "Late"', 'name = "Late"\nenabled = false')
    assert await shop.changed() == {"instance warehouse/drop": ("enabled",)}
    chain = await instances.instances(await shop.call())
    assert [(it.name, it.enabled) for it in chain][1:] == [("drop", True), ("Late", False)]


async def test_an_instance_runs_the_version_that_its_entry_names(shop: Shop) -> None:
    await shop.apply()
    (shop.directory / "drop.js").write_text(DROP + "\n")
    shop.edit('function = "drop"', 'function = "drop"\nversion = 1')
    assert await shop.changed() == {"function drop": ("code (version 2)",)}
    shop.edit("version = 1", "version = 2")
    assert await shop.changed() == {"instance warehouse/drop": ("version 2",)}
    shop.edit("version = 2", "version = 3")
    assert "function 'drop' has no version 3 here" in await shop.refusal()


async def test_the_bytes_of_code_are_the_versions(shop: Shop) -> None:
    (shop.directory / "drop.js").write_bytes(f"{DROP}\r\n".encode())
    await shop.apply()
    [drop] = [it for it in await whole_functions(shop) if it.slug == "drop"]
    assert drop.code == f"{DROP}\r\n"


async def test_switching_a_destination_off_and_on_notes_when(shop: Shop) -> None:
    await shop.apply()
    shop.edit('type = "webhook"', 'type = "webhook"\nenabled = false')
    assert await shop.changed() == {"destination warehouse": ("enabled",)}
    [off] = (await load(shop.sessions, shop.vault)).destinations.values()
    shop.edit("enabled = false", "enabled = true")
    await shop.apply()
    [on] = (await load(shop.sessions, shop.vault)).destinations.values()
    assert off.disabled_at is not None
    assert off.enabled_at < off.disabled_at < on.enabled_at


async def test_secrets_in_the_clear_are_warned_of(shop: Shop) -> None:
    shop.edit('{ env = "MASK_SALT" }', '"in the clear"')
    [instance] = [it for it in await shop.apply() if it.slug == "warehouse/mask"]
    assert instance.details == (
        'warning: settings.salt is sensitive and stands in the folder in the clear: write { env = "NAME" }',
    )


async def test_handlers_that_a_destination_would_need_are_warned_of(shop: Shop) -> None:
    changes = await shop.apply(Check(handlers=("onTrack", "onIdentify", "onPage", "onScreen", "onGroup")))
    [instance] = [it for it in changes if it.slug == "warehouse/drop"]
    assert instance.details == ("warning: no onAlias, onDelete: such events will not be delivered to 'warehouse'",)


async def test_code_that_does_not_load_is_refused_at_its_place(shop: Shop) -> None:
    broken = Check((), ErrorInfo("SyntaxError", "Unexpected token '}'", line=3, column=7))
    assert await shop.refusal(found=broken) == "mask.js:3:7: SyntaxError: Unexpected token '}'"
    assert (await shop.refusal(found=Check(()))).startswith("mask.js: no handler found: expected a top-level function")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            '"webhook"',
            '"webhok"',
            "shop.toml: destination.warehouse: unknown destination type 'webhok'; did you mean 'webhook'?",
        ),
        ("url =", "ulr =", 'unknown setting "ulr"; did you mean "url"?'),
        (
            'source = "website"',
            'source = "site"',
            "shop.toml: destination.warehouse: unknown source 'site'; did you mean 'website'?",
        ),
        (
            'function = "mask"',
            'function = "maks"',
            "shop.toml: destination.warehouse.functions[0]: unknown function 'maks'; did you mean 'mask'?",
        ),
        (
            "settings = { salt",
            "settings = { slat",
            "shop.toml: destination.warehouse.functions[0].settings: unknown setting 'slat'; did you mean 'salt'?",
        ),
        (
            'settings = { salt = { env = "MASK_SALT" } }',
            "",
            "shop.toml: destination.warehouse.functions[0].settings: setting 'salt' is required: give it a value",
        ),
        (
            '{ env = "MASK_SALT" }',
            '{ env = "UNSET" }',
            "shop.toml: destination.warehouse.functions[0]: the environment variable UNSET is not set, "
            "and a setting or write key is to come from it",
        ),
        (
            'env = "WEBSITE_WRITE_KEY"',
            'env = "UNSET"',
            "shop.toml: source.website: the environment variable UNSET is not set, ",
        ),
        (
            '{ env = "WEBSITE_WRITE_KEY" }',
            '"short"',
            "shop.toml: source.website: a write key has 8 to 128 ASCII characters",
        ),
    ],
)
async def test_a_folder_that_does_not_hold_says_where_and_changes_nothing(
    shop: Shop, old: str, new: str, said: str
) -> None:
    shop.edit(old, new)
    assert said in await shop.refusal()
    assert await sources.sources(await shop.call()) == []


async def test_what_a_destination_is_cannot_change(shop: Shop) -> None:
    await shop.apply()
    shop.edit('[destination.warehouse]\nsource = "website"', '[source.app]\n[destination.warehouse]\nsource = "app"')
    assert "a destination stays with its source" in await shop.refusal()
    shop.edit('source = "app"', 'source = "website"')
    shop.edit('type = "webhook"', 'type = "sink"')
    shop.edit('settings = { url = "https://example.com/in", shared_secret = { env = "HOOK_SECRET" } }', "")
    assert "the type of a destination cannot change from 'webhook' to 'sink'" in await shop.refusal()


async def test_a_write_key_of_another_source_is_refused_without_saying_it(shop: Shop) -> None:
    await shop.apply()
    shop.edit("[source.website]", '[source.app]\nwrite_keys = ["wk_planted_key_1"]\n[source.website]')
    text = await shop.refusal()
    assert "the write key …ey_1 belongs to another source" in text
    assert "wk_planted_key_1" not in text


async def test_secrets_sealed_with_a_lost_key_are_sealed_anew(shop: Shop, tmp_path: Path) -> None:
    await shop.apply()
    shop.vault = Vault.open(tmp_path / "another.key")
    assert await shop.changed() == {
        "destination warehouse": ("settings.shared_secret",),
        "instance warehouse/mask": ("settings.salt",),
    }
    [destination] = (await load(shop.sessions, shop.vault)).destinations.values()
    assert destination.fault == ""


async def test_no_secret_can_be_found_in_the_database_or_in_lists(shop: Shop, tmp_path: Path) -> None:
    await shop.apply()
    sample = Sample("dst_1", "src_1", "400", 0, "m", "track", "e", 1, {"visible": "not a secret"})
    await record(shop.sessions, 1, [], [sample])
    lists = [
        await sources.sources(await shop.call()),
        await destinations.destinations(await shop.call()),
        await whole_functions(shop),
    ]
    [destination] = await destinations.destinations(await shop.call())
    assert (destination.settings, destination.sensitive) == ({"url": "https://example.com/in"}, ("shared_secret",))
    assert not [secret for secret in ENVIRON.values() if secret in repr(lists)]
    files = [path.read_bytes() for path in tmp_path.glob("midstream.db*")]
    dump = b"".join(files) if files else await postgres_dump(shop.sessions)
    assert b"not a secret" in dump
    assert not [secret for secret in ENVIRON.values() if secret.encode() in dump]


async def postgres_dump(sessions: Sessions) -> bytes:
    """Return every row of every table, as text."""
    async with sessions() as session:
        rows = [(await session.execute(select(table))).all() for table in Table.metadata.sorted_tables]
    return repr(rows).encode()


async def test_changes_made_by_two_processes_at_once_are_all_counted(shop: Shop, database_url: str) -> None:
    await shop.apply()
    program = """
import asyncio, sys
from midstream.control.act import Call
from midstream.control.sources import create_source
from midstream.domain.access import operator
from midstream.store.session import open_engine, open_sessions
async def main(url, workspace, name):
    engine = open_engine(url)
    call = Call(open_sessions(engine), None, operator(workspace), "tests")
    for n in range(10):
        await create_source(call, slug=f"{name}-{n}", name=name)
    await engine.dispose()
asyncio.run(main(*sys.argv[1:]))
"""
    workspace = await only_workspace(shop.sessions)
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, database_url, workspace, name)
        for name in ("a", "b")
    ]
    assert [await process.wait() for process in started] == [0, 0]
    assert await revision(shop.sessions) == 1 + 20
    assert len(await sources.sources(await shop.call())) == 1 + 20


async def test_two_who_apply_the_same_folder_at_once_make_it_once(shop: Shop) -> None:
    applied = await asyncio.gather(*(shop.apply() for _ in range(4)))
    assert sorted({it.kind for it in changes}.pop() for changes in applied) == ["create", *["unchanged"] * 3]
    assert await revision(shop.sessions) == 1


async def only_workspace(sessions: Sessions) -> str:
    async with sessions() as session:
        return (await session.scalars(select(WorkspaceRow.id))).one()
