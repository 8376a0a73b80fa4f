"""`midstream user`: who belongs to a workspace."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from midstream.cli.opening import opened_sessions
from midstream.cli.operating import Workspace, operating
from midstream.cli.options import AsJson, DataDir, configured, put, say, shown
from midstream.config import Config
from midstream.control.act import Call
from midstream.control.grants import Granted, Target
from midstream.control.members import (
    MemberView,
    create_member,
    get_member,
    members,
    remove_members,
    replace_member_permissions,
)
from midstream.control.passwords import Passwords
from midstream.control.reset import set_password
from midstream.domain.access import ROLES, Role, Scope
from midstream.errors import RequestError

Who = Annotated[str, typer.Argument(metavar="EMAIL|ID", help="Who.")]

app = typer.Typer(help="Who belongs to a workspace.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Manage who belongs to a workspace."""


@app.command()
def create(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The address they sign in with.")],
    name: Annotated[str | None, typer.Option(help="What they are called; the address, unless said.")] = None,
    role: Annotated[
        list[Role] | None,
        typer.Option(
            help="A role, on all there is; may be given several times. Unless said, the first user becomes "
            "workspace_owner and others workspace_member."
        ),
    ] = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Add a member to a workspace, which is made if there is none yet.

    Example: midstream user create ann@example.com --name Ann --role functions_admin --role source_read_only
    """
    made = asyncio.run(_create(configured(data_dir=data_dir), email, name, role, workspace))
    if as_json:
        put(_said(made))
        return
    typer.echo(made.id)
    say(f"{shown(made.name)} is {', '.join(_roles(made))} now.")


async def _create(
    config: Config, email: str, name: str | None, roles: Sequence[Role] | None, workspace: str | None
) -> MemberView:
    async with operating(config, workspace, begin=True) as call:
        permissions = _on_all(call, roles) if roles else None
        return await create_member(call, email=email, name=name, permissions=permissions)


def _on_all(call: Call, roles: Sequence[Role]) -> list[Granted]:
    return [Granted(role, (Target(call.caller.workspace_id, Scope.WORKSPACE),)) for role in roles]


@app.command("role")
def role_command(
    user: Who,
    role: Annotated[list[Role], typer.Option(help="A role, on all there is; may be given several times.")],
    workspace: Workspace = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Give a member these roles instead of those they have themselves. Their tokens follow at once.

    Example: midstream user role bob@example.com --role functions_admin --role source_read_only
    """
    changed = asyncio.run(_replace(configured(data_dir=data_dir), user, role, workspace))
    if as_json:
        put(_said(changed))
        return
    say(f"{shown(changed.name)} is {', '.join(_roles(changed))} now.")


async def _replace(config: Config, user: str, roles: Sequence[Role], workspace: str | None) -> MemberView:
    async with operating(config, workspace) as call:
        found = await _member(call, user)
        await replace_member_permissions(call, found, _on_all(call, roles))
        return await get_member(call, found)


@app.command("list")
def list_command(workspace: Workspace = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the members of a workspace with the roles they have themselves.

    Example: midstream user list --json
    """
    found = asyncio.run(_list(configured(data_dir=data_dir), workspace))
    if as_json:
        put([_said(each) for each in found])
        return
    width = max((len(each.email) for each in found), default=0)
    for each in found:
        typer.echo(f"{each.id}  {each.email:{width}}  {shown(each.name)}  ({', '.join(_roles(each)) or 'no role'})")
    if not found:
        say("There is nobody yet: `midstream user create EMAIL` adds the first.")


async def _list(config: Config, workspace: str | None) -> list[MemberView]:
    async with operating(config, workspace) as call:
        return await members(call)


@app.command()
def remove(
    user: Who,
    workspace: Workspace = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Remove a member from a workspace; their tokens and sessions end at once.

    Example: midstream user remove bob@example.com
    """
    gone = asyncio.run(_remove(configured(data_dir=data_dir), user, workspace))
    if as_json:
        put({"ids": gone})
        return
    say(f"{shown(user)} does not belong to the workspace any more.")


async def _remove(config: Config, user: str, workspace: str | None) -> list[str]:
    async with operating(config, workspace) as call:
        known = [await _member(call, user)]
        await remove_members(call, known)
        return known


async def _member(call: Call, user: str) -> str:
    """Return a member's id."""
    wanted = user.strip().lower()
    for each in await members(call):
        if wanted == each.email or user == each.id:
            return each.id
    raise RequestError(
        404, "not-found", f"there is no user {user!r} in the workspace; `midstream user list` lists them"
    )


@app.command("password")
def password(
    email: Annotated[str, typer.Argument(help="Whose.", metavar="EMAIL")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Set a person's password and end their sessions. It is asked for, or is the first line of standard input.

    Example: midstream user password ann@example.com
    """
    config = configured(data_dir=data_dir)
    ended = asyncio.run(_set(config, email, _asked()))
    if as_json:
        put({"email": email, "sessionsEnded": ended})
        return
    say(f"The password of {email} is set. {ended} session{'' if ended == 1 else 's'} ended.")


def _asked() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    typed: str = typer.prompt("New password", hide_input=True, confirmation_prompt="Once more", err=True)
    return typed


async def _set(config: Config, email: str, typed: str) -> int:
    passwords = Passwords()
    try:
        async with opened_sessions(config) as sessions:
            return await set_password(sessions, passwords, email, typed, author=getpass.getuser())
    finally:
        passwords.close()


def _roles(member: MemberView) -> list[str]:
    """Return a member's roles as people read them."""
    return [
        ROLES[Role(each.role)].name
        + ("" if each.resources[0].type == Scope.WORKSPACE else f" on {', '.join(one.id for one in each.resources)}")
        for each in member.permissions
    ]


def _said(member: MemberView) -> dict[str, Any]:
    return {
        "id": member.id,
        "email": member.email,
        "name": member.name,
        "permissions": [
            {"roleId": each.role, "resources": [{"id": one.id, "type": one.type} for one in each.resources]}
            for each in member.permissions
        ],
        "createdAt": member.created_at.isoformat(),
    }
