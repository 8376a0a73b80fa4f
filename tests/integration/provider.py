"""Two providers to sign in with: a real one from PyPI, and one of ours whose tokens are what a test says.

Import `real`, or `key` and `liar`, as fixtures.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from midstream.control.oidc import Flow
from tests.integration.receiver import Received, Receiver, Reply, receiving

__all__ = ["key", "liar", "real"]

CLIENT = "midstream-test"
SECRET = "s3cret"


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    """Run oidc-provider-mock as a process of its own, which takes seconds to start; give its issuer."""
    port = _free_port()
    command = (sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _await_listening(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "the provider does not listen"
            time.sleep(0.1)
        else:
            return


async def consent(url: str, subject: str, **claims: Any) -> dict[str, str]:
    """Sign in at the real provider as a person would; return the query it sends the browser back with."""
    root = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    async with aiohttp.ClientSession() as client:
        if claims:
            async with client.put(f"{root}/users/{subject}", json=claims) as answer:
                assert answer.status == 204
        async with client.post(url, data={"sub": subject}, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            where = answer.headers["Location"]
    return dict(parse_qsl(urlsplit(where).query))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "k-1", "use": "sig", "alg": "RS256"})


class Liar:
    """A provider whose tokens are what the test says. It does check PKCE, the client and the code."""

    def __init__(self, receiver: Receiver, key: RSAKey) -> None:
        self.receiver, self.key, self.keys = receiver, key, [key]
        self.issuer = receiver.url
        self.challenge = ""
        self.metadata: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.token: str | None = None
        receiver.reply = self._reply

    def issue(self, flow: Flow, **claims: Any) -> dict[str, str]:
        """Prepare an ID token, right but for these claims (None takes one out); return the answer with its code."""
        now = int(time.time())
        honest = {"iss": self.issuer, "aud": CLIENT, "sub": "ann", "iat": now, "exp": now + 60, "nonce": flow.nonce}
        mail = {"email": "ann@example.com", "email_verified": True}
        self.claims = {name: value for name, value in (honest | mail | claims).items() if value is not None}
        return {"code": "c-1", "state": flow.state}

    def _reply(self, request: Received) -> Reply:
        match request.path:
            case "/.well-known/openid-configuration":
                return _json(self._discovery())
            case "/jwks":
                return _json({"keys": [each.as_dict(private=False) for each in self.keys]})
            case "/token":
                return self._exchange(request)
            case "/userinfo" if request.headers.get("authorization") == "Bearer a-1":
                return _json(self.userinfo)
        return Reply(404)

    def _discovery(self) -> Mapping[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
        } | self.metadata

    def _exchange(self, request: Received) -> Reply:
        form = dict(parse_qsl(request.body.decode()))
        verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(verifier).decode().rstrip("=") == self.challenge, "PKCE"
        assert form["code"] == "c-1"
        token = self.token or jwt.encode({"alg": "RS256", "kid": self.key.kid}, self.claims, self.key)
        return _json({"id_token": token, "access_token": "a-1", "token_type": "Bearer"})


def _json(value: Any) -> Reply:
    return Reply(200, json.dumps(value).encode(), {"content-type": "application/json"})


@pytest.fixture
async def liar(key: RSAKey) -> AsyncIterator[Liar]:
    async with receiving() as receiver:
        yield Liar(receiver, key)
