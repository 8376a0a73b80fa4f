"""The audit trail's vocabulary, and the chain that shows when an entry is gone or altered.

Enters: what happened. Leaves: an `Entry` with a hash over itself and the hash of the entry before it. Names are Segment's
where it has one (segment.md §9.2), contract §8's for insert functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from midstream.domain.times import iso


class Action(StrEnum):
    """Everything that is noted."""

    WORKSPACE_CREATED = "Workspace Created"
    WORKSPACE_MODIFIED = "Workspace Modified"
    SOURCE_CREATED = "Source Created"
    SOURCE_MODIFIED = "Source Modified"
    SOURCE_ENABLED = "Source Enabled"
    SOURCE_DISABLED = "Source Disabled"
    SOURCE_DELETED = "Source Deleted"
    WRITE_KEY_CREATED = "Source Write Key Created"
    WRITE_KEY_DELETED = "Source Write Key Deleted"
    DESTINATION_CREATED = "Integration Created"
    DESTINATION_MODIFIED = "Integration Modified"
    DESTINATION_ENABLED = "Integration Enabled"
    DESTINATION_DISABLED = "Integration Disabled"
    DESTINATION_DELETED = "Integration Deleted"
    FILTER_CREATED = "Destination Filter Created"
    FILTER_MODIFIED = "Destination Filter Modified"
    FILTER_ENABLED = "Destination Filter Enabled"
    FILTER_DISABLED = "Destination Filter Disabled"
    FILTER_DELETED = "Destination Filter Deleted"
    FUNCTION_CREATED = "Insert Function Created"
    FUNCTION_MODIFIED = "Insert Function Modified"
    FUNCTION_DELETED = "Insert Function Deleted"
    FUNCTION_DEPLOYED = "Insert Function Deployed"
    VERSION_RESTORED = "Insert Function Version Restored"
    INSTANCE_CREATED = "Insert Function Instance Created"
    INSTANCE_MODIFIED = "Insert Function Instance Modified"
    INSTANCE_ENABLED = "Insert Function Instance Enabled"
    INSTANCE_DISABLED = "Insert Function Instance Disabled"
    INSTANCE_DELETED = "Insert Function Instance Deleted"
    USER_CREATED = "User Created"
    USER_MODIFIED = "User Modified"
    USER_REMOVED = "User Removed"
    USER_POLICY_UPDATED = "User Policy Updated"
    USER_INVITED = "User Invited"
    INVITE_DELETED = "Invite Deleted"
    GROUP_CREATED = "User Group Created"
    GROUP_MODIFIED = "User Group Modified"
    GROUP_DELETED = "User Group Deleted"
    GROUP_MEMBERS_UPDATED = "User Group Members Updated"
    GROUP_POLICY_UPDATED = "User Group Policy Updated"
    TOKEN_CREATED = "Access Token Created"  # noqa: S105 # a name, not a token
    TOKEN_DELETED = "Access Token Deleted"  # noqa: S105 # as above
    LABEL_CREATED = "Label Created"
    LABEL_MODIFIED = "Label Modified"
    LABEL_DELETED = "Label Deleted"
    KEYS_ROTATED = "Master Key Rotated"
    SIGNED_IN = "User Signed In"
    SIGNED_OUT = "User Signed Out"
    SIGN_IN_REFUSED = "User Sign In Refused"
    PERMISSION_CHECK = "Permission Check"  # somebody asked for what they may not do


class Resource(msgspec.Struct, frozen=True):
    """What it happened to. `type` is in snake case: source, destination, destination_filter, function."""

    type: str
    id: str
    name: str = ""


class Entry(msgspec.Struct, frozen=True):
    """One line of the trail. `changed` names what changed and never holds a secret."""

    sequence: int
    id: str
    workspace_id: str
    at: datetime
    action: str
    actor: str
    actor_email: str
    origin: str  # an address, or "command line"
    resource: Resource
    changed: tuple[str, ...]
    previous: str  # the hash of the entry before
    hash: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries somebody asks for; None asks for all. From `start` on, and before `end`."""

    start: datetime | None = None
    end: datetime | None = None
    resource_ids: frozenset[str] | None = None
    resource_type: str | None = None
    actor: str | None = None  # an id or an e-mail address
    action: str | None = None


GENESIS = "0" * 64  # what the first entry has before it

_encode = msgspec.json.Encoder(order="deterministic").encode


def digest(entry: Entry) -> str:
    """Return the hash an entry must have: hex SHA-256 over all of it but the hash itself."""
    fields: dict[str, Any] = msgspec.structs.asdict(entry)
    del fields["hash"]
    return hashlib.sha256(_encode(fields)).hexdigest()


def first_fault(entries: Iterable[Entry], *, after: str | None = None) -> str | None:
    """Say what is wrong with the first entry that does not fit its chain; None when all do.

    `after` is the hash before the first one; None takes the first entry's word for it, since old entries are forgotten.
    """
    previous, sequence = after, None
    for entry in entries:
        if sequence is not None and entry.sequence != sequence + 1:
            return f"entries {sequence + 1} to {entry.sequence - 1} are missing"
        if previous is not None and entry.previous != previous:
            return f"entry {entry.sequence} does not follow the one before it: that one was altered or removed"
        if digest(entry) != entry.hash:
            return f"entry {entry.sequence} ({entry.id}) was altered"
        previous, sequence = entry.hash, entry.sequence
    return None


_TOLD = 100  # things that changed; an event has room for so many


def event_of(entry: Entry) -> dict[str, Any]:
    """Tell an entry as the event that Segment forwards its own as (segment.md §9.2), with its place in the chain."""
    kind = {"usr": "users", "tok": "tokens"}.get(entry.actor.partition("_")[0])
    details: dict[str, Any] = {
        "resource_id": entry.resource.id,
        "resource_type": entry.resource.type,
        "subject": f"{kind}/{entry.actor}" if kind else entry.actor,
        "target": entry.resource.name,
        "changed": [each[:200] for each in entry.changed[:_TOLD]],
        "origin": entry.origin,
        "sequence": entry.sequence,
        "hash": entry.hash,
    }
    if entry.actor_email:
        details["email"] = entry.actor_email
    return {
        "type": "track",
        "event": "Audit",
        "userId": entry.actor or "__system__",
        "messageId": f"api-{entry.id}",
        "timestamp": iso(entry.at),
        "properties": {"type": entry.action, "workspace_id": entry.workspace_id, "details": details},
        "context": {"library": {"name": "midstream", "version": "unknown"}},
        "integrations": {},
    }
