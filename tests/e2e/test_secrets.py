"""Planted secrets are looked for in all that leaves midstream or stays behind, while a function does its best to tell them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from midstream.api.application import decided
from tests.e2e.api import ask, client, token_of
from tests.e2e.client import apply, outcomes, post, track
from tests.integration.database import database_url, postgres_server, postgres_url
from tests.integration.receiver import Received, Receiver, Reply, receiving
from tests.whole import WRITE_KEY, Whole, descendants, running, shop

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


def left_behind(whole: Whole) -> Iterator[tuple[str, bytes]]:
    """Yield all that stays on disk, but for the master key, which is the secret that opens the others."""
    for path in whole.data_dir.rglob("*"):
        if path.is_file() and path.name != "master.key":
            yield str(path.relative_to(whole.data_dir)), path.read_bytes()
    yield "log", whole.log().encode()


def kept(url: str) -> Iterator[tuple[str, bytes]]:
    """Yield all that the database holds: the files of SQLite, as they are, or every row of every table of PostgreSQL."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        yield from ((each.name, each.read_bytes()) for each in path.parent.glob(f"{path.name}*"))
        return
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            rows = connection.execute(sql.SQL("SELECT row_to_json(t)::text FROM {} t").format(sql.Identifier(table)))
            yield f"table {table}", "\n".join(row for (row,) in rows).encode()


def remembered(pid: int) -> Iterator[bytes]:
    """Yield what a process has in memory that it can write, piece by piece: all that a core of it would hold."""
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in maps:
            place, rights, *_ = line.split()
            begin, end = (int(each, 16) for each in place.split("-"))
            if rights.startswith("rw"):
                memory.seek(begin)
                with contextlib.suppress(OSError):  # gone meanwhile, or nothing to read
                    yield memory.read(end - begin)


def spelled(secret: str) -> set[bytes]:
    """Return a secret as itself, in hex, for URLs, and in Base64 wherever in a longer text it stands."""
    plain = secret.encode()
    inside = {
        base64.b64encode(bytes(shift) + plain)[(8 * shift + 5) // 6 : 8 * (shift + len(plain)) // 6]
        for shift in range(3)
    }
    forms = {plain, plain.hex().encode(), plain.hex().upper().encode(), quote(secret, safe="").encode(), *inside}
    return forms | {form.translate(bytes.maketrans(b"+/", b"-_")) for form in inside}


@pytest.mark.timeout(600)  # it runs a dozen commands one after the other
async def test_no_planted_secret_is_found_anywhere(tmp_path: Path, database_url: str) -> None:
    with running(tmp_path, MIDSTREAM_DATABASE_URL=database_url) as whole:
        async with receiving() as receiver:
            receiver.reply = echo
            await apply(whole, files(receiver), SALT=SALT, SHARED=SHARED, HEADER=HEADER)
            token = await token_of(whole)
            await asyncio.to_thread(whole.run, "user", "create", "ann@example.com")
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
            seen = await all_answers(whole, token, ids) | await commands(whole, tmp_path / "exported")
        assert whole.process is not None
        processes = dict([(whole.process.pid, "serve"), *descendants(whole.process.pid)])
        for pid, line in processes.items():
            limits = Path(f"/proc/{pid}/limits").read_text()
            assert re.search(r"Max core file size +0 +0", limits), f"{line} would leave its memory on disk"
        assert len(processes) >= 6
    seen |= dict(left_behind(whole)) | dict(kept(database_url))
    planted = [SALT, SHARED, HEADER.removeprefix("Bearer "), PASSWORD, token, made["token"], WRITE_KEY]
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
    assert len(seen) > 60, "all of it was looked at"
    holding = [where for where, content in seen.items() if re.search(rb"\bdst_\w+", content) and "table " in where]
    assert holding or any("midstream.db" in where for where in seen)


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
