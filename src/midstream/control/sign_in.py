"""The ways in: a password, an invite's link, or an identity that the OIDC provider vouches for.

Enters: what a stranger gave. Leaves: the secret of a new session, or a `Refused` that says no more than it must. Both go
into the audit trail; of refusals, one of a kind in a window.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.control import joining
from midstream.control.oidc import Identity
from midstream.control.passwords import Passwords
from midstream.control.signed_in import (
    ANYBODY,
    Lifetimes,
    Person,
    Whence,
    begin,
    end_all,
    note,
    note_in,
    workspaces_of,
)
from midstream.control.throttle import Throttle, network_of
from midstream.domain.audit import Action, Resource
from midstream.domain.password import fault_of
from midstream.errors import StoreUnavailable
from midstream.store import trail
from midstream.store.people import UserRow
from midstream.store.schema import WorkspaceRow
from midstream.store.session import Sessions, reading, writing
from midstream.telemetry import logger


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The way in. `secret` is shown this once, to the browser."""

    secret: str


@dataclass(frozen=True, slots=True)
class Refused:
    """No way in. `wait` is in seconds; `field` is what has to be typed again."""

    message: str
    status: int = 401
    wait: int | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an invite's link tells whoever has it. `account` says if the address has one, and how it is signed in to."""

    email: str
    workspace: str
    account: str  # "none", "password" or "provider"


_WRONG = Refused("The e-mail address or the password is not right.")
_NO_INVITE = Refused("This invite is not valid any more. Ask whoever invited you for a new one.", 404)


class SignIn:
    """Lets people in; the owner closes it.

    `create_members` are the e-mail domains whose people the provider may bring without an invite.
    """

    def __init__(
        self,
        sessions: Sessions,
        passwords: Passwords,
        throttle: Throttle,
        *,
        lifetimes: Lifetimes,
        create_members: Collection[str] = (),
    ) -> None:
        self._sessions = sessions
        self._passwords = passwords
        self._throttle = throttle
        self._lifetimes = lifetimes
        self._noting: set[asyncio.Task[None]] = set()
        self._in_turn = asyncio.Lock()
        self._create_members = frozenset(domain.lower().lstrip("@") for domain in create_members)

    async def close(self) -> None:
        """Wait until what is to be noted is."""
        await asyncio.gather(*self._noting)

    async def with_password(self, email: str, password: str, whence: Whence) -> SignedIn | Refused:
        """Sign in. Whether there is an account of that address is not to be seen from the answer or its time."""
        email = joining.address_of(email)
        if refused := await self._throttled(email, whence):
            return refused
        user = await self._user(email)
        if not await self._is_password(user, password, whence) or user is None:
            return _WRONG
        fresh = user.password_hash
        if fresh is not None and self._passwords.outdated(fresh):
            fresh = await self._passwords.hash(password)
        async with writing(self._sessions) as session:
            await trail.lock(session)
            row = await session.get(UserRow, user.id)
            if row is None or row.password_hash != user.password_hash:  # changed while it was checked
                return _WRONG
            row.password_hash = fresh
            return await self._enter(session, row, whence, "password")

    async def invited(self, secret: str) -> Invitation | None:
        """Return what an invite is to; None when there is none (any more)."""
        async with reading(self._sessions) as session:
            invite = await joining.invite_of(session, secret, datetime.now(UTC))
            if invite is None:
                return None
            user = await joining.user_of(session, invite.email)
            workspace = await session.get_one(WorkspaceRow, invite.workspace_id)
            account = "none" if user is None else "password" if user.password_hash else "provider"
            return Invitation(invite.email, workspace.name, account)

    async def with_invite(self, secret: str, name: str, password: str, whence: Whence) -> SignedIn | Refused:
        """Take up an invite. It makes an account; where there is one, the password must be that account's.

        Else whoever may invite an address, and so has the link, could take over its account.
        """
        invitation = await self.invited(secret)
        known = invitation is not None and invitation.account != "none"
        if refused := await self._throttled(invitation.email if invitation and known else None, whence):
            return refused
        if invitation is None:
            await self._refuse("no such invite", None, whence)
            return _NO_INVITE
        if not known and (fault := fault_of(password, invitation.email)):
            return Refused(f"The password cannot be taken: {fault}.", 422, field="password")
        user = await self._user(invitation.email) if known else None
        if known and not await self._is_password(user, password, whence):
            return Refused("That is not the password of your account here.", field="password")
        stored = user.password_hash if user else await self._passwords.hash(password)
        async with writing(self._sessions) as session:
            await trail.lock(session)
            return await self._take_up(session, secret, name, user, stored, whence)

    async def change_password(self, person: Person, current: str, new: str, whence: Whence) -> Refused | None:
        """Change one's own password; None when it is changed, which ends one's other sessions."""
        if refused := await self._throttled(person.email, whence):
            return refused
        user = await self._user(person.email)
        if user is None or not await self._is_password(user, current, whence):
            return Refused("That is not your password.", 422, field="current")
        if fault := fault_of(new, person.email):
            return Refused(f"The password cannot be taken: {fault}.", 422, field="new")
        stored = await self._passwords.hash(new)
        async with writing(self._sessions) as session:
            await trail.lock(session)
            row = await session.get_one(UserRow, user.id)
            if row.password_hash != user.password_hash:
                return Refused("Your account was changed at the same moment. Try again.", 409)
            row.password_hash, row.updated_at = stored, datetime.now(UTC)
            await end_all(session, row.id, but=person.session_id)
            changed = trail.Note(Action.USER_MODIFIED, Resource("user", row.id, row.email), ("password",))
            await note(session, row, [changed], whence.address, row.updated_at)
        await self._throttle.succeeded(person.email)
        return None

    async def with_identity(self, identity: Identity, whence: Whence) -> SignedIn | Refused:
        """Sign in whom the provider vouches for, if they are known here, invited, or of a domain that needs no invite."""
        async with writing(self._sessions) as session:
            await trail.lock(session)
            at = datetime.now(UTC)
            user = await self._known(session, identity, whence, at)
            invites = await joining.invites_for(session, identity.email, at) if identity.verified else ()
            free = identity.verified and await joining.user_of(session, identity.email) is None
            if user is None and free and (invites or self._is_welcome(identity)):
                user = await joining.add_user(session, identity.email, identity.name, at)
                user.oidc_subject = identity.key
                if not invites:
                    await joining.join_first(session, user, whence.address, at)
            if user is not None:
                for invite in invites:
                    await joining.take_up(session, invite, user, whence.address, at)
                return await self._enter(session, user, whence, "oidc")
        await self._refuse("not a member", None, whence, seen=identity.email if identity.verified else "")
        return Refused(_stranger(identity), 403)

    async def throttled(self, whence: Whence) -> Refused | None:
        """Say whether an address has to wait, before its provider is asked."""
        return await self._throttled(None, whence)

    async def failed(self, whence: Whence) -> None:
        """Count and note an attempt for which the provider did not vouch."""
        await self._refuse("not vouched for", None, whence)

    async def _known(self, session: AsyncSession, identity: Identity, whence: Whence, at: datetime) -> UserRow | None:
        """Find whose identity it is: whoever has it already, or else whose verified address it is, who has it from now on.

        From then on the provider alone decides: a password that was set before, by whom we cannot know, goes, and so do
        the sessions it opened.
        """
        user = await session.scalar(select(UserRow).where(UserRow.oidc_subject == identity.key))
        if user is not None or not identity.verified:
            return user
        user = await joining.user_of(session, identity.email)
        if user is None or (user.oidc_subject or "").startswith(f"{identity.issuer} "):
            return None  # the provider has given the address to another person
        user.oidc_subject, user.password_hash, user.updated_at = identity.key, None, at
        await end_all(session, user.id)
        changed = trail.Note(Action.USER_MODIFIED, Resource("user", user.id, user.email), ("oidc_subject", "password"))
        await note(session, user, [changed], whence.address, at)
        return user

    def _is_welcome(self, identity: Identity) -> bool:
        return identity.email.rpartition("@")[2] in self._create_members

    async def _take_up(
        self,
        session: AsyncSession,
        secret: str,
        name: str,
        known: UserRow | None,
        stored: str | None,
        whence: Whence,
    ) -> SignedIn | Refused:
        at = datetime.now(UTC)
        invite = await joining.invite_of(session, secret, at)
        if invite is None:
            return _NO_INVITE
        user = await joining.user_of(session, invite.email)
        if (user and user.password_hash) != (known and known.password_hash) or (user is None) != (known is None):
            return Refused("Your account was changed at the same moment. Open the invite again.", 409)
        if user is None:
            user = await joining.add_user(session, invite.email, name, at)
            user.password_hash = stored
        await joining.take_up(session, invite, user, whence.address, at)
        return await self._enter(session, user, whence, "invite")

    async def _enter(self, session: AsyncSession, user: UserRow, whence: Whence, way: str) -> SignedIn | Refused:
        """Open the session, unless they belong nowhere."""
        if not await workspaces_of(session, user.id):
            return Refused("You are not a member of a workspace any more.", 403)
        at = datetime.now(UTC)
        secret = await begin(session, user, whence, self._lifetimes, at)
        await note(
            session,
            user,
            [trail.Note(Action.SIGNED_IN, Resource("user", user.id, user.email), (way,))],
            whence.address,
            at,
        )
        await self._throttle.succeeded(user.email)
        return SignedIn(secret)

    async def _user(self, email: str) -> UserRow | None:
        async with reading(self._sessions) as session:
            return await joining.user_of(session, email)

    async def _is_password(self, user: UserRow | None, password: str, whence: Whence) -> bool:
        if await self._passwords.check(user.password_hash if user else None, password):
            return True
        await self._refuse("wrong password", user, whence)
        return False

    async def _throttled(self, email: str | None, whence: Whence) -> Refused | None:
        wait = await self._throttle.attempt(email, whence.address)
        if wait is None:
            return None
        await self._refuse("throttled", await self._user(email) if email else None, whence)
        minutes = -(-wait // 60)
        return Refused(f"Too many attempts. Try again in {minutes} minute{'s' if minutes > 1 else ''}.", 429, wait)

    async def _refuse(self, reason: str, user: UserRow | None, whence: Whence, seen: str = "") -> None:
        """See to it that it is noted that somebody was not let in: where they are known, or in the oldest workspace.

        What was typed as the address of an account that is not there is not kept: it may be a password. It is written
        while the answer is on its way already, whose time would otherwise tell whose refusal is the first of its kind.
        """
        await self._throttle.failed(whence.address)
        logger().info("sign-in refused", reason=reason, user=user.id if user else None, address=whence.address)
        if await self._throttle.worth_noting(reason, user.id if user else network_of(whence.address)):
            resource = Resource("user", user.id, user.email) if user else Resource("user", "", seen)
            refusal = trail.Note(Action.SIGN_IN_REFUSED, resource, (reason,))
            task = asyncio.create_task(self._note(refusal, user, whence.address))
            self._noting.add(task)
            task.add_done_callback(self._noting.discard)

    async def _note(self, refusal: trail.Note, user: UserRow | None, origin: str) -> None:
        try:
            async with self._in_turn, writing(self._sessions) as session:
                await trail.lock(session)
                at = datetime.now(UTC)
                if user is not None:
                    await note(session, user, [refusal], origin, at, ANYBODY)
                elif workspace_id := await joining.oldest_workspace(session):
                    await note_in(session, workspace_id, [refusal], origin, at, ANYBODY)
        except StoreUnavailable as error:
            logger().warning("a refused sign-in could not be noted in the audit trail", error=str(error))


def _stranger(identity: Identity) -> str:
    if not identity.verified:
        return "The identity provider does not say that your e-mail address is verified, so it cannot be matched."
    return f"{identity.email} is not a member here. Ask for an invite."
