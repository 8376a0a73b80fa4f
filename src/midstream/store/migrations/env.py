"""Run by Alembic for each command, on the connection and transaction that `store.migrate` opened and will commit."""

from __future__ import annotations

from alembic import context

from midstream.store.schema import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
)
context.run_migrations()
