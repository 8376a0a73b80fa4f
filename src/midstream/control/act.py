"""What every use case is made of: permission, change and audit trail in one transaction.

Enters: a `Call` (who, from where, on which database) and the ids of what it is about. Leaves: the step's answer, or a
`RequestError`. A change that is not noted in the trail is not kept: what a step does not `note` is rolled back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from midstream.control.locate import etag, locate
from midstream.domain.access import WORKSPACE, Caller, Permission, Subject
from midstream.domain.audit import Action, Resource
from midstream.errors import RequestError
from midstream.secrets import Vault
from midstream.store import trail
from midstream.store.schema import Table
from midstream.store.session import Sessions, changing, reading, writing

P = ParamSpec("P")
T = TypeVar("T")
Row = TypeVar("Row", bound=Table)
Other = TypeVar("Other", bound=Table)


@dataclass(frozen=True, slots=True)
class Call:
    """One request of one caller. `if_match` holds the entity tags under which it may change what it is about."""

    sessions: Sessions
    vault: Vault
    caller: Caller
    origin: str
    if_match: str | None = None


class Writes(Enum):
    """What a use case may write, which says how its transaction begins."""

    NOTHING = "nothing"
    TOPOLOGY = "topology"  # what the event path reads: its revision goes up
    PEOPLE = "people"  # who may do what


@dataclass(slots=True)
class Act:
    """A use case under way, on its open transaction."""

    session: AsyncSession
    vault: Vault
    caller: Caller
    origin: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    notes: list[trail.Note] = field(default_factory=list)

    @property
    def workspace_id(self) -> str:
        """The caller's workspace, the only one a use case sees."""
        return self.caller.workspace_id

    def require(self, permission: Permission, subject: Subject = WORKSPACE) -> None:
        """Raise 403, naming what is missing, unless the caller may."""
        if not self.caller.may(permission, subject):
            on = subject.concerned(permission)
            raise RequestError(
                403, "forbidden", f"this needs the permission {permission.value}{f' on {on}' if on else ''}"
            )

    async def find(self, table: type[Row], key: str) -> tuple[Row, Subject]:
        """Fetch something of the caller's workspace; 404 when there is none, or it is another workspace's."""
        return await locate(self.session, table, key, self.workspace_id)

    def note(self, action: Action, resource: Resource, *changed: str) -> None:
        """Note what happened, to be written when the step is through. `changed` holds names, never a secret."""
        self.notes.append(trail.Note(action, resource, changed))

    async def finish(self) -> bool:
        """Write the notes; False, and the transaction rolled back, when there are none: nothing changed."""
        if not self.notes:
            await self.session.rollback()
            return False
        await self.session.flush()
        await trail.append(
            self.session,
            self.notes,
            workspace_id=self.workspace_id,
            actor=self.caller.id,
            actor_email=self.caller.email,
            origin=self.origin,
            at=self.at,
        )
        return True


_OPENED: dict[Writes, Callable[[Sessions], AbstractAsyncContextManager[AsyncSession]]] = {
    Writes.NOTHING: reading,
    Writes.TOPOLOGY: changing,
    Writes.PEOPLE: writing,
}


@asynccontextmanager
async def acting(call: Call, writes: Writes) -> AsyncIterator[Act]:
    """Open a transaction for a caller; on leaving it the notes are written, and a refusal is noted by itself."""
    try:
        async with _OPENED[writes](call.sessions) as session:
            if writes is Writes.PEOPLE:
                await trail.lock(session)
            act = Act(session, call.vault, call.caller, call.origin)
            yield act
            if writes is not Writes.NOTHING:
                await act.finish()
    except RequestError as error:
        if error.status == 403:
            await note_alone(call, Action.PERMISSION_CHECK, Resource("workspace", call.caller.workspace_id), str(error))
        raise


async def note_alone(call: Call, action: Action, resource: Resource, *changed: str) -> None:
    """Note something that changed nothing, in a transaction of its own."""
    async with writing(call.sessions) as session:
        act = Act(session, call.vault, call.caller, call.origin)
        act.note(action, resource, *changed)
        await act.finish()


class UseCase(Generic[P, T]):
    """A step with the permissions it needs, all of them, on what it is about. Calling it is the only way to run it."""

    def __init__(
        self,
        step: Callable[..., Awaitable[T]],
        needs: tuple[Permission, ...],
        on: tuple[type[Table], ...],
        writes: Writes,
    ) -> None:
        assert needs, "a use case names what it needs"
        self.step, self.needs, self.on, self.writes = step, needs, on, writes
        self.__doc__, self.__name__ = step.__doc__, step.__name__

    async def __call__(self, call: Call, /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Look up what it is about, check the permissions and `if_match`, run the step, and commit with the trail."""
        given: list[Any] = list(args)
        async with acting(call, self.writes) as act:
            await self._admit(act, given)
            if self.on and call.if_match is not None:
                _check_tag(call.if_match, given[0])
            return await self.step(act, *given, **kwargs)

    async def admit(self, call: Call, *keys: str) -> None:
        """Only look up and check the permissions, before something that is dear to do; 403 and 404 as by calling."""
        async with acting(call, Writes.NOTHING) as act:
            await self._admit(act, list(keys))

    async def _admit(self, act: Act, given: list[Any]) -> None:
        """Replace the ids by what they are of, and ask each permission on it."""
        subject = WORKSPACE
        for place, table in enumerate(self.on):
            given[place], found = await act.find(table, given[place])
            subject = Subject(
                function_id=subject.function_id or found.function_id,
                source_id=subject.source_id or found.source_id,
            )
        for permission in self.needs:
            act.require(permission, subject)


def use_case(
    step: Callable[Concatenate[Act, P], Awaitable[T]], *needs: Permission, writes: Writes = Writes.NOTHING
) -> UseCase[P, T]:
    """Make a step about the workspace as a whole a use case."""
    return UseCase(step, needs, (), writes)


def use_case_on(
    table: type[Row],
    step: Callable[Concatenate[Act, Row, P], Awaitable[T]],
    *needs: Permission,
    writes: Writes = Writes.NOTHING,
) -> UseCase[Concatenate[str, P], T]:
    """Make a step about one thing a use case, which takes the thing's id instead."""
    return UseCase(step, needs, (table,), writes)


def use_case_between(
    table: type[Row],
    other: type[Other],
    step: Callable[Concatenate[Act, Row, Other, P], Awaitable[T]],
    *needs: Permission,
    writes: Writes = Writes.NOTHING,
) -> UseCase[Concatenate[str, str, P], T]:
    """Make a step about two things a use case, which takes both ids instead."""
    return UseCase(step, needs, (table, other), writes)


def _check_tag(wanted: str, row: Table) -> None:
    tags = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
    if "*" not in tags and etag(row) not in tags:
        raise RequestError(
            412,
            "precondition-failed",
            "it was changed meanwhile: read it again and repeat the change on what it is now",
        )
