"""The tables. `migrations/` brings a database to this shape; a test holds the two equal.

JSON columns are plain JSON on both engines: PostgreSQL's JSONB would reorder keys and refuse the NUL character.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime. SQLite has no time zones, so there it is stored naive and given UTC back.

    (SQLAlchemy passes a dialect that is not needed here, hence ARG002.)
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC; a naive time is our bug."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a time without a zone cannot be stored"
            raise ValueError(message)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give aware UTC back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite numbers rows by itself only when the key is INTEGER.
RowNumber = BigInteger().with_variant(Integer(), "sqlite")


class Table(DeclarativeBase):
    """What all tables share: constraint names by one rule, and how Python types are stored."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        datetime: Instant(),
        dict[str, Any]: JSON(),
        dict[str, str]: JSON(),
        list[dict[str, Any]]: JSON(),
        list[str] | None: JSON(),
    }


class WorkspaceRow(Table):
    """What everything else belongs to."""

    __tablename__ = "workspace"

    id: Mapped[str] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    created_at: Mapped[datetime]


class SourceRow(Table):
    """Where events come from."""

    __tablename__ = "source"
    __table_args__ = (UniqueConstraint("workspace_id", "slug"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    slug: Mapped[str]
    name: Mapped[str]
    enabled: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WriteKeyRow(Table):
    """A source's write key, which is never stored itself. A source may have many: that is how they rotate."""

    __tablename__ = "write_key"

    hash: Mapped[str] = mapped_column(primary_key=True)  # hex SHA-256
    source_id: Mapped[str] = mapped_column(ForeignKey("source.id"), index=True)
    last4: Mapped[str]
    created_at: Mapped[datetime]


class DestinationRow(Table):
    """Where events go. `secrets` is name to sealed value; `settings` has what is not sensitive."""

    __tablename__ = "destination"
    __table_args__ = (UniqueConstraint("workspace_id", "slug"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    source_id: Mapped[str] = mapped_column(ForeignKey("source.id"), index=True)
    slug: Mapped[str]
    type: Mapped[str]
    name: Mapped[str]
    enabled: Mapped[bool]
    settings: Mapped[dict[str, Any]]
    secrets: Mapped[dict[str, str]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    enabled_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class FilterRow(Table):
    """A destination filter: a condition in FQL, and actions in the API's shape."""

    __tablename__ = "destination_filter"

    id: Mapped[str] = mapped_column(primary_key=True)
    destination_id: Mapped[str] = mapped_column(ForeignKey("destination.id"), index=True)
    title: Mapped[str]
    description: Mapped[str]
    condition: Mapped[str]
    actions: Mapped[list[dict[str, Any]]]
    enabled: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class FunctionRow(Table):
    """A function's name and how it runs; its code is in its versions. No hosts means all."""

    __tablename__ = "function"
    __table_args__ = (UniqueConstraint("workspace_id", "slug"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    slug: Mapped[str]
    name: Mapped[str]
    description: Mapped[str]
    logo_url: Mapped[str] = mapped_column(server_default=text("''"))
    created_by: Mapped[str] = mapped_column(server_default=text("''"))  # the id of a user or token
    hosts: Mapped[list[str] | None]
    batch_max_count: Mapped[int] = mapped_column(server_default="20")
    batch_max_wait: Mapped[float] = mapped_column(server_default="1.0")  # seconds
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class VersionRow(Table):
    """One immutable version of a function, numbered from 1. Rows are added, never changed."""

    __tablename__ = "function_version"
    __table_args__ = (UniqueConstraint("function_id", "number"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    function_id: Mapped[str] = mapped_column(ForeignKey("function.id"))
    number: Mapped[int]
    code: Mapped[str]
    settings_schema: Mapped[list[dict[str, Any]]]
    author: Mapped[str]
    message: Mapped[str]
    created_at: Mapped[datetime]


class InstanceRow(Table):
    """A function connected to a destination, at a pinned version. A destination's chain runs in `position` order."""

    __tablename__ = "instance"

    id: Mapped[str] = mapped_column(primary_key=True)
    function_id: Mapped[str] = mapped_column(ForeignKey("function.id"), index=True)
    destination_id: Mapped[str] = mapped_column(ForeignKey("destination.id"), index=True)
    version_id: Mapped[str] = mapped_column(ForeignKey("function_version.id"), index=True)
    name: Mapped[str]
    settings: Mapped[dict[str, Any]]
    secrets: Mapped[dict[str, str]]
    enabled: Mapped[bool]
    on_error: Mapped[str]
    position: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deployed_at: Mapped[datetime | None]  # when its version was last pinned; None where it was before that was kept


class RevisionRow(Table):
    """One row: how often the topology changed. Every change counts it up in its own transaction."""

    __tablename__ = "revision"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class ProjectionRow(Table):
    """How far a reader of the log has got: the last sequence whose effect is in this database."""

    __tablename__ = "projection"

    name: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)


class DeliveryCountRow(Table):
    """How many attempts ended how, a minute. Ids are not foreign keys: what happened outlives what it happened to."""

    __tablename__ = "delivery_count"

    destination_id: Mapped[str] = mapped_column(primary_key=True)
    source_id: Mapped[str] = mapped_column(primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(primary_key=True)
    app_version: Mapped[str] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    latency_ms_sum: Mapped[float]
    latency_ms_max: Mapped[float]

    __table_args__ = (Index(None, "minute"),)


class ReceivedCountRow(Table):
    """How many events were accepted, a minute. Where a message had too many names, the rarest are counted under ""."""

    __tablename__ = "received_count"

    source_id: Mapped[str] = mapped_column(primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(primary_key=True)
    app_version: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index(None, "minute"),)


class DeliverySampleRow(Table):
    """One of the last events that were not delivered, for each destination and reason."""

    __tablename__ = "delivery_sample"
    __table_args__ = (Index(None, "destination_id", "source_id", "reason", "id"),)

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    destination_id: Mapped[str]
    source_id: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]
    message_id: Mapped[str]
    type: Mapped[str]
    event: Mapped[str]
    attempt: Mapped[int]
    body: Mapped[str]  # JSON text
