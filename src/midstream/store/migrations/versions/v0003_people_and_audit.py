"""Who may do what, and what was done: members, groups, grants, invites, tokens, sessions, labels, the audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, and what functions and instances tell in the API."""
    op.add_column("function", sa.Column("logo_url", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("function", sa.Column("created_by", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("instance", sa.Column("deployed_at", INSTANT, nullable=True))
    _people()
    _grants()
    _trail()


def _people() -> None:
    op.create_table(
        "user_account",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("oidc_subject", sa.Text(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user_account"),
        sa.UniqueConstraint("email", name="uq_user_account_email"),
        sa.UniqueConstraint("oidc_subject", name="uq_user_account_oidc_subject"),
    )
    op.create_table(
        "member",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "user_id", name="pk_member"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="fk_member_workspace_id"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name="fk_member_user_id"),
    )
    op.create_index("ix_member_user_id", "member", ["user_id"])
    op.create_table(
        "user_group",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user_group"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="fk_user_group_workspace_id"),
    )
    op.create_index("ix_user_group_workspace_id", "user_group", ["workspace_id"])
    op.create_table(
        "user_group_member",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "email", name="pk_user_group_member"),
        sa.ForeignKeyConstraint(["group_id"], ["user_group.id"], name="fk_user_group_member_group_id"),
    )
    op.create_index("ix_user_group_member_email", "user_group_member", ["email"])


def _grants() -> None:
    op.create_table(
        "role_grant",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_role_grant"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="fk_role_grant_workspace_id"),
    )
    op.create_index("ix_role_grant_workspace_id_subject_id", "role_grant", ["workspace_id", "subject_id"])
    op.create_table(
        "invite",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_invite"),
        sa.UniqueConstraint("hash", name="uq_invite_hash"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="fk_invite_workspace_id"),
    )
    op.create_index("ix_invite_workspace_id_email", "invite", ["workspace_id", "email"], unique=True)
    op.create_table(
        "token",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("creator_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("last4", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        sa.UniqueConstraint("hash", name="uq_token_hash"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="fk_token_workspace_id"),
        sa.ForeignKeyConstraint(["creator_id"], ["user_account.id"], name="fk_token_creator_id"),
    )
    op.create_index("ix_token_workspace_id", "token", ["workspace_id"])
    op.create_index("ix_token_creator_id", "token", ["creator_id"])
    op.create_table(
        "sign_in",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in"),
        sa.UniqueConstraint("hash", name="uq_sign_in_hash"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name="fk_sign_in_user_id"),
    )
    op.create_index("ix_sign_in_user_id", "sign_in", ["user_id"])
    op.create_table(
        "label",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "key", "value", name="pk_label"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="fk_label_workspace_id"),
    )
    op.create_table(
        "source_label",
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "key", "value", name="pk_source_label"),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name="fk_source_label_source_id"),
    )


def _trail() -> None:
    op.create_table(
        "audit_event",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("actor_email", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("resource_name", sa.Text(), nullable=False),
        sa.Column("changed", sa.JSON(), nullable=True),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit_event"),
        sa.UniqueConstraint("id", name="uq_audit_event_id"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="fk_audit_event_workspace_id"),
    )
    op.create_index("ix_audit_event_workspace_id_at", "audit_event", ["workspace_id", "at"])
    op.create_index("ix_audit_event_workspace_id_resource_id", "audit_event", ["workspace_id", "resource_id"])
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("forgotten", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    op.bulk_insert(head, [{"id": 1, "sequence": 0, "hash": "0" * 64, "forgotten": 0}])
    op.create_table(
        "answered",
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name="pk_answered"),
    )
    op.create_index("ix_answered_at", "answered", ["at"])
