"""The API asked by somebody who is signed in, from our pages and from everywhere else: docs/signin.md's table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from midstream.api.application import application, document
from midstream.api.rates import Rates
from midstream.control import signed_in
from midstream.control.act import Call
from midstream.control.enrolment import enrol
from midstream.control.members import remove_members
from midstream.control.reset import set_password
from midstream.control.signed_in import Lifetimes
from midstream.domain.access import Grant, Role
from midstream.store.people import AnsweredRow, SignInRow, UserRow
from midstream.web.browser import Site
from midstream.web.visitors import Visitors
from tests.integration.api.desk import OWNER, Desk, desk
from tests.integration.database import sessions, vault
from tests.integration.office import call_in
from tests.integration.people import HERE, PASSWORD, WayIn, cheap_passwords, way_in

__all__ = ["desk", "sessions", "vault", "way_in"]

ANN, ROOT, EVIL = "ann@example.com", "http://midstream.test", "https://evil.example.com"
SOURCE = {"slug": "web", "enabled": True, "metadataId": "http-api"}
LIFETIMES = Lifetimes()


class Page:
    """A script of one of our pages, in the browser of somebody who is signed in. Headers change where it seems to be."""

    def __init__(self, desk: Desk, secret: str, public_url: str = "") -> None:
        office = replace(desk.office, visitor=Visitors(desk.office.sessions, Site(public_url), LIFETIMES).caller)
        transport = httpx.ASGITransport(application(office), raise_app_exceptions=False, client=("192.0.2.9", 1))
        self.secret = secret
        self.headers = {
            "cookie": f"midstream={secret}",
            "midstream-workspace": desk.call.caller.workspace_id,
            "sec-fetch-site": "same-origin",
            "origin": ROOT,
        }
        self.client = httpx.AsyncClient(transport=transport, base_url=ROOT)

    async def send(self, method: str, path: str, body: Any = None, **headers: str | None) -> httpx.Response:
        """Ask; a header that is None is not sent, and `_` stands for `-`."""
        changed = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in changed.items() if value is not None}
        return await self.client.request(method, path, json=body, headers=sent)


async def begin(desk: Desk, email: str = ANN, grant: Grant = OWNER, *, at: datetime | None = None) -> str:
    """Make somebody a member and sign them in; return the secret of their session."""
    user_id = await enrol(desk.call, email=email, grant=grant, name="Ann")
    async with desk.office.sessions.begin() as session:
        user = await session.get_one(UserRow, user_id)
        return await signed_in.begin(session, user, HERE, LIFETIMES, at or datetime.now(UTC))


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/midstream.db"


@pytest.fixture
def call(desk: Desk) -> Call:
    return desk.call


@pytest.fixture
async def page(desk: Desk) -> AsyncIterator[Page]:
    made = Page(desk, await begin(desk))
    yield made
    await made.client.aclose()


def refusal(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert "access-control-allow-origin" not in answer.headers
    return str(answer.json()["errors"][0]["message"])


async def test_a_member_does_by_session_what_they_may_and_is_the_one_who_did_it(desk: Desk, page: Page) -> None:
    assert (await page.send("GET", "/")).json()["data"]["workspace"]["id"] == desk.call.caller.workspace_id
    made = await page.send("POST", "/sources", SOURCE)
    assert made.status_code == 201
    source = made.json()["data"]["source"]["id"]
    assert (await page.send("PATCH", f"/sources/{source}", {"name": "Shop"})).status_code == 200
    token = (await page.send("POST", "/tokens", {"name": "mine"})).json()["data"]["token"]
    assert (token["creatorEmail"], token["permissions"][0]["roleId"]) == (ANN, "workspace_owner")
    assert (await page.send("DELETE", f"/sources/{source}")).status_code == 200
    entries = await desk.ask("GET", "/audit-events", params={"actor": token["creatorId"], "pagination[count]": "10"})
    assert [each["type"] for each in entries["events"]] == [
        "Source Deleted",
        "Access Token Created",
        "Source Modified",
        "Source Write Key Created",
        "Source Created",
    ]
    assert {each["actorEmail"] for each in entries["events"]} == {ANN}
    csv = (await page.send("GET", "/audit-events", accept="text/csv")).text
    assert f"{token['creatorId']},{ANN},192.0.2.9" in csv
    assert page.secret not in csv


async def test_a_session_has_no_more_rights_than_its_member_and_a_refusal_is_noted(desk: Desk) -> None:
    page = Page(desk, await begin(desk, "sam@example.com", Grant(Role.SOURCE_READ_ONLY)))
    assert (await page.send("GET", "/sources")).status_code == 200
    assert "source:create" in refusal(await page.send("POST", "/sources", SOURCE), 403)
    assert "access:manage" in refusal(await page.send("POST", "/tokens", {"name": "mine"}), 403)
    [latest, *_] = (await desk.ask("GET", "/audit-events", params={"actor": "sam@example.com"}))["events"]
    assert (latest["type"], latest["actorEmail"]) == ("Permission Check", "sam@example.com")


@pytest.mark.parametrize(
    "forged",
    [
        {"sec_fetch_site": "cross-site", "origin": EVIL},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site", "origin": "http://other.midstream.test"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": None, "origin": EVIL},
        {"sec_fetch_site": None, "origin": "null"},
        {"sec_fetch_site": None, "origin": "https://midstream.test"},
    ],
)
async def test_a_request_of_another_site_is_refused_and_nothing_is_done(
    desk: Desk, page: Page, forged: dict[str, str | None]
) -> None:
    source = await desk.source("there")
    for method, path, body in (
        ("POST", "/sources", SOURCE),
        ("PATCH", f"/sources/{source}", {"name": "Evil"}),
        ("PUT", f"/sources/{source}/labels", {"labels": []}),
        ("DELETE", f"/sources/{source}", None),
        ("GET", "/sources", None),
    ):
        answer = await page.send(method, path, body, **forged)
        assert "not sent from a page of this midstream" in refusal(answer, 403)
    [only] = (await desk.ask("GET", "/sources"))["sources"]
    assert (only["id"], only["slug"], only["name"]) == (source, "there", "there")


async def test_what_says_nothing_of_where_it_comes_from_may_read_and_no_more(page: Page) -> None:
    silent: dict[str, str | None] = {"sec_fetch_site": None, "origin": None}
    assert (await page.send("GET", "/sources", **silent)).status_code == 200
    refusal(await page.send("POST", "/sources", SOURCE, **silent), 403)


async def test_without_the_header_a_cookie_is_nothing(page: Page) -> None:
    """A link, an image, a form: what another site can make a browser send has the cookie at most."""
    for method, body in (("GET", None), ("POST", SOURCE), ("DELETE", None)):
        for site in ("same-origin", "cross-site", "none"):
            answer = await page.send(method, "/sources", body, midstream_workspace=None, sec_fetch_site=site)
            if method == "DELETE":
                assert answer.status_code == 405
            else:
                assert "a token is needed" in refusal(answer, 401)


async def test_a_body_that_a_form_could_send_is_not_read(page: Page) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        headers = page.headers | {"content-type": kind}
        body = b'{"slug": "web", "enabled": true, "metadataId": "http-api"}'
        answer = await page.client.post("/sources", content=body, headers=headers)
        assert answer.status_code in {400, 422}, answer.text
    assert (await page.send("GET", "/sources")).json()["data"]["sources"] == []


async def test_no_other_origin_is_let_ask_or_read(page: Page) -> None:
    preflight = {
        "access_control_request_method": "POST",
        "access_control_request_headers": "midstream-workspace",
        "origin": EVIL,
        "sec_fetch_site": "cross-site",
    }
    for path in ("/", "/sources", "/tokens", "/nowhere"):
        answer = await page.send("OPTIONS", path, midstream_workspace=None, cookie=None, **preflight)
        assert answer.status_code in {404, 405}
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    answer = await page.send("GET", "/sources")
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_where_a_token_is_sent_the_session_counts_for_nothing(desk: Desk, page: Page) -> None:
    weak = await desk.token(Grant(Role.SOURCE_READ_ONLY))
    both = {"authorization": f"Bearer {weak}"}
    assert "source:create" in refusal(await page.send("POST", "/sources", SOURCE, **both), 403)
    for bad, complaint in (("Bearer mst_no", "no such token"), ("Basic YTpi", "a token is needed"), ("", "a token")):
        assert complaint in refusal(await page.send("GET", "/", authorization=bad), 401)
    strong = {"authorization": f"Bearer {await desk.token(OWNER)}"}
    elsewhere = await page.send("POST", "/sources", SOURCE, **strong, sec_fetch_site="cross-site", origin=EVIL)
    assert elsewhere.status_code == 201  # a token is its own proof: no browser adds one by itself


async def test_another_workspace_is_not_there_for_who_is_no_member(desk: Desk, page: Page) -> None:
    other = await call_in(desk.office.sessions, desk.office.vault, "other")
    for workspace in (other.caller.workspace_id, "ws_none", "", "main"):
        assert "no workspace" in refusal(await page.send("GET", "/sources", midstream_workspace=workspace), 404)
        refusal(await page.send("POST", "/sources", SOURCE, midstream_workspace=workspace), 404)


async def test_who_is_a_member_of_two_workspaces_is_in_the_one_they_name(desk: Desk, page: Page) -> None:
    other = await call_in(desk.office.sessions, desk.office.vault, "other")
    await enrol(other, email=ANN, grant=Grant(Role.SOURCE_READ_ONLY))
    there = {"midstream_workspace": other.caller.workspace_id}
    key = {"idempotency_key": "k-1"}
    made = (await page.send("POST", "/sources", SOURCE, **key)).json()["data"]["source"]["id"]
    assert (await page.send("GET", "/sources", **there)).json()["data"]["sources"] == []
    refusal(await page.send("GET", f"/sources/{made}", **there), 404)
    # What was answered in one workspace is not told in another, and the rights are those of that other.
    assert "source:create" in refusal(await page.send("POST", "/sources", SOURCE, **key, **there), 403)


async def test_a_key_and_a_rate_are_the_members_whatever_session_they_ask_with(desk: Desk, page: Page) -> None:
    again = Page(desk, await begin(desk))
    key = {"idempotency_key": "k-1"}
    first = await page.send("POST", "/tokens", {"name": "mine"}, **key)
    second = await again.send("POST", "/tokens", {"name": "mine"}, **key)
    assert second.headers["idempotent-replayed"] == "true"
    assert second.json() == first.json()
    async with desk.office.sessions() as session:
        row = await session.get(
            AnsweredRow, (f"{desk.call.caller.workspace_id} {first.json()['data']['token']['creatorId']}", "k-1")
        )
    assert row is not None
    slow = replace(desk, office=replace(desk.office, rates=Rates(3)))
    pages = [Page(slow, page.secret), Page(slow, again.secret)]
    seen = [(await each.send("GET", "/")).status_code for each in pages * 2]
    assert seen == [200, 200, 200, 429]


async def ended_by_hand(desk: Desk, user: UserRow) -> None:
    async with desk.office.sessions() as session:
        row = (await session.execute(SignInRow.__table__.select())).one()
    person = signed_in.Person(row.id, user.id, user.email, user.name, (), has_password=True)
    await signed_in.sign_out(desk.office.sessions, person, "192.0.2.1")


async def password_set(desk: Desk, user: UserRow) -> None:
    await set_password(desk.office.sessions, cheap_passwords(), ANN, "another horse 7", author="tests")


async def removed(desk: Desk, user: UserRow) -> None:
    await enrol(desk.call, email="other@example.com", grant=OWNER)
    await remove_members(desk.call, [user.id])


async def unused(desk: Desk, user: UserRow) -> None:
    await _moved(desk, seen_at=datetime.now(UTC) - LIFETIMES.idle)


async def too_old(desk: Desk, user: UserRow) -> None:
    await _moved(desk, expires_at=datetime.now(UTC) - timedelta(seconds=1))


async def _moved(desk: Desk, **times: datetime) -> None:
    async with desk.office.sessions.begin() as session:
        await session.execute(update(SignInRow).values(**times))


@pytest.mark.parametrize("end", [ended_by_hand, password_set, removed, unused, too_old])
async def test_a_session_that_is_over_is_over_for_the_api_at_once(desk: Desk, page: Page, end: Any) -> None:
    user_id = await enrol(desk.call, email=ANN, grant=OWNER)
    async with desk.office.sessions() as session:
        user = await session.get_one(UserRow, user_id)
    assert (await page.send("GET", "/sources")).status_code == 200
    await end(desk, user)
    for method, body in (("GET", None), ("POST", SOURCE)):
        message = refusal(await page.send(method, "/sources", body), 401)
        assert "sign in again" in message
        assert page.secret not in message


async def test_a_password_that_one_changes_ends_ones_other_sessions_for_the_api(desk: Desk, way_in: WayIn) -> None:
    await enrol(desk.call, email=ANN, grant=OWNER)
    await set_password(desk.office.sessions, cheap_passwords(), ANN, PASSWORD, author="tests")
    here, there = Page(desk, await begin(desk)), Page(desk, await begin(desk))
    person = await signed_in.person_of(desk.office.sessions, here.secret, LIFETIMES)
    assert person is not None
    assert await way_in().change_password(person, PASSWORD, "another horse 7", HERE) is None
    assert (await here.send("GET", "/sources")).status_code == 200
    refusal(await there.send("GET", "/sources"), 401)


async def test_a_role_that_is_taken_away_is_gone_at_the_next_request(desk: Desk) -> None:
    page = Page(desk, await begin(desk, "sam@example.com", Grant(Role.SOURCE_ADMIN)))
    assert (await page.send("POST", "/sources", SOURCE)).status_code == 201
    [sam] = [each for each in (await desk.ask("GET", "/users"))["users"] if each["email"] == "sam@example.com"]
    workspace = [{"id": desk.call.caller.workspace_id, "type": "WORKSPACE"}]
    reader = [{"roleId": "source_read_only", "resources": workspace}]
    await desk.ask("PUT", f"/users/{sam['id']}/permissions", {"permissions": reader})
    refusal(await page.send("POST", "/sources", SOURCE | {"slug": "other"}), 403)


async def test_no_cookie_a_wrong_one_and_one_of_another_name_are_nobody(page: Page) -> None:
    for cookie in (None, "midstream=", "midstream=wrong", f"__Host-midstream={page.secret}", f"other={page.secret}"):
        refusal(await page.send("GET", "/", cookie=cookie), 401)


async def test_at_a_public_url_with_tls_only_the_secure_cookie_and_that_origin_count(desk: Desk) -> None:
    secret = await begin(desk)
    page = Page(desk, secret, "https://midstream.example.com")
    named = {"cookie": f"__Host-midstream={secret}", "sec_fetch_site": None}
    theirs = named | {"origin": "https://midstream.example.com"}
    assert (await page.send("POST", "/sources", SOURCE, **theirs)).status_code == 201
    refusal(await page.send("POST", "/sources", SOURCE, **named, origin=ROOT), 403)
    refusal(await page.send("GET", "/sources", **theirs | {"cookie": f"midstream={secret}"}), 401)


async def test_where_nobody_can_sign_in_a_session_is_nothing(desk: Desk, page: Page) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application(desk.office)), base_url=ROOT) as client:
        assert "a token is needed" in refusal(await client.get("/", headers=page.headers), 401)


def test_the_document_says_both_ways() -> None:
    found = document()
    assert found["security"] == [{"token": []}, {"session": [], "workspace": []}]
    schemes = found["components"]["securitySchemes"]
    assert (schemes["session"]["in"], schemes["session"]["name"]) == ("cookie", "__Host-midstream")
    assert (schemes["workspace"]["in"], schemes["workspace"]["name"]) == ("header", "Midstream-Workspace")
