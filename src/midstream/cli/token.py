"""`midstream token`: API tokens, made and taken away by whoever has the data dir."""

from __future__ import annotations

import asyncio
import getpass
from datetime import timedelta
from typing import Annotated

import msgspec
import typer

from midstream.cli.operating import Workspace, operating
from midstream.cli.options import AsJson, DataDir, configured, put, say
from midstream.config import Config
from midstream.control import tokens
from midstream.control.enrolment import enrol
from midstream.control.grants import Granted, Target
from midstream.control.tokens import TokenView
from midstream.domain.access import ROLES, Grant, Role, Scope
from midstream.domain.times import iso

app = typer.Typer(help="API tokens.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    role: Annotated[list[Role] | None, typer.Option("--role", help="A role it gets; may be given again.")] = None,
    on: Annotated[
        list[str] | None, typer.Option("--on", help="Only on these functions or sources, by id; may be given again.")
    ] = None,
    email: Annotated[str, typer.Option(help="The member it acts as; added as an owner when there is none.")] = "",
    days: Annotated[int | None, typer.Option(help="For how long it is good. Without: until it is taken away.")] = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a token and print it, this once.

    Example: midstream token create --name ci --role functions_admin --role source_admin --days 90
    """
    config = configured(data_dir=data_dir)
    roles = role or [Role.WORKSPACE_OWNER]
    creator = email or f"{getpass.getuser()}@localhost.localdomain"
    made = asyncio.run(_create(config, workspace, creator, name, roles, on or [], days))
    if as_json:
        put(msgspec.to_builtins(made) | {"token": made.secret})
        return
    say(f"{made.id} for {made.creator}; it is shown only now:")
    typer.echo(made.secret)


async def _create(
    config: Config,
    workspace: str | None,
    email: str,
    name: str,
    roles: list[Role],
    on: list[str],
    days: int | None,
) -> TokenView:
    async with operating(config, workspace, begin=True) as call:
        creator = await enrol(call, email=email, grant=Grant(Role.WORKSPACE_OWNER))
        lifetime = None if days is None else timedelta(days=days)
        everything = (Target(call.caller.workspace_id, Scope.WORKSPACE),)
        permissions = [
            Granted(each.value, tuple(Target(one, ROLES[each].scope) for one in on) or everything) for each in roles
        ]
        return await tokens.create_token(
            call, name=name, permissions=permissions, creator_id=creator, expires_in=lifetime
        )


@app.command("list")
def list_(workspace: Workspace = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the tokens there are. What they are is not known any more.

    Example: midstream token list --json
    """
    found = asyncio.run(_list(configured(data_dir=data_dir), workspace))
    if as_json:
        put([msgspec.to_builtins(each) for each in found])
        return
    for each in found:
        until = iso(each.expires_at) if each.expires_at else "until taken away"
        roles = ", ".join(granted.role for granted in each.permissions)
        typer.echo(f"{each.id}  …{each.last4}  {each.name}  {each.creator}  {roles}  {until}")


async def _list(config: Config, workspace: str | None) -> list[TokenView]:
    async with operating(config, workspace) as call:
        return await tokens.tokens(call)


@app.command()
def delete(token_id: str, workspace: Workspace = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Take a token away: requests with it get 401 from now on.

    Example: midstream token delete tok_…
    """
    asyncio.run(_delete(configured(data_dir=data_dir), workspace, token_id))
    if as_json:
        put({"id": token_id})
    else:
        say(f"{token_id} is gone")


async def _delete(config: Config, workspace: str | None, token_id: str) -> None:
    async with operating(config, workspace) as call:
        await tokens.delete_token(call, token_id)
