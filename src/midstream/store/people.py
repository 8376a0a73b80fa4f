"""The tables of who may do what: members, groups, roles granted, invites, tokens, sessions. Secrets are kept as hashes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from midstream.store.schema import Table


class UserRow(Table):
    """A person. `password_hash` is argon2's; without one they sign in through OIDC, or not yet."""

    __tablename__ = "user_account"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)  # in lower case
    name: Mapped[str]
    password_hash: Mapped[str | None]
    oidc_subject: Mapped[str | None] = mapped_column(unique=True)  # issuer, a space, and the subject there
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class MemberRow(Table):
    """That a person belongs to a workspace."""

    __tablename__ = "member"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), primary_key=True, index=True)
    created_at: Mapped[datetime]


class GroupRow(Table):
    """A group of members, who have what it is granted."""

    __tablename__ = "user_group"

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"), index=True)
    name: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class GroupMemberRow(Table):
    """That a person, by e-mail address since they may only be invited yet, belongs to a group."""

    __tablename__ = "user_group_member"

    group_id: Mapped[str] = mapped_column(ForeignKey("user_group.id"), primary_key=True)
    email: Mapped[str] = mapped_column(primary_key=True, index=True)


class GrantRow(Table):
    """A role granted to a user, group, invite or token. `resources` is None for all, else the ids listed."""

    __tablename__ = "role_grant"
    __table_args__ = (Index(None, "workspace_id", "subject_id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    subject_id: Mapped[str]
    role: Mapped[str]
    resources: Mapped[list[str] | None]


class InviteRow(Table):
    """Somebody who may join. The link's secret is kept as a hash."""

    __tablename__ = "invite"
    __table_args__ = (Index(None, "workspace_id", "email", unique=True),)

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    email: Mapped[str]
    hash: Mapped[str] = mapped_column(unique=True)  # hex SHA-256
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class TokenRow(Table):
    """An API token: shown once, kept as a hash. It acts as its creator, with no more rights than both."""

    __tablename__ = "token"

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"), index=True)
    creator_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), index=True)
    name: Mapped[str]
    hash: Mapped[str] = mapped_column(unique=True)  # hex SHA-256
    last4: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class SignInRow(Table):
    """A session of a person who signed in. Deleting the row ends it. The cookie holds the id's secret, this its hash."""

    __tablename__ = "sign_in"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), index=True)
    hash: Mapped[str] = mapped_column(unique=True)  # hex SHA-256
    origin: Mapped[str]
    agent: Mapped[str]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class LabelRow(Table):
    """A label of a workspace, `key:value`."""

    __tablename__ = "label"

    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    description: Mapped[str]

    @property
    def name(self) -> str:
        """The label as people write it."""
        return f"{self.key}:{self.value}"


class SourceLabelRow(Table):
    """That a source carries a label."""

    __tablename__ = "source_label"

    source_id: Mapped[str] = mapped_column(ForeignKey("source.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)


class AnsweredRow(Table):
    """What a request with an `Idempotency-Key` was answered, sealed: it may hold a token that is shown once."""

    __tablename__ = "answered"

    actor: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str]
    status: Mapped[int | None]  # None: it is being worked on
    body: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(index=True)
