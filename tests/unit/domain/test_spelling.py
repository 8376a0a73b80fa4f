"""That an event, however its JSON is spelled, is taken for what it says, at first sight and on a closer look."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from midstream.domain import event as events
from midstream.domain.event import Accepted, accept
from tests.unit.domain.test_event import arrival, said

# JSON as nobody would write it. Each part is text, so that names can be there twice and be spelled in any way.
SPACE = st.sampled_from(["", "", "", " ", "\n", "\r\n\t"])
AROUND = st.sampled_from([*[""] * 12, " ", "\n"])
STAMPED = ("timestamp", "originalTimestamp", "sentAt", "receivedAt", "channel", "version", "projectId", "writeKey")
PLAIN_TIMES = st.sampled_from([*["2026-01-01T00:00:01.000Z"] * 3, "2025-12-31T23:59:59.999Z"])
ODD_TIMES = st.sampled_from(
    [
        "2025-12-31T23:59:59.999999+02:00",
        "2026-01-01",
        "0001-01-01T00:00:00Z",
        "x",
        "",
        "2026-01-01 00:00:01.000Z",
        "2026-01-01T00:00:01,000Z",
        "2026-W01-1T00:00:01.000Z",
        "20260101T000001.0000000Z",
        "2026-01-01T00:00:01.00+0",
        '2026-01-01"00:00:01.000Z',
        "2026-01-01\n00:00:01.000Z",
        "2026-01-01é00:00:01.000Z",
        "9999-12-31T23:59:59.999Z",
        "2026-01-01T00:00:01.123456+00:00",
        "2026-01-01T00:00:01",
    ]
)
CUNNING = st.sampled_from(
    [
        '"timestamp"',
        '\\"timestamp',
        ',"timestamp":"2026-01-01T00:00:01.000Z"',
        "timestamp",
        "2026-01-01T00:00:01.000Z",
        "}",
        "{",
        "\\",
        '"',
        "analytics.js",
    ]
)


@st.composite
def spelled(draw: st.DrawFn, text: str) -> str:
    """A JSON string, some of its characters by number or with an escape they do not need."""
    how = draw(st.sampled_from([*["plain"] * 30, "ascii", "first", "all", "slash"]))
    if how == "first" and text:
        return f'"\\u{ord(text[0]):04x}{json.dumps(text[1:])[1:]}' if ord(text[0]) < 1 << 16 else json.dumps(text)
    if how == "all" and all(ord(each) < 1 << 16 for each in text):
        return f'"{"".join(f"{chr(92)}u{ord(each):04X}" for each in text)}"'
    written = json.dumps(text, ensure_ascii=how == "ascii")
    return written.replace("/", "\\/") if how == "slash" else written


def pieces(names: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """The text of an object, in which a name may be there more than once."""
    member = st.tuples(SPACE, names.flatmap(spelled), SPACE, values, SPACE).map(
        lambda each: "{}{}{}:{}{}".format(*each)
    )
    return st.tuples(SPACE, st.lists(member, max_size=4)).map(lambda each: f"{{{each[0]}{','.join(each[1])}}}")


NUMBERS = st.sampled_from(["0", "-0", "1e5", "1E+999", "-1.5e-400", "9" * 400, "0.1" + "0" * 50 + "1"])
STRINGS = (st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | CUNNING | PLAIN_TIMES).flatmap(spelled)
LEAVES = PLAIN_TIMES.map(json.dumps) | STRINGS | NUMBERS | st.sampled_from(["null", "true", "[]", "{}"])
NAMES = st.sampled_from([*["timestamp"] * 8, *STAMPED, "context", "properties", "type", "ip", "direct", 'a"', ""])


INNER = st.sampled_from(["properties", "traits", "integrations", "context", "more", "_metadata"])


def array(items: list[str]) -> str:
    return f"[ {' , '.join(items)} ]"


NESTED = st.recursive(LEAVES, lambda inner: pieces(NAMES, inner) | st.lists(inner, max_size=2).map(array), max_leaves=6)


@st.composite
def written_oddly(draw: st.DrawFn) -> str:
    """The members of an event that most likely is right, with what could be mistaken for its own names wherever it can be."""
    right = {"type": '"track"', "event": '"e"', "userId": '"u"', "messageId": '"m"', "context": "{}"}
    right["timestamp"] = draw(PLAIN_TIMES.map(json.dumps))
    members = [*right.items(), *draw(st.lists(st.tuples(INNER, pieces(NAMES, NESTED)), max_size=2))]
    match draw(st.integers(0, 4)):
        case 0:
            members.append((draw(NAMES), draw(NESTED)))
        case 1:
            at = draw(st.integers(0, len(right) - 1))
            members[at] = (members[at][0], draw(ODD_TIMES.flatmap(spelled) | NESTED))
        case 2:
            members.pop(draw(st.integers(0, len(right) - 1)))
    written = [
        f"{draw(SPACE)}{draw(spelled(name))}{draw(SPACE)}:{draw(SPACE)}{value}{draw(SPACE)}"
        for name, value in draw(st.permutations(members))
    ]
    return ",".join(written)


@settings(max_examples=500)
@given(
    members=written_oddly(),
    ip=st.sampled_from([None, "203.0.113.9"]),
    type_=st.sampled_from([None, None, "track", "page"]),
    sent_at=st.none() | PLAIN_TIMES | ODD_TIMES,
    around=AROUND,
)
def test_an_event_that_is_taken_at_first_sight_says_what_it_says_on_a_closer_look(
    members: str, ip: str | None, type_: str | None, sent_at: str | None, around: str
) -> None:
    sent = Raw(json.dumps(sent_at).encode())
    compare(f"{around}{{{members}}}{around}".encode(), type=type_, ip=ip, sent_at=sent)


RIGHT = '"type":"track","event":"e","userId":"u","messageId":"m","context":{},'
TIME = '"2026-01-01T00:00:01.000Z"'


@pytest.mark.parametrize(
    "members",
    [
        rf'"\u0074imestamp":{TIME},"more":{{"timestamp":{TIME}}}',
        f'"more":{{"timestamp":{TIME}}},"timestamp":{TIME}',
        f'"timestamp":{TIME},"more":{{"timestamp":{TIME}}}',
        f'"timestamp":"2020-01-01T00:00:00.000Z","timestamp":{TIME}',
        rf'"more":"\"timestamp","timestamp":{TIME}',
        r'"timestamp":"2026-01-01\"00:00:01.000Z"',
        r'"timestamp":"2026-01-01\/00:00:01.000Z"',
        '"timestamp":"2026-W01-1T00:00:01.000Z"',
        '"timestamp":"2026-01-01 00:00:01.000Z"',
        '"timestamp":"9999-12-31T23:59:59.999Z"',
        f'"timestamp":{TIME},"messageId":null',
        f'"timestamp":{TIME},"type":null',
        f'"timestamp":{TIME},"context":{{"direct":true}}',
        f'"timestamp":{TIME},"context":null',
        f'"timestamp":{TIME},"context":{{"library":{{"name":"analytics.js"}}}}',
        *(f'"timestamp":{TIME},"{name}":null' for name in STAMPED),
    ],
)
def test_what_could_be_mistaken_for_an_events_own_names_is_not(members: str) -> None:
    item = f"{{{RIGHT}{members}}}".encode()
    compare(item, type="track", ip="203.0.113.9", sent_at=Raw(TIME.replace("1", "2").encode()))


def compare(item: bytes, **more: Any) -> None:
    cut = accept(item, arrival(item, **more))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "made_ready", lambda *_: None)
        assert said(accept(item, arrival(item, **more))) == said(cut)
    if isinstance(cut, Accepted):
        names = [name for name, _ in json.loads(cut.raw, object_pairs_hook=list)]
        assert [names.count(name) for name in STAMPED] == [1] * (len(STAMPED) - 1) + [0]
        assert b"\n" not in cut.raw


@pytest.mark.parametrize(
    ("members", "written"),
    [
        ('"context":{} ,"_metadata":{"a": 1e999}', '"context":{},"_metadata":{"a": 1e999}'),
        ('"context": {"direct" : true}', '"context":{"direct":true,"ip":"203.0.113.9"}'),
    ],
)
def test_what_sdks_send_is_taken_at_first_sight(monkeypatch: pytest.MonkeyPatch, members: str, written: str) -> None:
    monkeypatch.setattr(events, "_looked_into", lambda *_: None)
    item = f'{{"userId":"u","type":"track","event":"\\u0065","messageId":"m","timestamp": {TIME},{members}}}'.encode()
    result = accept(item, arrival(item, sent_at=Raw(b'"2026-01-01T00:00:02.000Z"'), ip="203.0.113.9"))
    assert isinstance(result, Accepted)
    assert result.raw.decode() == (
        '{"type":"track","event":"e","messageId":"m","userId":"u","timestamp":"2026-01-01T00:00:05.000Z",'
        f'{written},"originalTimestamp":"2026-01-01T00:00:01.000Z","sentAt":"2026-01-01T00:00:02.000Z",'
        '"receivedAt":"2026-01-01T00:00:06.000Z","channel":"server","version":2,"projectId":"src_1"}'
    )
