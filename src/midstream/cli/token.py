"""`midstream token`: API tokens, made and taken away by whoever has the data dir."""

from __future__ import annotations

import asyncio
import getpass
from datetime import timedelta
from typing import Annotated

import msgspec
import typer

from midstream.cli.operating import Workspace, operating
from midstream.cli.options import AsJson, DataDir, configured, put, say, shown
from midstream.config import Config
from midstream.control import tokens
from midstream.control.enrolment import Made, create_token_for
from midstream.control.grants import Granted, Target
from midstream.control.tokens import TokenView
from midstream.domain.access import ROLES, Role, Scope
from midstream.domain.times import iso

app = typer.Typer(help="API tokens.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    role: Annotated[
        list[Role] | None,
        typer.Option(
            "--role",
            help="A role it gets; may be given again. It never has more than the member it acts as.",
            show_default="workspace_owner: all that the member has",
        ),
    ] = None,
    on: Annotated[
        list[str] | None, typer.Option("--on", help="Only on these functions or sources, by id; may be given again.")
    ] = None,
    email: Annotated[
        str | None,
        typer.Option(
            help="The member it acts as; in a workspace without members they become its owner.",
            show_default="you, where you are an owner; else the only owner",
        ),
    ] = None,
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
    made = asyncio.run(_create(config, workspace, email, name, roles, on or [], days))
    if made is None:
        raise typer.BadParameter("name the member it acts as: there is no one owner who is meant", param_hint="--email")
    token = made.token
    if made.added:
        say(f"added {token.creator} as the workspace's owner")
    if as_json:
        put(msgspec.to_builtins(token) | {"token": token.secret})
        return
    say(f"{token.id} for {token.creator}; it is shown only now:")
    typer.echo(token.secret)


async def _create(
    config: Config,
    workspace: str | None,
    email: str | None,
    name: str,
    roles: list[Role],
    on: list[str],
    days: int | None,
) -> Made | None:
    async with operating(config, workspace, begin=True) as call:
        everything = (Target(call.caller.workspace_id, Scope.WORKSPACE),)
        return await create_token_for(
            call,
            email=email,
            usual=f"{getpass.getuser()}@localhost.localdomain",
            name=name,
            permissions=[
                Granted(each.value, tuple(Target(one, ROLES[each].scope) for one in on) or everything) for each in roles
            ],
            expires_in=None if days is None else timedelta(days=days),
        )


@app.command("list")
def list_(workspace: Workspace = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the tokens there are, each with the roles that its member leaves it. What they are is not known any more.

    Example: midstream token list --json
    """
    found = asyncio.run(_list(configured(data_dir=data_dir), workspace))
    if as_json:
        put([msgspec.to_builtins(each) for each in found])
        return
    for each in found:
        until = iso(each.expires_at) if each.expires_at else "until taken away"
        roles = ", ".join(map(_role, each.effective)) or "no role"
        typer.echo(f"{each.id}  …{each.last4}  {shown(each.name)}  {each.creator}  {roles}  {until}")


def _role(granted: Granted) -> str:
    if any(each.type == Scope.WORKSPACE for each in granted.resources):
        return granted.role
    return f"{granted.role} on {', '.join(each.id for each in granted.resources) or 'nothing'}"


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
