"""How the page of one's API tokens looks. Enters: the tokens. Leaves: HTML in which every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from starlette.responses import Response

from midstream.control.sign_in import Refused
from midstream.control.signed_in import Workspace
from midstream.control.tokens import TokenView
from midstream.control.transaction import MAX_NAME
from midstream.web.form import choice, field, hidden, notice
from midstream.web.page import page
from midstream.web.table import table, time

DAYS = (("90", "In 90 days"), ("30", "In 30 days"), ("365", "In a year"), ("", "Never"))  # the first is chosen
_COLUMNS = ("Name", "Ends with", "Made", "Expires", "Delete")
_ABOUT = """<p>A token is for a program that asks the Public API. It acts as you and may all that you may, until it expires
or you take it away.</p>"""
_NOT_YOURS = "<p>API tokens are made by a Workspace Owner, which you are not. Ask one of yours.</p>"


@dataclass(frozen=True, slots=True)
class Held:
    """One's tokens in a workspace."""

    workspace: Workspace
    tokens: Sequence[TokenView]


def tokens(
    held: Sequence[Held],
    *,
    made: TokenView | None = None,
    deleted: bool = False,
    refused: Refused | None = None,
    name: str = "",
    days: str = DAYS[0][0],
) -> Response:
    """Show somebody's tokens, and the one that was just made."""
    several = len(held) > 1
    shown = "\n".join(_listed(each, headed=several) for each in held)
    told = notice("That token is gone: requests with it are refused from now on." if deleted else None)
    body = f"{told}{_made(made)}{_form(held, refused, name, days)}\n{shown}" if held else _NOT_YOURS
    return page("API tokens", f"<h1>Your API tokens</h1>\n{body}", refused.status if refused else 200, at="/app/tokens")


def _made(made: TokenView | None) -> str:
    if made is None or made.secret is None:
        return ""
    return f"""<div role="status"><p>The token “{escape(made.name)}” is made. Copy it now: it is not shown again.</p>
<pre class="secret" tabindex="0" aria-label="The new token">{escape(made.secret)}</pre></div>
"""


def _form(held: Sequence[Held], refused: Refused | None, name: str, days: str) -> str:
    where = [(each.workspace.id, each.workspace.name) for each in held]
    workspace = choice("Workspace", "workspace", where) if len(where) > 1 else hidden("workspace", where[0][0])
    hint = "What it is for, such as the program’s name."
    return f"""{_ABOUT}
<form class="tall" method="post" action="/app/tokens">
{field("Name", "name", refused, hint, required=True, maxlength=MAX_NAME, autocomplete="off", value=name)}
{workspace}
{choice("Expires", "days", DAYS, days)}
<button>Make a token</button>
</form>"""


def _listed(held: Held, *, headed: bool) -> str:
    heading = f"<h2>{escape(held.workspace.name if headed else 'What you have')}</h2>"
    if not held.tokens:
        return f'{heading}\n<p class="quiet">No token yet.</p>'
    return f"{heading}\n{table(_COLUMNS, [_row(held.workspace, each) for each in held.tokens])}"


def _row(workspace: Workspace, token: TokenView) -> tuple[str, ...]:
    expires = time(token.expires_at) if token.expires_at else "never"
    delete = (
        f'<form method="post" action="/app/tokens/delete">{hidden("workspace", workspace.id)}{hidden("token", token.id)}'
        f'<button class="plain" aria-label="Delete {escape(token.name)}, which ends with {escape(token.last4)}">'
        "Delete</button></form>"
    )
    return (escape(token.name), f"<code>…{escape(token.last4)}</code>", time(token.created_at), expires, delete)
