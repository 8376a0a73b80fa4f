"""What is done to people: members, groups, invites and tokens come and go, and are granted one thing and another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, initialize, invariant, multiple, rule

from midstream.control import groups, invites, members, tokens
from midstream.control.grants import Granted, Target
from midstream.control.invites import Invitation
from midstream.control.sign_in import SignedIn, SignIn
from midstream.control.signed_in import Lifetimes
from midstream.control.throttle import Throttle
from midstream.domain.access import ROLES, Role, Scope
from midstream.secrets import Vault
from midstream.store.people import GrantRow, GroupMemberRow, GroupRow, InviteRow, MemberRow, TokenRow, UserRow
from tests.integration.machine.frame import OWNERS, PEOPLE, TOKENS, Holder, Token
from tests.integration.machine.topology import Topology
from tests.integration.people import HERE, PASSWORD, cheap_passwords

T = TypeVar("T")
Who = Holder | Token
Roles = dict[Role, bool]

MEMBERS: Bundle[str] = Bundle("members")
GROUPS: Bundle[str] = Bundle("groups")
INVITES: Bundle[str] = Bundle("invites")  # the secrets of their links

EMAILS = st.sampled_from(["ann@example.com", "bob@example.com", "cyd@example.com", "dan@example.com"])
NAMES = st.sampled_from(["A", "B"])
ROLES_HELD = st.dictionaries(st.sampled_from(Role), st.booleans(), max_size=2)  # whether only on what is listed


class People(Topology):
    """An owner with a token, and a member and somebody invited in a group, to begin with."""

    def __init__(self, new_database: Callable[[], str], vault: Vault) -> None:
        super().__init__(new_database, vault)
        self.owner = self.run(members.create_member(self.call, email="ann@example.com"))
        self.member = self.run(members.create_member(self.call, email="bob@example.com"))
        [self.invited] = self.run(invites.create_invites(self.call, [Invitation("cyd@example.com")]))
        self.group = self.run(groups.create_group(self.call, name="A"))
        self.run(groups.add_to_group(self.call, self.group.id, ["bob@example.com", "cyd@example.com"]))
        self.run(groups.add_group_permissions(self.call, self.group.id, self.asked({Role.SOURCE_ADMIN: True})))
        people = (self.owner, self.member)
        self.tokens = [self.run(tokens.create_token(self.call, name="T", creator_id=each.id)) for each in people]

    @initialize(target=MEMBERS)
    def two_members(self) -> Any:
        return multiple(self.owner.id, self.member.id)

    @initialize(target=GROUPS)
    def a_group(self) -> str:
        return str(self.group.id)

    @initialize(target=INVITES)
    def an_invite(self) -> str:
        return str(self.invited.secret)

    @initialize(target=TOKENS)
    def two_tokens(self) -> Any:
        return multiple(*(Token(each.id, each.secret) for each in self.tokens))

    def asked(self, roles: Roles) -> tuple[Granted, ...]:
        """Return roles in Segment's shape, on everything or on a source or function that may be gone."""
        everything = Target(self.call.caller.workspace_id, Scope.WORKSPACE)
        listed = {Scope.SOURCE: self.source, Scope.FUNCTION: self.function}
        return tuple(
            Granted(role, (Target(listed[scope], scope) if only and scope in listed else everything,))
            for role, only in roles.items()
            for scope in (ROLES[role].scope,)
        )

    def held(self, subject: str) -> set[str]:
        """Return the roles that somebody or something has been granted by itself."""
        return {row.role for row in self.run(self.rows((GrantRow,)))[GrantRow] if row.subject_id == subject}

    # -- members --

    @rule(target=MEMBERS, email=EMAILS, roles=st.none() | ROLES_HELD, who=OWNERS)
    def create_member(self, email: str, roles: Roles | None, who: Who) -> Any:
        asked = None if roles is None else self.asked(roles)
        made = self.do(who, members.create_member, email=email, permissions=asked)
        assert made is None or roles is None or self.held(made.id) == set(roles)
        return made.id if made else multiple()

    @rule(member=MEMBERS, more=st.booleans(), roles=ROLES_HELD, who=OWNERS)
    def permit_member(self, member: str, more: bool, roles: Roles, who: Who) -> None:
        use = members.add_member_permissions if more else members.replace_member_permissions
        done = self.do(who, use, member, self.asked(roles))
        assert done is None or (self.held(member) >= set(roles) if more else self.held(member) == set(roles))

    @rule(target=MEMBERS, one=consumes(MEMBERS), other=MEMBERS, who=OWNERS)
    def remove_members(self, one: str, other: str, who: Who) -> Any:
        return multiple() if self.do(who, members.remove_members, [one, other]) else one

    @rule(target=MEMBERS, member=consumes(MEMBERS), who=OWNERS)
    def remove_member(self, member: str, who: Who) -> Any:
        return multiple() if self.do(who, members.remove_members, [member]) else member

    # -- groups --

    @rule(target=GROUPS, name=NAMES, who=OWNERS)
    def create_group(self, name: str, who: Who) -> Any:
        made = self.do(who, groups.create_group, name=name)
        return made.id if made else multiple()

    @rule(group=GROUPS, name=NAMES, who=OWNERS)
    def rename_group(self, group: str, name: str, who: Who) -> None:
        self.do(who, groups.update_group, group, name=name)

    @rule(group=GROUPS, more=st.booleans(), roles=ROLES_HELD, who=OWNERS)
    def permit_group(self, group: str, more: bool, roles: Roles, who: Who) -> None:
        use = groups.add_group_permissions if more else groups.replace_group_permissions
        done = self.do(who, use, group, self.asked(roles))
        assert done is None or (self.held(group) >= set(roles) if more else self.held(group) == set(roles))

    @rule(
        group=GROUPS,
        use=st.sampled_from([groups.add_to_group, groups.replace_in_group, groups.remove_from_group]),
        emails=st.lists(EMAILS, max_size=2),
        who=OWNERS,
    )
    def change_group(self, group: str, use: Any, emails: list[str], who: Who) -> None:
        self.do(who, use, group, emails)

    @rule(target=GROUPS, group=consumes(GROUPS), who=OWNERS)
    def delete_group(self, group: str, who: Who) -> Any:
        return multiple() if self.do(who, groups.delete_group, group) else group

    # -- invites --

    @rule(target=INVITES, email=EMAILS, roles=ROLES_HELD, who=OWNERS)
    def invite(self, email: str, roles: Roles, who: Who) -> Any:
        made = self.do(who, invites.create_invites, [Invitation(email, self.asked(roles))])
        return made[0].secret if made else multiple()

    @rule(email=EMAILS, who=OWNERS)
    def delete_invite(self, email: str, who: Who) -> None:
        self.do(who, invites.delete_invites, [email])

    @rule(target=MEMBERS, secret=INVITES)
    def take_up_an_invite(self, secret: str) -> Any:
        return self.run(self._take_up(secret)) or multiple()

    async def _take_up(self, secret: str) -> str | None:
        way = SignIn(self.call.sessions, cheap_passwords(), Throttle(), lifetimes=Lifetimes())
        invite = await way.invited(secret)
        came, _, noted = await self.watch(_closing(way, way.with_invite(secret, "Name", PASSWORD, HERE)))
        assert isinstance(came, SignedIn) == (invite is not None)
        if invite is None:
            return None
        [user] = [row.id for row in (await self.rows((UserRow,)))[UserRow] if row.email == invite.email]
        assert {each.actor for each in noted} == {user}
        return str(user)

    # -- tokens --

    @rule(target=TOKENS, creator=MEMBERS, roles=ROLES_HELD, who=OWNERS)
    def create_token(self, creator: str, roles: Roles, who: Who) -> Any:
        asked = self.asked(roles)
        made = self.do(who, tokens.create_token, name="T", permissions=asked, creator_id=creator)
        return Token(made.id, made.secret) if made else multiple()

    @rule(token=TOKENS, who=OWNERS)
    def delete_token(self, token: Token, who: Who) -> None:
        self.do(who, tokens.delete_token, token.id)

    # -- what holds at all times --

    @invariant()
    def nothing_is_left_of_who_is_gone(self) -> None:
        rows = self.run(self.rows(PEOPLE))
        there = {row.user_id for row in rows[MemberRow]}
        emails = {row.email for row in rows[UserRow]}
        invited = {row.email for row in rows[InviteRow]}
        assert {row.id for row in rows[UserRow]} == there
        assert {row.creator_id for row in rows[TokenRow]} <= there
        assert {row.email for row in rows[GroupMemberRow]} <= emails | invited
        assert not emails & invited
        subjects = there | {row.id for table in (GroupRow, InviteRow, TokenRow) for row in rows[table]}
        assert {row.subject_id for row in rows[GrantRow]} <= subjects

    @invariant()
    def everybody_has_each_role_at_most_once(self) -> None:
        held = [(row.subject_id, row.role) for row in self.run(self.rows((GrantRow,)))[GrantRow]]
        assert len(held) == len(set(held))


async def _closing(way: SignIn, done: Awaitable[T]) -> T:
    """Wait for what is to be noted, too."""
    try:
        return await done
    finally:
        await way.close()
