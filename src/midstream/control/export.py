"""Writes a workspace as the folder that `apply` reads: applying what was written changes nothing.

Enters: an act. Leaves: `Exported`, files by name, in an order that stays, so that two exports show what changed between
them. Nothing secret is in them: write keys and sensitive settings are `{env = "NAME"}`, and the names are told.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import tomli_w

from midstream.control import destinations, filters, functions, instances, labels, sources
from midstream.control.act import Act, use_case
from midstream.control.destinations import DestinationView, kind_of
from midstream.control.filters import FilterView
from midstream.control.functions import FunctionView
from midstream.control.instances import InstanceView
from midstream.control.sources import SourceView
from midstream.domain.access import Permission
from midstream.domain.function import Forming
from midstream.domain.settings import Definition, definitions
from midstream.domain.topology import OnError
from midstream.errors import Invalid
from midstream.store.schema import DestinationRow, VersionRow

TABLES = ("workspace.toml", "functions.toml", "destinations.toml")
CODE = "functions"  # the folder in the folder with the code
HEAD = "# Written by `midstream export`; `midstream apply` reads it.\n"  # how another export knows a table as its own

_Tables = dict[str, Any]


class Exported(NamedTuple):
    """The files of a folder. `environment` names what it wants to be set; `notes` say what a folder cannot hold."""

    files: Mapping[str, str]
    environment: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Export:
    """One export on its way."""

    act: Act
    environment: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def variable(self, *parts: str) -> str:
        """Return the name of an environment variable for this, unlike all others."""
        words = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", part) for part in parts]
        name = re.sub(r"[^A-Z0-9]+", "_", "_".join(words).upper())
        numbered = (f"{name}_{number}" for number in range(2, len(self.environment) + 3))
        unique = next(each for each in (name, *numbered) if each not in self.environment)
        self.environment.append(unique)
        return unique

    def secret(self, *parts: str, text: bool) -> _Tables:
        """Return what stands for a secret; `text` says whether it is one, and not an array or a table."""
        return {"env": self.variable(*parts)} | ({} if text else {"json": True})


async def describe(act: Act) -> Exported:
    """Describe the caller's workspace."""
    it = _Export(act)
    workspace = await sources.show_workspace(act)
    known = {each.id: each for each in await functions.whole_functions(act) if each.version}
    chains: dict[str, list[InstanceView]] = defaultdict(list)
    for each in await instances.list_instances(act):
        chains[each.destination_id].append(each)
    contents: tuple[_Tables, ...] = (
        {
            "workspace": {"slug": workspace.slug, "name": workspace.name}
            | _said(labels=({str(each): each.description for each in await labels.list_labels(act)}, {})),
            "source": {each.slug: _source(it, each) for each in await sources.list_sources(act)},
        },
        {"function": {each.slug: _function(each) for each in known.values()}},
        {
            "destination": {
                each.slug: await _destination(it, each, chains[each.id], known)
                for each in await destinations.list_destinations(act)
            }
        },
    )
    files = {name: HEAD + tomli_w.dumps(content) for name, content in zip(TABLES, contents, strict=True)}
    code = {_code_file(each): each.code for each in known.values()}
    return Exported(files | code, tuple(it.environment), tuple(it.notes))


def _source(it: _Export, view: SourceView) -> _Tables:
    keys = [it.secret("source", view.slug, "write_key", text=True) for _ in view.write_keys]
    carried = [f"{key}:{value}" for key, value in view.labels]
    return _said(name=(view.name, view.slug), enabled=(view.enabled, True), labels=(carried, [])) | {"write_keys": keys}


def _function(view: FunctionView) -> _Tables:
    usual = Forming()
    table = _said(
        name=(view.name, view.slug),
        description=(view.description, ""),
        logo_url=(view.logo_url, ""),
        hosts=(list(view.hosts), []),
        batch_max_count=(view.forming.max_count, usual.max_count),
        batch_max_wait=(view.forming.max_wait, usual.max_wait),
        settings=({each.name: _setting(each) for each in view.schema}, {}),
    )
    return {"code": _code_file(view)} | table


def _code_file(view: FunctionView) -> str:
    return f"{CODE}/{view.slug}.js"


def _setting(it: Definition) -> _Tables:
    return _said(
        label=(it.label, it.name),
        description=(it.description, ""),
        type=(it.type, "STRING"),
        required=(it.required, False),
        sensitive=(it.sensitive, False),
        sealed=(list(it.sealed), []),
    )


async def _destination(
    it: _Export, view: DestinationView, chain: Iterable[InstanceView], known: Mapping[str, FunctionView]
) -> _Tables:
    kind = kind_of(view.type)
    secret = {
        name: it.secret("destination", view.slug, name, text=kind.is_text(name)) for name in sorted(view.sensitive)
    }
    row, _ = await it.act.find(DestinationRow, view.id)
    sieves = [_filter(each) for each in await filters.list_filters(it.act, row)]
    entries = [await _entry(it, view, each, known[each.function_id]) for each in chain]
    _check_apart(view, [f"the filter {each['title']!r}" for each in sieves])
    _check_apart(view, [f"the function {each['function']!r} as {each.get('name', 'itself')!r}" for each in entries])
    return {"source": view.source, "type": view.type} | _said(
        name=(view.name, view.slug),
        enabled=(view.enabled, True),
        settings=(_sorted(view.settings) | secret, {}),
        filters=(sieves, []),
        functions=(entries, []),
    )


def _check_apart(view: DestinationView, names: Sequence[str]) -> None:
    """Refuse what no folder can say."""
    for name in names:
        if names.count(name) > 1:
            raise Invalid(f"{view.slug!r} has {name} twice, which no folder can say: give one of them another name")


def _filter(view: FilterView) -> _Tables:
    return {"title": view.title, "if": view.if_, "actions": view.actions} | _said(
        description=(view.description, ""), enabled=(view.enabled, True)
    )


async def _entry(it: _Export, destination: DestinationView, view: InstanceView, function: FunctionView) -> _Tables:
    """Describe an instance, with the settings of the version it runs: others are kept, but no folder speaks of them."""
    version = await it.act.session.get_one(VersionRow, view.version_id)
    schema = {each.name: each for each in definitions(version.settings_schema)}
    plain = {name: value for name, value in view.settings.items() if name in schema}
    names = (destination.slug, function.slug) if view.name == function.name else (destination.slug, view.name)
    secret = {
        name: it.secret("instance", *names, name, text=schema[name].type == "STRING")
        for name in view.sensitive
        if name in schema
    }
    if view.version != function.version:
        it.notes.append(
            f"{destination.slug}/{function.slug} runs version {view.version} of {function.version}: its code is not "
            "in the folder, and only a midstream that has this version can apply it"
        )
    return {"function": function.slug} | _said(
        name=(view.name, function.name),
        version=(view.version, function.version),
        enabled=(view.enabled, True),
        on_error=(view.on_error, OnError.BLOCK.value),
        settings=(_sorted(plain) | secret, {}),
    )


def _said(**given: tuple[Any, Any]) -> _Tables:
    """Return the values that are not what they are when nothing is said."""
    return {name: value for name, (value, usual) in given.items() if value != usual}


def _sorted(values: Mapping[str, Any]) -> _Tables:
    return dict(sorted(values.items()))


export_workspace = use_case(describe, Permission.WORKSPACE_READ)
