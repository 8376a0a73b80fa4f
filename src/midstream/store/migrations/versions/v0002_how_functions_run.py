"""How functions run: the hosts they may ask, and how batches for onBatch are formed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; functions that are there get contract §3's defaults."""
    # Not as Alembic's batch: on SQLite that would make the table anew, under the rows that refer to it.
    op.add_column("function", sa.Column("hosts", sa.JSON(), nullable=True))
    op.add_column("function", sa.Column("batch_max_count", sa.Integer(), nullable=False, server_default="20"))
    op.add_column("function", sa.Column("batch_max_wait", sa.Double(), nullable=False, server_default="1.0"))
