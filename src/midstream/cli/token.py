"""`midstream token`: API tokens, made and taken away by whoever has the data dir."""

from __future__ import annotations

import asyncio
import getpass
from datetime import timedelta
from typing import Annotated

import msgspec
import typer

from midstream.app.orders import vault_of
from midstream.cli.opening import opened_sessions
from midstream.cli.options import AsJson, DataDir, configured, put, say
from midstream.config import Config
from midstream.control import tokens
from midstream.control.enrolment import enrol, operator_call
from midstream.control.tokens import TokenView
from midstream.domain.access import Grant, Role
from midstream.domain.event import iso

app = typer.Typer(help="API tokens.", no_args_is_help=True)

Workspace = Annotated[str, typer.Option("--workspace", help="The workspace's slug.")]


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    role: Annotated[list[Role] | None, typer.Option("--role", help="A role it gets; may be given again.")] = None,
    on: Annotated[
        list[str] | None, typer.Option("--on", help="Only on these functions or sources, by id; may be given again.")
    ] = None,
    email: Annotated[str, typer.Option(help="The member it acts as; added as an owner when there is none.")] = "",
    days: Annotated[int | None, typer.Option(help="For how long it is good. Without: until it is taken away.")] = None,
    workspace: Workspace = "main",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a token and print it, this once.

    Example: midstream token create --name ci --role functions_admin --role source_admin --days 90
    """
    config = configured(data_dir=data_dir)
    resources = frozenset(on) if on else None
    grants = [Grant(each, resources) for each in role or [Role.WORKSPACE_OWNER]]
    made = asyncio.run(_create(config, workspace, email or f"{getpass.getuser()}@localhost", name, grants, days))
    if as_json:
        put(msgspec.to_builtins(made) | {"token": made.secret})
        return
    say(f"{made.id} for {made.creator}; it is shown only now:")
    typer.echo(made.secret)


async def _create(
    config: Config, workspace: str, email: str, name: str, grants: list[Grant], days: int | None
) -> TokenView:
    async with opened_sessions(config) as sessions:
        call = await operator_call(sessions, vault_of(config), workspace=workspace, author=getpass.getuser())
        creator = await enrol(call, email=email, grant=Grant(Role.WORKSPACE_OWNER))
        lifetime = None if days is None else timedelta(days=days)
        return await tokens.create_token(call, name=name, grants=grants, creator_id=creator, expires_in=lifetime)


@app.command("list")
def list_(workspace: Workspace = "main", as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the tokens there are. What they are is not known any more.

    Example: midstream token list --json
    """
    found = asyncio.run(_list(configured(data_dir=data_dir), workspace))
    if as_json:
        put([msgspec.to_builtins(each) for each in found])
        return
    for each in found:
        until = iso(each.expires_at) if each.expires_at else "until taken away"
        roles = ", ".join(grant.role.value for grant in each.grants)
        typer.echo(f"{each.id}  …{each.last4}  {each.name}  {each.creator}  {roles}  {until}")


async def _list(config: Config, workspace: str) -> list[TokenView]:
    async with opened_sessions(config) as sessions:
        call = await operator_call(sessions, vault_of(config), workspace=workspace, author=getpass.getuser())
        return await tokens.tokens(call)


@app.command()
def delete(token_id: str, workspace: Workspace = "main", data_dir: DataDir = None) -> None:
    """Take a token away: requests with it get 401 from now on.

    Example: midstream token delete tok_…
    """
    asyncio.run(_delete(configured(data_dir=data_dir), workspace, token_id))
    say(f"{token_id} is gone")


async def _delete(config: Config, workspace: str, token_id: str) -> None:
    async with opened_sessions(config) as sessions:
        call = await operator_call(sessions, vault_of(config), workspace=workspace, author=getpass.getuser())
        await tokens.delete_token(call, token_id)
