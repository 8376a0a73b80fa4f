"""The pages of signing in, as a browser and as somebody who means harm sees them: over HTTP, with the real parts behind."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path

import aiohttp
import pytest
import uvicorn
from starlette.applications import Starlette
from yarl import URL

from midstream.app import signin
from midstream.app.signin import signing_in
from midstream.config import load
from midstream.control.act import Call
from midstream.secrets import Vault
from midstream.store.session import Sessions
from tests.integration.database import sessions, vault
from tests.integration.office import call_in
from tests.integration.people import PASSWORD, add_member, cheap_passwords, invite, trail_of
from tests.integration.provider import CLIENT, SECRET, consent, real

__all__ = ["real", "sessions", "vault"]

ANN = "ann@example.com"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/midstream.db"


@pytest.fixture
async def call(sessions: Sessions, vault: Vault) -> Call:
    return await call_in(sessions, vault)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signin, "Passwords", cheap_passwords)


@asynccontextmanager
async def served(call: Call, **settings: str) -> AsyncIterator[str]:
    """Serve the pages on a free port; give their root."""
    environ = {f"MIDSTREAM_{name.upper()}": value for name, value in settings.items()}
    listener = socket.create_server(("127.0.0.1", 0))
    async with signing_in(load(environ=environ), call.sessions, call.vault) as entrance:
        app = Starlette(routes=entrance.routes)
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, ws="none"))
        task = asyncio.create_task(server._serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await asyncio.wait_for(task, 10)


@dataclass(frozen=True)
class Seen:
    status: int
    url: URL
    text: str
    headers: Mapping[str, str]


class Browser:
    """A browser: it keeps cookies, follows redirects, and says where a form was sent from."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.client = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def get(self, path: str) -> Seen:
        return await self._seen("GET", path)

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> Seen:
        return await self._seen("POST", path, data=fields, headers=headers or {"Origin": self.root})

    async def sign_in(self, email: str = ANN, password: str = PASSWORD) -> Seen:
        return await self.post("/app/sign-in", email=email, password=password)

    async def _seen(self, method: str, path: str, **options: object) -> Seen:
        async with self.client.request(method, self.root + path, **options) as answer:  # type: ignore[arg-type] # any
            return Seen(answer.status, answer.url, await answer.text(), answer.headers)


@pytest.fixture
async def browser(call: Call) -> AsyncIterator[Browser]:
    async with served(call) as root:
        browser = Browser(root)
        yield browser
        await browser.client.close()


def alert(seen: Seen) -> str:
    [said] = re.findall(r'<p role="alert"[^>]*>(.*?)</p>', seen.text)
    return str(said)


async def test_a_stranger_is_asked_to_sign_in_and_then_is_who_they_are(call: Call, browser: Browser) -> None:
    await add_member(call, ANN)
    first = await browser.get("/app/")
    assert (first.status, first.url.path) == (200, "/app/sign-in")
    assert "/app/oidc/start" not in first.text
    inside = await browser.sign_in()
    assert (inside.status, inside.url.path) == (200, "/app/")
    assert "<h1>Ann</h1>" in inside.text
    assert "ann@example.com · Workspaces: Main" in inside.text
    assert (await browser.get("/app/sign-in")).url.path == "/app/"
    outside = await browser.post("/app/sign-out")
    assert outside.url.path == "/app/sign-in"
    assert "You are signed out." in outside.text
    assert (await browser.get("/app/")).url.path == "/app/sign-in"


async def test_a_page_allows_no_script_and_is_kept_nowhere(browser: Browser) -> None:
    page = await browser.get("/app/sign-in")
    headers = page.headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "form-action 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"
    assert "<script" not in page.text
    for name in ("email", "password"):
        assert f'<label for="{name}">' in page.text
        assert f'<input id="{name}"' in page.text


async def test_a_wrong_password_is_said_and_what_was_typed_is_escaped(call: Call, browser: Browser) -> None:
    await add_member(call, ANN)
    seen = await browser.sign_in(email='"><script>alert(1)</script>', password="wrong horse battery")
    assert seen.status == 401
    assert alert(seen) == "The e-mail address or the password is not right."
    assert "<script" not in seen.text
    assert "wrong horse battery" not in seen.text


async def test_too_many_attempts_say_when_to_try_again(call: Call, browser: Browser) -> None:
    for _ in range(10):
        assert (await browser.sign_in(password="wrong horse battery")).status == 401
    seen = await browser.sign_in()
    assert seen.status == 429
    assert 0 < int(seen.headers["retry-after"]) <= 900


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"X-Nothing": "at all"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "{root}"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_of_another_site_is_refused(call: Call, browser: Browser, headers: dict[str, str]) -> None:
    await add_member(call, ANN)
    forged = {name: value.format(root=browser.root) for name, value in headers.items()}
    seen = await browser.post("/app/sign-in", forged, email=ANN, password=PASSWORD)
    assert seen.status == 403
    await browser.sign_in()
    for path in ("/app/sign-out", "/app/sessions/revoke", "/app/password", "/app/invite/x"):
        assert (await browser.post(path, forged)).status == 403
    assert (await browser.get("/app/")).url.path == "/app/"


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}])
async def test_what_the_browser_says_is_our_own_form_is_taken(
    call: Call, browser: Browser, headers: dict[str, str]
) -> None:
    await add_member(call, ANN)
    assert (await browser.post("/app/sign-in", headers, email=ANN, password=PASSWORD)).url.path == "/app/"


async def test_a_form_that_is_none_or_too_large_is_refused(browser: Browser) -> None:
    ours = {"Origin": browser.root}
    url = browser.root + "/app/sign-in"
    async with browser.client.post(url, json={"email": ANN}, headers=ours) as answer:
        assert answer.status == 415
    async with browser.client.post(url, data={"email": "x" * 20_000}, headers=ours) as answer:
        assert answer.status == 413
    for body in (b"email=a%00b", b"email=%ff", b"\xff"):
        form = ours | {"Content-Type": "application/x-www-form-urlencoded"}
        async with browser.client.post(url, data=body, headers=form) as answer:
            assert answer.status == 400
    async with browser.client.post(url, data={str(each): "" for each in range(30)}, headers=ours) as answer:
        assert answer.status == 400


async def test_cookies_are_for_this_host_over_tls_only_where_there_is_tls(call: Call, browser: Browser) -> None:
    await add_member(call, ANN)
    form = {"email": ANN, "password": PASSWORD}

    async def cookie(**headers: str) -> SimpleCookie:
        async with browser.client.post(
            browser.root + "/app/sign-in", data=form, headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status == 303
            return SimpleCookie(answer.headers["set-cookie"])

    plain = (await cookie(Origin=browser.root))["midstream"]
    assert (plain["httponly"], plain["samesite"], plain["secure"], plain["path"]) == (True, "lax", "", "/")
    assert plain["max-age"] == "604800"
    tls = browser.root.replace("http:", "https:")
    headers = {"Origin": tls, "X-Forwarded-Proto": "https"}
    secure = (await cookie(**headers))["__Host-midstream"]
    assert (secure["httponly"], secure["samesite"], secure["secure"], secure["path"], secure["domain"]) == (
        True,
        "lax",
        True,
        "/",
        "",
    )
    # Over TLS the name without the prefix, which anybody on the way could have set, counts for nothing.
    for name, path in (("midstream", "/app/sign-in"), ("__Host-midstream", "/app/")):
        jar = {"Cookie": f"{name}={secure.value}"} | headers
        async with (
            aiohttp.ClientSession() as client,
            client.get(browser.root + "/app/sign-in", headers=jar, allow_redirects=False) as answer,
        ):
            assert answer.headers.get("location", "/app/sign-in") == path


async def test_a_session_is_ended_from_another_browser(call: Call, browser: Browser) -> None:
    await add_member(call, ANN)
    await browser.sign_in()
    other = Browser(browser.root)
    page = await other.sign_in()
    [session] = re.findall(r'name="session" value="(ses_\w+)"', page.text)
    assert page.text.count("<tr>") == 3
    page = await other.post("/app/sessions/revoke", session=session)
    assert page.text.count("<tr>") == 2
    assert (await browser.get("/app/")).url.path == "/app/sign-in"
    assert (await other.post("/app/sessions/revoke", session=session)).status == 404
    await browser.sign_in()
    await other.post("/app/sessions/revoke")
    assert (await browser.get("/app/")).url.path == "/app/sign-in"
    assert (await other.get("/app/")).url.path == "/app/"
    await other.client.close()


async def test_a_password_is_changed_with_the_one_before_and_ends_other_sessions(call: Call, browser: Browser) -> None:
    ann = await add_member(call, ANN)
    await browser.sign_in()
    other = Browser(browser.root)
    await other.sign_in()
    for current, new, said in (
        ("wrong horse battery", "another horse 7", "not your password"),
        (PASSWORD, "ann@example", "at least 12 characters"),
    ):
        seen = await browser.post("/app/password", current=current, new=new)
        assert seen.status == 422
        assert said in alert(seen)
    seen = await browser.post("/app/password", current=PASSWORD, new="another horse 7")
    assert (seen.status, seen.url.path) == (200, "/app/")
    assert (await other.get("/app/")).url.path == "/app/sign-in"
    assert (await other.sign_in()).status == 401
    assert (await other.sign_in(password="another horse 7")).url.path == "/app/"
    assert (await trail_of(call, "User Modified"))[-1] == ("User Modified", ann, ANN, ["password"])
    await other.client.close()
    nobody = Browser(browser.root)
    assert (await nobody.post("/app/password", current=PASSWORD, new="x")).url.path == "/app/sign-in"
    await nobody.client.close()


async def test_an_invite_leads_in_with_a_new_password(call: Call, browser: Browser) -> None:
    path = "/app/invite/" + await invite(call, ANN)
    page = await browser.get(path)
    assert "<h1>Join Main</h1>" in page.text
    assert 'autocomplete="new-password"' in page.text
    page = await browser.post(path, name="Ann <Lee>", password="short")
    assert page.status == 422
    assert "at least 12 characters" in alert(page)
    assert 'value="Ann &lt;Lee&gt;"' in page.text
    page = await browser.post(path, name="Ann <Lee>", password=PASSWORD)
    assert page.url.path == "/app/"
    assert "<h1>Ann &lt;Lee&gt;</h1>" in page.text
    assert (await browser.get(path)).status == 404
    assert (await browser.post(path, name="x", password=PASSWORD)).status == 404


async def test_an_invite_to_somebody_with_an_account_asks_for_its_password(call: Call, browser: Browser) -> None:
    await add_member(call, ANN)
    other = await call_in(call.sessions, call.vault, "other")
    path = "/app/invite/" + await invite(other, ANN)
    assert 'autocomplete="current-password"' in (await browser.get(path)).text
    assert (await browser.post(path, password="the password of eve")).status == 401
    assert "Workspaces: Main, Other" in (await browser.post(path, password=PASSWORD)).text


async def test_without_a_provider_nothing_leads_to_one(browser: Browser) -> None:
    for path in ("/app/oidc/start", "/app/oidc/callback?code=x&state=y"):
        assert (await browser.get(path)).status == 404


@pytest.fixture
async def through(call: Call, real: str) -> AsyncIterator[Browser]:
    """A browser of an installation that has a provider, a real one."""
    settings = {"oidc_issuer": real, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
    async with served(call, **settings) as root:
        browser = Browser(root)
        yield browser
        await browser.client.close()


async def sent_away(browser: Browser) -> str:
    async with browser.client.get(browser.root + "/app/oidc/start", allow_redirects=False) as answer:
        assert answer.status == 303
        return answer.headers["location"]


async def come_back(browser: Browser, answer: dict[str, str]) -> Seen:
    return await browser.get(str(URL("/app/oidc/callback").with_query(answer)))


async def test_a_member_comes_in_through_the_provider(call: Call, through: Browser) -> None:
    ann = await add_member(call, ANN)
    assert 'href="/app/oidc/start">Sign in with 127.0.0.1<' in (await through.get("/app/sign-in")).text
    url = await sent_away(through)
    assert URL(url).query["redirect_uri"] == through.root + "/app/oidc/callback"
    answer = await consent(url, "ann", email=ANN, email_verified=True)
    seen = await come_back(through, answer)
    assert (seen.status, seen.url.path) == (200, "/app/")
    assert "<h1>Ann</h1>" in seen.text
    assert "you sign in through your provider" in seen.text  # and not: change your password
    assert 'action="/app/password"' not in seen.text
    assert (await trail_of(call, "User Signed In"))[-1] == ("User Signed In", ann, ANN, ["oidc"])
    again = await come_back(through, answer)
    assert (again.status, alert(again)[:7]) == (400, "Signing")


async def test_an_unverified_address_is_not_matched(call: Call, through: Browser) -> None:
    await add_member(call, ANN)
    answer = await consent(await sent_away(through), "eve", email=ANN, email_verified=False)
    seen = await come_back(through, answer)
    assert seen.status == 403
    assert "verified" in alert(seen)
    assert (await through.get("/app/")).url.path == "/app/sign-in"


async def test_an_answer_is_only_good_in_the_browser_that_asked(call: Call, through: Browser) -> None:
    await add_member(call, ANN)
    victim = Browser(through.root)
    answer = await consent(await sent_away(through), "ann2", email=ANN, email_verified=True)
    for browser, query in ((victim, answer), (through, answer | {"state": "wrong"}), (through, answer)):
        # The third comes too late: the wrong state used the flow up.
        assert (await come_back(browser, query)).status == 400
    await victim.client.close()


async def test_a_provider_that_cannot_be_reached_is_said_on_a_page(call: Call) -> None:
    async with served(call, oidc_issuer="http://127.0.0.1:9", oidc_client_id=CLIENT) as root:
        browser = Browser(root)
        seen = await browser.get("/app/oidc/start")
        assert seen.status == 503
        assert "did not answer at 127.0.0.1:9" in alert(seen)
        await browser.client.close()


async def test_a_public_url_is_where_people_are_sent_back_to(call: Call, real: str) -> None:
    settings = {"oidc_issuer": real, "oidc_client_id": CLIENT, "public_url": "https://midstream.example.com/"}
    async with served(call, **settings) as root:
        browser = Browser(root)
        async with browser.client.get(root + "/app/oidc/start", allow_redirects=False) as answer:
            back = URL(answer.headers["location"]).query["redirect_uri"]
            assert answer.headers["set-cookie"].startswith("__Host-midstream_flow=")
        assert back == "https://midstream.example.com/app/oidc/callback"
        assert (await browser.post("/app/sign-out", {"Origin": "https://midstream.example.com"})).status == 200
        assert (await browser.post("/app/sign-out", {"Origin": root})).status == 403
        await browser.client.close()


async def test_forged_answers_from_other_pages_do_not_count_and_false_codes_do(call: Call, through: Browser) -> None:
    for _ in range(60):
        assert (await come_back(through, {"code": "x", "state": "y"})).status == 400
    for _ in range(50):
        url = await sent_away(through)
        assert (await come_back(through, {"code": "x", "state": URL(url).query["state"]})).status == 400
    url = await sent_away(through)
    assert (await come_back(through, {"code": "x", "state": URL(url).query["state"]})).status == 429
    async with asyncio.timeout(10):
        while not (noted := await trail_of(call, "User Sign In Refused")):
            await asyncio.sleep(0.01)
    assert noted[0] == ("User Sign In Refused", "__anonymous__", "", ["not vouched for"])
