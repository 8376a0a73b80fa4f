"""Sets somebody's password for them: what the operator does for the first member, and for whoever forgot theirs."""

from __future__ import annotations

from datetime import UTC, datetime

from midstream.control.joining import address_of, user_of
from midstream.control.passwords import Passwords
from midstream.control.signed_in import Actor, end_all, note
from midstream.control.sources import COMMAND_LINE
from midstream.domain.audit import Action, Resource
from midstream.domain.password import fault_of
from midstream.errors import Invalid, RequestError
from midstream.store import trail
from midstream.store.session import Sessions, writing


async def set_password(sessions: Sessions, passwords: Passwords, email: str, password: str, *, author: str) -> int:
    """Set a user's password as the operator, and end their sessions; return how many those were."""
    email = address_of(email)
    if fault := fault_of(password, email):
        raise Invalid(f"the password cannot be taken: {fault}")
    stored = await passwords.hash(password)
    async with writing(sessions) as session:
        await trail.lock(session)
        user = await user_of(session, email)
        if user is None:
            raise RequestError(404, "not-found", f"there is no user {email}")
        at = datetime.now(UTC)
        user.password_hash, user.updated_at = stored, at
        changed = trail.Note(Action.USER_MODIFIED, Resource("user", user.id, user.email), ("password",))
        await note(session, user, [changed], COMMAND_LINE, at, Actor("__system__", author))
        return await end_all(session, user.id)
