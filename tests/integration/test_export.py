"""Exporting and applying are each other's inverse, but for secrets, on both engines."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from midstream.control import destinations, filters, functions, instances, labels, sources
from midstream.control.act import Call
from midstream.control.apply import plan_and_apply
from midstream.control.changes import Change
from midstream.control.export import Exported, export_workspace
from midstream.control.folder import read
from midstream.control.labels import Label
from midstream.domain.filters import FilterChange, FilterSection, held
from midstream.domain.function import Forming
from midstream.domain.settings import Definition
from midstream.domain.topology import OnError
from midstream.errors import Invalid
from midstream.secrets import Vault
from midstream.store.session import Sessions
from midstream.store.snapshot import load, revision
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in
from tests.integration.test_apply import Check

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]

MASK = "function onTrack(event, settings) { return event }\n"
ODD = "// “quotes”, \\ and\r\nfunction onPage(event) { return event } // no end of line, and \ufeff"
SCHEMA = (
    Definition("salt", "Salt", "Keys the hash.", "STRING", required=True, sensitive=True, sealed=("api.example.com",)),
    Definition("keys", "keys", "", "TEXT_MAP", required=False, sensitive=True),
    Definition("fields", "Fields", "", "ARRAY", required=False, sensitive=False),
    Definition("a_map", "a_map", 'with "quotes"\nand lines', "TEXT_MAP", required=False, sensitive=False),
    Definition("strict", "strict", "", "BOOLEAN", required=False, sensitive=False),
)
FILTERS = {
    "Some": [{"type": "SAMPLE", "percent": 0.1, "path": "userId"}, {"type": "SAMPLE", "percent": 1}],
    "Off": [{"type": "DROP"}],
    "Less": [
        {"type": "DROP_PROPERTIES", "fields": {"": ["x.y"], "context.device": ["id", "ü"]}},
        {"type": "ALLOW_PROPERTIES", "fields": {"traits": []}},
    ],
}
SECRETS = {
    "DESTINATION_HOOK_SHARED_SECRET": "planted-secret",
    "DESTINATION_HOOK_SECRET_HEADERS": json.dumps({"Authorization": "planted-bearer"}),
    "INSTANCE_HOOK_MASK_SALT": "planted-salt",
    "INSTANCE_HOOK_MASK_KEYS": json.dumps({"a": "planted-a"}),
    "INSTANCE_HOOK_AGAIN_SALT": "planted-again",
    "SOURCE_WEB_WRITE_KEY": "wk_planted_1",
    "SOURCE_WEB_WRITE_KEY_2": "wk_planted_2",
}


@dataclass
class Office:
    """A workspace, and the folder it is exported to."""

    sessions: Sessions
    vault: Vault
    call: Call
    folder: Path

    async def export(self) -> Exported:
        exported = await export_workspace(self.call)
        for name, text in exported.files.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_bytes(text.encode())
        return exported

    async def apply(self, *, prune: bool = False, **environ: str) -> list[Change]:
        async def check(_: str) -> Check:
            return Check()

        folder = read(self.folder)
        return await plan_and_apply(self.sessions, self.vault, folder, check=check, prune=prune, environ=environ)

    async def fill(self) -> None:
        """Make one of everything, with every value that is not the usual one."""
        call = self.call
        web = await sources.create_source(call, slug="web", name='The "web"', enabled=False)
        await sources.create_write_key(call, web.id)
        for each in (Label("environment", "prod", 'Customers "see" it'), Label("team", "Shop")):
            await labels.create_label(call, each)
            await labels.add_source_labels(call, web.id, [each])
        bare = await sources.create_source(call, slug="bare")
        await sources.delete_write_key(call, bare.id, bare.made or "")
        mask = await functions.create_function(
            call,
            code=MASK,
            name="Mask",
            schema=SCHEMA,
            description="Hides.\nAll of it.",
            logo_url="https://example.com/logo.png",
            hosts=("api.example.com", "*.example.org"),
            forming=Forming(50, 0.25),
        )
        odd = await functions.create_function(call, code=ODD, name="Ödd 🦊")
        settings = {
            "url": "https://example.com/in?a=b",
            "headers": {"X-Quote": 'a "b" \\ c', "X-A": "1"},
            "shared_secret": "planted-secret",
            "secret_headers": {"Authorization": "planted-bearer"},
            "gzip": True,
        }
        hook = await destinations.create_destination(call, web.id, type="webhook", name="Hook", settings=settings)
        sink = await destinations.create_destination(
            call, web.id, type="sink", name="A sink", settings={}, enabled=False
        )
        for title, actions in FILTERS.items():
            written = {"title": title, "if": "type = 'track' and !match(event, \"Ä*\")", "actions": actions}
            section = held(FilterSection, written | {"description": title[:1], "enabled": title != "Off"})
            await filters.create_filter(call, hook.id, section)
        values = {
            "salt": "planted-salt",
            "keys": {"a": "planted-a"},
            "fields": ["x", ""],
            "a_map": {"z": "1", "b b": "\t2"},
            "strict": False,
        }
        connect = instances.create_instance
        await connect(call, odd.id, hook.id, name="first", settings={}, enabled=True, on_error=OnError.PASS)
        await connect(call, mask.id, hook.id, name="Mask", settings=values, enabled=True)
        await connect(call, mask.id, hook.id, name="Again", settings={"salt": "planted-again"})
        await connect(call, odd.id, sink.id, name="Ödd 🦊", settings={}, on_error=OnError.QUARANTINE)


@pytest.fixture
async def office(sessions: Sessions, vault: Vault, tmp_path: Path) -> Office:
    return Office(sessions, vault, await call_in(sessions, vault), tmp_path / "folder")


async def test_applying_an_export_changes_nothing_and_needs_no_secret(office: Office) -> None:
    await office.fill()
    exported = await office.export()
    assert set(exported.environment) == SECRETS.keys()
    assert exported.notes == ()
    assert "planted" not in "".join(exported.files.values())
    before, running = await revision(office.sessions), await load(office.sessions, office.vault)
    for prune in (False, True):
        changes = await office.apply(prune=prune)
        assert {(it.kind, it.noun) for it in changes} == {
            ("unchanged", noun)
            for noun in ("workspace", "label", "source", "function", "destination", "filter", "instance")
        }
        assert len(changes) == 1 + 2 + 2 + 2 + 2 + 3 + 4
    assert await revision(office.sessions) == before
    assert await load(office.sessions, office.vault) == running
    assert await office.export() == exported


async def test_an_export_makes_the_same_workspace_again_where_nothing_is_left_of_it(office: Office) -> None:
    await office.fill()
    exported = await office.export()
    (office.folder / "workspace.toml").write_text("[workspace]\n")
    for name in ("functions.toml", "destinations.toml"):
        (office.folder / name).write_text("")
    gone = await office.apply(prune=True)
    assert [it.noun for it in gone if it.kind == "delete"] == [
        *["instance"] * 4,
        *["destination"] * 2,
        *["function"] * 2,
        *["source"] * 2,
        *["label"] * 2,
    ]
    assert (await office.export()).environment == ()
    for name, text in exported.files.items():
        (office.folder / name).write_bytes(text.encode())
    with pytest.raises(Invalid, match="the environment variable SOURCE_WEB_WRITE_KEY is not set"):
        await office.apply()
    made = await office.apply(**SECRETS)
    assert [it.noun for it in made if it.kind != "create"] == ["workspace"]
    assert await office.export() == exported
    [hook] = [it for it in (await load(office.sessions, office.vault)).destinations.values() if it.type == "webhook"]
    assert hook.settings is not None
    assert hook.settings["secret_headers"] == {"Authorization": "planted-bearer"}
    _, mask = hook.instances
    assert mask.spec is not None
    assert mask.spec.settings["keys"] == {"a": "planted-a"}


async def test_an_instance_at_an_old_version_stays_there(office: Office) -> None:
    await office.fill()
    [mask] = [it for it in await functions.functions(office.call) if it.slug == "mask"]
    await functions.update_function(office.call, mask.id, code=MASK + "// 2\n", schema=SCHEMA[:1])
    exported = await office.export()
    assert len(exported.notes) == 2
    assert exported.notes[0].startswith("hook/mask runs version 1 of 2: its code is not in the folder")
    before = await revision(office.sessions)
    assert {it.kind for it in await office.apply(prune=True)} == {"unchanged"}
    assert await revision(office.sessions) == before
    text = (office.folder / "destinations.toml").read_text()
    (office.folder / "destinations.toml").write_text(text.replace("version = 1", "version = 7"))
    with pytest.raises(Invalid, match="function 'mask' has no version 7 here: leave `version` out to run the latest"):
        await office.apply()


async def test_values_of_settings_that_left_the_schema_are_kept_and_not_written(office: Office) -> None:
    await office.fill()
    [mask] = [it for it in await functions.functions(office.call) if it.slug == "mask"]
    await functions.update_function(office.call, mask.id, schema=(*SCHEMA[:1], SCHEMA[-1]))
    await instances.deploy_function(office.call, mask.id)
    exported = await office.export()
    assert "INSTANCE_HOOK_MASK_KEYS" not in exported.environment
    assert "a_map" not in exported.files["destinations.toml"]
    assert {it.kind for it in await office.apply(prune=True)} == {"unchanged"}
    await functions.update_function(office.call, mask.id, schema=SCHEMA)
    await instances.deploy_function(office.call, mask.id)
    assert (await office.export()).environment.count("INSTANCE_HOOK_MASK_KEYS") == 1


async def test_a_value_that_was_sealed_is_not_written_by_a_version_that_calls_it_plain(office: Office) -> None:
    await office.fill()
    [mask] = [it for it in await functions.functions(office.call) if it.slug == "mask"]
    plain = msgspec.structs.replace(SCHEMA[0], sensitive=False, sealed=())
    await functions.update_function(office.call, mask.id, schema=(plain, *SCHEMA[1:]))
    await instances.deploy_function(office.call, mask.id)
    exported = await office.export()
    assert "INSTANCE_HOOK_MASK_SALT" in exported.environment
    assert "planted" not in "".join(exported.files.values())
    assert {it.kind for it in await office.apply(prune=True)} == {"unchanged"}


async def test_what_no_folder_can_say_is_refused(office: Office) -> None:
    await office.fill()
    chain = await instances.instances(office.call)
    [again] = [it for it in chain if it.name == "Again"]
    await instances.update_instance(office.call, again.id, name="Mask")
    with pytest.raises(Invalid, match="'hook' has the function 'mask' as 'itself' twice, which no folder can say"):
        await office.export()
    await instances.update_instance(office.call, again.id, name="Again")
    [first, *_] = await filters.filters(office.call, again.destination_id)
    await filters.update_filter(office.call, first.id, FilterChange(title="Off"))
    with pytest.raises(Invalid, match="'hook' has the filter 'Off' twice, which no folder can say"):
        await office.export()


async def test_only_what_a_variable_holds_replaces_a_secret_and_the_rest_is_told(office: Office) -> None:
    await office.fill()
    await office.export()
    changes = await office.apply(INSTANCE_HOOK_MASK_SALT="n3w-planted")
    [changed] = [it for it in changes if it.kind != "unchanged"]
    assert (changed.slug, changed.details[0]) == ("hook/mask", "settings.salt")
    assert "planted" not in repr(changes)
    told = {f"{it.noun} {it.slug}": it for it in changes}
    assert told["destination hook"].details == (
        "warning: settings.secret_headers stays as it is: DESTINATION_HOOK_SECRET_HEADERS is not set",
        "warning: settings.shared_secret stays as it is: DESTINATION_HOOK_SHARED_SECRET is not set",
    )
    assert told["source web"].details[0] == "warning: its write keys stay as they are: SOURCE_WEB_WRITE_KEY is not set"
    with pytest.raises(Invalid, match="DESTINATION_HOOK_SECRET_HEADERS does not hold JSON"):
        await office.apply(DESTINATION_HOOK_SECRET_HEADERS="planted{")


async def test_the_files_are_those_a_person_would_have_written(office: Office) -> None:
    source = await sources.create_source(office.call, slug="web", name="web")
    mask = await functions.create_function(office.call, code=MASK, name="mask")
    sink = await destinations.create_destination(office.call, source.id, type="sink", name="sink", settings={})
    await instances.create_instance(office.call, mask.id, sink.id, name="mask", settings={}, enabled=True)
    exported = await office.export()
    assert sorted(exported.files) == ["destinations.toml", "functions.toml", "functions/mask.js", "workspace.toml"]
    assert tomllib.loads(exported.files["workspace.toml"]) == {
        "workspace": {"slug": "main", "name": "Main"},
        "source": {"web": {"write_keys": [{"env": "SOURCE_WEB_WRITE_KEY"}]}},
    }
    assert tomllib.loads(exported.files["functions.toml"]) == {"function": {"mask": {"code": "functions/mask.js"}}}
    assert tomllib.loads(exported.files["destinations.toml"]) == {
        "destination": {"sink": {"source": "web", "type": "sink", "functions": [{"function": "mask"}]}}
    }


async def test_a_setting_that_is_made_as_null_is_not_set(office: Office) -> None:
    source = await sources.create_source(office.call, slug="web")
    settings = {"url": "https://example.com", "shared_secret": None}
    made = await destinations.create_destination(office.call, source.id, type="webhook", name="hook", settings=settings)
    assert (made.settings, made.sensitive) == ({"url": "https://example.com"}, ())
