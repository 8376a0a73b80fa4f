"""How the pages of signing in look. Enters: what they are about. Leaves: HTML in which every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from starlette.responses import Response

from midstream.control.sign_in import Invitation, Refused
from midstream.control.signed_in import Person, SessionView
from midstream.control.transaction import MAX_NAME
from midstream.domain.password import LONGEST, SHORTEST
from midstream.web.agent import named
from midstream.web.form import alert, field, hidden, notice
from midstream.web.page import page
from midstream.web.table import table, time

NO_INVITE = "This invite is not valid any more. Ask whoever invited you for a new one."
# What was done, as it is said on the page that a form leads to: `?done=` one of these.
DONE = {
    "signed-out": "You are signed out.",
    "password": "Your password is changed, and your other sessions have ended.",
    "session": "That session has ended.",
    "sessions": "Your other sessions have ended.",
}


def sign_in(provider: str | None, refused: Refused | None = None, email: str = "", done: str | None = None) -> Response:
    """Show the form, and the way to the provider if there is one."""
    through = (
        f'<p><a class="button" href="/app/oidc/start">Sign in with {escape(provider)}</a></p>\n' if provider else ""
    )
    return _answer(
        "Sign in",
        f"""<h1>Sign in</h1>
{alert(refused)}{notice(DONE.get(done or ""))}{through}<form class="tall" method="post" action="/app/sign-in">
{field("E-mail address", "email", type="email", autocomplete="username", required=True, value=email, autofocus=not email)}
{_password("Password", "password", refused, autofocus=bool(email))}
<button>Sign in</button>
</form>
<p class="small">No account yet? An owner of the workspace can invite you. The first password is set on the machine that
midstream runs on: <code>midstream user password you@example.com</code></p>""",
        refused,
    )


def invite(invitation: Invitation, refused: Refused | None = None, name: str = "") -> Response:
    """Show an invite: to a new account, to one that has a password, or to one that the provider signs in."""
    match invitation.account:
        case "none":
            form = _new_account(invitation, refused, name)
        case "password":
            form = _invite_form(invitation, _password("Password of your account here", "password", refused))
        case _:
            form = '<p><a class="button" href="/app/oidc/start">Sign in as you always do here</a> to take it up.</p>'
    title = f"Join {invitation.workspace}"
    return _answer(title, f"<h1>{escape(title)}</h1>\n{alert(refused)}{form}", refused)


def account(
    person: Person, sessions: Sequence[SessionView], refused: Refused | None = None, done: str | None = None
) -> Response:
    """Show who somebody is, where they are members, and their sessions."""
    where = ", ".join(escape(each.name) for each in person.workspaces) or "none"
    email = f"{escape(person.email)} · " if person.email != person.name else ""
    others = (
        '<form method="post" action="/app/sessions/revoke"><p><button class="plain">End all others</button></p></form>'
    )
    return _answer(
        "Account",
        f"""<h1>{escape(person.name)}</h1>
<p class="quiet">{email}Workspaces: {where}</p>
{alert(refused)}{notice(DONE.get(done or ""))}<h2>Your sessions</h2>
{table(("Browser", "Address", "Signed in", "Last used", "End it"), [_row(each, person.session_id) for each in sessions])}
{others if len(sessions) > 1 else ""}
<h2>Your password</h2>
{_change(person, refused)}""",
        refused,
        at="/app/",
    )


def _change(person: Person, refused: Refused | None) -> str:
    if not person.has_password:
        return "<p>You have none here: you sign in through your provider.</p>"
    # For password managers, which keep a password by its account.
    username = f'<input name="username" autocomplete="username" value="{escape(person.email)}" hidden>'
    hint = f"At least {SHORTEST} characters. It ends your other sessions."
    return f"""<form class="tall" method="post" action="/app/password">{username}
{_password("Your password now", "current", refused)}
{_new_password("A new one", "new", refused, hint)}
<button>Change password</button>
</form>"""


def _password(label: str, name: str, refused: Refused | None, *, autofocus: bool = False) -> str:
    return field(
        label, name, refused, type="password", autocomplete="current-password", required=True, autofocus=autofocus
    )


def _new_password(label: str, name: str, refused: Refused | None, hint: str) -> str:
    limits = {"minlength": SHORTEST, "maxlength": LONGEST}
    return field(label, name, refused, hint, type="password", autocomplete="new-password", required=True, **limits)


def _new_account(invitation: Invitation, refused: Refused | None, name: str) -> str:
    hint = f"At least {SHORTEST} characters. A few words that do not belong together are good."
    return _invite_form(
        invitation,
        f"""{field("Your name", "name", refused, autocomplete="name", maxlength=MAX_NAME, required=True, value=name)}
{_new_password("A new password", "password", refused, hint)}""",
    )


def _invite_form(invitation: Invitation, inputs: str) -> str:
    return f"""<form class="tall" method="post">
{field("E-mail address", "email", type="email", autocomplete="username", readonly=True, value=invitation.email)}
{inputs}
<button>Join</button>
</form>"""


def _row(session: SessionView, here: str) -> tuple[str, ...]:
    browser = f'<span title="{escape(session.agent)}">{escape(named(session.agent))}</span>'
    end = "this one" if session.id == here else _revoke(session)
    return (browser, escape(session.address), time(session.created_at), time(session.seen_at), end)


def _revoke(session: SessionView) -> str:
    about = escape(f"End the session at {session.address}, signed in {session.created_at:%Y-%m-%d %H:%M}")
    return (
        f'<form method="post" action="/app/sessions/revoke">{hidden("session", session.id)}'
        f'<button class="plain" aria-label="{about}">End</button></form>'
    )


def _answer(title: str, body: str, refused: Refused | None, at: str | None = None) -> Response:
    if refused is None:
        return page(title, body, at=at)
    return page(title, body, refused.status, {"retry-after": str(refused.wait)} if refused.wait else None, at=at)
