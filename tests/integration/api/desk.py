"""The Public API in this process, on a real database, with a real sandbox behind preview and check."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from midstream.api.application import application
from midstream.api.office import Office
from midstream.api.rates import Rates
from midstream.authoring.preview import Workbench
from midstream.control.act import Call
from midstream.control.enrolment import enrol
from midstream.control.grants import Granted, Target
from midstream.control.tokens import create_token
from midstream.domain.access import ROLES, Grant, Role, Scope
from midstream.domain.http import Exchange, NoAnswer, Outbound
from midstream.secrets import Vault
from midstream.store.session import Sessions
from tests.integration.office import call_in

OWNER = Grant(Role.WORKSPACE_OWNER)
TRACK = "function onTrack(event, settings) { event.seen = true; return event }"


async def no_network(request: Outbound) -> Exchange:
    return NoAnswer("EBLOCKED", "not in a test", 0)


@dataclass
class Desk:
    """An API and its operator. `ask` returns the answer's `data`."""

    call: Call
    office: Office
    client: httpx.AsyncClient

    async def token(self, *grants: Grant, creator: Sequence[Grant] = (OWNER,), email: str = "") -> str:
        """Make a token with these grants, for a member with the creator's."""
        member = await enrol(self.call, email=email or f"u{id(grants)}@example.com", grant=creator[0])
        permissions = [granted(self.call.caller.workspace_id, each) for each in grants]
        made = await create_token(self.call, name="t", permissions=permissions, creator_id=member)
        return made.secret or ""

    def acting_as(self, token: str) -> Desk:
        """Return the same API, asked with another token."""
        return Desk(self.call, self.office, _client(self.office, token))

    async def ask(self, method: str, path: str, body: Any = None, status: int = 200, **more: Any) -> Any:
        answer = await self.client.request(method, path, json=body, **more)
        assert answer.status_code == status, answer.text
        return answer.json()["data"] if status < 300 else answer.json()["errors"][0]

    async def source(self, slug: str = "web") -> str:
        data = await self.ask("POST", "/sources", {"slug": slug, "enabled": True, "metadataId": "http-api"}, 201)
        return str(data["source"]["id"])

    async def destination(self, source: str, **more: Any) -> str:
        body = {"sourceId": source, "metadataId": "sink", "settings": {}, "name": "Sink"} | more
        return str((await self.ask("POST", "/destinations", body))["destination"]["id"])

    async def function(self, code: str = TRACK, **more: Any) -> str:
        body = {"code": code, "displayName": "Mask", "resourceType": "INSERT_DESTINATION"} | more
        return str((await self.ask("POST", "/functions", body))["function"]["id"])

    async def filter(self, destination: str, **more: Any) -> str:
        body = {"if": "event = 'Noise'", "actions": [{"type": "DROP"}], "title": "No noise", "enabled": True} | more
        return str((await self.ask("POST", f"/destination/{destination}/filters", body))["filter"]["id"])

    async def instance(self, function: str, destination: str, **more: Any) -> str:
        body = {"functionId": function, "integrationId": destination, "name": "Mask", "settings": {}} | more
        answer = await self.ask("POST", "/insert-function-instances", body)
        return str(answer["insertFunctionInstance"]["id"])


def granted(workspace_id: str, grant: Grant) -> Granted:
    """Say a grant as it is asked for."""
    if grant.resources is None:
        return Granted(grant.role.value, (Target(workspace_id, Scope.WORKSPACE),))
    scope = ROLES[grant.role].scope
    return Granted(grant.role.value, tuple(Target(each, scope) for each in sorted(grant.resources)))


def _client(office: Office, token: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(application(office), raise_app_exceptions=False, client=("192.0.2.7", 1))
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(transport=transport, base_url="http://midstream.test", headers=headers)


@pytest.fixture
async def desk(sessions: Sessions, vault: Vault) -> Desk:
    office = Office(sessions, vault, Workbench(), no_network, asyncio.Semaphore(2), Rates(10_000))
    call = await call_in(sessions, vault)
    made = Desk(call, office, _client(office, ""))
    return made.acting_as(await made.token())
