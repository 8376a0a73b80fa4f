"""`/functions/{id}/versions`: what was saved of a function, in Segment's shapes; the diff of two is ours."""

from __future__ import annotations

from pydantic import Field

from midstream.api import queries
from midstream.api.definitions import Setting
from midstream.api.definitions import shaped as settings_shape
from midstream.api.office import TheCall, TheQuery
from midstream.api.paging import PARAMETERS, Pagination, paged
from midstream.api.routing import Body, Routes, Shape
from midstream.control import versions
from midstream.control.versions import VersionView
from midstream.domain.times import iso

routes = Routes("Functions")

_SINCE = {
    "name": "since",
    "in": "query",
    "schema": {"type": "string"},
    "description": "The version it is compared with.",
}


class RestoreVersion(Body):
    """Which version to make the latest."""

    versionId: str


class Version(Shape):
    """A version of a function."""

    id: str
    number: int
    code: str
    settings: tuple[Setting, ...]
    author: str
    message: str
    isDeployed: bool
    createdAt: str
    updatedAt: str
    # Segment's clients know no null here.
    deployedAt: str | None = Field(default=None, exclude_if=lambda at: at is None)


class OneVersion(Shape):
    """A version."""

    version: Version


class VersionDiff(Shape):
    """What differs, as a unified diff of code and settings; empty when nothing does."""

    diff: str


class VersionList(Shape):
    """Versions, the newest first."""

    versions: tuple[Version, ...]
    pagination: Pagination


@routes.get("/functions/{functionId}/versions", versions.versions, query=PARAMETERS)
async def listFunctionVersions(call: TheCall, functionId: str, query: TheQuery) -> VersionList:
    """List a function's versions, the newest first."""
    page = await paged(lambda place: versions.versions(call, functionId, place), query, f"versions of {functionId}")
    return VersionList(versions=tuple(_shaped(each) for each in page.items), pagination=page.pagination)


@routes.post("/functions/{functionId}/versions", versions.restore_version)
async def restoreFunctionVersion(call: TheCall, functionId: str, body: RestoreVersion) -> OneVersion:
    """Make an old version the latest, as a new one. What runs goes on until it is deployed."""
    return OneVersion(version=_shaped(await versions.restore_version(call, functionId, version_id=body.versionId)))


@routes.get("/functions/{functionId}/versions/{versionId}", versions.get_version)
async def getFunctionVersion(call: TheCall, functionId: str, versionId: str) -> OneVersion:
    """Show a version; `latest` is one too."""
    return OneVersion(version=_shaped(await versions.get_version(call, functionId, versionId)))


@routes.get("/functions/{functionId}/versions/{versionId}/diff", versions.compare_versions, query=[_SINCE])
async def getFunctionVersionDiff(call: TheCall, functionId: str, versionId: str, query: TheQuery) -> VersionDiff:
    """Show what a version changed since the one before it, or since another one, as a unified diff."""
    told = await versions.compare_versions(call, functionId, versionId, since=queries.text(query, "since"))
    return VersionDiff(diff=told)


def _shaped(view: VersionView) -> Version:
    return Version(
        id=view.id,
        number=view.number,
        code=view.code,
        settings=settings_shape(view.schema),
        author=view.author,
        message=view.message,
        isDeployed=view.deployed,
        createdAt=iso(view.created_at),
        updatedAt=iso(view.created_at),
        deployedAt=iso(view.deployed_at) if view.deployed_at else None,
    )
