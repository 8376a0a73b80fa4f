"""Reads a folder that describes a workspace: every `*.toml` in it, merged, and the code files they name.

Enters: a directory. Leaves: a `Folder`, or one `Invalid` with every fault found, each with its file and table.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from midstream.control.transaction import MAX_NAME
from midstream.control.versions import check_code
from midstream.domain import slugs
from midstream.domain.declaration import DECLARATION, Declaration, read_declaration
from midstream.domain.filters import MAX_FILTERS, FilterSection
from midstream.domain.slugs import Slug
from midstream.domain.topology import OnError
from midstream.domain.written import Section, faults_of, nearest
from midstream.errors import Invalid

CONFIGURATION = "midstream.toml"  # the server's own settings; it may lie in the same directory

LabelName = Annotated[str, StringConstraints(pattern=r"^[^:]+:[^:]+$")]  # key:value
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME)]


class FromEnvironment(Section):
    """`{env = "NAME"}`: the value of that environment variable, read when the folder is applied."""

    env: str


class WorkspaceSection(Section):
    """`[workspace]`. Its slug says which workspace this folder describes. `labels` are those there are, each described."""

    slug: Slug = "main"
    name: Name | None = None
    labels: dict[LabelName, str] = Field(default_factory=dict)


class SourceSection(Section):
    """`[source.<slug>]`. Without `write_keys` one is made, with an empty list none is. Without `labels` they stay."""

    name: Name | None = None
    enabled: bool = True
    labels: tuple[LabelName, ...] | None = None
    write_keys: tuple[str | FromEnvironment, ...] | None = None


class ChainEntry(Section):
    """One `[[destination.<slug>.functions]]`. Without a `version` it runs the code in the folder, or what it ran before."""

    function: Slug
    name: Name | None = None
    version: int | None = Field(default=None, ge=1)
    enabled: bool = True
    on_error: OnError = OnError.BLOCK
    settings: dict[str, Any] = Field(default_factory=dict)


class DestinationSection(Section):
    """`[destination.<slug>]` with its filters, and its chain in order."""

    source: Slug
    type: str
    name: Name | None = None
    enabled: bool = True
    settings: dict[str, Any] = Field(default_factory=dict)
    filters: tuple[FilterSection, ...] = ()
    functions: tuple[ChainEntry, ...] = ()

    @model_validator(mode="after")
    def _filters_by_title(self) -> DestinationSection:
        titles = [each.title for each in self.filters]
        for title in sorted({title for title in titles if titles.count(title) > 1}):
            raise PydanticCustomError("twice", "two filters have the title {title}", {"title": repr(title)})
        if len(titles) > MAX_FILTERS:
            raise PydanticCustomError(
                "many", "expected at most {most} filters, got {count}", {"most": MAX_FILTERS, "count": len(titles)}
            )
        return self

    @model_validator(mode="after")
    def _no_function_twice(self) -> DestinationSection:
        names = [(entry.function, entry.name) for entry in self.functions]
        for function in {each[0] for each in names if names.count(each) > 1}:
            message = "function {name} is in the chain twice; give each a name of its own"
            raise PydanticCustomError("twice", message, {"name": repr(function)})
        return self


class FunctionSection(Declaration):
    """`[function.<slug>]`. `code` is a file's name, relative to the folder. What the file beside it declares holds here too."""

    name: Name | None = None
    logo_url: str | None = None
    code: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A workspace as its folder describes it, all by slug. `code` is the text of each function."""

    workspace: WorkspaceSection
    sources: Mapping[str, SourceSection]
    destinations: Mapping[str, DestinationSection]
    functions: Mapping[str, FunctionSection]
    code: Mapping[str, str]
    files: Mapping[str, str]  # table, as "source.website", to the name of the file it stands in

    def where(self, table: str, rest: str = "") -> str:
        """Say where a table stands, for an error."""
        return f"{self.files.get(table, '')}: {table}{rest}"


_NAMED: Mapping[str, type[Section]] = {
    "source": SourceSection,
    "destination": DestinationSection,
    "function": FunctionSection,
}
S = TypeVar("S", bound=Section)


def read(directory: Path) -> Folder:
    """Read a folder. Nothing is looked up outside of it, and no environment variable is read."""
    tables, files = _merged(directory)
    faults: list[str] = []
    workspace = _section(WorkspaceSection, tables, "workspace", files, faults)
    _declare(directory, tables, files, faults)
    functions = _sections(FunctionSection, tables, "function", files, faults)
    code: dict[str, str] = {}
    for slug, section in functions.items():
        text = _code(directory, section.code, f"{files[f'function.{slug}']}: function.{slug}.code", faults)
        if text is not None:
            code[slug] = text
    found = Folder(
        workspace=workspace or WorkspaceSection(),
        sources=_sections(SourceSection, tables, "source", files, faults),
        destinations=_sections(DestinationSection, tables, "destination", files, faults),
        functions=functions,
        code=code,
        files=files,
    )
    if faults:
        raise Invalid("\n".join(faults))
    return found


def _merged(directory: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return all tables by their dotted name, and the file each stands in."""
    if not directory.is_dir():
        raise Invalid(f"{directory} is not a directory")
    paths = sorted(path for path in directory.glob("*.toml") if path.name != CONFIGURATION)
    if not paths:
        raise Invalid(f"there is no .toml file in {directory}: expected at least one with [source.…] or [function.…]")
    tables: dict[str, Any] = {}
    files: dict[str, str] = {}
    for path in paths:
        for name, table in _tables(path):
            if name in tables:
                raise Invalid(f"[{name}] is defined twice, in {files[name]} and in {path.name}: keep one")
            tables[name], files[name] = table, path.name
    return tables, files


def _tables(path: Path) -> Iterable[tuple[str, Any]]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"not readable as TOML: {error}", path.name) from None
    except OSError as error:
        raise Invalid(f"cannot be read: {error.strerror}", path.name) from None
    for key, table in content.items():
        if key not in ("workspace", *_NAMED):
            raise Invalid(f"unknown table [{key}]{nearest(key, ('workspace', *_NAMED))}", path.name)
        if not isinstance(table, dict):
            raise Invalid(f"expected a table [{key}], got a value", path.name)
        if key == "workspace":
            yield key, table
        else:
            yield from ((f"{key}.{slug}", inner) for slug, inner in table.items())


def _sections(
    model: type[S], tables: Mapping[str, Any], kind: str, files: Mapping[str, str], faults: list[str]
) -> dict[str, S]:
    found: dict[str, S] = {}
    for table in (name for name in tables if name.startswith(f"{kind}.")):
        slug = table.removeprefix(f"{kind}.")
        if not slugs.fits(slug):
            faults.append(f"{files[table]}: {table}: {slugs.EXPECTED}")
        section = _section(model, tables, table, files, faults)
        if section is not None:
            found[slug] = section
    return found


def _section(
    model: type[S], tables: Mapping[str, Any], table: str, files: Mapping[str, str], faults: list[str]
) -> S | None:
    if table not in tables:
        return None
    try:
        return model.model_validate(tables[table])
    except ValidationError as error:
        faults += [f"{files[table]}: {fault}" for fault in faults_of(error, table)]
        return None


def _declare(directory: Path, tables: dict[str, Any], files: Mapping[str, str], faults: list[str]) -> None:
    """Put what lies declared beside a function's code under what its table says."""
    for name, table in tables.items():
        if not name.startswith("function.") or not isinstance(table, dict) or not isinstance(table.get("code"), str):
            continue
        try:
            if declaration := _declaration(directory, (directory / table["code"]).parent):
                tables[name] = declaration.under(table)
        except Invalid as fault:
            faults.append(f"{files[name]}: {name}.code: {fault}")


def _declaration(directory: Path, beside: Path) -> Declaration | None:
    whole, path = directory.resolve(), beside / DECLARATION
    # In the folder itself it is one of the folder's own files. Code outside of it is refused, whatever lies beside it.
    if whole not in beside.resolve().parents or not path.is_file():
        return None
    where = path.relative_to(directory).as_posix()
    if not path.resolve().is_relative_to(whole):
        raise Invalid(f"{where!r} is outside of the folder")
    try:
        return read_declaration(path.read_text("utf-8-sig"), where)
    except OSError as error:
        raise Invalid(f"cannot be read: {error.strerror}", where) from None
    except UnicodeDecodeError:
        raise Invalid("is not UTF-8 text", where) from None


def _code(directory: Path, name: str, where: str, faults: list[str]) -> str | None:
    path = (directory / name).resolve()
    try:
        if not path.is_relative_to(directory.resolve()):
            raise Invalid(f"{name!r} is outside of the folder", where)
        code = path.read_bytes().decode()  # to the byte: the ends of lines are part of a version
        check_code(code, where)
    except Invalid as fault:
        faults.append(str(fault))
    except UnicodeDecodeError:
        faults.append(f"{where}: {name!r} is not UTF-8 text")
    except OSError as error:
        faults.append(f"{where}: {name!r} cannot be read: {error.strerror}")
    else:
        return code
    return None
