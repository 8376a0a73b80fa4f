"""What applying a folder works with on its way, and the `Change`s it tells about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from sqlalchemy import select

from midstream.control import settings as values
from midstream.control.act import Act
from midstream.control.folder import Folder
from midstream.errors import Invalid
from midstream.store.schema import DestinationRow, FunctionRow, SourceRow

Slugged = TypeVar("Slugged", SourceRow, DestinationRow, FunctionRow)


@dataclass(frozen=True, slots=True)
class Change:
    """What applying did, or would do, to one object.

    Details never contain a secret value; the one exception is a write key made just now, which is shown this once.
    """

    kind: Literal["create", "update", "unchanged"]
    noun: str  # workspace, source, function, destination, filter or instance
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
    changes: list[Change] = field(default_factory=list)

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

    async def by_slug(self, table: type[Slugged]) -> dict[str, Slugged]:
        """Return what the workspace has of a kind."""
        rows = await self.act.session.scalars(select(table).where(table.workspace_id == self.act.workspace_id))
        return {row.slug: row for row in rows}

    def resolve(self, settings: Mapping[str, Any], sensitive: frozenset[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Read sensitive values from the environment where the folder says so; warn of those it has in the clear."""
        values.check_json(settings)
        resolved = {
            name: values.from_environment(value, self.environ) if name in sensitive else value
            for name, value in settings.items()
        }
        warnings = tuple(
            f'settings.{name} is sensitive and stands in the folder in the clear: write {{ env = "NAME" }}'
            for name in sorted(settings.keys() & sensitive)
            if values.is_literal(settings[name])
        )
        return resolved, warnings


@contextmanager
def at(where: str) -> Iterator[None]:
    """Say where in the folder a fault is, unless it says so itself."""
    try:
        yield
    except Invalid as fault:
        if fault.where is not None and fault.where.startswith(where):
            raise
        raise Invalid(str(fault), where) from None
