"""What applying a folder works with on its way, and the `Change`s it tells about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from sqlalchemy import select

from midstream.control import settings as values
from midstream.control.act import Act
from midstream.control.folder import Folder
from midstream.store.schema import DestinationRow, FunctionRow, InstanceRow, SourceRow

Slugged = TypeVar("Slugged", SourceRow, DestinationRow, FunctionRow)

UNKNOWN = "unknown"  # stands for a text that only the environment of a real apply has


@dataclass(frozen=True, slots=True)
class Change:
    """What applying did, or would do, to one object.

    Details never contain a secret value; the one exception is a write key made just now, which is shown this once.
    """

    kind: Literal["create", "update", "delete", "unchanged"]
    noun: str  # workspace, label, source, function, destination, filter or instance
    slug: str  # an instance's is <destination>/<function>, a filter's <destination>/<title>
    details: tuple[str, ...] = ()  # what changed; those that begin with "warning: " are advice


@dataclass(slots=True)
class Application:
    """One folder on its way into one transaction."""

    act: Act
    folder: Folder
    handlers: Mapping[str, tuple[str, ...]]  # of each function in the folder
    environ: Mapping[str, str]
    dry_run: bool
    author: str
    prune: bool = False
    changes: list[Change] = field(default_factory=list)
    mentioned: set[str] = field(default_factory=set)  # ids of the instances that the folder has in its chains

    def tell(
        self,
        noun: str,
        slug: str,
        changed: Sequence[str] = (),
        warnings: Sequence[str] = (),
        *,
        created: bool = False,
        place: int | None = None,
    ) -> None:
        """Note what happened to an object, at `place` in the list or at its end."""
        kind: Literal["create", "update", "unchanged"] = "create" if created else "update" if changed else "unchanged"
        change = Change(kind, noun, slug, (*changed, *(f"warning: {text}" for text in warnings)))
        self.changes.insert(len(self.changes) if place is None else place, change)

    def tell_gone(self, noun: str, slug: str, *details: str) -> None:
        """Note that an object is gone, at the end of the list."""
        self.changes.append(Change("delete", noun, slug, details))

    async def by_slug(self, table: type[Slugged]) -> dict[str, Slugged]:
        """Return what the workspace has of a kind."""
        rows = await self.act.session.scalars(select(table).where(table.workspace_id == self.act.workspace_id))
        return {row.slug: row for row in rows}

    def resolve(
        self, settings: Mapping[str, Any], sensitive: Mapping[str, Any], row: DestinationRow | InstanceRow | None
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Read sensitive values from the environment where the folder says so; warn of those it has in the clear.

        A value that is to come from a variable which is not set stays as it is, where the row has one. Otherwise a dry run
        goes on with what stands in `sensitive` for it.
        """
        values.check_json(settings)
        resolved, advice = dict(settings), []
        for name in sorted(settings.keys() & sensitive):
            variable = values.variable_of(settings[name])
            if variable and not self.environ.get(variable.name) and row is not None and name in row.secrets:
                resolved[name] = self.act.vault.unseal(row.secrets[name], owner=row.id, name=name)
                advice.append(f"settings.{name} stays as it is: {variable.name} is not set")
                continue
            if self.dry_run and (unset := values.unset(settings[name], self.environ)):
                resolved[name] = sensitive[name]
                advice += [f"settings.{name}: {missing(each)}" for each in unset]
                continue
            resolved[name] = values.from_environment(settings[name], self.environ)
            if values.is_literal(settings[name]):
                advice.append(
                    f'settings.{name} is sensitive and stands in the folder in the clear: write {{ env = "NAME" }}'
                )
        return resolved, tuple(advice)


def missing(variable: str) -> str:
    """Say what a dry run goes on without."""
    return f"{variable} is not set, without which this cannot be applied"
