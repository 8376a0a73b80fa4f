from __future__ import annotations

from typing import Any

from tests.integration.api.desk import TRACK, Desk, desk
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault

__all__ = ["database_url", "desk", "postgres_server", "postgres_url", "sessions", "vault"]

API_KEY = {
    "label": "API key",
    "name": "apiKey",
    "description": "",
    "type": "STRING",
    "required": True,
    "sensitive": True,
}
REGION = API_KEY | {"label": "Region", "name": "region", "required": False, "sensitive": False}


async def shown(desk: Desk, function: str) -> Any:
    return (await desk.ask("GET", f"/functions/{function}"))["function"]


async def test_saving_makes_a_version_and_leaves_what_runs(desk: Desk) -> None:
    function = await desk.function()
    instance = await desk.instance(function, await desk.destination(await desk.source()))
    saved = await desk.ask("PATCH", f"/functions/{function}", {"code": TRACK + "\n", "message": "a new line"})
    assert (saved["function"]["latestVersionNumber"], saved["function"]["isLatestVersion"]) == (2, False)
    [runs] = saved["function"]["instances"]
    assert (runs["instanceId"], runs["versionNumber"]) == (instance, 1)
    versions = (await desk.ask("GET", f"/functions/{function}/versions"))["versions"]
    assert [(it["number"], it["isDeployed"], it["message"]) for it in versions] == [
        (2, False, "a new line"),
        (1, True, ""),
    ]


async def test_versions_are_paged_the_newest_first(desk: Desk) -> None:
    function = await desk.function()
    for number in range(2, 6):
        await desk.ask("PATCH", f"/functions/{function}", {"code": TRACK + "\n" * number})

    async def page(cursor: str | None = None) -> tuple[list[int], dict[str, Any]]:
        params = {"pagination[count]": "2"} | ({"pagination[cursor]": cursor} if cursor else {})
        answer = await desk.ask("GET", f"/functions/{function}/versions", params=params)
        return [it["number"] for it in answer["versions"]], answer["pagination"]

    newest, first = await page()
    following, second = await page(first["next"])
    oldest, third = await page(second["next"])
    assert (newest, following, oldest) == ([5, 4], [3, 2], [1])
    assert (first["previous"], third["next"], third["totalEntries"]) == (None, None, 5)
    assert await page(third["previous"]) == (following, second)


async def test_the_same_code_saved_again_makes_no_version(desk: Desk) -> None:
    function = await desk.function()
    saved = await desk.ask("PATCH", f"/functions/{function}", {"code": TRACK, "displayName": "Masks"})
    assert (saved["function"]["latestVersionNumber"], saved["function"]["displayName"]) == (1, "Masks")


async def test_a_version_is_deployed_to_the_chosen_instances_only(desk: Desk) -> None:
    function, source = await desk.function(), await desk.source()
    one, two = [
        await desk.instance(function, await desk.destination(source, name=name), enabled=True) for name in ("A", "B")
    ]
    await desk.ask("PATCH", f"/functions/{function}", {"code": TRACK + " "})
    answer = await desk.ask("POST", f"/functions/{function}/deploy", {"instanceIds": [one]})
    assert answer["functionDeployment"] == {"status": "SUCCESS"}
    assert [(it["id"], it["versionNumber"]) for it in answer["instances"]] == [(one, 2)]
    runs = {it["instanceId"]: it["versionNumber"] for it in (await shown(desk, function))["instances"]}
    assert runs == {one: 2, two: 1}
    await desk.ask("POST", f"/functions/{function}/deploy")  # without a body: all of them
    assert {it["versionNumber"] for it in (await shown(desk, function))["instances"]} == {2}
    assert (await shown(desk, function))["deployedAt"] is not None


async def test_an_old_version_is_restored_as_the_latest(desk: Desk) -> None:
    function = await desk.function()
    await desk.ask("PATCH", f"/functions/{function}", {"code": "function onPage(e) { return e }"})
    *_, first = (await desk.ask("GET", f"/functions/{function}/versions"))["versions"]
    restored = (await desk.ask("POST", f"/functions/{function}/versions", {"versionId": first["id"]}))["version"]
    assert (restored["number"], restored["code"], restored["isDeployed"]) == (3, TRACK, False)
    assert restored["message"] == "restored from version 1"
    assert (await shown(desk, function))["code"] == TRACK
    latest = (await desk.ask("GET", f"/functions/{function}/versions/latest"))["version"]
    assert latest == restored


async def test_what_a_version_changed_is_told_as_a_diff(desk: Desk) -> None:
    function = await desk.function("function onTrack(e) {\n  return e\n}\n")
    await desk.ask("PATCH", f"/functions/{function}", {"code": "function onTrack(e) {\n  return null\n}\n"})
    path = f"/functions/{function}/versions"
    _, first = (await desk.ask("GET", path))["versions"]
    told = (await desk.ask("GET", f"{path}/latest/diff"))["diff"]
    assert told == (await desk.ask("GET", f"{path}/latest/diff", params={"since": first["id"]}))["diff"]
    assert "\n-  return e\n+  return null\n" in told
    assert (await desk.ask("GET", f"{path}/{first['id']}/diff"))["diff"].startswith(
        "--- /dev/null\n+++ code of version 1\n"
    )
    assert (await desk.ask("GET", f"{path}/latest/diff", params={"since": "latest"}))["diff"] == ""


async def test_a_connected_function_is_not_deleted_and_the_answer_says_where_it_is(desk: Desk) -> None:
    function = await desk.function()
    instance = await desk.instance(function, await desk.destination(await desk.source()))
    fault = await desk.ask("DELETE", f"/functions/{function}", status=409)
    assert f"Sink ({instance})" in fault["message"]
    await desk.ask("DELETE", f"/insert-function-instances/{instance}")
    assert await desk.ask("DELETE", f"/functions/{function}") == {"status": "SUCCESS"}
    await desk.ask("GET", f"/functions/{function}", status=404)


async def test_settings_are_named_by_their_labels_and_unique(desk: Desk) -> None:
    labels = [{"label": "API key"}, {"label": "Api-Key"}, {"label": "9 lives"}, {"label": "", "name": "given"}]
    answer = await desk.ask("POST", "/functions", {"code": TRACK, "displayName": "F", "settings": labels})
    assert [it["name"] for it in answer["function"]["settings"]] == ["apiKey", "apiKey2", "setting9Lives", "given"]
    twice = {"code": TRACK, "displayName": "F", "settings": [{"name": "a"}, {"name": "a"}]}
    assert "declared twice" in (await desk.ask("POST", "/functions", twice, 422))["message"]


async def test_a_function_has_the_slug_it_is_given_or_one_made_of_its_name(desk: Desk) -> None:
    given = await desk.function(slug="masks")
    assert (await shown(desk, given))["slug"] == "masks"
    taken = {"code": TRACK, "displayName": "F", "slug": "masks"}
    assert (await desk.ask("POST", "/functions", taken, 409))["field"] == "slug"
    assert (await desk.ask("POST", "/functions", taken | {"slug": "No slug"}, 422))["field"] == "slug"
    made = [await desk.function(displayName="Mask e-mails!") for _ in range(2)]
    assert [(await shown(desk, it))["slug"] for it in made] == ["mask-e-mails", "mask-e-mails-2"]


async def test_a_version_that_requires_more_is_not_deployed_without_it(desk: Desk) -> None:
    function = await desk.function()
    instance = await desk.instance(function, await desk.destination(await desk.source()))
    await desk.ask("PATCH", f"/functions/{function}", {"settings": [API_KEY]})
    fault = await desk.ask("POST", f"/functions/{function}/deploy", status=409)
    assert f"cannot run as 'Mask' ({instance}): setting 'apiKey' is required" in fault["message"]


async def test_a_sensitive_value_goes_in_and_never_comes_out(desk: Desk) -> None:
    function = await desk.function(settings=[API_KEY, REGION])
    instance = await desk.instance(
        function, await desk.destination(await desk.source()), settings={"apiKey": "k3y-planted", "region": "eu"}
    )
    path = f"/insert-function-instances/{instance}"
    first = (await desk.ask("GET", path))["insertFunctionInstance"]
    assert (first["settings"], first["encryptedSettings"]) == ({"region": "eu"}, {"apiKey": "••••"})
    # Segment's client has to send settings to enable an instance, and may send back what it was shown.
    for settings in ({}, {"region": "eu", "apiKey": "••••"}):
        kept = (await desk.ask("PATCH", path, {"enabled": True, "settings": settings}))["insertFunctionInstance"]
        assert (kept["settings"], kept["encryptedSettings"]) == ({"region": "eu"}, {"apiKey": "••••"})
    gone = (await desk.ask("PATCH", path, {"settings": {"region": None}}))["insertFunctionInstance"]
    assert gone["settings"] == {}
    fault = await desk.ask("PATCH", path, {"settings": {"apiKey": None}}, 422)
    assert "setting 'apiKey' is required" in fault["message"]
    assert "k3y" not in (await desk.client.get(path)).text


async def test_code_that_does_not_load_is_refused_with_its_line(desk: Desk) -> None:
    fault = await desk.ask(
        "POST", "/functions", {"code": "function onTrack(e) {\n  return return e\n}", "displayName": "F"}, 422
    )
    assert fault["field"] == "code"
    assert "(line 2, column" in fault["message"]
    nothing = await desk.ask("POST", "/functions", {"code": "1", "displayName": "F"}, 422)
    assert "no handler found" in nothing["message"]


async def test_saving_warns_of_what_will_not_be_delivered(desk: Desk) -> None:
    answer = await desk.ask("POST", "/functions", {"code": "function onTrack(e) { return stripe }", "displayName": "F"})
    assert any("no onDelete" in it for it in answer["warnings"])
    assert any("stripe" in it for it in answer["warnings"])


async def test_a_name_too_long_is_a_422_and_not_a_500(desk: Desk) -> None:
    fault = await desk.ask("POST", "/functions", {"code": TRACK, "displayName": "x" * 121}, 422)
    assert "1 to 120 printable characters" in fault["message"]


async def test_a_preview_runs_code_on_events_with_given_answers(desk: Desk) -> None:
    code = (
        "async function onTrack(e, s) { e.who = (await (await fetch('https://a.test/')).json()).who + s.k; return e }"
    )
    body = {
        "code": code,
        "events": [{"type": "track", "event": "A", "userId": "u"}, {"type": "page", "userId": "u"}],
        "settings": {"k": "!"},
        "settingsSchema": [{"name": "k"}],
        "responses": [{"url": "https://a.test/", "body": {"who": "ann"}}],
    }
    one, two = (await desk.ask("POST", "/functions/preview", body))["results"]
    assert (one["outcome"], one["event"]["who"], two["outcome"]) == ("returned", "ann!", "discarded")
    assert one["requests"][0]["url"] == "https://a.test/"
    found = await desk.ask(
        "POST", "/functions/check", {"code": "function onTrak(e) {}\nfunction onPage(e) { return e }"}
    )
    assert found["handlers"] == ["onPage"]
    assert any("did you mean 'onTrack'" in it["message"] for it in found["diagnoses"])
