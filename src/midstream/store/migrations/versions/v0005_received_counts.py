"""What came in, counted; and the app version of each count, which is part of what tells counts apart."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table of what came in, and make the table of outcomes anew: SQLite cannot change a primary key."""
    _received()
    op.execute("CREATE TABLE delivery_count_before AS SELECT * FROM delivery_count")
    op.drop_table("delivery_count")
    _deliveries()
    kept = (
        "destination_id, source_id, minute, stage, outcome, reason, type, event, attempt, "
        "count, latency_ms_sum, latency_ms_max"
    )
    op.execute(
        f"INSERT INTO delivery_count ({kept}, app_version) SELECT {kept}, '' FROM delivery_count_before"  # noqa: S608 # our own names
    )
    op.drop_table("delivery_count_before")


def _received() -> None:
    op.create_table(
        "received_count",
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("minute", INSTANT, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("app_version", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "minute", "type", "event", "app_version", name="pk_received_count"),
    )
    op.create_index("ix_received_count_minute", "received_count", ["minute"])


def _deliveries() -> None:
    names = ("stage", "outcome", "reason", "type", "event", "app_version")
    keys: list[sa.Column[Any]] = [
        sa.Column("destination_id", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("minute", INSTANT, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in names),
        sa.Column("attempt", sa.Integer(), nullable=False),
    ]
    op.create_table(
        "delivery_count",
        *keys,
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("latency_ms_sum", sa.Double(), nullable=False),
        sa.Column("latency_ms_max", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(*(column.name for column in keys), name="pk_delivery_count"),
    )
    op.create_index("ix_delivery_count_minute", "delivery_count", ["minute"])
