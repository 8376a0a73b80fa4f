"""The same code as a cluster: three nats-servers, PostgreSQL, and each role in a process group of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from midstream.log.server import packaged_binary
from tests.e2e.client import apply, events, outcomes, poll, post, track
from tests.integration.postgres import postgres_server, postgres_url
from tests.integration.receiver import receiving
from tests.whole import Whole, running, shop

__all__ = ["postgres_server", "postgres_url"]


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def nats_cluster(folder: Path) -> Iterator[tuple[list[subprocess.Popen[bytes]], str]]:
    """Run three servers that hold every message three times; give them and their URLs."""
    ports = free_ports(6)
    clients, routes = ports[:3], ports[3:]
    servers = []
    try:
        for number in range(3):
            config = folder / f"nats-{number}.conf"
            config.write_text(f"""
listen: "127.0.0.1:{clients[number]}"
server_name: "n{number}"
max_payload: 8MB
authorization {{ user: "cluster", password: "cluster-password" }}
jetstream {{ store_dir: "{folder}/nats-{number}", sync_interval: always }}
cluster {{ name: "c", listen: "127.0.0.1:{routes[number]}", routes: [{", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)}] }}
""")
            with (folder / f"nats-{number}.log").open("wb") as output:
                servers.append(subprocess.Popen([packaged_binary(), "-c", str(config)], stdout=output, stderr=output))
        yield servers, ",".join(f"nats://cluster:cluster-password@127.0.0.1:{port}" for port in clients)
    finally:
        for server in servers:
            server.kill()
            server.wait()


async def test_roles_apart_on_a_cluster_and_postgresql_survive_the_loss_of_a_server(
    tmp_path: Path, postgres_url: str
) -> None:
    with nats_cluster(tmp_path) as (servers, urls), contextlib.ExitStack() as roles:
        environ = {
            "MIDSTREAM_NATS_URL": urls,
            "MIDSTREAM_LOG_REPLICAS": "3",
            "MIDSTREAM_DATABASE_URL": postgres_url,
            "MIDSTREAM_MASTER_KEY_FILE": str(tmp_path / "key"),
        }
        make_key(tmp_path / "key")

        def role(name: str) -> Whole:
            return roles.enter_context(running(tmp_path / name, "--role", name, **environ))

        ingest, worker, control = (role(name) for name in ("ingest", "worker", "control"))
        async with receiving() as receiver:
            await apply(ingest, shop(receiver.url, shared_secret="whsec_cGxhbnRlZA=="))
            await poll(lambda: "revision=1" in worker.log())
            assert (await post(ingest, "/v1/track", track("first")))[0] == 200
            await poll(lambda: len(events(receiver)) == 1)
            assert "x-signature" in receiver.requests[0].headers

            os.kill(servers[0].pid, signal.SIGKILL)
            servers[0].wait()
            sent = 0
            for number in range(50):
                async with asyncio.timeout(60):
                    while (await post(ingest, "/v1/track", track(number)))[0] != 200:
                        await asyncio.sleep(0.1)
                sent += 1
            await poll(lambda: {each["messageId"] for each in events(receiver)} >= {f"m-{n}" for n in range(sent)}, 60)
            shown = await outcomes(control, 51)
            assert {row["outcome"] for row in shown["deliveries"]} == {"delivered"}
            async with aiohttp.ClientSession(worker.base_url) as session, session.get("/metrics") as answer:
                assert "midstream_deliveries_total" in await answer.text()
            assert (await post_status(worker, "/v1/track")) == 404
            assert [each.stop() for each in (ingest, worker, control)] == [0, 0, 0]


async def post_status(whole: Whole, path: str) -> int:
    async with aiohttp.ClientSession() as session, session.post(f"{whole.base_url}{path}", json={}) as answer:
        return answer.status


def make_key(path: Path) -> None:
    from midstream.secrets import Vault

    Vault.open(path)
