"""Planted secrets are looked for in all that leaves midstream or stays behind, while a function does its best to tell them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text

from midstream.api.application import decided
from tests.e2e.api import ask, client, token_of
from tests.e2e.client import apply, outcomes, post, track
from tests.e2e.places import kept, left_behind, remembered, spelled
from tests.integration.database import database_url, postgres_server, postgres_url
from tests.integration.receiver import Received, Receiver, Reply, receiving
from tests.whole import WRITE_KEY, Whole, descendants, running, shop, until

__all__ = ["database_url", "postgres_server", "postgres_url"]

SALT, SHARED, HEADER = "s4lt-planted-6Xq2", "sh4red-planted-9Lm7", "Bearer h34der-planted-3Tz5"
PASSWORD = "p4ssword-planted-1Vb8"

TELLING = """
async function onTrack(event, settings) {
  const salt = settings.salt;
  console.log("salt", salt, btoa(salt), encodeURIComponent(salt), { nested: [salt] });
  try { await fetch(settings.ask + "/?q=" + salt, { method: "POST", headers: { "x-salt": salt }, body: salt }) } catch (e) {}
  if (event.properties.how === "throw") throw new Error("salt is " + salt);
  if (event.properties.how === "reject") throw new InvalidEventPayload(btoa("x" + salt) + salt);
  if (event.properties.how === "array") return [salt];
  return event;
}
"""


def files(receiver: Receiver) -> dict[str, str]:
    made = shop(
        receiver.url,
        code=TELLING,
        function=(
            "[function.change.settings.salt]\nsensitive = true\nrequired = true\n[function.change.settings.ask]\n"
        ),
        shared_secret={"env": "SHARED"},
    )
    text = made["shop.toml"].replace('shared_secret = {"env": "SHARED"}', 'shared_secret = { env = "SHARED" }')
    text = text.replace(
        "[[destination.hook.functions]]",
        'secret_headers = { Authorization = { env = "HEADER" } }\n[[destination.hook.functions]]',
    )
    return made | {"shop.toml": text + f'settings = {{ salt = {{ env = "SALT" }}, ask = "{receiver.url}" }}\n'}


def echo(request: Received) -> Reply:
    """Refuse a delivery, and say back all that came with it."""
    said = json.dumps({**request.headers, "body": request.body.decode()})
    return Reply(200 if request.path.startswith("/?q=") else 400, said.encode())


async def all_answers(whole: Whole, token: str, ids: Mapping[str, str]) -> dict[str, bytes]:
    """Ask everything that can be read."""
    found: dict[str, bytes] = {}
    time = {"startTime": "2020-01-01T00:00:00Z", "endTime": "2100-01-01T00:00:00Z", "granularity": "DAY"}
    query = {"resourceType": "INSERT_DESTINATION", "message": "x", "sourceId": ids["sourceId"], **time}
    async with client(whole, token) as api:
        for method, path in decided():
            if method == "GET" and set(re.findall(r"\{(\w+)\}", path)) <= ids.keys():
                answer = await api.get(path.format(**ids), params=query)
                found[path] = answer.content + repr(answer.headers).encode()
        for page in ("/", "/app/", "/app/sign-in", "/metrics", "/healthz", "/readyz", "/openapi.json", "/nothing"):
            found[page] = (await api.get(page, headers={"accept": "text/html", "authorization": ""})).content
        # What is not as it should be is not said back either.
        bad = {"settings": {"shared_secret": [SHARED], "nope": SHARED, "url": SHARED}}
        found["PATCH"] = (await api.patch(f"/destinations/{ids['destinationId']}", json=bad)).content
        bad = {"settings": {"salt": [SALT], "nope": SALT}}
        found["PATCH i"] = (await api.patch(f"/insert-function-instances/{ids['instanceId']}", json=bad)).content
    return found


BREAKING = (
    # As a bug of ours, or a database that somebody worked on by hand, would: what is read is not what is expected.
    """UPDATE function_version SET settings_schema = '[{"name": 5}]'""",
    "ALTER TABLE sign_in RENAME TO somewhere",
    "UPDATE revision SET number = number + 1",
)


async def failing_inside(whole: Whole, database_url: str, token: str, ids: Mapping[str, str]) -> dict[str, bytes]:
    """Make midstream itself fail wherever it has secrets at hand, and return what it answers."""
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for statement in BREAKING:
            connection.execute(text(statement))
    engine.dispose()
    found = {f"{path}, broken": content for path, content in (await all_answers(whole, token, ids)).items()}
    async with client(whole, token) as api:
        settings = {"salt": SALT, "ask": "https://example.com"}
        answers = [
            await api.patch(f"/insert-function-instances/{ids['instanceId']}", json={"settings": settings}),
            await api.post("/tokens", json={"name": "broken"}),
            await api.get("/functions", headers={"authorization": f"Bearer {token}"}),
        ]
    async with httpx.AsyncClient(base_url=whole.base_url, headers={"origin": whole.base_url}, trust_env=False) as web:
        answers.append(await web.post("/app/sign-in", data={"email": "ann@example.com", "password": PASSWORD}))
    assert any(answer.status_code == 500 for answer in answers), [answer.text for answer in answers]
    await asyncio.to_thread(until, lambda: "a configuration could not be taken over" in whole.log())
    return found | {f"broken {number}": answer.content for number, answer in enumerate(answers)}


async def commands(whole: Whole, folder: Path) -> dict[str, bytes]:
    """Run the commands that show something."""
    found = {}
    for words in (
        ("deliveries", "--samples", "--json"),
        ("deliveries", "--samples"),
        ("audit", "list", "--json"),
        ("functions", "list", "--json"),
        ("functions", "show", "change", "--json"),
        ("destinations", "list", "--json"),
        ("user", "list", "--json"),
        ("token", "list", "--json"),
        ("config", "show", "--origins"),
        ("doctor",),
        ("export", str(folder)),
    ):
        ran = await asyncio.to_thread(whole.run, *words)
        found[" ".join(words[:3])] = (ran.stdout + ran.stderr).encode()
    for path in folder.rglob("*"):
        if path.is_file():
            found[path.name] = path.read_bytes()
    return found


@pytest.mark.timeout(600)  # it runs a dozen commands one after the other
async def test_no_planted_secret_is_found_anywhere(tmp_path: Path, database_url: str) -> None:
    with running(tmp_path, MIDSTREAM_DATABASE_URL=database_url) as whole:
        async with receiving() as receiver:
            receiver.reply = echo
            await apply(whole, files(receiver), SALT=SALT, SHARED=SHARED, HEADER=HEADER)
            token = await token_of(whole)
            await asyncio.to_thread(whole.run, "user", "create", "ann@example.com", "--role", "workspace_owner")
            password = await asyncio.to_thread(whole.run, "user", "password", "ann@example.com", stdin=PASSWORD + "\n")
            assert password.returncode == 0, password.stderr
            async with client(whole, token) as api:
                again = {"idempotency-key": "once"}
                made = (await api.post("/tokens", json={"name": "second"}, headers=again)).json()["data"]["token"]
                repeated = (await api.post("/tokens", json={"name": "second"}, headers=again)).json()["data"]["token"]
                invites = await ask(api, "POST", "/invites", {"invites": [{"email": "bob@example.com"}]})
                written = await ask(api, "POST", "/sources", {"slug": "second", "enabled": True})
                ids = await ids_of(api)
            assert made["token"] == repeated["token"]
            for number, how in enumerate(("throw", "reject", "array", "deliver")):
                assert (await post(whole, "/v1/track", track(number, properties={"how": how})))[0] == 200
            await outcomes(whole, 4)
            assert any(request.headers.get("x-salt") == SALT for request in receiver.requests), "it was told outside"
            # Workers need what functions and destinations are given. Whom strangers talk to, and the log, never have it.
            for name in ("front", "log"):
                (pid,) = whole.pids(name)
                pieces = list(remembered(pid))
                assert sum(map(len, pieces)) > 1_000_000, "its memory was read"
                for secret in (SALT, SHARED, HEADER.removeprefix("Bearer ")):
                    told = [it for it in spelled(secret) for piece in pieces if it in piece]
                    assert told == [], f"{name} has it in memory"
            shown, given = await pages_of(whole)
            seen = await all_answers(whole, token, ids) | shown | await commands(whole, tmp_path / "exported")
            seen |= await failing_inside(whole, database_url, token, ids)
        assert whole.process is not None
        processes = dict([(whole.process.pid, "serve"), *descendants(whole.process.pid)])
        for pid, line in processes.items():
            limits = Path(f"/proc/{pid}/limits").read_text()
            assert re.search(r"Max core file size +0 +0", limits), f"{line} would leave its memory on disk"
        assert len(processes) >= 6
    seen |= dict(left_behind(whole)) | dict(kept(database_url))
    planted = [SALT, SHARED, HEADER.removeprefix("Bearer "), PASSWORD, token, made["token"], WRITE_KEY, *given]
    planted += [each["secret"] for each in invites["invites"]] + [written["source"]["writeKeys"][-1]]
    found = [
        (where, secret)
        for where, content in seen.items()
        for secret in planted
        for it in spelled(secret)
        if it in content
    ]
    # The write key of the folder is one of the caller's own; it is on the wire, and nowhere else.
    assert found == []
    assert "Traceback" in whole.log(), "what went wrong inside was told there"
    assert len(seen) > 120, "all of it was looked at"
    holding = [where for where, content in seen.items() if re.search(rb"\bdst_\w+", content) and "table " in where]
    assert holding or any("midstream.db" in where for where in seen)


async def pages_of(whole: Whole) -> tuple[dict[str, bytes], list[str]]:
    """Sign in and look at each page there is for a person; return what they show, and what the person was given."""
    async with httpx.AsyncClient(base_url=whole.base_url, headers={"origin": whole.base_url}, trust_env=False) as web:
        wrong = await web.post("/app/sign-in", data={"email": "ann@example.com", "password": PASSWORD + "x"})
        found = {"wrong sign-in": wrong.content, "sign-in": (await signed_in(web)).content}
        found["/app/"] = (await web.get("/app/")).content
        tokens = await web.get("/app/tokens")
        (workspace,) = set(re.findall(r'name="workspace" value="([^"]+)"', tokens.text))
        made = await web.post("/app/tokens", data={"workspace": workspace, "name": "third", "days": "30"})
        (token,) = re.findall(r"mst_[\w-]+", made.text)  # shown this once
        found["/app/tokens"] = tokens.content + (await web.get("/app/tokens")).content
        (cookie,) = web.cookies.values()
    return found, [token, cookie]


async def signed_in(web: httpx.AsyncClient) -> httpx.Response:
    answer = await web.post("/app/sign-in", data={"email": "ann@example.com", "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return answer


async def ids_of(api: Any) -> dict[str, str]:
    function = (await ask(api, "GET", "/functions?resourceType=INSERT_DESTINATION"))["functions"][0]["id"]
    destination = (await ask(api, "GET", "/destinations"))["destinations"][0]
    instance = (await ask(api, "GET", "/insert-function-instances"))["instances"][0]
    user = (await ask(api, "GET", "/users"))["users"][0]["id"]
    return {
        "functionId": function,
        "versionId": instance["versionId"],
        "destinationId": destination["id"],
        "sourceId": destination["sourceId"],
        "instanceId": instance["id"],
        "userId": user,
        "destinationMetadataId": "webhook",
        "sourceMetadataId": "http-api",
        "warehouseMetadataId": "none",
    }
