from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from midstream.cli.library import in_columns
from midstream.cli.server import Server, token
from midstream.errors import ConfigError, RequestError, Unavailable


def answering(*answers: tuple[int, Any]) -> tuple[Server, list[tuple[str, str, bytes | None]]]:
    """Give a server with these answers, and what it was asked."""
    waiting, seen = list(answers), []

    async def send(method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        seen.append((method, path, body))
        status, content = waiting.pop(0)
        return status, content if isinstance(content, bytes) else json.dumps(content).encode()

    return Server(send, "http://m.test"), seen


async def test_a_body_is_sent_as_json_and_the_data_comes_back() -> None:
    server, seen = answering((200, {"data": {"a": 1}}))
    assert await server.ask("POST", "/functions", {"code": "é"}, {"x[y]": "1 2"}) == {"a": 1}
    [(method, path, body)] = seen
    assert (method, path, json.loads(body or b"")) == ("POST", "/functions?x%5By%5D=1+2", {"code": "é"})


async def test_a_list_is_read_to_its_last_page() -> None:
    server, seen = answering(
        (200, {"data": {"functions": [{"id": 1}], "pagination": {"current": "a", "next": "b"}}}),
        (200, {"data": {"functions": [{"id": 2}], "pagination": {"current": "b"}}}),
    )
    assert await server.every("/functions", "functions", {"resourceType": "X"}) == [{"id": 1}, {"id": 2}]
    assert seen[1][1] == "/functions?resourceType=X&pagination%5Bcount%5D=200&pagination%5Bcursor%5D=b"


@pytest.mark.parametrize(
    ("status", "errors", "raised", "said"),
    [
        (403, [{"type": "forbidden", "message": "this needs more"}], RequestError, "this needs more"),
        (422, [{"type": "t", "message": "too long", "field": "name"}, {"type": "t", "message": "no"}], RequestError, "name: too long; no"),
        (422, [{"type": "t", "message": "name: too long", "field": "name"}], RequestError, "name: too long"),
        (503, [{"type": "t", "message": "later"}], Unavailable, "http://m.test answered 503: later"),
    ],
)  # fmt: skip
async def test_a_problem_becomes_the_error_that_carries_its_exit_code(
    status: int, errors: list[dict[str, str]], raised: type[Exception], said: str
) -> None:
    server, _ = answering((status, {"title": "x", "errors": errors}))
    with pytest.raises(raised) as caught:
        await server.ask("GET", "/functions")
    assert str(caught.value) == said
    assert getattr(caught.value, "status", status) == status


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>"),
        (404, b"nothing here"),
        (200, [1]),
        (302, {"errors": []}),
        (404, {"success": False, "errors": [{"reason": "x"}]}),
    ],
)
async def test_what_is_not_a_midstream_is_said_to_be_none(answer: tuple[int, Any]) -> None:
    server, _ = answering(answer)
    with pytest.raises(Unavailable, match="not as midstream's Public API does"):
        await server.ask("GET", "/functions")


def test_a_token_comes_from_the_environment_or_a_file_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("mst_file\n")
    named = {"MIDSTREAM_TOKEN_FILE": str(tmp_path / "token")}
    assert token({"MIDSTREAM_TOKEN": "mst_env"} | named, "u") == "mst_env"
    assert token(named, "u") == "mst_file"
    with pytest.raises(RequestError, match="MIDSTREAM_TOKEN") as caught:
        token({}, "u")
    assert caught.value.status == 401
    with pytest.raises(ConfigError, match="cannot be read"):
        token({"MIDSTREAM_TOKEN_FILE": str(tmp_path / "gone")}, "u")


def test_columns_stand_below_each_other_and_hold_no_escape() -> None:
    assert in_columns([("a", "bb", ""), ("ccc", "\x1b[1m", "d")]) == ["a    bb", "ccc  �[1m  d"]
    assert in_columns([]) == []
