"""Signing in at a whole midstream: through the front, with the address and scheme that the front, or a proxy, saw."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

from tests.whole import Whole, running, until

EMAIL, PASSWORD = "ann@example.com", "correct horse battery"


def sign_in(whole: Whole, **headers: str) -> tuple[str, CookieJar]:
    """Sign in, and return the page this leads to, with the cookies."""
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    form = urlencode({"email": EMAIL, "password": PASSWORD}).encode()
    request = urllib.request.Request(f"{whole.base_url}/app/sign-in", form, {"Origin": whole.base_url} | headers)
    with opener.open(request, timeout=30) as answer:
        return answer.read().decode(), jar


def begin(whole: Whole) -> None:
    """Make the first member, and give them a password."""
    assert whole.run("token", "create", "--email", EMAIL).returncode == 0
    done = whole.run("user", "password", EMAIL, stdin=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    until(lambda: _answers(f"{whole.base_url}/app/sign-in"), process=whole)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def test_a_person_signs_in_and_nobody_says_for_them_where_they_are(tmp_path: Path) -> None:
    with running(tmp_path) as whole:
        begin(whole)
        page, jar = sign_in(whole, **{"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"})
        assert "<h1>ann@example.com</h1>" in page
        assert re.findall(r"<td data-label=\"Address\">([\d.]+)</td>", page) == ["127.0.0.1"]
        assert [(each.name, each.secure) for each in jar] == [("midstream", False)]


def test_a_proxy_that_is_trusted_says_who_asks_and_that_it_was_tls(tmp_path: Path) -> None:
    with running(tmp_path, MIDSTREAM_TRUSTED_PROXIES="127.0.0.0/8") as whole:
        begin(whole)
        host = whole.base_url.removeprefix("http://")
        headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9", "X-Forwarded-Proto": "https"}
        body = urlencode({"email": EMAIL, "password": PASSWORD}).encode()
        request = urllib.request.Request(
            f"{whole.base_url}/app/sign-in", body, headers | {"Origin": f"https://{host}"}, method="POST"
        )
        opener = urllib.request.build_opener(_Stay())
        answer = opener.open(request, timeout=30)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-midstream=")
        assert "Secure" in cookie
        seen = urllib.request.Request(f"{whole.base_url}/app/", headers=headers | {"Cookie": cookie.partition(";")[0]})
        page = opener.open(seen, timeout=30).read().decode()
        # The last one is whom the proxy saw; what is before it was already there, and may be made up.
        assert re.findall(r"<td data-label=\"Address\">([\d.]+)</td>", page) == ["203.0.113.9"]


def test_who_is_signed_in_asks_the_api_through_the_front_and_nobody_asks_it_for_them(tmp_path: Path) -> None:
    with running(tmp_path) as whole:
        begin(whole)
        [created] = json.loads(whole.run("audit", "list", "--type", "Workspace Created", "--json").stdout)
        workspace = created["resourceId"]
        _, jar = sign_in(whole)
        [secret] = [each.value or "" for each in jar]
        ours = {"Cookie": f"midstream={secret}", "Midstream-Workspace": workspace, "Origin": whole.base_url}

        def ask(method: str, path: str, body: object = None, **headers: str) -> tuple[int, str]:
            data = None if body is None else json.dumps(body).encode()
            sent = ours | {"Content-Type": "application/json"} | headers
            request = urllib.request.Request(whole.base_url + path, data, sent, method=method)
            with urllib.request.build_opener(_Stay()).open(request, timeout=30) as answer:
                assert "access-control-allow-origin" not in answer.headers
                return answer.status, answer.read().decode()

        source = {"slug": "web", "enabled": True, "metadataId": "http-api"}
        for forged in ({"Origin": "https://evil.example.com"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
            assert ask("POST", "/sources", source, **forged)[0] == 403
        assert ask("POST", "/sources", source, Authorization="Bearer mst_no")[0] == 401
        assert workspace in ask("GET", "/")[1]  # and not the page that stands there for people
        assert ask("POST", "/sources", source)[0] == 201
        entry = json.loads(whole.run("audit", "list", "--type", "Source Created", "--json").stdout)[0]
        assert (entry["actor"][:4], entry["actorEmail"], entry["origin"]) == ("usr_", EMAIL, "127.0.0.1")
        assert whole.run("user", "password", EMAIL, stdin=PASSWORD + "2\n").returncode == 0
        assert ask("GET", "/sources")[0] == 401
        assert secret not in whole.log()


class _Stay(urllib.request.HTTPErrorProcessor):
    """Takes a redirect for an answer."""

    def http_response(self, request: object, response: object) -> object:  # type: ignore[override] # any answer
        return response
