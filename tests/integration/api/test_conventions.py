"""What holds for all of the API: tokens, tags, cursors, keys for repeating, and errors in one form."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from midstream.api.application import BODY_BYTES
from midstream.api.rates import Rates
from midstream.control.settings import MASKED
from midstream.control.tokens import authenticate, create_token, delete_token, tokens
from midstream.domain.access import Grant, Role
from midstream.errors import RequestError
from tests.integration.api.desk import OWNER, TRACK, Desk, desk
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault

__all__ = ["database_url", "desk", "postgres_server", "postgres_url", "sessions", "vault"]


async def test_a_token_that_is_missing_wrong_or_taken_away_is_a_401_that_says_so(desk: Desk) -> None:
    for token, complaint in (("", "a token is needed"), ("mst_no", "there is no such token")):
        fault = await desk.acting_as(token).ask("GET", "/", status=401)
        assert complaint in fault["message"]
    *_, last = await tokens(desk.call)
    await delete_token(desk.call, last.id)
    await desk.ask("GET", "/", status=401)


async def test_an_expired_token_is_refused_with_its_time(desk: Desk) -> None:
    *_, last = await tokens(desk.call)
    made = await create_token(desk.call, name="short", creator_id=last.creator_id, expires_in=timedelta(days=1))
    assert (await authenticate(desk.office.sessions, made.secret or "", datetime.now(UTC))).email == last.creator
    with pytest.raises(RequestError, match="the token expired at 20") as caught:
        await authenticate(desk.office.sessions, made.secret or "", datetime.now(UTC) + timedelta(days=2))
    assert caught.value.status == 401


async def test_a_token_has_no_more_rights_than_its_creator(desk: Desk) -> None:
    source = await desk.source()
    weak = desk.acting_as(await desk.token(OWNER, creator=[Grant(Role.SOURCE_READ_ONLY)], email="weak@example.com"))
    assert (await weak.ask("GET", f"/sources/{source}"))["source"]["id"] == source
    fault = await weak.ask("DELETE", f"/sources/{source}", status=403)
    assert fault["message"] == f"this needs the permission source:edit on {source}"


async def test_a_token_for_listed_resources_names_them_and_an_empty_list_is_not_all(desk: Desk) -> None:
    source = await desk.source()
    listed = [{"roleId": "source_admin", "resources": [{"id": source, "type": "SOURCE"}]}]
    made = (await desk.ask("POST", "/tokens", {"name": "t", "permissions": listed}))["token"]
    assert made["permissions"][0]["resources"] == [{"id": source, "type": "SOURCE"}]
    assert (await desk.acting_as(made["token"]).ask("GET", "/sources"))["sources"][0]["id"] == source
    for wrong in ([], [{"id": "src_none", "type": "SOURCE"}], [{"id": source, "type": "FUNCTION"}]):
        body = {"name": "t", "permissions": [{"roleId": "source_admin", "resources": wrong}]}
        fault = await desk.ask("POST", "/tokens", body, 422)
        assert fault["field"].startswith("permissions[0].resources")
    shown = (await desk.ask("GET", "/tokens"))["tokens"]
    assert all(it["token"] is None for it in shown)


async def test_a_stale_tag_is_refused(desk: Desk) -> None:
    path = f"/functions/{await desk.function()}"
    tag = (await desk.client.get(path)).headers["etag"]
    changed = await desk.client.patch(path, json={"displayName": "New"}, headers={"if-match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
    fault = await desk.ask("PATCH", path, {"displayName": "Newer"}, 412, headers={"if-match": tag})
    assert "changed meanwhile" in fault["message"]
    await desk.ask("DELETE", path, status=412, headers={"if-match": tag})
    await desk.ask("DELETE", path, headers={"if-match": changed.headers["etag"]})


async def test_of_changes_at_once_with_one_tag_one_is_taken(desk: Desk) -> None:
    path = f"/functions/{await desk.function()}"
    tag = (await desk.client.get(path)).headers["etag"]
    answers = await asyncio.gather(
        *(desk.client.patch(path, json={"displayName": f"N{n}"}, headers={"if-match": tag}) for n in range(8))
    )
    assert sorted(it.status_code for it in answers) == [200, *[412] * 7]


async def test_lists_are_paged_by_opaque_cursors_of_their_own(desk: Desk) -> None:
    for name in "abcde":
        await desk.source(name)
    seen, cursor = [], None
    while True:
        params = {"pagination[count]": "2"} | ({"pagination.cursor": cursor} if cursor else {})
        page = await desk.ask("GET", "/sources", params=params)
        assert page["pagination"]["totalEntries"] == 5
        seen += [it["slug"] for it in page["sources"]]
        cursor = page["pagination"]["next"]
        if cursor is None:
            break
    assert seen == list("abcde")
    foreign = page["pagination"]["current"]
    fault = await desk.ask("GET", "/destinations", params={"pagination[cursor]": foreign}, status=422)
    assert fault == {
        "type": "input-validation",
        "message": "the cursor cannot be used: it is a cursor of another list, sources",
        "field": "pagination.cursor",
    }
    assert (
        "not a cursor of ours"
        in (await desk.ask("GET", "/sources", params={"pagination[cursor]": "%%%"}, status=422))["message"]
    )
    assert (
        "a count of 1 to 1000"
        in (await desk.ask("GET", "/sources", params={"pagination[count]": "0"}, status=422))["message"]
    )


async def test_who_may_not_read_a_list_is_told_that_before_what_is_wrong_with_the_cursor(desk: Desk) -> None:
    stranger = desk.acting_as(await desk.token(Grant(Role.WORKSPACE_MEMBER)))
    bad = {"pagination[cursor]": "%%%"}
    assert (await stranger.ask("GET", "/users", params=bad, status=403))["type"] == "forbidden"
    assert (await desk.ask("GET", "/groups/nobody/users", params=bad, status=404))["type"] == "not-found"


async def test_a_post_that_is_repeated_with_its_key_is_done_once(desk: Desk) -> None:
    body = {"slug": "web", "enabled": True, "metadataId": "http-api"}
    headers = {"idempotency-key": "k-1"}
    first = await desk.client.post("/sources", json=body, headers=headers)
    again = await desk.client.post("/sources", json=body, headers=headers)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert len((await desk.ask("GET", "/sources"))["sources"]) == 1
    fault = await desk.ask("POST", "/sources", body | {"slug": "other"}, 422, headers=headers)
    assert fault["field"] == "Idempotency-Key"
    # What was refused was not done, and may be tried again with the same key.
    bad = {"idempotency-key": "k-2"}
    await desk.ask("POST", "/sources", body, 409, headers=bad)
    await desk.ask("POST", "/sources", body | {"slug": "other"}, 201, headers=bad)


async def test_of_requests_at_once_with_one_key_one_is_done(desk: Desk) -> None:
    body = {"code": TRACK, "displayName": "F", "resourceType": "INSERT_DESTINATION"}
    headers = {"idempotency-key": "k"}
    answers = await asyncio.gather(*(desk.client.post("/functions", json=body, headers=headers) for _ in range(5)))
    assert {it.status_code for it in answers} <= {200, 409}
    listed = await desk.ask("GET", "/functions", params={"resourceType": "INSERT_DESTINATION"})
    assert len(listed["functions"]) == 1


async def test_what_is_not_as_it_should_be_is_told_with_its_field(desk: Desk) -> None:
    ok = {"slug": "web", "enabled": True, "metadataId": "http-api"}
    for body, field, complaint in (
        (ok | {"enabld": True}, "enabld", "unknown key 'enabld'; did you mean 'enabled'?"),
        (ok | {"slug": "No Spaces"}, "slug", "expected lower-case letters, digits, - and _"),
        (ok | {"enabled": "perhaps"}, "enabled", "input should be a valid boolean"),
        ({"enabled": True}, "slug", "this field is missing"),
        (ok | {"metadataId": "nope"}, "metadataId", "there is no type of source 'nope'"),
    ):
        fault = await desk.ask("POST", "/sources", body, 422)
        assert (fault["field"], complaint in fault["message"]) == (field, True), fault
    answer = await desk.client.post("/sources", content=b"{nope", headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "not valid JSON" in answer.json()["errors"][0]["message"]
    for content, kind in ((b"{}", "application/x-www-form-urlencoded"), (b"[]", "application/json"), (b"", "")):
        answer = await desk.client.post("/sources", content=content, headers={"content-type": kind} if kind else {})
        assert answer.status_code == 422
        [fault] = answer.json()["errors"]
        assert fault["message"] == (
            "expected a JSON object as the body, sent with the header Content-Type: application/json"
        )


async def test_every_answer_that_is_no_success_is_a_problem_with_errors(desk: Desk) -> None:
    for method, path, status in (
        ("GET", "/nothing/here", 404),
        ("PUT", "/sources", 405),
        ("GET", "/sources/src_none", 404),
    ):
        answer = await desk.client.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"][0]["message"]


async def test_who_asks_too_often_is_told_when_to_come_again(desk: Desk) -> None:
    asked = desk.client.headers["authorization"].removeprefix("Bearer ")
    hurried = replace(desk, office=replace(desk.office, rates=Rates(2))).acting_as(asked)
    first = await hurried.client.get("/")
    assert (first.headers["x-ratelimit-consumed"], first.headers["x-ratelimit-remaining"]) == ("1", "1")
    await hurried.client.get("/nothing/here")  # which nobody was asked about
    await hurried.ask("GET", "/sources")
    refusal = await hurried.client.get("/")
    assert refusal.status_code == 429
    assert 1 <= int(refusal.headers["retry-after"]) <= 60
    assert "over 2 requests a minute" in refusal.json()["errors"][0]["message"]


@pytest.mark.parametrize("odd", [r'"\ud800"', r'"a\uDC00b"', '{"a": [NaN]}', "-Infinity"])
async def test_what_only_python_takes_for_json_is_refused(desk: Desk, odd: str) -> None:
    headers = {"content-type": "application/json"}
    for path, body in (
        ("/functions", f'{{"code": "x", "displayName": "F", "description": {odd}}}'),
        ("/functions/preview", f'{{"code": "x", "events": [{{"a": {odd}}}]}}'),
        ("/destination/filters/preview", f'{{"filter": {{"if": "all", "actions": []}}, "payload": {{"a": {odd}}}}}'),
    ):
        answer = await desk.client.post(path, content=body, headers=headers)
        assert answer.status_code == 400, answer.text
        assert "half of a character" in answer.json()["errors"][0]["message"]


async def test_whole_characters_are_taken_however_they_are_spelt(desk: Desk) -> None:
    body = rb'{"code": "function onTrack(e) { return e } // NaN \\ud800", "displayName": "\ud83d\ude00"}'
    answer = await desk.client.post("/functions", content=body, headers={"content-type": "application/json"})
    assert answer.json()["data"]["function"]["displayName"] == "😀"
    assert answer.json()["data"]["function"]["code"].endswith(r"// NaN \ud800")


async def test_of_many_faults_a_hundred_are_told(desk: Desk) -> None:
    answer = await desk.client.post("/groups/grp_1/users", json={"emails": [1] * 5000})
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 100)


async def test_a_function_declares_so_many_settings_with_names_so_long(desk: Desk) -> None:
    check = {"code": TRACK, "settingsSchema": [{}] * 200}
    assert (await desk.ask("POST", "/functions/check", check))["handlers"] == ["onTrack"]
    for declared in ([{}] * 201, [{"name": "a" * 101}]):
        await desk.ask("POST", "/functions/check", check | {"settingsSchema": declared}, 422)
        await desk.ask("POST", "/functions/preview", {"code": TRACK, "events": [{}], "settingsSchema": declared}, 422)
        await desk.ask("POST", "/functions", {"code": TRACK, "displayName": "F", "settings": declared}, 422)
        await desk.ask("PATCH", "/functions/ifnd_1", {"settings": declared}, 422)


async def test_a_place_in_a_chain_is_one_there_can_be(desk: Desk) -> None:
    destination = await desk.destination(await desk.source())
    instance = await desk.instance(await desk.function(), destination)
    for position in (-1, 10**30):
        fault = await desk.ask("PATCH", f"/insert-function-instances/{instance}", {"position": position}, 422)
        assert fault["field"] == "position"


async def test_a_number_in_place_of_a_secret_is_not_said_back(desk: Desk) -> None:
    body = {"sourceId": await desk.source(), "metadataId": "webhook"}
    for settings in ({"shared_secret": 271828}, {"secret_headers": {"X-Pin": 271828}}):
        fault = await desk.ask("POST", "/destinations", body | {"settings": {"url": "https://x.test"} | settings}, 422)
        assert "expected a valid string, got a number" in fault["message"]
    fault = await desk.ask(
        "POST", "/destinations", body | {"settings": {"url": "https://x.test", "batch_count": 0}}, 422
    )
    assert "got 0" in fault["message"]


async def test_secrets_that_are_kept_do_not_follow_a_url_to_another_place(desk: Desk) -> None:
    settings = {"url": "https://a.test/hook", "secret_headers": {"Authorization": "Bearer planted"}}
    body = {"sourceId": await desk.source(), "metadataId": "webhook", "settings": settings}
    path = f"/destinations/{(await desk.ask('POST', '/destinations', body))['destination']['id']}"
    for url in ("https://b.test/hook", "http://a.test/hook", "https://a.test:8443/hook"):
        for kept in ({}, {"secret_headers": MASKED}):
            fault = await desk.ask("PATCH", path, {"settings": {"url": url, **kept}}, 422)
            assert fault["field"] == "settings.secret_headers"
            assert "given for https://a.test; give them again" in fault["message"]
    await desk.ask("PATCH", path, {"settings": {"url": "https://A.test/other"}})
    await desk.ask("PATCH", path, {"settings": {"url": "https://b.test", "secret_headers": {"Authorization": "b"}}})
    moved = await desk.ask("PATCH", path, {"settings": {"url": "https://c.test", "secret_headers": None}})
    assert moved["destination"]["settings"]["url"] == "https://c.test"
    await desk.ask("PATCH", path, {"settings": {"url": "https://d.test"}})


async def test_a_body_that_is_too_large_is_refused(desk: Desk) -> None:
    answer = await desk.client.post("/functions", content=b"x" * (BODY_BYTES + 1))
    assert answer.status_code == 413
    assert "larger than 1572864 bytes" in answer.json()["errors"][0]["message"]


async def test_vendor_media_types_are_read_as_json(desk: Desk) -> None:
    answer = await desk.client.post(
        "/sources",
        content=b'{"slug": "web", "enabled": true, "metadataId": "http-api"}',
        headers={"content-type": "application/vnd.segment.v1alpha+json", "accept": "application/vnd.segment.v1+json"},
    )
    assert answer.status_code == 201


async def test_deleting_a_parent_is_refused_and_names_the_children(desk: Desk) -> None:
    source = await desk.source()
    destination = await desk.destination(source)
    assert "Sink" in (await desk.ask("DELETE", f"/sources/{source}", status=409))["message"]
    await desk.ask("DELETE", f"/destinations/{destination}")
    await desk.ask("DELETE", f"/sources/{source}")
    await desk.ask("POST", "/destinations", {"sourceId": source, "metadataId": "sink", "settings": {}}, 404)
