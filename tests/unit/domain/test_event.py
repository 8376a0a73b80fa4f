"""What a valid event is, and the form it takes in the log."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from midstream.domain import event as events
from midstream.domain.arrival import Arrival
from midstream.domain.event import Accepted, accept, tried
from midstream.domain.head import head
from midstream.domain.rules import TYPES, Rejection

NOW = datetime(2026, 1, 1, 0, 0, 6, tzinfo=UTC)
MINIMAL: dict[str, dict[str, Any]] = {
    "identify": {},
    "track": {"event": "Order Completed"},
    "page": {},
    "screen": {},
    "group": {"groupId": "g"},
    "alias": {"previousId": "p"},
    "delete": {},
}


def arrival(body: bytes, **more: Any) -> Arrival:
    return Arrival(
        **{"project_id": "src_1", "received_at": NOW, "new_message_id": lambda: "made", "body": body, **more}
    )


def taken(event: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = json.dumps(event).encode()
    result = accept(body, arrival(body, **more))
    assert isinstance(result, Accepted), result
    found: dict[str, Any] = json.loads(result.raw)
    return found


def said(result: Accepted | Rejection) -> Any:
    """Return all that an acceptance or a rejection says; of what stands in the log, not the order."""
    return result if isinstance(result, Rejection) else (result.type, result.message_id, json.loads(result.raw))


def refused(event: dict[str, Any]) -> Rejection:
    body = json.dumps(event).encode()
    result = accept(body, arrival(body))
    assert isinstance(result, Rejection)
    return result


@pytest.mark.parametrize("type_", TYPES)
def test_the_least_event_of_each_type_is_accepted_and_stamped(type_: str) -> None:
    event = taken({"type": type_, "userId": "u", **MINIMAL[type_]})
    assert event["messageId"] == "made"
    assert event["projectId"] == "src_1"
    assert event["version"] == 2
    assert event["channel"] == "server"
    assert event["receivedAt"] == event["timestamp"] == "2026-01-01T00:00:06.000Z"


def test_a_wrong_client_clock_is_corrected_by_when_the_client_says_it_sent() -> None:
    # The example of segment.md appendix B: 06 - (05 - 00) = 01.
    event = taken(
        {
            "type": "page",
            "userId": "u",
            "timestamp": "2025-12-31T23:00:00.000Z",
            "sentAt": "2026-01-01T00:00:05+01:00",
        },
    )
    assert event["originalTimestamp"] == "2025-12-31T23:00:00.000Z"
    assert event["sentAt"] == "2025-12-31T23:00:05.000Z"
    assert event["timestamp"] == "2026-01-01T00:00:01.000Z"


def test_without_a_time_of_sending_the_clients_timestamp_is_believed() -> None:
    event = taken({"type": "page", "userId": "u", "timestamp": "2020-02-02T00:00:00Z"})
    assert event["timestamp"] == event["originalTimestamp"] == "2020-02-02T00:00:00.000Z"


@pytest.mark.parametrize("time", ["yesterday", "", "0001-01-01T00:00:00+14:00", 12345, None, {}])
def test_an_unusable_timestamp_becomes_the_time_of_receipt(time: Any) -> None:
    assert taken({"type": "page", "userId": "u", "timestamp": time})["timestamp"] == "2026-01-01T00:00:06.000Z"


@pytest.mark.parametrize(
    ("event", "reason", "field"),
    [
        ({"type": "page"}, "no_user_anon_id", "userId"),
        ({"type": "page", "userId": ""}, "no_user_anon_id", "userId"),
        ({"type": "page", "userId": 7}, "id_not_string", "userId"),
        ({"type": "page", "userId": "u", "messageId": 7}, "id_not_string", "messageId"),
        ({"type": "page", "userId": "u", "messageId": "m" * 101}, "bad_request", "messageId"),
        ({"type": "track", "userId": "u"}, "event_not_defined", "event"),
        ({"type": "track", "userId": "u", "event": ""}, "event_not_defined", "event"),
        ({"type": "track", "userId": "u", "event": 7}, "event_not_string", "event"),
        ({"type": "track", "userId": "u", "event": "e", "properties": []}, "properties_not_object", "properties"),
        ({"type": "identify", "userId": "u", "traits": "x"}, "traits_not_object", "traits"),
        ({"type": "page", "userId": "u", "name": 7}, "name_not_string", "name"),
        ({"type": "screen", "userId": "u", "category": 7}, "category_not_string", "category"),
        ({"type": "group", "userId": "u"}, "id_required", "groupId"),
        ({"type": "alias", "userId": "u"}, "id_required", "previousId"),
        ({"type": "delete", "anonymousId": "a"}, "id_required", "userId"),
        ({"type": "page", "userId": "u", "context": "x"}, "context_not_object", "context"),
        ({"type": "meow", "userId": "u"}, "bad_request", "type"),
        ({"userId": "u"}, "bad_request", "type"),
    ],
)
def test_a_bad_event_is_refused_with_segments_reason_and_the_field(
    event: dict[str, Any], reason: str, field: str
) -> None:
    rejection = refused(event)
    assert (rejection.reason, rejection.field) == (reason, field)
    assert rejection.detail


def test_an_event_that_is_too_large_is_refused_with_both_sizes() -> None:
    rejection = refused({"type": "page", "userId": "u", "properties": {"x": "y" * 40_000}})
    assert "the limit is 32,768" in rejection.detail


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b'{"a":1,}', b"[" * 100_000])
def test_what_is_not_a_json_object_is_refused(body: bytes) -> None:
    assert isinstance(accept(body, arrival(body)), Rejection)


def test_the_write_key_never_enters_the_log() -> None:
    assert "writeKey" not in taken({"type": "page", "userId": "u", "writeKey": "wk_secret"})


def test_pretty_printed_json_becomes_one_line() -> None:
    body = json.dumps({"type": "page", "userId": "u", "properties": {"a": ["b\n"]}}, indent=2).encode()
    result = accept(body, arrival(body))
    assert isinstance(result, Accepted)
    assert b"\n" not in result.raw
    assert json.loads(result.raw)["properties"] == {"a": ["b\n"]}


def test_a_batchs_context_lies_under_the_events_own() -> None:
    shared = {"app": Raw(b'{"name":"shop"}'), "locale": Raw(b'"de"')}
    event = taken({"type": "page", "userId": "u", "context": {"locale": "fr"}}, context=shared)
    assert event["context"] == {"app": {"name": "shop"}, "locale": "fr"}


def test_the_ip_is_filled_in_for_browsers_and_where_it_is_asked_for_but_never_replaced() -> None:
    browser = {"library": {"name": "analytics.js", "version": "5"}}
    assert (
        taken({"type": "page", "userId": "u", "context": browser}, ip="203.0.113.9")["context"]["ip"] == "203.0.113.9"
    )
    assert taken({"type": "page", "userId": "u", "context": browser})["channel"] == "client"
    assert "ip" not in taken({"type": "page", "userId": "u", "context": {}}, ip="203.0.113.9")["context"]
    direct = taken({"type": "page", "userId": "u", "context": {"direct": True}}, ip="203.0.113.9")
    assert direct["context"]["ip"] == "203.0.113.9"
    own = taken({"type": "page", "userId": "u", "context": {"direct": True, "ip": "198.51.100.1"}}, ip="203.0.113.9")
    assert own["context"]["ip"] == "198.51.100.1"


def test_a_delete_may_have_a_null_or_empty_list_as_context() -> None:
    assert taken({"type": "delete", "userId": "u", "context": None, "integrations": []})["type"] == "delete"


@pytest.mark.parametrize(
    ("event", "label"),
    [
        ({"type": "track", "event": "A"}, "A"),
        ({"type": "page", "name": "B"}, "B"),
        ({"type": "page", "name": None}, ""),
        ({"type": "identify", "event": "no"}, ""),
    ],
)
def test_the_label_is_the_events_name(event: dict[str, Any], label: str) -> None:
    assert head(json.dumps(event).encode()).label == label


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=6), st.sampled_from(TYPES))
def test_whatever_is_accepted_is_one_line_of_json_with_the_clients_fields_untouched(
    fields: dict[str, Any], type_: str
) -> None:
    stamped = {"originalTimestamp", "sentAt", "receivedAt", "timestamp", "channel", "version", "projectId", "messageId"}
    event = {name: value for name, value in fields.items() if name not in USUAL}
    event |= {"type": type_, "userId": "u", **MINIMAL[type_]}
    try:
        body = json.dumps(event, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    result = accept(body, arrival(body))
    assert isinstance(result, Accepted)
    assert b"\n" not in result.raw
    after = json.loads(result.raw)
    assert {name: value for name, value in after.items() if name not in stamped} == {
        name: value for name, value in event.items() if name not in stamped and name != "writeKey"
    }


def test_an_event_for_a_trial_gets_what_it_lacks_and_keeps_what_it_has() -> None:
    raw, rejection = tried(
        {"type": "track", "event": "x", "userId": "u", "version": 7, "writeKey": "k"}, arrival(b'"analytics.js"')
    )
    event = json.loads(raw)
    assert rejection is None
    assert (event["messageId"], event["receivedAt"], event["version"]) == ("made", "2026-01-01T00:00:06.000Z", 7)
    assert event["context"] == {}
    assert "writeKey" not in event
    again, _ = tried(event, arrival(b"", received_at=NOW.replace(year=2027)))
    assert json.loads(again) == event


@pytest.mark.parametrize("event", [{}, {"type": 5, "messageId": 5}, {"type": "track", "context": []}, {"userId": 5}])
def test_an_event_for_a_trial_is_prepared_even_if_it_would_be_refused(event: dict[str, Any]) -> None:
    raw, rejection = tried(event, arrival(b""))
    assert rejection is not None
    assert json.loads(raw).items() >= event.items()
    assert json.loads(raw)["receivedAt"]


def test_half_an_emoji_in_an_event_for_a_trial_is_mended() -> None:
    raw, _ = tried({"type": "track", "event": "\ud83e", "userId": "u"}, arrival(b'"analytics.js"'))
    assert json.loads(raw)["event"] == "\ufffd"


TIMES = st.sampled_from(
    ["2026-01-01T00:00:01.000Z", "2025-12-31T23:59:59.999999+02:00", "2026-01-01", "0001-01-01T00:00:00Z", "x", ""]
)
ODD = st.sampled_from([None, True, 5, 1.5, "", "x", [], {}, ["a"], {"a": 1}])
OBJECT = st.dictionaries(st.text(max_size=5), json_values, max_size=3)
CONTEXT = st.fixed_dictionaries(
    {},
    optional={
        "direct": st.sampled_from([True, False, None, "true"]),
        "ip": st.sampled_from(["198.51.100.1", None]),
        "library": st.sampled_from([{"name": "analytics.js"}, {"name": "analytics-node"}, "analytics.js"]),
        "page": OBJECT,
        "app": st.sampled_from(
            [{"version": "1.2"}, {"version": 7, "build": "8"}, {"version": None}, {}, None, "x", [1]]
        ),
    },
)
# Each field has what it should have, or rarely something odd.
USUAL: dict[str, st.SearchStrategy[Any]] = {
    "userId": st.text(max_size=5),
    "anonymousId": st.text(max_size=5),
    "groupId": st.text(max_size=5),
    "previousId": st.text(max_size=5),
    "messageId": st.sampled_from(["m", "m" * 100, "m" * 101, "é" * 100]),
    "event": st.text(max_size=5),
    "name": st.text(max_size=5),
    "category": st.text(max_size=5),
    "channel": st.sampled_from(["client", "server", ""]),
    "timestamp": TIMES,
    "originalTimestamp": TIMES,
    "sentAt": TIMES,
    "properties": OBJECT,
    "traits": OBJECT,
    "context": CONTEXT,
    "integrations": OBJECT,
    "version": st.text(max_size=5),
    "writeKey": st.text(max_size=5),
    "more": json_values,
}
RIGHT = {"type": st.sampled_from(TYPES), **dict.fromkeys(("userId", "event", "groupId", "previousId"), st.just("x"))}
ANY_EVENT = st.one_of(
    st.fixed_dictionaries(RIGHT, optional={name: usual for name, usual in USUAL.items() if name not in RIGHT}),
    st.fixed_dictionaries({}, optional={name: st.one_of(usual, usual, ODD) for name, usual in (USUAL | RIGHT).items()}),
)


@given(
    event=ANY_EVENT,
    indent=st.sampled_from([None, 1]),
    type_=st.one_of(st.none(), st.sampled_from(TYPES)),
    ip=st.sampled_from([None, "203.0.113.9"]),
    sent_at=st.one_of(st.none(), TIMES),
    context=st.one_of(st.none(), CONTEXT),
)
def test_what_is_right_at_first_sight_is_right_on_a_closer_look_and_comes_out_the_same(
    event: dict[str, Any], indent: int | None, type_: str | None, ip: str | None, sent_at: str | None, context: Any
) -> None:
    item = json.dumps(event, indent=indent).encode()
    whole = json.dumps({"batch": [event], "context": context}, indent=indent).encode()
    shared = {name: Raw(json.dumps(value).encode()) for name, value in (context or {}).items()}
    more = {"type": type_, "ip": ip, "sent_at": Raw(json.dumps(sent_at).encode()), "context": shared}
    quick = accept(item, arrival(whole, **more))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "made_ready", lambda *_: None)
        assert said(accept(item, arrival(whole, **more))) == said(quick)
    if isinstance(quick, Accepted):
        logged = head(quick.raw)
        assert quick.kind == (logged.type, logged.label, logged.app_version)


@pytest.mark.parametrize(
    ("own", "of_batch", "version"),
    [
        ({"app": {"version": "1.2"}}, {"app": {"version": "3"}}, "1.2"),
        ({"page": {}}, {"app": {"version": "3"}}, "3"),
        (None, {"app": {"version": "3"}}, "3"),
        ({"app": {}}, {"app": {"version": "3"}}, ""),
        ({"app": None}, {"app": {"version": "3"}}, ""),
        ({"app": {"version": 1.2}}, None, ""),
        ({"app": "1.2"}, None, ""),
        ({}, {"app": ["1"]}, ""),
    ],
)
def test_an_event_is_counted_as_of_its_apps_version(own: Any, of_batch: Any, version: str) -> None:
    event = json.dumps({"type": "track", "event": "Paid", "userId": "u", "context": own}).encode()
    shared = {name: Raw(json.dumps(value).encode()) for name, value in (of_batch or {}).items()}
    result = accept(event, arrival(event, context=shared))
    assert isinstance(result, Accepted)
    assert result.kind == ("track", "Paid", version)
    assert head(result.raw).app_version == version
