"""Which mocked response answers which request, and what one without any is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from midstream.authoring.mocked import Mocked, replies_of
from midstream.domain.http import Answer, NoAnswer, Outbound
from midstream.errors import Invalid


def mocked(*entries: dict[str, Any]) -> Mocked:
    return Mocked(replies_of(list(entries), "fetch"))


async def ask(network: Mocked, url: str = "https://a.example/x", method: str = "GET") -> Answer:
    answer = await network.send(Outbound(method, url))
    assert isinstance(answer, Answer), answer
    return answer


@pytest.mark.parametrize(
    ("entry", "method", "url"),
    [
        ({"url": "https://a.example/x"}, "GET", "https://a.example/x"),
        ({"url": "https://a.example/x"}, "DELETE", "https://a.example/x"),
        ({"url": "https://a.example"}, "GET", "https://a.example/"),
        ({"url": "https://a.example?q=a b"}, "GET", "https://a.example/?q=a%20b"),
        ({"url": "https://a.example/*"}, "GET", "https://a.example/anything?at=all"),
        ({"url": "*"}, "GET", "http://other"),
        ({"method": "post", "url": "https://a.example/x"}, "POST", "https://a.example/x"),
    ],
)
async def test_a_request_is_matched_by_method_and_url(entry: dict[str, Any], method: str, url: str) -> None:
    assert (await ask(mocked(entry), url, method)).status == 200


@pytest.mark.parametrize(
    ("entry", "method", "url"),
    [
        ({"url": "https://a.example/x"}, "GET", "https://a.example/x/y"),
        ({"url": "https://a.example/x"}, "GET", "https://a.example/x?q=1"),
        ({"url": "https://a.example/x*"}, "GET", "https://a.example/y"),
        ({"method": "POST", "url": "https://a.example/x"}, "GET", "https://a.example/x"),
        ({"url": "nonsense"}, "GET", "https://a.example/"),
    ],
)
async def test_a_request_that_nothing_matches_is_named_and_says_what_to_add(
    entry: dict[str, Any], method: str, url: str
) -> None:
    network = mocked(entry)
    said = await network.send(Outbound(method, url))
    assert isinstance(said, NoAnswer)
    assert said.code == "EUNMATCHED"
    assert said.message == f'no mocked response matches {method} {url}: add {{"method": "{method}", "url": "{url}", …}}'
    assert network.unmatched == [f"{method} {url}"]


async def test_several_entries_answer_in_order_and_the_last_one_goes_on() -> None:
    url = "https://a.example/x"
    network = mocked(
        {"url": url, "status": 401}, {"url": "https://a.example/*", "status": 202}, {"url": url, "status": 204}
    )
    assert [(await ask(network)).status for _ in range(4)] == [401, 202, 204, 204]
    assert (await ask(network, "https://a.example/y")).status == 202


async def test_a_body_is_text_as_it_is_and_anything_else_as_json() -> None:
    network = mocked(
        {"url": "*", "body": "plain", "headers": {"x-a": "b"}},
        {"url": "*", "body": {"a": [1, "é"]}},
        {"url": "*", "body": 0, "headers": {"content-type": "application/vnd.x+json"}},
        {"url": "*"},
    )
    text, value, own, empty = [await ask(network) for _ in range(4)]
    assert (text.body, text.header("content-type"), text.header("x-a")) == (b"plain", None, "b")
    assert (json.loads(value.body), value.header("content-type")) == ({"a": [1, "é"]}, "application/json")
    assert (own.body, own.header("content-type")) == (b"0", "application/vnd.x+json")
    assert (empty.body, empty.reason) == (b"", "OK")


async def test_an_error_is_no_answer() -> None:
    said = await mocked({"url": "*", "error": "ECONNREFUSED", "delayMs": 1}).send(Outbound("GET", "https://a.example"))
    assert isinstance(said, NoAnswer)
    assert said.code == "ECONNREFUSED"


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([{"status": 200}], "fetch[0].url: this key is missing"),
        ([{"url": "*"}, {"url": "*", "statusX": 1}], "fetch[1]: unknown key 'statusX'; did you mean 'status'?"),
        ([{"url": "*", "status": 99}], "fetch[0].status: input should be greater than or equal to 200"),
        ([{"url": "*", "error": "E", "status": 500}], "fetch[0]: an entry with an error has no status: no answer came"),
        ([5], "fetch[0]: input should be a valid dictionary or instance of Reply"),
        ({}, "fetch: input should be a valid list"),
    ],
)
def test_a_faulty_entry_is_told_by_its_place(entries: Any, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        replies_of(entries, "fetch")
    assert str(caught.value) == said
