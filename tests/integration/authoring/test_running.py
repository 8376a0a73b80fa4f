"""Cases and previews in a real Deno."""

from __future__ import annotations

import json
from typing import Any

import pytest

from midstream.authoring.cases import case_of
from midstream.authoring.mocked import Mocked, replies_of
from midstream.authoring.preview import Trial, Workbench, preview
from midstream.authoring.running import Verdict, run_case, to_record
from midstream.domain.http import Exchange, Outbound
from midstream.domain.settings import Definition

SECRET = "planted-secret"
SCHEMA = (
    Definition("key", "Key", "", "STRING", required=False, sensitive=True),
    Definition("url", "URL", "", "STRING", required=False, sensitive=False),
)
CODE = """
let count = 0
async function onTrack(event, settings) {
  console.log('key', settings.key)
  switch (event.event) {
    case 'count': return { ...event, count: ++count }
    case 'drop': throw new DropEvent('not wanted')
    case 'bug': return nowhere.x
    case 'ask': {
      console.warn('asking')
      const answer = await fetch(settings.url + '?key=' + settings.key, { method: 'POST', body: JSON.stringify({ id: event.userId }) })
      if (answer.status >= 500) throw new RetryError('down')
      event.properties = await answer.json()
      return event
    }
    case 'try': try { await fetch('https://a.example/nobody') } catch {} ; return event
  }
}
"""


def track(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": name, "userId": "u-1", **more}


async def run(case: dict[str, Any], code: str = CODE, **more: Any) -> Verdict:
    return await run_case(code, case_of(case, "c.json"), Workbench(), schema=SCHEMA, **more)


async def test_a_case_without_expectation_does_not_pass_and_can_be_recorded_and_then_passes() -> None:
    asking = {
        "event": track("ask"),
        "settings": {"key": SECRET, "url": "https://a.example/x"},
        "fetch": [{"method": "POST", "url": "https://a.example/*", "body": {"plan": "pro"}}],
    }
    first = await run(asking)
    assert not first.passed
    assert first.recordable
    recorded = to_record(first)
    assert recorded == {
        "outcome": "returned",
        "event": track("ask", properties={"plan": "pro"}),
        "logs": ["key ••••", "asking"],
        "requests": [{"method": "POST", "url": "https://a.example/x?key=••••", "body": {"id": "u-1"}}],
    }
    assert SECRET not in json.dumps(first.results[0]["requests"])
    assert (await run(asking | {"expected": recorded})).passed


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("count", {"event": track("count", count=1)}),
        ("count", {"event": track("count", count=1, receivedAt="2026-01-01T00:00:00.000Z", messageId="test-1")}),
        ("count", {"event": track("count", count=1, context={})}),
        ("count", {"event": "$any", "logs": [{"level": "log"}], "requests": [], "error": None, "message": None}),
        ("drop", {"outcome": "filtered", "discardReason": "Filtered at insert function", "message": "not wanted"}),
        ("drop", {"error": {"name": "DropEvent", "line": 7}, "event": None}),
        ("bug", {"outcome": "discarded", "error": {"message": "nowhere is not defined"}, "message": "$any"}),
        ("nothing", {"outcome": "filtered", "message": "handler returned nothing"}),
    ],
)
async def test_only_what_is_expected_is_compared(name: str, expected: dict[str, Any]) -> None:
    verdict = await run({"event": track(name), "expected": expected})
    assert verdict.passed, verdict.differences


@pytest.mark.parametrize(
    ("expected", "path"),
    [
        ({"event": track("count")}, "event.count"),
        ({"event": track("count", count=1, version=3)}, "event.version"),
        ({"outcome": "filtered"}, "outcome"),
        ({"message": "$any"}, "message"),
        ({"logs": []}, "logs[0]"),
        ({"logs": ["$any", "$any"]}, "logs[1]"),
        ({"logs": [{"level": "warn"}]}, "logs[0].level"),
        ({"requests": [{"method": "GET"}]}, "requests[0]"),
    ],
)
async def test_what_is_not_as_expected_is_told(expected: dict[str, Any], path: str) -> None:
    verdict = await run({"event": track("count"), "expected": expected})
    assert [each.path for each in verdict.differences] == [path]


async def test_a_request_that_nothing_answers_fails_the_case_even_if_the_function_catches_it() -> None:
    verdict = await run({"event": track("try"), "expected": {"outcome": "returned"}})
    assert not verdict.passed
    assert not verdict.recordable
    assert verdict.problems == [
        "no mocked response matches GET https://a.example/nobody: "
        'add {"method": "GET", "url": "https://a.example/nobody", …}'
    ]


async def test_settings_that_are_not_declared_fail_the_case() -> None:
    verdict = await run({"event": track("count"), "settings": {"kee": "x"}, "expected": {}})
    assert verdict.problems == ["unknown setting 'kee'; did you mean 'key'?"]
    assert not verdict.recordable


async def test_settings_of_the_run_stand_in_for_those_a_case_leaves_out() -> None:
    case = {"event": track("x"), "settings": {"url": "https://a.example"}, "expected": {"logs": ["key ••••"]}}
    assert (await run(case, settings={"key": SECRET, "url": "https://b.example"})).passed


async def test_several_events_share_their_process_and_each_has_its_expectation() -> None:
    wanted = [{"event": track("count", count=1)}, {"outcome": "filtered"}, {"event": track("count", count=2)}]
    verdict = await run({"events": [track("count"), track("drop"), track("count")], "expected": wanted})
    assert verdict.passed, verdict.differences
    wrong = await run({"events": [track("count"), track("drop")], "expected": [{}, {"outcome": "returned"}]})
    assert [each.path for each in wrong.differences] == ["[1].outcome"]


async def test_recording_keeps_to_the_keys_that_were_expected_and_to_what_may_be_anything() -> None:
    verdict = await run({"event": track("count"), "expected": {"event": track("old", messageId="$any"), "logs": ["x"]}})
    assert to_record(verdict) == {"event": track("count", messageId="$any", count=1), "logs": ["key undefined"]}


async def test_a_preview_gives_a_result_an_event_and_warns_of_what_would_not_be_accepted() -> None:
    network = Mocked(replies_of([{"url": "*", "status": 503}], "responses"))
    trial = Trial(CODE, [track("ask"), {"type": "page"}], {"key": SECRET, "url": "https://a.example"}, SCHEMA)
    shown = await preview(trial, network.send, Workbench())
    assert [each["outcome"] for each in shown.results] == ["retry", "discarded"]
    assert [each["messageId"] for each in shown.results] == ["test-1", "test-2"]
    assert shown.results[0]["requests"][0]["status"] == 503
    assert SECRET not in json.dumps(shown.results)
    assert shown.warnings == [
        "event 2: midstream would not accept it (no_user_anon_id: either userId or anonymousId is required)"
    ]


async def test_a_preview_of_code_that_does_not_load_says_so_for_each_event() -> None:
    async def none(request: Outbound) -> Exchange:
        raise AssertionError

    shown = await preview(Trial("function onTrack( {", [track("a"), track("b")]), none, Workbench())
    assert [(each["outcome"], each["discardReason"]) for each in shown.results] == [("retry", "invalid_settings")] * 2


async def test_a_case_asks_only_the_hosts_that_are_declared() -> None:
    case = {"event": track("try"), "fetch": [{"url": "*"}], "expected": {"requests": [{"url": "$any"}]}}
    (asked,) = (await run(case, hosts=("a.example",))).results[0]["requests"]
    assert asked["status"] == 200
    (refused,) = (await run(case, hosts=("b.example",))).results[0]["requests"]
    assert refused["status"] is None
    assert "is not among the hosts that this function may ask" in refused["error"]


async def test_code_sees_a_token_in_place_of_a_sealed_setting() -> None:
    code = """async function onTrack(event, settings) {
      await fetch('https://a.example/', { headers: { authorization: settings.token } })
      return { ...event, sealed: settings.token.startsWith('sealed_') }
    }"""
    sealed = Definition("token", "", "", "STRING", required=True, sensitive=True, sealed=("a.example",))
    content = {"event": track("x"), "settings": {"token": SECRET}, "fetch": [{"url": "*"}]}
    case = case_of(content | {"expected": {"event": track("x", sealed=True)}}, "c.json")
    verdict = await run_case(code, case, Workbench(), schema=(sealed,))
    assert verdict.passed, verdict.differences
    assert SECRET not in json.dumps(verdict.results)


async def test_several_events_are_one_call_of_on_batch_and_one_is_its_own_handlers() -> None:
    code = "onBatch = (events) => events.map((e) => ({ ...e, of: events.length })); onTrack = (e) => ({ ...e, of: 0 })"
    wanted = [{"event": track(name, of=3)} for name in "abc"]
    together = await run({"events": [track(name) for name in "abc"], "expected": wanted}, code)
    assert together.passed, together.differences
    alone = await run({"event": track("a"), "expected": {"event": track("a", of=0)}}, code)
    assert alone.passed, alone.differences


async def test_a_function_in_typescript_is_held_to_its_cases_too() -> None:
    code = "async function onTrack(event: SegmentTrackEvent): Promise<object> { return { ...event, typed: true as boolean } }"
    verdict = await run({"event": track("x"), "expected": {"event": track("x", typed=True)}}, code)
    assert verdict.passed, verdict.differences


@pytest.mark.parametrize("odd", [{"type": 5}, {"type": "track", "messageId": 5, "receivedAt": 5}])
async def test_a_preview_takes_events_that_nothing_else_would(odd: dict[str, Any]) -> None:
    code = "onBatch = (events) => events; onTrack = (e) => e"
    shown = await preview(Trial(code, [odd]), Mocked([]).send, Workbench())
    assert shown.results[0]["outcome"] in {"returned", "discarded"}
    assert len(shown.warnings) == 1
