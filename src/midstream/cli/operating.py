"""Use cases from the command line: whoever can run a command on the data dir is the owner of all that is in it."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from midstream.app.orders import vault_of
from midstream.cli.opening import opened_sessions
from midstream.config import Config
from midstream.control.act import Call
from midstream.control.sources import COMMAND_LINE, found_workspace, workspaces
from midstream.domain.access import operator
from midstream.errors import Invalid
from midstream.store.session import Sessions

Workspace = Annotated[str | None, typer.Option(help="The workspace's slug, where there are several.")]
_FIRST = "main"  # what `midstream apply` calls a workspace that its folder does not name


@asynccontextmanager
async def operating(
    config: Config, slug: str | None, *, begin: bool = False, anywhere: bool = False
) -> AsyncIterator[Call]:
    """Give an operator's call in a workspace; with `begin` the first one is made where there is none.

    `anywhere` is for what is about the whole installation: any workspace will do.
    """
    async with opened_sessions(config) as sessions:
        vault, user = vault_of(config), getpass.getuser()
        if begin and not await workspaces(sessions):
            await found_workspace(sessions, vault, slug=slug or _FIRST, author=user)
        workspace = await _chosen(sessions, slug, anywhere=anywhere)
        yield Call(sessions, vault, operator(workspace, user), COMMAND_LINE)


async def _chosen(sessions: Sessions, slug: str | None, *, anywhere: bool) -> str:
    known = await workspaces(sessions)
    if slug is None and known and (len(known) == 1 or anywhere):
        return next(iter(known.values()))
    if slug in known:
        return known[slug]
    if not known:
        raise Invalid("there is no workspace yet: `midstream apply`, `user create` and `token create` make one")
    asked = f"there is no workspace {slug!r}" if slug else "there are several workspaces: say which"
    raise Invalid(f"{asked}; there are: {', '.join(known)}", "--workspace")
