"""Sign-in through a provider: a real one from PyPI, and one of ours that lies in every way a provider or thief could."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from midstream.control import oidc
from midstream.control.oidc import Flow, Identity, Provider, flow_of
from midstream.domain.issuer import place_of
from midstream.egress import Egress
from midstream.errors import RequestError, Unavailable
from midstream.secrets import Vault
from tests.integration.database import vault
from tests.integration.provider import CLIENT, SECRET, Liar, consent, key, liar, real
from tests.integration.receiver import Reply

__all__ = ["key", "liar", "real", "vault"]

BACK = "http://127.0.0.1:4700/app/oidc/callback"


@asynccontextmanager
async def provider_at(issuer: str, *, secret: str = SECRET) -> AsyncIterator[Provider]:
    egress = Egress(allow=(place_of(issuer),))
    try:
        yield Provider(egress.send, issuer=issuer, client_id=CLIENT, client_secret=secret)
    finally:
        await egress.close()


async def finished(provider: Provider, answer: Mapping[str, str], flow: Flow | None) -> Identity:
    return await provider.redeem(*provider.code_of(answer, flow))


# A real provider.


async def test_a_real_provider_vouches_for_somebody(real: str) -> None:
    async with provider_at(real) as provider:
        url, flow = await provider.start(BACK)
        answer = await consent(url, "ann", email="Ann@Example.com", email_verified=True, name="Ann Lee")
        assert await finished(provider, answer, flow) == Identity(real, "ann", "ann@example.com", True, "Ann Lee")


async def test_a_real_provider_that_does_not_say_verified_is_not_taken_at_more(real: str) -> None:
    async with provider_at(real) as provider:
        url, flow = await provider.start(BACK)
        answer = await consent(url, "ann", email="ann@example.com")
        assert not (await finished(provider, answer, flow)).verified


async def test_a_code_works_once(real: str) -> None:
    async with provider_at(real) as provider:
        url, flow = await provider.start(BACK)
        answer = await consent(url, "ann", email="ann@example.com")
        await finished(provider, answer, flow)
        with pytest.raises(RequestError, match="did not work"):
            await finished(provider, answer, flow)


async def test_somebody_elses_answer_is_refused_before_the_provider_is_asked(real: str) -> None:
    async with provider_at(real) as provider:
        url, flow = await provider.start(BACK)
        thief, _ = await provider.start(BACK)
        answer = await consent(thief, "eve", email="eve@example.com")
        for wrong in (answer, answer | {"state": ""}, {"code": answer["code"]}):
            with pytest.raises(RequestError, match="did not work"):
                await finished(provider, wrong, flow)
        with pytest.raises(RequestError, match="did not work"):
            await finished(provider, await consent(url, "ann"), None)


async def test_a_code_of_another_flow_fails_by_its_nonce(real: str) -> None:
    async with provider_at(real) as provider:
        _, flow = await provider.start(BACK)
        stolen, _ = await provider.start(BACK)
        answer = await consent(stolen, "eve", email="eve@example.com")
        with pytest.raises(RequestError, match="did not work"):
            await finished(provider, answer | {"state": flow.state}, flow)


async def test_a_provider_on_a_private_address_needs_to_be_the_configured_one(real: str) -> None:
    egress = Egress()
    try:
        with pytest.raises(Unavailable, match="EBLOCKED"):
            await Provider(egress.send, issuer=real, client_id=CLIENT).start(BACK)
    finally:
        await egress.close()


# A provider that lies.


async def begun(provider: Provider, liar: Liar) -> Flow:
    url, flow = await provider.start(BACK)
    query = parse_qs(urlsplit(url).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["tenant"] == ["1"]
    assert flow.verifier not in url
    [liar.challenge] = query["code_challenge"]
    return flow


async def test_an_honest_token_is_taken(liar: Liar) -> None:
    async with provider_at(liar.issuer) as provider:
        flow = await begun(provider, liar)
        identity = await finished(provider, liar.issue(flow, aud=[CLIENT]), flow)
        assert (identity.key, identity.verified) == (f"{liar.issuer} ann", True)
        token = next(each for each in liar.receiver.requests if each.path == "/token")
        assert token.headers["authorization"] == "Basic " + base64.b64encode(b"midstream-test:s3cret").decode()


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": "another-client"}, "aud"),
        ({"aud": ["another-client", "a-third"]}, "aud"),
        ({"aud": [CLIENT, "another-client"]}, "several audiences"),
        ({"azp": "another-client"}, "another client"),
        ({"iss": "https://evil.example.com"}, "iss"),
        ({"iss": None}, "iss"),
        ({"exp": 1_700_000_000}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"iat": 4_000_000_000, "exp": 4_000_000_060}, "in the future"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "sub"),
        ({"sub": "a\0"}, "printable"),
    ],
)
async def test_a_token_that_is_not_for_us_now_is_refused(
    liar: Liar, claims: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = reasons(monkeypatch)
    async with provider_at(liar.issuer) as provider:
        flow = await begun(provider, liar)
        with pytest.raises(RequestError, match="did not work"):
            await finished(provider, liar.issue(flow, **claims), flow)
    assert why in said[0]


def reasons(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect why a sign-in was refused: the person is not told."""
    said: list[str] = []
    refused = oidc._refused

    def noted(why: str) -> RequestError:
        said.append(why)
        return refused(why)

    monkeypatch.setattr(oidc, "_refused", noted)
    return said


def unsigned(claims: Mapping[str, Any], _: RSAKey, **header: str) -> str:
    parts = ({"alg": "none", "typ": "JWT"} | header, dict(claims))
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def signed_with_the_public_key(claims: Mapping[str, Any], key: RSAKey) -> str:
    head, body, _ = unsigned(claims, key, alg="HS256", kid="k-1").split(".")
    tag = hmac.digest(key.as_pem(private=False), f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(tag).decode().rstrip('=')}"


def signed_with_the_client_secret(claims: Mapping[str, Any], _: RSAKey) -> str:
    return jwt.encode({"alg": "HS256"}, dict(claims), OctKey.import_key(b"s3cret".ljust(32)), algorithms=["HS256"])


def signed_by_a_stranger(claims: Mapping[str, Any], _: RSAKey) -> str:
    return jwt.encode({"alg": "RS256", "kid": "k-1"}, dict(claims), RSAKey.generate_key(2048))


def altered(claims: Mapping[str, Any], key: RSAKey) -> str:
    head, _, tail = jwt.encode({"alg": "RS256", "kid": "k-1"}, dict(claims), key).split(".")
    body = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "admin"}).encode()).decode().rstrip("=")
    return f"{head}.{body}.{tail}"


def with_a_key_of_its_own(claims: Mapping[str, Any], _: RSAKey) -> str:
    own = RSAKey.generate_key(2048)
    return jwt.encode({"alg": "RS256", "jwk": own.as_dict(private=False)}, dict(claims), own)


def nothing_at_all(_claims: Mapping[str, Any], _key: RSAKey) -> str:
    return "not.a.token"


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # the attacks themselves are what it warns of
@pytest.mark.parametrize(
    "forged",
    [
        unsigned,
        signed_with_the_public_key,
        signed_with_the_client_secret,
        signed_by_a_stranger,
        altered,
        with_a_key_of_its_own,
        nothing_at_all,
    ],
)
async def test_a_token_the_provider_did_not_sign_is_refused(liar: Liar, forged: Any) -> None:
    async with provider_at(liar.issuer) as provider:
        flow = await begun(provider, liar)
        answer = liar.issue(flow)
        liar.token = forged(liar.claims, liar.key)
        with pytest.raises(RequestError, match="did not work"):
            await finished(provider, answer, flow)


async def test_a_new_key_of_the_provider_is_found(liar: Liar, key: RSAKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "_KEYS_AGAIN_AFTER", 0)
    async with provider_at(liar.issuer) as provider:
        flow = await begun(provider, liar)
        await finished(provider, liar.issue(flow), flow)
        liar.key = RSAKey.generate_key(2048, {"kid": "k-2"})
        liar.keys = [key, liar.key]
        flow = await begun(provider, liar)
        assert (await finished(provider, liar.issue(flow), flow)).subject == "ann"


async def test_an_address_that_only_user_info_tells_is_found_there_and_must_be_the_same_subjects(liar: Liar) -> None:
    async with provider_at(liar.issuer) as provider:
        liar.userinfo = {"sub": "ann", "email": "ann@example.com", "email_verified": True, "nonce": "x"}
        flow = await begun(provider, liar)
        answer = liar.issue(flow, email=None, email_verified=None)
        assert (await finished(provider, answer, flow)).verified
        liar.userinfo["sub"] = "eve"
        with pytest.raises(RequestError, match="did not work"):
            await finished(provider, answer, flow)


async def test_an_address_that_is_none_is_not_verified(liar: Liar) -> None:
    async with provider_at(liar.issuer) as provider:
        for email in ("ann", "ann@example.com\0", "ann@exam\nple.com", 7):
            flow = await begun(provider, liar)
            identity = await finished(provider, liar.issue(flow, email=email), flow)
            assert (identity.email, identity.verified) == ("", False)


@pytest.mark.parametrize("verified", [None, False, "true", 1])
async def test_only_true_is_verified(liar: Liar, verified: Any) -> None:
    async with provider_at(liar.issuer) as provider:
        flow = await begun(provider, liar)
        assert not (await finished(provider, liar.issue(flow, email_verified=verified), flow)).verified


async def test_an_answer_of_another_issuer_an_error_and_no_code_are_refused(liar: Liar) -> None:
    async with provider_at(liar.issuer) as provider:
        flow = await begun(provider, liar)
        answer = liar.issue(flow)
        for wrong in (
            answer | {"iss": "https://evil.example.com"},
            {"state": flow.state, "error": "access_denied"},
            {"state": flow.state},
        ):
            with pytest.raises(RequestError, match="did not work"):
                await finished(provider, wrong, flow)
        assert (await finished(provider, answer | {"iss": liar.issuer}, flow)).subject == "ann"


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        ({"issuer": "https://evil.example.com"}, "calls itself"),
        ({"token_endpoint": "ftp://evil.example.com/token"}, "which is not https"),
        ({"jwks_uri": None}, "not what OpenID Connect says"),
    ],
)
async def test_a_discovery_document_that_does_not_fit_is_not_used(
    liar: Liar, metadata: dict[str, Any], complaint: str
) -> None:
    liar.metadata = metadata
    async with provider_at(liar.issuer) as provider:
        with pytest.raises(Unavailable, match=complaint):
            await provider.start(BACK)


async def test_a_public_client_and_one_that_posts_its_secret_say_who_they_are(liar: Liar) -> None:
    liar.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    for secret in ("", "s3cret"):
        async with provider_at(liar.issuer, secret=secret) as provider:
            flow = await begun(provider, liar)
            await finished(provider, liar.issue(flow), flow)
        sent = next(each for each in reversed(liar.receiver.requests) if each.path == "/token")
        form = dict(parse_qsl(sent.body.decode()))
        assert "authorization" not in sent.headers
        assert (form["client_id"], form.get("client_secret", "")) == (CLIENT, secret)


async def test_a_provider_that_is_down_is_said_to_be(liar: Liar) -> None:
    liar.receiver.reply = lambda _: Reply(503)
    async with provider_at(liar.issuer) as provider:
        with pytest.raises(Unavailable, match="did not answer at 127"):
            await provider.start(BACK)


# The cookie between.


async def test_a_flow_is_only_read_back_by_us_and_for_ten_minutes(
    vault: Vault, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = Flow("s", "n", "v", BACK, time.time())
    cookie = flow.sealed(vault)
    assert cookie.replace("-", "").replace("_", "").isalnum()
    assert flow_of(vault, cookie) == flow
    other = Vault.open(tmp_path_factory.mktemp("other") / "master.key")
    for wrong in (None, "", "x", cookie[:-4], cookie.swapcase(), flow.sealed(other)):
        assert flow_of(vault, wrong) is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 601)
    assert flow_of(vault, cookie) is None
