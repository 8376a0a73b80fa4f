"""What requests with an `Idempotency-Key` were answered. Answers are sealed: one may hold a token that is shown once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError

from midstream.control.act import Call
from midstream.errors import RequestError
from midstream.store.people import AnsweredRow
from midstream.store.session import reading, writing

_KEPT = timedelta(days=1)
_NAME = "answer"  # of the sealed value


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered before."""

    status: int
    body: str


async def reserve(call: Call, key: str, request_hash: str) -> Answer | None:
    """Take a key for a request that is about to be done; return what it was answered when it was done before."""
    now = datetime.now(UTC)
    try:
        async with writing(call.sessions) as session:
            await session.execute(delete(AnsweredRow).where(AnsweredRow.at < now - _KEPT))
            await session.execute(
                insert(AnsweredRow).values(actor=_whose(call), key=key, request_hash=request_hash, at=now)
            )
    except IntegrityError:
        return await _before(call, key, request_hash)
    return None


async def _before(call: Call, key: str, request_hash: str) -> Answer | None:
    async with reading(call.sessions) as session:
        row = await session.get(AnsweredRow, (_whose(call), key))
    if row is None or row.status is None or row.body is None:
        raise RequestError(409, "conflict", "a request with this key is under way", "Idempotency-Key")
    if row.request_hash != request_hash:
        raise RequestError(422, "input-validation", "this key was used for another request", "Idempotency-Key")
    return Answer(row.status, call.vault.unseal(row.body, owner=_whose(call), name=_NAME))


async def keep(call: Call, key: str, status: int, body: bytes) -> None:
    """Keep what a request was answered."""
    sealed = call.vault.seal(body.decode(), owner=_whose(call), name=_NAME)
    async with writing(call.sessions) as session:
        await session.execute(
            update(AnsweredRow)
            .where(AnsweredRow.actor == _whose(call), AnsweredRow.key == key)
            .values(status=status, body=sealed)
        )


async def let_go(call: Call, key: str) -> None:
    """Give a key back: its request was not done."""
    async with writing(call.sessions) as session:
        await session.execute(delete(AnsweredRow).where(AnsweredRow.actor == _whose(call), AnsweredRow.key == key))


def _whose(call: Call) -> str:
    """Return whose the keys are: a person who asks by a session may be a member of several workspaces."""
    return f"{call.caller.workspace_id} {call.caller.id}"
