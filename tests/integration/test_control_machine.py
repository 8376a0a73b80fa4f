"""Random operations by random people never break what has to hold: permission, trail and topology move together.

After each operation: the chain of the trail is whole; what was refused changed nothing and stands in the trail; what changed
anything has an entry by who did it; every instance runs exactly one version, of its own function; and a caller was let
through exactly where the table of roles says so.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from sqlalchemy import select

from midstream.control import destinations, filters, functions, instances, sources
from midstream.control.act import Call, UseCase
from midstream.domain.access import Caller, Grant, Role, Subject
from midstream.domain.filters import FilterSection
from midstream.domain.topology import OnError
from midstream.errors import Invalid, RequestError
from midstream.secrets import Vault
from midstream.store import trail
from midstream.store.migrate import migrate
from midstream.store.schema import (
    DestinationRow,
    FilterRow,
    FunctionRow,
    InstanceRow,
    SourceRow,
    VersionRow,
    WriteKeyRow,
)
from midstream.store.session import open_engine, open_sessions
from midstream.store.snapshot import revision
from midstream.store.trail import AuditRow
from tests.integration.office import call_in

TABLES = (SourceRow, WriteKeyRow, DestinationRow, FilterRow, FunctionRow, VersionRow, InstanceRow)
CODE = "function onTrack(event) { return event } // %s"
DROP = FilterSection.model_validate({"if": "event = 'x'", "actions": [{"type": "DROP"}], "title": "x"})


WHO: dict[str, Any] = {
    "role": st.sampled_from(Role),
    "also": st.none() | st.sampled_from(Role),
    "narrow": st.booleans(),
}


class Control(RuleBasedStateMachine):
    """A workspace, and people with all kinds of roles who work on it at random."""

    source_ids, destination_ids, function_ids, instance_ids = (
        Bundle(name) for name in ("sources", "destinations", "functions", "instances")
    )

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.made = 0
        self.call = self.runner.run(self._begin())

    async def _begin(self) -> Call:
        url = f"sqlite:///{self.folder.name}/m.db"
        await migrate(url)
        self.engine = open_engine(url)
        return await call_in(open_sessions(self.engine), Vault.open(Path(self.folder.name) / "master.key"))

    def teardown(self) -> None:
        self.runner.run(self.engine.dispose())
        self.runner.close()
        self.folder.cleanup()

    # -- who asks --

    def caller(self, role: Role, listed: set[str] | None, also: Role | None) -> Call:
        resources = None if listed is None else frozenset(listed)
        grants = tuple(Grant(each, resources) for each in (role, also) if each)
        who = Caller("usr_x", self.call.caller.workspace_id, grants, email="x@example.com")
        return replace(self.call, caller=who)

    def do(self, call: Call, use: UseCase[..., Any], *keys: str, subject: Subject, **more: Any) -> Any:
        """Do it, and hold what came of it to what has to hold."""
        return self.runner.run(self._do(call, use, keys, subject, more))

    async def _do(self, call: Call, use: UseCase[..., Any], keys: tuple[str, ...], subject: Subject, more: Any) -> Any:
        before, entries, number = await self.dump(), await self.entries(), await revision(call.sessions)
        allowed = all(call.caller.may(each, subject) for each in use.needs)
        found, refused = await outcome(use(call, *keys, **more))
        after, added = await self.dump(), (await self.entries())[len(entries) :]
        changed = after != before
        # Deploying asks for more than the function: Source Admin where each instance is.
        assert allowed or refused in (403, 404)  # it may have been deleted before
        assert refused != 403 or not allowed or use is instances.deploy_function
        if refused == 403:
            assert [each.action for each in added] == ["Permission Check"]
        assert not (refused and changed)
        assert changed == bool([each for each in added if each.action != "Permission Check"])
        assert all(each.actor == "usr_x" for each in added)
        assert (await revision(call.sessions) > number) == changed
        return found

    async def dump(self) -> list[Any]:
        async with self.call.sessions() as session:
            rows = []
            for table in TABLES:
                columns = table.__table__.columns
                rows += [tuple(row) for row in await session.execute(select(*columns).order_by(*columns[:1]))]
            return rows

    async def entries(self) -> list[AuditRow]:
        async with self.call.sessions() as session:
            return list(await session.scalars(select(AuditRow).order_by(AuditRow.sequence)))

    # -- what is done --

    def who(self, role: Role, also: Role | None, narrow: bool, *ids: str) -> Call:
        return self.caller(role, set(ids) if narrow else None, also)

    @initialize(target=source_ids)
    def a_source(self) -> Any:
        return self.runner.run(sources.create_source(self.call, slug="first")).id

    @initialize(target=function_ids)
    def a_function(self) -> Any:
        return self.runner.run(functions.create_function(self.call, name="First", code=CODE % 0)).id

    @rule(target=source_ids, **WHO)
    def create_source(self, **who: Any) -> Any:
        self.made += 1
        made = self.do(self.who(**who), sources.create_source, subject=Subject(), slug=f"s{self.made}")
        return made.id if made else multiple()

    @rule(source=source_ids, name=st.sampled_from(["A", "B"]), enabled=st.booleans(), **WHO)
    def update_source(self, source: str, name: str, enabled: bool, role: Role, also: Role | None, narrow: bool) -> None:
        call = self.who(role, also, narrow, source)
        more = {"name": name, "slug": None, "enabled": enabled}
        self.do(call, sources.update_source, source, subject=Subject(source_id=source), **more)

    @rule(target=destination_ids, source=source_ids, **WHO)
    def create_destination(self, source: str, role: Role, also: Role | None, narrow: bool) -> Any:
        call = self.who(role, also, narrow, source)
        more = {"type": "sink", "name": "Sink", "settings": {}}
        made = self.do(call, destinations.create_destination, source, subject=Subject(source_id=source), **more)
        return (made.id, source) if made else multiple()

    @rule(destination=destination_ids, **WHO)
    def create_filter(self, destination: tuple[str, str], role: Role, also: Role | None, narrow: bool) -> None:
        key, source = destination
        call = self.caller(role, {source} if narrow else None, also)
        self.do_with(call, filters.create_filter, key, DROP, subject=Subject(source_id=source))

    def do_with(self, call: Call, use: UseCase[..., Any], *given: Any, subject: Subject) -> Any:
        return self.runner.run(self._do(call, use, given, subject, {}))

    @rule(function=function_ids, number=st.integers(0, 3), **WHO)
    def save(self, function: str, number: int, role: Role, also: Role | None, narrow: bool) -> None:
        call = self.who(role, also, narrow, function)
        self.do(call, functions.update_function, function, subject=Subject(function_id=function), code=CODE % number)

    @rule(target=function_ids, **WHO)
    def create_function(self, **who: Any) -> Any:
        made = self.do(self.who(**who), functions.create_function, subject=Subject(), name="F", code=CODE % 0)
        return made.id if made else multiple()

    @rule(target=instance_ids, function=function_ids, destination=destination_ids, enabled=st.booleans(), **WHO)
    def connect(
        self, function: str, destination: tuple[str, str], enabled: bool, role: Role, also: Role | None, narrow: bool
    ) -> Any:
        key, source = destination
        call = self.who(role, also, narrow, function, source)
        subject = Subject(function_id=function, source_id=source)
        more = {"name": "I", "settings": {}, "enabled": enabled}
        made = self.do(call, instances.create_instance, function, key, subject=subject, **more)
        return (made.id, function, source) if made else multiple()

    @rule(instance=instance_ids, enabled=st.booleans(), on_error=st.sampled_from(OnError), **WHO)
    def update_instance(
        self,
        instance: tuple[str, str, str],
        enabled: bool,
        on_error: OnError,
        role: Role,
        also: Role | None,
        narrow: bool,
    ) -> None:
        key, function, source = instance
        call = self.who(role, also, narrow, function, source)
        subject = Subject(function_id=function, source_id=source)
        self.do(call, instances.update_instance, key, subject=subject, enabled=enabled, on_error=on_error)

    @rule(function=function_ids, **WHO)
    def deploy(self, function: str, role: Role, also: Role | None, narrow: bool) -> None:
        call = self.who(role, also, narrow, function)
        self.do(call, instances.deploy_function, function, subject=Subject(function_id=function))

    @rule(function=function_ids, **WHO)
    def delete_function(self, function: str, role: Role, also: Role | None, narrow: bool) -> None:
        call = self.who(role, also, narrow, function)
        self.do(call, functions.delete_function, function, subject=Subject(function_id=function))

    @rule(destination=destination_ids, **WHO)
    def delete_destination(self, destination: tuple[str, str], role: Role, also: Role | None, narrow: bool) -> None:
        key, source = destination
        call = self.who(role, also, narrow, source)
        self.do(call, destinations.delete_destination, key, subject=Subject(source_id=source))

    # -- what holds at all times --

    @invariant()
    def the_trail_is_whole(self) -> None:
        assert self.runner.run(trail.verify(self.call.sessions)) is None

    @invariant()
    def every_instance_runs_one_version_of_its_function(self) -> None:
        self.runner.run(self._one_version_each())

    async def _one_version_each(self) -> None:
        async with self.call.sessions() as session:
            functions_of = {row.id: row.function_id for row in await session.scalars(select(VersionRow))}
            for row in await session.scalars(select(InstanceRow)):
                assert functions_of[row.version_id] == row.function_id


async def outcome(done: Awaitable[Any]) -> tuple[Any, int]:
    """Return what came of it: the answer, or the status of its refusal."""
    try:
        return await done, 0
    except RequestError as error:
        return None, error.status
    except Invalid:
        return None, 422


Control.TestCase.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestControl = Control.TestCase
