"""Run by Alembic for each command, on the connection and transaction that `store.migrate` opened and will commit."""

from __future__ import annotations

from alembic import context

from midstream.store.people import UserRow
from midstream.store.schema import Table
from midstream.store.trail import AuditRow

assert {UserRow.__table__, AuditRow.__table__} <= set(Table.metadata.tables.values())  # known by being imported

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
)
context.run_migrations()
