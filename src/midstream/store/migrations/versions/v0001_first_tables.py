"""The first tables: topology, sealed secrets, and Event Delivery."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make everything."""
    _sources()
    _functions()
    _destinations()
    _progress()
    _deliveries()


def _sources() -> None:
    op.create_table(
        "workspace",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workspace"),
        sa.UniqueConstraint("slug", name="uq_workspace_slug"),
    )
    op.create_table(
        "source",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_source"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="fk_source_workspace_id"),
        sa.UniqueConstraint("workspace_id", "slug", name="uq_source_workspace_id_slug"),
    )
    op.create_table(
        "write_key",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("last4", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_write_key"),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name="fk_write_key_source_id"),
    )
    op.create_index("ix_write_key_source_id", "write_key", ["source_id"])


def _functions() -> None:
    op.create_table(
        "function",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_function"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="fk_function_workspace_id"),
        sa.UniqueConstraint("workspace_id", "slug", name="uq_function_workspace_id_slug"),
    )
    op.create_table(
        "function_version",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("function_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("settings_schema", sa.JSON(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_function_version"),
        sa.ForeignKeyConstraint(["function_id"], ["function.id"], name="fk_function_version_function_id"),
        sa.UniqueConstraint("function_id", "number", name="uq_function_version_function_id_number"),
    )


def _destinations() -> None:
    op.create_table(
        "destination",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("enabled_at", INSTANT, nullable=False),
        sa.Column("disabled_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_destination"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="fk_destination_workspace_id"),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name="fk_destination_source_id"),
        sa.UniqueConstraint("workspace_id", "slug", name="uq_destination_workspace_id_slug"),
    )
    op.create_index("ix_destination_source_id", "destination", ["source_id"])
    op.create_table(
        "instance",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("function_id", sa.Text(), nullable=False),
        sa.Column("destination_id", sa.Text(), nullable=False),
        sa.Column("version_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("on_error", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_instance"),
        sa.ForeignKeyConstraint(["function_id"], ["function.id"], name="fk_instance_function_id"),
        sa.ForeignKeyConstraint(["destination_id"], ["destination.id"], name="fk_instance_destination_id"),
        sa.ForeignKeyConstraint(["version_id"], ["function_version.id"], name="fk_instance_version_id"),
    )
    for column in ("function_id", "destination_id", "version_id"):
        op.create_index(f"ix_instance_{column}", "instance", [column])


def _progress() -> None:
    revisions = op.create_table(
        "revision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revision"),
    )
    op.bulk_insert(revisions, [{"id": 1, "number": 0}])
    op.create_table(
        "projection",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_projection"),
    )


def _deliveries() -> None:
    keys = (
        sa.Column("destination_id", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("minute", INSTANT, nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
    )
    op.create_table(
        "delivery_count",
        *keys,
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("latency_ms_sum", sa.Double(), nullable=False),
        sa.Column("latency_ms_max", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(*(column.name for column in keys), name="pk_delivery_count"),
    )
    op.create_index("ix_delivery_count_minute", "delivery_count", ["minute"])
    op.create_table(
        "delivery_sample",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("destination_id", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delivery_sample"),
    )
    op.create_index(
        "ix_delivery_sample_destination_id_source_id_reason_id",
        "delivery_sample",
        ["destination_id", "source_id", "reason", "id"],
    )
