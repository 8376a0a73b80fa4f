"""A filter that is applied reaches the running workers, acts before any function, and is counted."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.client import apply, events, outcomes, poll, post, track
from tests.integration.receiver import receiving
from tests.whole import running, shop

# Tells what it saw.
TELLING = "function onTrack(event) { event.properties.seen = Object.keys(event.properties); return event }"
FILTERS = """
[[destination.hook.filters]]
title = "No tests"
if = "contains(properties.email, '@example.com') or length(properties.count) = 0"
actions = [{ type = "DROP" }]
[[destination.hook.filters]]
title = "No addresses"
if = "all"
actions = [{ type = "DROP_PROPERTIES", fields = { properties = ["email"] } }]
"""


async def test_an_applied_filter_acts_before_functions_and_is_counted(tmp_path: Path) -> None:
    with running(tmp_path) as whole:
        async with receiving() as receiver:
            folder = shop(receiver.url, code=TELLING)
            await apply(whole, folder)
            await post(whole, "/v1/track", track("before", properties={"email": "a@example.com"}))
            await poll(lambda: len(events(receiver)) == 1)
            applied = await apply(whole, folder | {"shop.toml": folder["shop.toml"] + FILTERS})
            assert "+ filter hook/No tests\n+ filter hook/No addresses\n" in applied
            for number, properties in enumerate(
                [{"email": "b@example.com"}, {"email": "c@shop.test", "count": 7}, {"email": "d@shop.test"}]
            ):
                await post(whole, "/v1/track", track(number, properties=properties))
            # The last one has no count, which is null and has the length 0; the one before it has no length at all.
            await post(whole, "/v1/track", track("kept", properties={"email": "e@shop.test", "count": "7"}))
            await poll(lambda: len(events(receiver)) == 2)
            shown = await outcomes(whole, 5)
        before, kept = events(receiver)
        assert before["properties"] == {"email": "a@example.com", "seen": ["email"]}
        assert kept["properties"] == {"count": "7", "seen": ["count"]}
        assert {(row["outcome"], row["reason"], row["count"]) for row in shown["deliveries"]} == {
            ("delivered", "successes.attempt.1", 2),
            ("filtered", "FILTERED_BY_RULES", 3),
        }
        details = {each["message_id"]: each["body"]["detail"] for each in shown["samples"]}
        assert details == {
            "m-0": "dropped by filter 'No tests'",
            "m-1": "filter 'No tests' has no answer: length takes a list or a string, got number",
            "m-2": "dropped by filter 'No tests'",
        }
