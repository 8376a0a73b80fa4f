"""The page of one's API tokens, over HTTP as a browser sees it: who may make some, where, and what is shown of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from midstream.control.act import Call
from midstream.control.enrolment import enrol
from midstream.control.tokens import TokenView, authenticate, create_token, tokens
from midstream.domain.access import Grant, Role
from midstream.errors import RequestError
from tests.integration.database import sessions, vault
from tests.integration.office import call_in
from tests.integration.people import add_member, trail_of
from tests.integration.test_web_signin import ANN, Browser, alert, browser, call, database_url, quick

__all__ = ["browser", "call", "database_url", "quick", "sessions", "vault"]

OWNER = Grant(Role.WORKSPACE_OWNER)
PATH = "/app/tokens"


async def owner(call: Call, email: str = ANN) -> str:
    """Add an owner with a password; return their id."""
    user_id = await add_member(call, email)
    await enrol(call, email=email, grant=OWNER)
    return user_id


def here(call: Call) -> str:
    return call.caller.workspace_id


async def only(call: Call) -> TokenView:
    [token] = await tokens(call)
    return token


async def test_a_token_is_made_shown_once_and_deleted(call: Call, browser: Browser) -> None:
    ann = await owner(call)
    await browser.sign_in()
    assert "No token yet." in (await browser.get(PATH)).text
    seen = await browser.post(PATH, workspace=here(call), name="nightly <b>", days="30")
    assert (seen.status, seen.headers["cache-control"]) == (200, "no-store")
    [secret] = re.findall(r"mst_[\w-]+", seen.text)
    assert "“nightly &lt;b&gt;”" in seen.text
    caller = await authenticate(call.sessions, secret, datetime.now(UTC))
    assert (caller.user_id, caller.grants) == (ann, (OWNER,))
    token = await only(call)
    assert token.expires_at is not None
    assert token.expires_at - token.created_at == timedelta(days=30)
    again = await browser.get(PATH)
    assert "nightly &lt;b&gt;" in again.text
    assert secret not in again.text
    seen = await browser.post(f"{PATH}/delete", workspace=here(call), token=token.id)
    assert "That token is gone" in seen.text
    with pytest.raises(RequestError, match="no such token"):
        await authenticate(call.sessions, secret, datetime.now(UTC))
    assert (await browser.post(f"{PATH}/delete", workspace=here(call), token=token.id)).status == 404
    noted = await trail_of(call, "Access Token Created", "Access Token Deleted")
    assert [(action, actor, name) for action, actor, name, _ in noted] == [
        ("Access Token Created", ann, "nightly <b>"),
        ("Access Token Deleted", ann, "nightly <b>"),
    ]


@pytest.mark.parametrize(("days", "lives"), [("", None), ("365", 365), ("x", 90), ("100000", 90)])
async def test_a_token_expires_as_chosen(call: Call, browser: Browser, days: str, lives: int | None) -> None:
    await owner(call)
    await browser.sign_in()
    await browser.post(PATH, workspace=here(call), name="t", days=days)
    token = await only(call)
    expires = token.expires_at
    assert (None if expires is None else (expires - token.created_at).days) == lives


async def test_a_name_that_cannot_be_is_told_at_its_field(call: Call, browser: Browser) -> None:
    await owner(call)
    await browser.sign_in()
    seen = await browser.post(PATH, workspace=here(call), name=" ", days="365")
    assert seen.status == 422
    assert "1 to 120 printable characters" in alert(seen)
    assert 'aria-describedby="name-wrong' in seen.text
    assert '<option value="365" selected>' in seen.text
    assert await tokens(call) == []


async def test_only_ones_own_tokens_are_listed(call: Call, browser: Browser) -> None:
    await owner(call)
    await create_token(call, name="somebody else's", creator_id=await owner(call, "bo@example.com"))
    await browser.sign_in()
    assert "somebody else" not in (await browser.get(PATH)).text


async def test_who_is_no_owner_is_told_so_and_can_make_none(call: Call, browser: Browser) -> None:
    await owner(call, "bo@example.com")
    await add_member(call, ANN)
    await browser.sign_in()
    page = await browser.get(PATH)
    assert "made by a Workspace Owner" in page.text
    assert f'action="{PATH}"' not in page.text
    assert await trail_of(call, "Permission Check") == []  # to look is no attempt
    refused = await browser.post(PATH, workspace=here(call), name="t", days="30")
    assert refused.status == 403
    assert "access:manage" in alert(refused)
    assert len(await trail_of(call, "Permission Check")) == 1
    assert await tokens(call) == []


async def test_of_several_workspaces_one_is_chosen_and_no_others_are_reached(call: Call, browser: Browser) -> None:
    await owner(call)
    other = await call_in(call.sessions, call.vault, "other")
    await enrol(other, email=ANN, grant=OWNER)
    third = await call_in(call.sessions, call.vault, "third")
    await browser.sign_in()
    page = await browser.get(PATH)
    assert page.text.count('<option value="ws_') == 2
    await browser.post(PATH, workspace=here(other), name="there", days="30")
    assert (await tokens(call), (await only(other)).name) == ([], "there")
    assert (await browser.post(PATH, workspace=here(third), name="t", days="30")).status == 404
    token = await only(other)
    assert (await browser.post(f"{PATH}/delete", workspace=here(call), token=token.id)).status == 404
    assert await only(other) == token


async def test_a_form_of_another_site_and_one_of_nobody_do_nothing(call: Call, browser: Browser) -> None:
    await owner(call)
    for path, form in ((PATH, {"name": "t"}), (f"{PATH}/delete", {"token": "tok_x"})):
        assert (await browser.post(path, workspace=here(call), **form)).url.path == "/app/sign-in"
    assert (await browser.get(PATH)).url.path == "/app/sign-in"
    await browser.sign_in()
    for path in (PATH, f"{PATH}/delete"):
        for forged in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example.com"}, {"Origin": "null"}):
            assert (await browser.post(path, forged, workspace=here(call), name="t")).status == 403
    assert await tokens(call) == []
