"""Who may do what: permissions, the roles that hold them, and the one decision.

Enters: what somebody was granted, a permission, and what it is asked on. Leaves: yes or no. The table is contract §8's,
after Segment's roles (segment.md §9.1). Roles add up; none takes away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """Everything that can be allowed. What comes before the colon says on what kind of thing it is asked."""

    WORKSPACE_READ = "workspace:read"
    FUNCTION_READ = "function:read"
    FUNCTION_EDIT = "function:edit"
    FUNCTION_CREATE = "function:create"
    FUNCTION_TRY = "function:try"  # run or check code that is on no function yet
    SOURCE_READ = "source:read"  # and its destinations, filters and Event Delivery
    SOURCE_EDIT = "source:edit"
    SOURCE_CREATE = "source:create"
    ACCESS_MANAGE = "access:manage"  # members, groups, invites, tokens, labels, the workspace itself
    AUDIT_READ = "audit:read"


class Role(StrEnum):
    """What can be granted; the value is the role's id in the API."""

    WORKSPACE_OWNER = "workspace_owner"
    WORKSPACE_MEMBER = "workspace_member"
    FUNCTIONS_ADMIN = "functions_admin"
    FUNCTIONS_READ_ONLY = "functions_read_only"
    SOURCE_ADMIN = "source_admin"
    SOURCE_READ_ONLY = "source_read_only"


class Scope(StrEnum):
    """What kind of resource a role can be narrowed to; the value is Segment's resource type."""

    WORKSPACE = "WORKSPACE"
    FUNCTION = "FUNCTION"
    SOURCE = "SOURCE"


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """A role as people read it, and what it holds."""

    name: str
    description: str
    scope: Scope
    permissions: frozenset[Permission]


_READ = frozenset({Permission.WORKSPACE_READ})
_FUNCTIONS = _READ | {
    Permission.FUNCTION_READ,
    Permission.FUNCTION_EDIT,
    Permission.FUNCTION_CREATE,
    Permission.FUNCTION_TRY,
}
_SOURCES = _READ | {Permission.SOURCE_READ, Permission.SOURCE_EDIT, Permission.SOURCE_CREATE}

ROLES: Mapping[Role, RoleFacts] = {
    Role.WORKSPACE_OWNER: RoleFacts(
        "Workspace Owner",
        "May do everything, and is the only one to manage members, tokens and the audit trail.",
        Scope.WORKSPACE,
        frozenset(Permission),
    ),
    Role.WORKSPACE_MEMBER: RoleFacts(
        "Workspace Member", "Belongs to the workspace; may do what other roles grant.", Scope.WORKSPACE, _READ
    ),
    Role.FUNCTIONS_ADMIN: RoleFacts(
        "Functions Admin", "Creates, edits, deploys and deletes functions.", Scope.FUNCTION, _FUNCTIONS
    ),
    Role.FUNCTIONS_READ_ONLY: RoleFacts(
        "Functions Read-only", "Reads functions.", Scope.FUNCTION, _READ | {Permission.FUNCTION_READ}
    ),
    Role.SOURCE_ADMIN: RoleFacts(
        "Source Admin",
        "Edits sources, their write keys, destinations, filters and connected functions.",
        Scope.SOURCE,
        _SOURCES,
    ),
    Role.SOURCE_READ_ONLY: RoleFacts(
        "Source Read-only",
        "Reads sources, their destinations and Event Delivery.",
        Scope.SOURCE,
        _READ | {Permission.SOURCE_READ},
    ),
}

# Not of any one thing: whoever holds one at all holds it, however narrow the role.
_ANYWHERE = frozenset({Permission.WORKSPACE_READ, Permission.FUNCTION_TRY})
# What does not exist yet is on no list.
_NEW = frozenset({Permission.FUNCTION_CREATE, Permission.SOURCE_CREATE})


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, on all there is and will be (`resources` is None) or on those listed by id."""

    role: Role
    resources: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What a permission is asked on: the function and the source it is about. Neither: the workspace."""

    function_id: str | None = None
    source_id: str | None = None

    def concerned(self, permission: Permission) -> str | None:
        """Return the id that a listed role must list for this permission; None where no list suffices."""
        if permission in _NEW:
            return None
        return {"function": self.function_id, "source": self.source_id}.get(permission.partition(":")[0])


WORKSPACE = Subject()


def allows(grants: Iterable[Grant], permission: Permission, subject: Subject = WORKSPACE) -> bool:
    """Say whether these grants together allow it."""
    return any(_holds(grant, permission, subject) for grant in grants)


def visible(grants: Iterable[Grant], permission: Permission) -> frozenset[str] | None:
    """Return the ids on which these grants allow it; None means on all."""
    holding = [grant for grant in grants if permission in ROLES[grant.role].permissions]
    if any(grant.resources is None for grant in holding):
        return None
    return frozenset(each for grant in holding for each in grant.resources or ())


def _holds(grant: Grant, permission: Permission, subject: Subject) -> bool:
    if permission not in ROLES[grant.role].permissions:
        return False
    return grant.resources is None or permission in _ANYWHERE or subject.concerned(permission) in grant.resources


def shared(own: Iterable[Grant], within: Iterable[Grant]) -> tuple[Grant, ...]:
    """Return the grants that allow what both of these allow, without those that another one covers."""
    both = list(within)
    found = {_meet(one, other) for one in own for other in both}
    return tuple(
        sorted(
            (each for each in found if not any(each != other and _covers(other, each) for other in found)),
            key=lambda each: (each.role, sorted(each.resources or ())),
        )
    )


def _meet(one: Grant, other: Grant) -> Grant:
    permissions = ROLES[one.role].permissions & ROLES[other.role].permissions
    # What two roles have in common is a role, too (tested).
    role = next(role for role, facts in ROLES.items() if facts.permissions == permissions)
    lists = [
        each.resources
        for each in (one, other)
        if each.resources is not None and ROLES[each.role].scope is ROLES[role].scope
    ]
    return Grant(role, frozenset.intersection(*lists) if lists else None)


def _covers(one: Grant, other: Grant) -> bool:
    if not ROLES[other.role].permissions <= ROLES[one.role].permissions:
        return False
    if one.resources is None or ROLES[other.role].permissions <= _ANYWHERE:
        return True
    return other.resources is not None and other.resources <= one.resources


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, for which workspace. A token also has its creator's grants in `within`: it may never do more than both."""

    id: str  # usr_…, tok_… or one of ours, such as SYSTEM's
    workspace_id: str
    grants: tuple[Grant, ...]
    within: tuple[Grant, ...] | None = None
    email: str = ""
    user_id: str = ""  # who is behind it: a token's creator

    def may(self, permission: Permission, subject: Subject = WORKSPACE) -> bool:
        """Say whether it is allowed."""
        return allows(self.grants, permission, subject) and (
            self.within is None or allows(self.within, permission, subject)
        )

    def sees(self, permission: Permission) -> frozenset[str] | None:
        """Return the ids on which it is allowed; None means on all."""
        own = visible(self.grants, permission)
        creator = None if self.within is None else visible(self.within, permission)
        if own is None or creator is None:
            return creator if own is None else own
        return own & creator


def operator(workspace_id: str, name: str = "") -> Caller:
    """Return who acts with the machine's own rights: whoever can run a command on the data dir owns all of it."""
    return Caller("__system__", workspace_id, (Grant(Role.WORKSPACE_OWNER),), email=name)
