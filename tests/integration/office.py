"""A workspace to act in, on a real database, as its operator."""

from __future__ import annotations

from midstream.control.act import Call
from midstream.control.sources import found_workspace
from midstream.domain.access import Caller, operator
from midstream.secrets import Vault
from midstream.store.session import Sessions


async def call_in(sessions: Sessions, vault: Vault, slug: str = "main", caller: Caller | None = None) -> Call:
    """Give the call of a workspace's operator, or of another caller; the workspace is made when there is none."""
    workspace = await found_workspace(sessions, vault, slug=slug, name=slug.title(), author="tests")
    return Call(sessions, vault, caller or operator(workspace, "tests"), "192.0.2.1")
