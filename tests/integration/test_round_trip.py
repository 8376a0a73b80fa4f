"""Whatever a workspace is: its export, applied to an empty database, makes the same rows and is exported as the same bytes."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from midstream.control.apply import plan_and_apply
from midstream.control.export import Exported, export_workspace
from midstream.control.folder import read
from midstream.secrets import Vault
from midstream.store.migrate import migrate
from midstream.store.people import LabelRow, SourceLabelRow
from midstream.store.schema import (
    DestinationRow,
    FilterRow,
    FunctionRow,
    InstanceRow,
    SourceRow,
    Table,
    VersionRow,
    WorkspaceRow,
    WriteKeyRow,
)
from midstream.store.session import open_engine, open_sessions
from tests.integration.office import call_in
from tests.integration.test_apply import Check

TABLES: tuple[type[Table], ...] = (
    WorkspaceRow, LabelRow, SourceLabelRow, SourceRow, WriteKeyRow, FunctionRow, VersionRow, DestinationRow, FilterRow,
    InstanceRow,
)  # fmt: skip
slugs = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True)
names = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=20).filter(
    str.strip
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
words = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,5}", fullmatch=True)
label_names = st.builds("{}:{}".format, words, words)
setting_names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,6}", fullmatch=True)
keys_and_texts = st.dictionaries(texts.filter(bool), texts, max_size=2)
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "STRING": texts,
    "BOOLEAN": st.booleans(),
    "ARRAY": st.lists(texts, max_size=2),
    "TEXT_MAP": keys_and_texts,
}
fields = st.dictionaries(texts, st.lists(texts, max_size=2), min_size=1, max_size=2)
actions = st.one_of(
    st.just({"type": "DROP"}),
    st.builds(lambda percent, path: {"type": "SAMPLE", "percent": percent} | path, st.floats(0, 1), st.fixed_dictionaries({}, optional={"path": texts})),
    st.builds(lambda type_, listed: {"type": type_, "fields": listed}, st.sampled_from(["DROP_PROPERTIES", "ALLOW_PROPERTIES"]), fields),
)  # fmt: skip
filters = st.fixed_dictionaries(
    {
        "title": names,
        "if": st.sampled_from(["all", "type = 'track'", '!match(event, "Ä*")']),
        "actions": st.lists(actions, min_size=1, max_size=2),
    },
    optional={"description": texts, "enabled": st.booleans()},
)
definitions = st.fixed_dictionaries(
    {"type": st.sampled_from(list(VALUES)), "sensitive": st.booleans()},
    optional={"label": names, "description": texts},
)
functions = st.fixed_dictionaries(
    {"settings": st.dictionaries(setting_names, definitions, max_size=3)},
    optional={
        "name": names,
        "description": texts,
        "logo_url": texts,
        "hosts": st.lists(st.sampled_from(["api.example.com", "*.example.org"]), unique=True),
        "batch_max_count": st.integers(1, 400),
        "batch_max_wait": st.floats(0, 10),
    },
)
TYPES: Mapping[str, st.SearchStrategy[Any]] = {
    "sink": st.just({}),
    "webhook": st.fixed_dictionaries(
        {"url": st.sampled_from(["https://example.com/in?a=b", "http://example.com:8080"])},
        optional={
            "headers": st.dictionaries(words, st.sampled_from(["a", 'b "c" \\', ""]), max_size=2),
            "shared_secret": st.just({"env": "SECRET"}),
            "secret_headers": st.just({"env": "MAP", "json": True}),
            "gzip": st.booleans(),
        },
    ),
}


@st.composite
def folders(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, str]]:
    """Draw the tables of a folder, and the code it names."""
    labelled = draw(st.dictionaries(label_names, texts, max_size=3))
    table: dict[str, Any] = {"workspace": {"slug": "main", "name": draw(names), "labels": labelled}}
    sources = draw(st.lists(slugs, min_size=1, max_size=2, unique=True))
    carried = st.lists(st.sampled_from(sorted(labelled)), unique=True) if labelled else st.just([])
    keys = iter(range(100))
    table["source"] = {
        slug: {"labels": draw(carried), "enabled": draw(st.booleans()), "name": draw(names)}
        | {"write_keys": [{"env": f"KEY_{next(keys)}"} for _ in range(draw(st.integers(0, 2)))]}
        for slug in sources
    }
    table["function"] = draw(st.dictionaries(slugs, functions, max_size=2))
    code = {}
    for slug, section in table["function"].items():
        section["code"] = f"{slug}.js"
        code[section["code"]] = draw(texts)
    table["destination"] = {
        slug: draw(destinations(sources, table["function"]))
        for slug in draw(st.lists(slugs, min_size=1, max_size=3, unique=True))
    }
    return table, code


@st.composite
def destinations(draw: st.DrawFn, sources: list[str], known: Mapping[str, Any]) -> dict[str, Any]:
    kind = draw(st.sampled_from(list(TYPES)))
    chain = [draw(entries(slug, known[slug])) for slug in draw(st.lists(st.sampled_from(sorted(known)), max_size=3))] if known else []  # fmt: skip
    called = [(each["function"], each.get("name", known[each["function"]].get("name"))) for each in chain]
    return {
        "source": draw(st.sampled_from(sources)),
        "type": kind,
        "enabled": draw(st.booleans()),
        "settings": draw(TYPES[kind]),
        "filters": draw(st.lists(filters, max_size=2, unique_by=lambda each: str(each["title"]))),
        "functions": [each for place, each in enumerate(chain) if called.index(called[place]) == place],
    }


@st.composite
def entries(draw: st.DrawFn, slug: str, function: Mapping[str, Any]) -> dict[str, Any]:
    """Draw a place in a chain, with values for settings of the function."""
    said = draw(st.sets(st.sampled_from(sorted(function["settings"])))) if function["settings"] else set()
    values: dict[str, Any] = {}
    for name in sorted(said):
        it = function["settings"][name]
        text = it["type"] == "STRING"
        stands: dict[str, Any] = {"env": f"V_{it['type']}"} | ({} if text else {"json": True})
        values[name] = stands if it["sensitive"] else draw(VALUES[it["type"]])
    more = draw(st.fixed_dictionaries({}, optional={"name": names, "enabled": st.booleans()}))
    on_error = draw(st.sampled_from(["block", "pass", "quarantine"]))
    return {"function": slug, "settings": values, "on_error": on_error} | more


class Environment(dict[str, str]):
    """Every variable there is asked for, with a value of its own that fits."""

    def __missing__(self, name: str) -> str:
        return f"wk_planted_{name}"

    def get(self, name: str, default: Any = None) -> Any:
        return self[name]


FITTING = {"V_BOOLEAN": "true", "V_ARRAY": '["a"]', "V_TEXT_MAP": '{"a": "b"}', "MAP": '{"A": "b"}'}


def environment(tables: Mapping[str, Any]) -> Environment:
    """Give values for what an export asks for: it says which are JSON, and of which type those are stands in its code."""
    fitting = Environment(FITTING)
    schemas = {slug: it.get("settings", {}) for slug, it in tables.get("function", {}).items()}
    for it in tables.get("destination", {}).values():
        headers = it.get("settings", {}).get("secret_headers")
        if isinstance(headers, dict):
            fitting[headers["env"]] = FITTING["MAP"]
        for entry in it.get("functions", ()):
            for name, value in entry.get("settings", {}).items():
                if schemas[entry["function"]][name].get("sensitive") and "json" in value:
                    fitting[value["env"]] = FITTING[f"V_{schemas[entry['function']][name]['type']}"]
    return fitting


async def applied(empty: Path, folder: Path, tables: Mapping[str, Any]) -> tuple[Exported, list[str]]:
    """Apply a folder to an empty database; return its export, and its rows without what each database has of its own."""

    async def check(_: str) -> Check:
        return Check()

    database = folder / "midstream.db"
    shutil.copy(empty, database)
    engine = open_engine(f"sqlite:///{database}")
    sessions, vault = open_sessions(engine), Vault.open(folder / "master.key")
    await plan_and_apply(sessions, vault, read(folder), check=check, environ=environment(tables))
    exported = await export_workspace(await call_in(sessions, vault))
    async with sessions() as session:
        rows = [row for table in TABLES for row in await session.scalars(select(table))]
        plain = sorted(json.dumps([type(row).__name__, dict(told(row))], sort_keys=True) for row in rows)
    await engine.dispose()
    return exported, plain


def told(row: Table) -> Iterator[tuple[str, Any]]:
    """Yield what a folder can say of a row: of secrets that they are there, and no ids, hashes and times."""
    for column in row.__table__.c.keys():  # noqa: SIM118 # its members are columns, not names
        value = getattr(row, column)
        if column == "secrets":
            yield column, sorted(value)
        elif not re.search(r"id$|_at$|^hash$|^last4$|^created_by$", column):
            yield column, value


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "midstream.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


@given(folders())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_an_export_applied_to_an_empty_database_is_exported_as_the_same_bytes(
    empty: Path, drawn: tuple[dict[str, Any], dict[str, str]]
) -> None:
    tables, code = drawn
    with tempfile.TemporaryDirectory() as place:
        written = write(Path(place) / "a", code | {"all.toml": tomli_w.dumps(tables)})
        first, rows = asyncio.run(applied(empty, written, tables))
        assert first.notes == ()
        assert "planted" not in "".join(first.files.values())
        again = write(Path(place) / "b", first.files)
        second = asyncio.run(applied(empty, again, read_tables(first)))
    assert second == (first, rows)


def read_tables(exported: Exported) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for name, text in exported.files.items():
        if name.endswith(".toml"):
            tables |= tomllib.loads(text)
    return tables
