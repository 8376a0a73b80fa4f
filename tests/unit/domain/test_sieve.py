"""What filters make of events: the order of the actions, sampling by segment.md A.3, properties by A.4."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.domain.filters import DestinationFilter, Rule, held
from midstream.domain.outcome import Filtered
from midstream.domain.sieve import Sieve, share
from tests.unit.domain.test_condition import json_values
from tests.unit.domain.test_fql import expressions, patiently

Json = dict[str, Any]
DROP = {"type": "DROP"}


def named(title: str, condition: str, *actions: Json, enabled: bool = True) -> DestinationFilter:
    rule = held(Rule, {"if": condition, "actions": actions})
    return DestinationFilter(f"flt_{title}", title, rule.if_, rule.actions, enabled)


def sifted(event: Any, *filters: DestinationFilter, message_id: str = "m") -> Any:
    """Return what goes on of an event, decoded, or the reason and detail of its end."""
    found = Sieve(filters).sift(json.dumps(event).encode(), message_id)
    return (found.reason, found.detail) if isinstance(found, Filtered) else json.loads(found)


def sample(percent: float, path: str | None = None) -> Json:
    return {"type": "SAMPLE", "percent": percent, "path": path}


def dropping(**fields: list[str]) -> Json:
    return {"type": "DROP_PROPERTIES", "fields": {path.replace("_", "."): keys for path, keys in fields.items()}}


def allowing(**fields: list[str]) -> Json:
    return {"type": "ALLOW_PROPERTIES", "fields": fields}


def test_what_no_filter_wants_goes_on_byte_for_byte() -> None:
    raw = b'{ "type" : "track", "n": 1.0, "big": 123456789012345678901234567890 }'
    assert Sieve([named("page", "type = 'page'", DROP)]).sift(raw, "m") is raw
    assert Sieve([named("all", "all", dropping(nope=["x"]), allowing(type=["x"]), sample(1))]).sift(raw, "m") is raw
    assert Sieve([]).sift(raw, "m") is raw


def test_an_event_for_which_the_condition_holds_is_dropped() -> None:
    only_track = named("Only track", "type != 'track'", DROP)
    assert sifted({"type": "track"}, only_track) == {"type": "track"}
    assert sifted({"type": "page"}, only_track) == ("FILTERED_BY_RULES", "dropped by filter 'Only track'")


def test_a_filter_that_is_not_enabled_does_nothing() -> None:
    assert sifted({"a": 1}, named("off", "all", DROP, enabled=False)) == {"a": 1}


def test_an_event_for_which_there_is_no_answer_is_dropped() -> None:
    keep = named("keep", "length(n) > 1", allowing(a=["b"]))
    detail = "filter 'keep' has no answer: length takes a list or a string, got number"
    assert sifted({"n": 1}, keep) == ("FILTERED_BY_RULES", detail)


def test_a_condition_that_cannot_be_read_lets_nothing_pass() -> None:
    broken = DestinationFilter("flt_1", "broken", "a<5", named("x", "all", DROP).actions)
    reason, detail = sifted({"a": 1}, broken)
    assert reason == "FILTERED_BY_RULES"
    assert detail.startswith("filter 'broken' has no answer: a field cannot be followed by '<'")


def test_actions_are_applied_sample_drop_drop_properties_allow_properties_over_all_filters() -> None:
    allow, lose = named("allow", "all", allowing(p=["a", "b"])), named("lose", "p.c = 3", dropping(p=["a"]))
    drop, none = named("drop", "all", DROP), named("none", "all", sample(0))
    event = {"p": {"a": 1, "b": 2, "c": 3}}
    # Each condition is asked about the event as it came: p.c is there for `lose`, though `allow` takes it away.
    assert sifted(event, allow, lose) == {"p": {"b": 2}}
    assert sifted(event, allow, lose, drop) == ("FILTERED_BY_RULES", "dropped by filter 'drop'")
    assert sifted(event, allow, lose, drop, none) == ("FILTERED_BY_RULES", "not in the sample of filter 'none'")
    assert sifted(event, named("both", "all", sample(1), DROP)) == ("FILTERED_BY_RULES", "dropped by filter 'both'")


# -- properties (segment.md A.4) --

INPUT = {"a": {"b": 1, "c": 2}, "l": [{"x": 1, "y": 2}, {"x": 3}, 5], "z": 1}


@pytest.mark.parametrize(
    ("event", "action", "expected"),
    [
        (
            INPUT,
            {"type": "DROP_PROPERTIES", "fields": {"a": ["b"], "l": ["x"], "": ["z"]}},
            {"a": {"c": 2}, "l": [{"y": 2}, {}, 5]},
        ),
        (INPUT, allowing(a=["b"], l=["y"], q=["w"]), {"a": {"b": 1}, "l": [{"y": 2}, {}, 5], "z": 1}),
        ({"n": "text"}, dropping(n=["b"]), {"n": "text"}),
        (INPUT, {"type": "ALLOW_PROPERTIES", "fields": {"": ["z"]}}, {"z": 1}),
        ({"a": {"b": {"c": 1, "d": 2}}}, dropping(a_b=["c"]), {"a": {"b": {"d": 2}}}),
        ({"a": [{"b": {"c": 1}}]}, dropping(a_b=["c"]), {"a": [{"b": {"c": 1}}]}),
        ({"a": [[{"x": 1}], {"x": 1}]}, dropping(a=["x"]), {"a": [[{"x": 1}], {}]}),
        ({"a": {"b.c": 1, "b": 2}}, dropping(a=["b.c"]), {"a": {"b": 2}}),
        ({"a.b": {"c": 1}}, {"type": "DROP_PROPERTIES", "fields": {"a\\.b": ["c"]}}, {"a.b": {}}),
    ],
)
def test_properties_are_taken_out(event: Json, action: Json, expected: Json) -> None:
    assert sifted(event, named("it", "all", action)) == expected


def test_a_secret_is_found_however_its_key_is_written() -> None:
    raw = rb'{"context":{"\u0069p":"1","ip":"2","x":1}}'
    assert Sieve([named("ip", "all", dropping(context=["ip"]))]).sift(raw, "m") == b'{"context":{"x":1}}'


def test_what_stays_is_not_written_anew() -> None:
    raw = b'{"a":{"ip":1},"n":1.0,"big":123456789012345678901234567890,"e":1E5,"s":"\\u00e4","o":{"k" : [ 1.50 ]}}'
    expected = raw.replace(b'"ip":1', b"")
    assert Sieve([named("ip", "all", dropping(a=["ip"]))]).sift(raw, "m") == expected


# -- sampling (segment.md A.3) --


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("u-0", 0.101288),
        ("u-1", 0.066199),
        ("u-2", 0.918640),
        ("u-3", 0.760543),
        ("u-4", 0.610518),
        ("u-5", 0.182081),
        ("u-42", 0.751097),
        (7, 0.558913),
        (7.0, 0.558913),
        (None, 0.217379),
        (True, 0.699809),
    ],
)
def test_a_value_has_its_place(value: Any, place: float) -> None:
    assert round(share(value), 6) == place


def kept(percent: float, path: str | None, count: int = 4000) -> set[int]:
    sieve = Sieve([named("half", "all", sample(percent, path))])
    events = {number: msgspec.json.encode({"userId": f"u-{number}"}) for number in range(count)}
    return {number for number, raw in events.items() if sieve.sift(raw, f"m-{number}") == raw}


@pytest.mark.parametrize("path", ["userId", None])
def test_a_sample_is_as_large_as_it_should_be_and_part_of_each_larger_one(path: str | None) -> None:
    shares = (0, 0.05, 0.25, 0.5, 0.9, 1)
    samples = [kept(percent, path) for percent in shares]
    assert samples[0] == set()
    assert len(samples[-1]) == 4000
    for smaller, larger in pairwise(samples):
        assert smaller < larger
    assert all(abs(len(each) / 4000 - wanted) < 0.03 for each, wanted in zip(samples, shares, strict=True))


def test_all_events_of_one_value_share_one_fate_and_a_missing_value_is_null() -> None:
    half = named("half", "all", sample(0.5, "userId"))
    for user, expected in (("u-0", True), ("u-2", False), (None, True)):
        fates = {isinstance(sifted({"userId": user, "n": n}, half, message_id=f"m-{n}"), dict) for n in range(20)}
        assert fates == {expected}
    assert sifted({"n": 1}, half) == {"n": 1}  # 0.217379 < 0.5


def test_a_sample_without_a_path_is_drawn_by_message_and_filter_so_that_a_retry_meets_it_again() -> None:
    one, other = named("one", "all", sample(0.5)), named("other", "all", sample(0.5))

    def fates(each: DestinationFilter) -> list[bool]:
        return [isinstance(sifted({}, each, message_id=f"m-{n}"), dict) for n in range(200)]

    assert fates(one) == fates(one)
    assert fates(one) != fates(other)
    assert 60 < sum(fates(one)) < 140


# -- whatever comes --


def test_a_number_that_is_too_large_is_no_reason_to_fail() -> None:
    raw = b'{"p":{"n":1e999,"m":' + b"9" * 5000 + b',"a":1}}'
    assert (
        Sieve([named("it", "p.n > 5 and p.m > 5 and p.a = 1", dropping(p=["n", "m"]))]).sift(raw, "m")
        == b'{"p":{"a":1}}'
    )


actions = st.sampled_from(
    [
        DROP,
        sample(0.5),
        sample(0.5, "a.b"),
        dropping(a=["b"]),
        allowing(a=["b"]),
        {"type": "DROP_PROPERTIES", "fields": {"": ["a"]}},
    ]
)
filters = st.lists(st.tuples(expressions, st.lists(actions, min_size=1, max_size=2)), max_size=3)


@patiently
@given(filters, st.dictionaries(st.sampled_from(["a", "b", "and", "a b"]), json_values))
def test_any_filters_on_any_event_end_in_an_object_or_a_reason(given_filters: list[Any], event: Json) -> None:
    made = [named(str(index), str(tree), *each) for index, (tree, each) in enumerate(given_filters)]
    raw = json.dumps(event).encode()
    found = Sieve(made).sift(raw, "m")
    assert isinstance(found, Filtered) or isinstance(json.loads(found), dict)
    # On the way of a retry the event comes as it was logged, and meets the same.
    assert Sieve(made).sift(raw, "m") == found
