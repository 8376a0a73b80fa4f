"""A sealed setting never enters the process; what its code sends has it all the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from midstream.domain.function import Ending, FunctionSpec, Invocation, Sealed
from midstream.egress import Egress
from tests.integration.receiver import Reply, receiving
from tests.integration.runtime.conftest import Runner, event

Make = Callable[..., Runner]
KEY = "sk_live_pl4nted"


async def invoke(run: Runner, code: str, *hosts: str, allowed: Sequence[str] = ()) -> Invocation:
    spec = FunctionSpec(
        "ifi_1", "ver_1", code, {"salt": "s"}, hosts=tuple(allowed), sealed=(Sealed("apiKey", KEY, hosts),)
    )
    (one,) = await run.pool.invoke(spec, [event()])
    return one


async def test_the_value_goes_to_the_host_named_for_it_and_is_seen_nowhere_else(make: Make) -> None:
    code = """async function onTrack(event, settings) {
      console.log("the key", settings.apiKey, btoa(settings.apiKey));
      const answer = await fetch(settings.url ?? URL_, { headers: { authorization: `Bearer ${settings.apiKey}` } });
      event.echo = await answer.text();
      event.key = settings.apiKey;
      return event;
    }"""
    async with receiving() as receiver:
        receiver.default = Reply(200, f"hello {KEY}".encode())
        door = Egress(allow=["127.0.0.1"])
        run = make(door.send)
        one = await invoke(run, code.replace("URL_", f"'{receiver.url}'"), f"http://127.0.0.1:{receiver.port}")
        assert receiver.requests[0].headers["authorization"] == f"Bearer {KEY}"
        await door.close()
    assert one.event is not None
    returned = json.loads(one.event)
    assert returned["echo"] == "hello ••••"
    assert returned["key"].startswith("sealed_")
    assert KEY not in repr(one)
    assert one.logs[0].message == "the key •••• ••••"
    assert dict(one.requests[0].request_headers)["authorization"] == "Bearer ••••"
    (process,) = (each._process for each in run.pool._instances.values())
    assert process is not None
    assert KEY.encode() not in memory_of(process.pid or 0)


def memory_of(pid: int) -> bytes:
    """Read what a process can be made to read of itself: its writable memory."""
    found = []
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in maps:
            span, modes, *_ = line.split()
            start, end = (int(each, 16) for each in span.split("-"))
            if modes.startswith("rw") and end - start < 1 << 28:
                memory.seek(start)
                try:
                    found.append(memory.read(end - start))
                except OSError:
                    continue  # reserved, not there
    return b"".join(found)


async def test_it_goes_to_no_other_host_not_even_by_a_redirect(make: Make) -> None:
    code = """async function onTrack(event, settings) {
      event.got = [];
      for (const url of URLS) {
        try { await fetch(url, { method: "POST", body: settings.apiKey }); event.got.push("sent") }
        catch (error) { event.got.push(error.cause.code) }
      }
      return event;
    }"""
    async with receiving() as named, receiving() as other:
        named.script(Reply(307, headers={"Location": f"{other.url}/steal"}))
        door = Egress(allow=["127.0.0.1"])
        urls = json.dumps([other.url, f"{named.url}/away", named.url])
        one = await invoke(make(door.send), code.replace("URLS", urls), f"http://127.0.0.1:{named.port}")
        await door.close()
        assert json.loads(one.event or b"")["got"] == ["EBLOCKED", "EBLOCKED", "sent"]
        assert other.requests == []
        assert named.requests[-1].body == KEY.encode()
    assert one.requests[0].error == (
        f"EBLOCKED {other.url} is not among the hosts that the sealed setting 'apiKey' may be sent to"
    )


async def test_a_function_asks_only_the_hosts_on_its_list(make: Make) -> None:
    code = """async function onTrack(event) {
      await fetch(ALLOWED);
      await fetch(OTHER);
    }"""
    async with receiving() as allowed, receiving() as other:
        door = Egress(allow=["127.0.0.1"])
        code = code.replace("ALLOWED", f"'{allowed.url}'").replace("OTHER", f"'{other.url}'")
        one = await invoke(make(door.send), code, allowed=[f"http://127.0.0.1:{allowed.port}"])
        await door.close()
        assert one.ending is Ending.THREW
        assert one.error is not None
        assert one.error.message.startswith("fetch failed: EBLOCKED")
        assert (len(allowed.requests), len(other.requests)) == (1, 0)
