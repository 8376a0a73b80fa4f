"""A token becomes its value in what leaves, and in nothing else."""

from __future__ import annotations

import base64
import json

import pytest

from midstream.domain.function import Sealed
from midstream.domain.http import Answer, NoAnswer, Outbound
from midstream.runtime.sealing import Seals

VALUE = 'k3y "with" & more/é'
SEALS = Seals([Sealed("apiKey", VALUE, ("api.example.com",))])
(TOKEN,) = SEALS.tokens


def sent(url: str = "https://api.example.com/", body: bytes | None = None, **headers: str) -> Outbound:
    return SEALS.opened(
        Outbound("POST", url, tuple((name.replace("_", "-"), value) for name, value in headers.items()), body)
    )


def test_code_gets_a_token_that_says_nothing() -> None:
    settings = SEALS.covered({"salt": "s", "apiKey": "whatever"})
    assert settings == {"salt": "s", "apiKey": TOKEN}
    assert VALUE not in repr(SEALS.covered({})) + repr(vars(SEALS).get("tokens"))
    assert Seals([Sealed("apiKey", VALUE, ())]).tokens != SEALS.tokens


def test_a_header_gets_the_value() -> None:
    assert sent(authorization=f"Bearer {TOKEN}").headers == [("authorization", f"Bearer {VALUE}")]


def test_basic_credentials_get_it_inside_their_base64() -> None:
    written = base64.b64encode(f"user:{TOKEN}".encode()).decode()
    ((_, value),) = sent(authorization=f"Basic {written}").headers
    assert base64.b64decode(value.removeprefix("Basic ")).decode() == f"user:{VALUE}"


def test_a_url_gets_it_encoded() -> None:
    opened = sent(f"https://api.example.com/{TOKEN}?key={TOKEN}")
    encoded = "k3y%20%22with%22%20%26%20more%2F%C3%A9"
    assert opened.url == f"https://api.example.com/{encoded}?key={encoded}"


@pytest.mark.parametrize("kind", ["application/json", "application/vnd.api+json; charset=utf-8"])
def test_a_json_body_stays_json(kind: str) -> None:
    body = sent(body=json.dumps({"key": TOKEN}).encode(), content_type=kind).body
    assert json.loads(body or b"") == {"key": VALUE}


def test_a_form_stays_a_form_and_any_other_body_gets_it_as_it_is() -> None:
    form = sent(body=f"a=1&key={TOKEN}".encode(), content_type="application/x-www-form-urlencoded").body
    assert form == b"a=1&key=k3y+%22with%22+%26+more%2F%C3%A9"
    assert sent(body=f"<key>{TOKEN}</key>".encode()).body == f"<key>{VALUE}</key>".encode()


def test_a_request_with_the_token_is_bound_to_the_hosts_named_for_it() -> None:
    (hosts,) = sent(body=TOKEN.encode()).hosts
    assert hosts.refusal("https", "api.example.com", 443) is None
    assert hosts.refusal("https", "evil.test", 443) == (
        "https://evil.test:443 is not among the hosts that the sealed setting 'apiKey' may be sent to"
    )


def test_a_request_without_it_is_left_alone() -> None:
    outbound = Outbound("GET", "https://elsewhere.test/", (("authorization", "Basic not-base64"),))
    assert SEALS.opened(outbound) is outbound


def test_an_answer_that_says_the_value_back_does_not_reach_the_code() -> None:
    body = f"you sent {VALUE} and {base64.b64encode(VALUE.encode()).decode()}".encode()
    answer = SEALS.closed(Answer(200, "OK", [("x-echo", VALUE)], body, f"https://a.test/{VALUE}", 1.0))
    assert isinstance(answer, Answer)
    assert VALUE not in repr(answer)
    assert answer.body == "you sent •••• and ••••".encode()


def test_without_sealed_settings_answers_are_not_looked_at() -> None:
    answer = Answer(200, "OK", (), b"x", "https://a.test/", 1.0)
    assert Seals(()).closed(answer) is answer
    refused = NoAnswer("ECONNREFUSED", "no", 0.0)
    assert SEALS.closed(refused) is refused
