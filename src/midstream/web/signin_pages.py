"""How the pages of signing in look. Enters: what they are about. Leaves: HTML in which every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from starlette.responses import Response

from midstream.control.sign_in import Invitation, Refused
from midstream.control.signed_in import Person, SessionView
from midstream.domain.password import LONGEST, SHORTEST
from midstream.web.page import page

NO_INVITE = "This invite is not valid any more. Ask whoever invited you for a new one."


def sign_in(provider: str | None, refused: Refused | None = None, email: str = "") -> Response:
    """Show the form, and the way to the provider if there is one."""
    through = f'<p><a class="button" href="/app/oidc/start">Sign in with {escape(provider)}</a></p>' if provider else ""
    return _answer(
        "Sign in",
        f"""<h1>Sign in</h1>
{_alert(refused)}{through}
<form class="tall" method="post" action="/app/sign-in">
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" autocomplete="username" required value="{escape(email)}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Sign in</button>
</form>""",
        refused,
    )


def invite(invitation: Invitation, refused: Refused | None = None, name: str = "") -> Response:
    """Show an invite: to a new account, to one that has a password, or to one that the provider signs in."""
    match invitation.account:
        case "none":
            form = _new_account(invitation, name)
        case "password":
            form = _invite_form(
                invitation,
                """<label for="password">Password of your account here</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>""",
            )
        case _:
            form = '<p><a class="button" href="/app/oidc/start">Sign in as you always do here</a> to take it up.</p>'
    title = f"Join {invitation.workspace}"
    return _answer(title, f"<h1>{escape(title)}</h1>\n{_alert(refused)}{form}", refused)


def account(person: Person, sessions: Sequence[SessionView], refused: Refused | None = None) -> Response:
    """Show who somebody is, where they are members, and their sessions."""
    where = ", ".join(escape(each.name) for each in person.workspaces) or "none"
    rows = "\n".join(_row(each, here=each.id == person.session_id) for each in sessions)
    return _answer(
        "midstream",
        f"""<h1>{escape(person.name)}</h1>
{_alert(refused)}<p class="quiet">{escape(person.email)} · Workspaces: {where}</p>
<form method="post" action="/app/sign-out"><button>Sign out</button></form>
<h2>Your sessions</h2>
<table><thead><tr><th scope="col">Browser</th><th scope="col">Address</th><th scope="col">Signed in</th>
<th scope="col">Last used</th><th scope="col">End it</th></tr></thead>
<tbody>
{rows}
</tbody></table>
<form method="post" action="/app/sessions/revoke"><p><button>End all others</button></p></form>
<h2>Change your password</h2>
<form class="tall" method="post" action="/app/password">
<label for="current">Your password now</label>
<input id="current" name="current" type="password" autocomplete="current-password" required>
<label for="new">A new one, of at least {SHORTEST} characters</label>
<input id="new" name="new" type="password" autocomplete="new-password" required minlength="{SHORTEST}" maxlength="{LONGEST}">
<button>Change it</button></form>
<p class="small">That ends your other sessions.</p>""",
        refused,
    )


def _new_account(invitation: Invitation, name: str) -> str:
    return _invite_form(
        invitation,
        f"""<label for="name">Your name</label>
<input id="name" name="name" autocomplete="name" maxlength="120" required value="{escape(name)}">
<label for="password">A new password</label>
<input id="password" name="password" type="password" autocomplete="new-password" required minlength="{SHORTEST}"
 maxlength="{LONGEST}" aria-describedby="hint">
<p class="small" id="hint">At least {SHORTEST} characters. A few words that do not belong together are good.</p>""",
    )


def _invite_form(invitation: Invitation, inputs: str) -> str:
    return f"""<form class="tall" method="post">
<label for="email">E-mail address</label>
<input id="email" type="email" autocomplete="username" readonly value="{escape(invitation.email)}">
{inputs}
<button>Join</button>
</form>"""


def _row(session: SessionView, *, here: bool) -> str:
    browser = escape(session.agent or "unknown")
    end = "this one" if here else _revoke(session)
    cells = (browser, escape(session.address), _time(session.created_at), _time(session.seen_at), end)
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _revoke(session: SessionView) -> str:
    named = escape(f"End the session at {session.address}, signed in {session.created_at:%Y-%m-%d %H:%M}")
    return (
        f'<form method="post" action="/app/sessions/revoke"><input type="hidden" name="session" value="{escape(session.id)}">'
        f'<button aria-label="{named}">End</button></form>'
    )


def _time(at: datetime) -> str:
    return f'<time datetime="{at.isoformat()}">{at:%Y-%m-%d %H:%M} UTC</time>'


def _alert(refused: Refused | None) -> str:
    return f'<p role="alert">{escape(refused.message)}</p>\n' if refused else ""


def _answer(title: str, body: str, refused: Refused | None) -> Response:
    if refused is None:
        return page(title, body)
    return page(title, body, refused.status, {"retry-after": str(refused.wait)} if refused.wait else None)
