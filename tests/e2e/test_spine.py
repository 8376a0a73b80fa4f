"""An event goes in, through a function, and out: the whole, as its users run it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.client import apply, events, outcomes, poll, post, track
from tests.integration.receiver import Reply, receiving
from tests.whole import running, shop


async def test_an_event_goes_in_through_a_function_and_out_and_is_counted(tmp_path: Path) -> None:
    code = "function onTrack(event, settings) { event.properties = { seen: true }; return event }"
    with running(tmp_path) as whole:
        async with receiving() as receiver:
            await apply(whole, shop(receiver.url, code=code))
            assert await post(whole, "/v1/track", track(1)) == (200, {"success": True})
            status, answer = await post(whole, "/v1/batch", {"batch": [track(2), {"type": "track"}, track(3)]})
            assert status == 200
            assert [each["index"] for each in answer["rejected"]] == [1]
            await poll(lambda: len(events(receiver)) == 3)
            assert {each["messageId"] for each in events(receiver)} == {"m-1", "m-2", "m-3"}
            assert all(each["properties"] == {"seen": True} for each in events(receiver))
            shown = await outcomes(whole, 4)
        assert {(row["outcome"], row["reason"]) for row in shown["deliveries"]} == {
            ("delivered", "successes.attempt.1"),
            ("rejected", "no_user_anon_id"),
        }
        assert await asyncio.to_thread(whole.stop) == 0


async def test_a_write_key_is_good_from_the_moment_it_is_there(tmp_path: Path) -> None:
    with running(tmp_path, MIDSTREAM_POLL_INTERVAL="60") as whole:
        applied = await asyncio.to_thread(whole.apply, shop("http://127.0.0.1:9"))
        assert applied.returncode == 0, applied.stderr
        assert await post(whole, "/v1/track", track(1)) == (200, {"success": True})


@pytest.mark.parametrize("status", [500, 429])
async def test_a_refused_delivery_is_tried_again_and_survives_a_restart(tmp_path: Path, status: int) -> None:
    with running(tmp_path, MIDSTREAM_RETRY_BASE="1") as whole:
        async with receiving() as receiver:
            await apply(whole, shop(receiver.url))
            receiver.default = Reply(status)
            await post(whole, "/v1/track", track(1))
            await poll(lambda: receiver.requests)
            # In a thread, so that the receiver goes on refusing meanwhile.
            assert await asyncio.to_thread(whole.stop) == 0
            tried = len(receiver.requests)
            receiver.default = Reply(200)
            await asyncio.to_thread(whole.start)
            await poll(lambda: len(receiver.requests) == tried + 1)
            shown = await outcomes(whole, tried + 1)
            assert {row["attempt"] for row in shown["deliveries"] if row["outcome"] == "delivered"} == {tried + 1}
            assert {each["messageId"] for each in events(receiver)} == {"m-1"}
            assert len({request.headers["idempotency-key"] for request in receiver.requests}) == 1


async def test_changes_reach_running_workers_without_a_restart_and_each_event_meets_one_version(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "2") as whole:
        async with receiving() as receiver:

            def version(number: int) -> str:
                return f"let seen = 0; function onTrack(event) {{ event.properties = {{ version: {number}, seen: ++seen }}; return event }}"

            await apply(whole, shop(receiver.url, code=version(1)))
            sent = 0
            for number in (2, 3):
                sending = asyncio.create_task(asyncio.to_thread(whole.apply, shop(receiver.url, code=version(number))))
                while not sending.done():
                    sent += 1
                    assert (await post(whole, "/v1/track", track(sent)))[0] == 200
                assert sending.result().returncode == 0
                # Each event from a second after `apply` returned on meets the new version;.

                async def newest(number: int = number) -> bool:
                    nonlocal sent
                    sent += 1
                    await post(whole, "/v1/track", track(sent))
                    await poll(lambda: len(events(receiver)) >= sent)
                    return bool(events(receiver)[-1]["properties"]["version"] == number)

                deadline = asyncio.get_running_loop().time() + 1.5
                while not await newest():
                    assert asyncio.get_running_loop().time() < deadline
            await poll(lambda: len(events(receiver)) == sent)
            assert {each["properties"]["version"] for each in events(receiver)} == {1, 2, 3}
            # Globals live on: some event was the second of its process at least.
            assert max(each["properties"]["seen"] for each in events(receiver)) > 1


async def test_a_disabled_destination_gets_nothing_of_what_came_meanwhile(tmp_path: Path) -> None:
    with running(tmp_path) as whole:
        async with receiving() as receiver:
            on = shop(receiver.url)
            off = on | {"shop.toml": on["shop.toml"].replace('type = "webhook"', 'type = "webhook"\nenabled = false')}
            await apply(whole, on)
            await post(whole, "/v1/track", track("before"))
            await poll(lambda: len(receiver.requests) == 1)
            await apply(whole, off)
            await post(whole, "/v1/track", track("meanwhile"))
            await apply(whole, on)
            await post(whole, "/v1/track", track("after"))
            await poll(lambda: len(receiver.requests) == 2)
            assert [each["messageId"] for each in events(receiver)] == ["m-before", "m-after"]


async def test_a_new_destination_gets_what_is_accepted_from_then_on(tmp_path: Path) -> None:
    with running(tmp_path) as whole:
        async with receiving() as receiver:
            source_only = {"shop.toml": shop("http://127.0.0.1:1")["shop.toml"].partition("[function")[0]}
            await apply(whole, source_only)
            await post(whole, "/v1/track", track("before"))
            await apply(whole, shop(receiver.url))
            await post(whole, "/v1/track", track("after"))
            await poll(lambda: receiver.requests)
            assert [each["messageId"] for each in events(receiver)] == ["m-after"]


async def test_operations_say_how_it_is(tmp_path: Path) -> None:
    with running(tmp_path) as whole:
        async with receiving() as receiver, aiohttp.ClientSession(whole.base_url) as session:
            await apply(whole, shop(receiver.url))
            receiver.script(400)
            await post(whole, "/v1/track", track(1))
            await post(whole, "/v1/track", track(2))
            await post(whole, "/v1/track", {"type": "track"})
            await outcomes(whole, 3)
            async with session.get("/healthz") as answer:
                assert answer.status == 200
            async with session.get("/readyz") as answer:
                ready = await answer.json()
                assert ready == {"ready": True, "parts": {"configuration": True, "log": True, "database": True}}
            async with session.get("/metrics") as answer:
                metrics = await answer.text()
            async with session.get("/") as answer:
                page = await answer.text()
                assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        lines = re.findall(r"^(midstream_\w+?)(?:_bucket|_sum|_count)?(\{.*?\})? ([\d.e+]+)$", metrics, re.MULTILINE)
        values = {name + labels: float(value) for name, labels, value in lines}
        assert {name for name, _, _ in lines} >= {
            "midstream_events_received_total",
            "midstream_events_rejected_total",
            "midstream_deliveries_total",
            "midstream_delivery_latency_seconds",
            "midstream_invocation_seconds",
            "midstream_runtime_processes",
            "midstream_log_pending",
        }
        assert metrics.count("# TYPE midstream_log_pending gauge") == 1
        assert re.search(r'^midstream_log_pending\{destination="dst_\w+"\} 0.0$', metrics, re.MULTILINE)
        assert values['midstream_log_bytes{stream="EVENTS"}'] > 0
        assert values['midstream_log_bytes{stream="RETRY"}'] == 0
        assert values['midstream_log_limit_bytes{stream="EVENTS"}'] > values['midstream_log_bytes{stream="EVENTS"}']
        assert values['midstream_log_limit_bytes{stream="RETRY"}'] > 0
        assert sum(value for name, value in values.items() if 'outcome="delivered"' in name) == 1
        assert sum(value for name, value in values.items() if 'reason="400"' in name) == 1
        assert values['midstream_events_rejected_total{reason="no_user_anon_id"}'] == 1
        assert "website" in page
        assert "hook" in page


OUTCOMES = """
async function onTrack(event, settings) {
  console.log("handling", event.event);
  switch (event.event) {
    case "returned": return event;
    case "nothing": return;
    case "array": return [event];
    case "primitive": return 7;
    case "circular": event.self = event; return event;
    case "large": event.properties = { x: "y".repeat(600 * 1024) }; return event;
    case "drop": throw new DropEvent("not this one");
    case "unsupported": throw new EventNotSupported("no");
    case "payload": throw new InvalidEventPayload("bad");
    case "validation": throw new ValidationError("bad");
    case "retry": throw new RetryError("later");
    case "loop": while (true) {}
    case "bug":
      return event.properties.does.not.exist;
    case "secret":
      console.log("the key is", settings.apiKey);
      await fetch(settings.endpoint, { headers: { authorization: settings.apiKey } });
      throw new Error("failed with " + settings.apiKey);
  }
}
"""
# Contract §2, as far as a function and this destination reach it.
EXPECTED = {
    "returned": ("delivered", "successes.attempt.1", "successful-delivery"),
    "nothing": ("filtered", "Filtered at insert function", "filtered-at-destination"),
    "array": ("discarded", "bad_request", "filtered-at-destination"),
    "primitive": ("discarded", "bad_request", "filtered-at-destination"),
    "circular": ("discarded", "bad_request", "filtered-at-destination"),
    "large": ("discarded", "bad_request", "filtered-at-destination"),
    "drop": ("filtered", "Filtered at insert function", "filtered-at-destination"),
    "unsupported": ("discarded", "unsupported_event_type", "filtered-at-destination"),
    "payload": ("discarded", "message_rejected", "filtered-at-destination"),
    "validation": ("discarded", "message_rejected", "filtered-at-destination"),
    "retry": ("retrying", "retry", "filtered-at-destination"),
    "loop": ("retrying", "gateway_timeout", "filtered-at-destination"),
    "bug": ("discarded", "bad_request", "filtered-at-destination"),
    "secret": ("discarded", "bad_request", "filtered-at-destination"),
    "excluded": ("filtered", "FILTERED_BY_INTEGRATIONS_OBJECT", "filtered-at-destination"),
}
SECRET = "planted-secret-4711"


async def test_every_outcome_is_counted_with_its_reason_and_a_sample_and_no_secret_is_anywhere(tmp_path: Path) -> None:
    with running(tmp_path, MIDSTREAM_FUNCTION_TIMEOUT="1", MIDSTREAM_RETRY_BASE="300") as whole:
        async with receiving() as receiver:
            files = shop(receiver.url, code=OUTCOMES)
            files["shop.toml"] = (
                files["shop.toml"].replace(
                    'code = "change.js"',
                    'code = "change.js"\n[function.change.settings.apiKey]\nlabel = "API key"\ntype = "STRING"\nsensitive = true\n'
                    '[function.change.settings.endpoint]\nlabel = "Endpoint"\ntype = "STRING"',
                )
                + f'settings = {{ apiKey = {{ env = "API_KEY" }}, endpoint = "{receiver.url}/lookup" }}\n'
            )
            said = await apply(whole, files, API_KEY=SECRET)
            batch = [
                {**track(name), "event": name, "integrations": {"All": False} if name == "excluded" else {}}
                for name in EXPECTED
            ]
            await post(whole, "/v1/batch", {"batch": batch})
            await post(whole, "/v1/page", {"userId": "u", "name": "no handler"})
            shown = await outcomes(whole, len(EXPECTED) + 1)
            # The function itself may use its secret.
            assert [each.headers["authorization"] for each in receiver.requests if each.path == "/lookup"] == [SECRET]
        rows = {row["event"]: (row["outcome"], row["reason"], row["stage"]) for row in shown["deliveries"]}
        assert rows.pop("no handler") == ("discarded", "unsupported_event_type", "filtered-at-destination")
        assert rows == EXPECTED
        samples = {sample["event"]: sample["body"] for sample in shown["samples"]}
        assert set(samples) == {*EXPECTED, "no handler"} - {"returned"}
        assert samples["nothing"]["detail"] == "handler returned nothing"
        assert samples["drop"]["detail"] == "not this one"
        assert (samples["bug"]["error"]["name"], samples["bug"]["error"]["line"]) == ("TypeError", 18)
        assert [log["message"] for log in samples["bug"]["logs"]] == ["handling bug"]
        assert samples["retry"]["nextAttemptAt"]
        assert [log["message"] for log in samples["secret"]["logs"]] == ["handling secret", "the key is ••••"]
        assert samples["secret"]["requests"][0]["status"] == 200
        assert "••••" in samples["secret"]["detail"]
        assert await asyncio.to_thread(whole.stop) == 0
        places = [path for path in whole.data_dir.rglob("*") if path.is_file()]
        assert any(path.suffix == ".blk" for path in places), "the log's own files are looked into as well"
        for path in [*places, tmp_path / "serve.log"]:
            assert SECRET.encode() not in path.read_bytes(), path
        assert SECRET not in json.dumps(shown) + said


async def test_what_a_function_discards_can_be_passed_on_or_kept(tmp_path: Path) -> None:
    code = "function onTrack(event) { event.properties = { masked: true }; throw new Error('bug') }"
    with running(tmp_path) as whole:
        async with receiving() as receiver:
            files = shop(receiver.url, code=code)
            await apply(whole, files | {"shop.toml": files["shop.toml"] + 'on_error = "pass"\n'})
            await post(whole, "/v1/track", track("passed"))
            await poll(lambda: receiver.requests)
            assert "properties" not in events(receiver)[0]
            await apply(whole, files | {"shop.toml": files["shop.toml"] + 'on_error = "quarantine"\n'})
            await post(whole, "/v1/track", track("kept"))
            shown = await outcomes(whole, 2)
        assert {row["outcome"] for row in shown["deliveries"]} == {"delivered", "quarantined"}
        assert await asyncio.to_thread(whole.stop) == 0
        kept = b"".join(
            path.read_bytes() for path in (whole.data_dir / "nats").rglob("*.blk") if "QUARANTINE" in str(path)
        )
        assert b'"m-kept"' in kept


async def test_a_loop_in_one_function_does_not_hold_up_another_destination(tmp_path: Path) -> None:
    with running(tmp_path, MIDSTREAM_FUNCTION_TIMEOUT="60", MIDSTREAM_DRAIN_TIMEOUT="1") as whole:
        async with receiving() as receiver:
            files = shop(receiver.url)
            files["shop.toml"] += f"""
[function.loop]
code = "loop.js"
[destination.stuck]
source = "website"
type = "webhook"
settings = {{ url = "{receiver.url}/stuck" }}
[[destination.stuck.functions]]
function = "loop"
"""
            files["loop.js"] = "function onTrack(event) { while (true) {} }"
            await apply(whole, files)
            for number in range(50):
                assert (await post(whole, "/v1/track", track(number)))[0] == 200
            await poll(lambda: len(receiver.requests) == 50)
            assert all(request.path != "/stuck" for request in receiver.requests)
        # What the loop still holds is given back to the log, and stopping does not wait for it.
        assert await asyncio.to_thread(whole.stop) == 0


async def test_on_batch_gets_what_several_requests_brought_and_each_event_has_its_own_outcome(tmp_path: Path) -> None:
    code = """onBatch = events => events.map(e =>
      e.messageId.endsWith("7") ? null
      : e.messageId.endsWith("8") ? new ValidationError("eight")
      : { ...e, properties: { of: events.length } })"""
    with running(tmp_path) as whole:
        async with receiving() as receiver:
            await apply(whole, shop(receiver.url, code=code, function="batch_max_count = 10\nbatch_max_wait = 10.0"))
            for number in range(20):
                await post(whole, "/v1/track", track(number))
            await poll(lambda: len(events(receiver)) == 16)
            shown = await outcomes(whole, 20)
        assert {each["properties"]["of"] for each in events(receiver)} == {10}
        counted = {(row["outcome"], row["reason"]): row["count"] for row in shown["deliveries"]}
        assert counted == {
            ("delivered", "successes.attempt.1"): 16,
            ("filtered", "Filtered at insert function"): 2,
            ("discarded", "message_rejected"): 2,
        }
