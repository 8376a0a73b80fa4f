"""The pages in a real browser, from the first run on: what people do there, and that they can see and reach all of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Error

from tests.e2e.pages.browser import CHROMIUM, Person, chromium, somebody
from tests.e2e.test_signin import EMAIL, PASSWORD, begin
from tests.whole import WRITE_KEY, Whole, running

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"
)

SHOP = {
    "shop.toml": f"""
[source.website]
write_keys = ["{WRITE_KEY}"]
[source.spare]
[function.mask-email]
code = "mask.js"
[destination.warehouse]
source = "website"
type = "sink"
[[destination.warehouse.functions]]
function = "mask-email"
""",
    "mask.js": "function onTrack(event) { return event }",
}


@dataclass
class Site:
    """A whole midstream, and a browser."""

    whole: Whole
    browser: Browser

    def somebody(self) -> Any:
        return somebody(self.browser, self.whole.base_url)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    with running(tmp_path) as whole:
        async with chromium() as browser:
            yield Site(whole, browser)


async def sign_in(person: Person, password: str = PASSWORD) -> None:
    await person.go("/app/")
    await person.fill(email=EMAIL, password=password)
    await person.press("Sign in")


async def api(person: Person, method: str, url: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Ask the Public API as a script of the page would, with the cookies that go there."""
    found = await person.page.evaluate(
        """async ([method, url, body, headers]) => {
            const options = { method, body: body && JSON.stringify(body), headers, credentials: "include" };
            const answer = await fetch(url, options);
            return [answer.status, await answer.text()];
        }""",
        [method, url, body, {"Content-Type": "application/json", **headers}],
    )
    return found[0], json.loads(found[1])


async def test_the_first_person_finds_their_way_in_and_about_and_out(site: Site) -> None:
    """One story on one midstream: each begins where the one before left off."""
    async with site.somebody() as ann:
        await the_first_page(site, ann)
        await the_way_in_and_out(ann)
        await sessions_and_password(site, ann)


async def test_tokens_scripts_and_invites(site: Site) -> None:
    """Another, of an owner and whom they invite."""
    await asyncio.to_thread(begin, site.whole)
    async with site.somebody() as ann, site.somebody() as bo:
        await sign_in(ann)
        token = await a_token_is_made_shown_once_and_another_taken_away(ann)
        async with httpx.AsyncClient(base_url=site.whole.base_url, trust_env=False) as client:
            client.headers["authorization"] = f"Bearer {token}"
            workspace = (await client.get("/")).json()["data"]["workspace"]["id"]
            await only_our_own_scripts_ask_with_the_session(site, ann, workspace)
            invited = await client.post("/invites", json={"invites": [{"email": "bo@example.com"}]})
            await a_guest_becomes_a_plain_member(bo, invited.json()["data"]["invites"][0]["secret"])
            await ann.go("/app/tokens")
            await delete(ann, "Delete nightly")
            assert (await client.get("/")).status_code == 401
        assert token not in site.whole.log()


async def the_first_page(site: Site, ann: Person) -> None:
    await ann.go("/")
    assert "Nothing yet" in await ann.read()
    await ann.look("root-first-run")
    assert (await asyncio.to_thread(site.whole.apply, SHOP)).returncode == 0
    async with asyncio.timeout(60), httpx.AsyncClient(base_url=site.whole.base_url, trust_env=False) as client:
        while "mask-email" not in (await client.get("/")).text:
            await asyncio.sleep(0.05)
    await ann.go("/")
    await ann.look("root-connected")
    await asyncio.to_thread(begin, site.whole)
    await ann.page.get_by_role("link", name="Sign in").click()
    await ann.page.wait_for_url("**/app/sign-in")


async def the_way_in_and_out(ann: Person) -> None:
    assert await ann.page.evaluate("document.activeElement.id") == "email"
    await ann.look("sign-in")
    await sign_in(ann, "wrong horse battery")
    assert await ann.read("[role=alert]") == "The e-mail address or the password is not right."
    assert await ann.page.input_value("#email") == EMAIL
    assert await ann.page.evaluate("document.activeElement.id") == "password"
    await ann.look("sign-in-wrong")
    await ann.fill(password=PASSWORD)
    await ann.page.keyboard.press("Enter")
    await ann.page.wait_for_url("**/app/")
    await ann.press("Sign out")
    assert await ann.read("[role=status]") == "You are signed out."
    await ann.go("/app/tokens")
    assert ann.page.url.endswith("/app/sign-in")


async def sessions_and_password(site: Site, ann: Person) -> None:
    async with site.somebody() as other:
        await sign_in(ann)
        await sign_in(other)
        await ann.go("/app/")
        await ann.look("account-two-sessions")
        await ann.page.get_by_role("button", name="End the session at").click()
        await ann.page.wait_for_url("**/app/?done=session")
        assert await ann.read("[role=status]") == "That session has ended."
        await other.go("/app/")
        assert other.page.url.endswith("/app/sign-in")
    await ann.fill(current="wrong horse battery", new="another horse 7")
    await ann.press("Change password")
    assert await ann.page.get_attribute("#current", "aria-invalid") == "true"
    assert await ann.read("#current-wrong") == "That is not your password."
    await ann.look("password-wrong")
    await ann.fill(current=PASSWORD, new=EMAIL)
    await ann.press("Change password")
    assert "at least 12 characters" in await ann.read("#new-wrong")
    await ann.fill(current=PASSWORD, new="another horse 7")
    await ann.press("Change password")
    assert "Your password is changed" in await ann.read("[role=status]")
    await ann.look("password-changed")


async def a_token_is_made_shown_once_and_another_taken_away(ann: Person) -> str:
    await ann.page.get_by_role("link", name="API tokens").click()
    await ann.page.wait_for_url("**/app/tokens")
    await delete(ann, "Delete")
    assert "No token yet." in await ann.read()
    await ann.look("tokens-none")
    await ann.page.evaluate("document.querySelector('form.tall').noValidate = true")
    await ann.press("Make a token")
    assert "1 to 120 printable characters" in await ann.read("#name-wrong")
    await ann.look("tokens-wrong")
    await ann.fill(name="nightly <export>")
    await ann.page.select_option("#days", "30")
    await ann.press("Make a token")
    token = (await ann.read(".secret")).strip()
    await ann.look("tokens-made")
    await ann.go("/app/tokens")
    assert "nightly <export>" in await ann.read()
    assert token not in await ann.page.content()
    return token


async def only_our_own_scripts_ask_with_the_session(site: Site, ann: Person, workspace: str) -> None:
    here = {"Midstream-Workspace": workspace}
    source = {"slug": "web", "enabled": True, "metadataId": "http-api"}
    # The pages themselves allow no script to connect to anything; what is no page has no policy.
    await ann.go("/healthz")
    root = site.whole.base_url
    assert (await api(ann, "GET", root + "/sources"))[0] == 401
    assert (await api(ann, "POST", root + "/sources", source, **here))[0] == 201
    # To a browser, this name of the same machine is another site.
    await ann.go(root.replace("127.0.0.1", "localhost") + "/healthz")
    for headers in ({}, here):
        with pytest.raises(Error, match="Failed to fetch"):
            await api(ann, "GET", root + "/sources", **headers)
        with pytest.raises(Error, match="Failed to fetch"):
            await api(ann, "POST", root + "/sources", source | {"slug": "evil"}, **headers)
    await ann.page.set_content(f'<form method="post" action="{root}/app/sign-out"><button>Win a prize</button></form>')
    await ann.press("Win a prize")
    assert "not sent from a page of this midstream" in await ann.read()
    await ann.go(root + "/healthz")
    status, answer = await api(ann, "GET", root + "/sources", **here)
    assert (status, [each["slug"] for each in answer["data"]["sources"]]) == (200, ["web"])


async def a_guest_becomes_a_plain_member(bo: Person, secret: str) -> None:
    await bo.go("/app/invite/none")
    await bo.look("invite-none")
    await bo.go(f"/app/invite/{secret}")
    await bo.look("invite")
    await bo.fill(name="Bo", password="bo@example.com")
    await bo.press("Join")
    assert "at least 12 characters" in await bo.read("#password-wrong")
    assert await bo.page.input_value("#name") == "Bo"
    await bo.look("invite-wrong")
    await bo.fill(password=PASSWORD)
    await bo.press("Join")
    assert "bo@example.com" in await bo.read()
    await bo.page.get_by_role("link", name="API tokens").click()
    await bo.page.wait_for_url("**/app/tokens")
    assert "made by a Workspace Owner" in await bo.read()
    assert await bo.page.locator("form.tall").count() == 0
    await bo.look("tokens-not-yours")


async def delete(person: Person, button: str) -> None:
    await person.page.get_by_role("button", name=button).click()
    await person.page.wait_for_url("**/app/tokens?done=deleted")
