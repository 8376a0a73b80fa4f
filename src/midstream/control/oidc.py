"""Sign-in through an OpenID Connect provider: authorization code with PKCE, one provider, asked by way of `egress`.

Enters: a person who wants to sign in, then what the provider sent back with them. Leaves: the `Identity` it vouches for.
Between the two stands a `Flow` in a sealed cookie of that one browser. What does not hold is a 400 that says to begin again.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet

from midstream.domain.http import Answer, Exchange, Outbound
from midstream.errors import Invalid, RequestError, Unavailable
from midstream.secrets import Vault
from midstream.telemetry import logger

T = TypeVar("T")

Send = Callable[[Outbound], Awaitable[Exchange]]

# Signatures only the provider can make: `none` and the HS family, whose key we would share with it, are not among them.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_LEEWAY = 30  # seconds that clocks may differ
FLOW_SECONDS = 600  # from the button to the way back
_KNOWN_FOR = 3600.0  # seconds that what the provider says of itself is good for
_KEYS_AGAIN_AFTER = 60.0  # seconds before a key we do not know is looked for again
_LARGEST = 256 * 1024
_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider says it is. `email` is in lower case; only a verified one may be matched."""

    issuer: str
    subject: str
    email: str
    verified: bool
    name: str

    @property
    def key(self) -> str:
        """What an account keeps of it: e-mail addresses change hands, subjects do not."""
        return f"{self.issuer} {self.subject}"


class Flow(msgspec.Struct, frozen=True):
    """One sign-in under way, known to one browser only."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    begun: float

    def sealed(self, vault: Vault) -> str:
        """Return it as the value of a cookie."""
        text = vault.seal(msgspec.to_builtins(self), owner="oidc", name="flow")
        return text.translate(str.maketrans("+/", "-_")).rstrip("=")


def flow_of(vault: Vault, cookie: str | None) -> Flow | None:
    """Read a cookie's flow; None when it is not ours, or too old."""
    if not cookie:
        return None
    text = cookie.translate(str.maketrans("-_", "+/")) + "=" * (-len(cookie) % 4)
    try:
        flow = msgspec.convert(vault.unseal(text, owner="oidc", name="flow"), Flow)
    except (Invalid, msgspec.ValidationError):
        return None
    return flow if time.time() - flow.begun < FLOW_SECONDS else None


class _Metadata(msgspec.Struct, frozen=True):
    """What is used of the provider's discovery document."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(msgspec.Struct, frozen=True):
    """What is used of the token endpoint's answer."""

    id_token: str
    access_token: str = ""


class Provider:
    """The one provider that is configured. What it says of itself is fetched when first needed, and kept for an hour."""

    def __init__(self, send: Send, *, issuer: str, client_id: str, client_secret: str = "") -> None:
        self._send = send
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._metadata: tuple[float, _Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._fetching = asyncio.Lock()

    @property
    def name(self) -> str:
        """What people know it by: its host."""
        return urlsplit(self._issuer).hostname or self._issuer

    async def start(self, redirect_uri: str) -> tuple[str, Flow]:
        """Return where to send the browser, and what it must bring back in its cookie."""
        metadata = await self._about()
        flow = _new_flow(redirect_uri)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid email profile",
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        mark = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{mark}{urlencode(query)}", flow

    def code_of(self, answer: Mapping[str, str], flow: Flow | None) -> tuple[str, Flow]:
        """Return the code of the query that the browser came back with, if it is an answer to this browser's flow."""
        if flow is None or not hmac.compare_digest(answer.get("state", "").encode(), flow.state.encode()):
            raise _refused("the state is not the one this browser was sent away with")
        if answer.get("iss", self._issuer) != self._issuer:  # RFC 9207
            raise _refused("the answer is another issuer's")
        if "error" in answer or not answer.get("code"):
            raise _refused(f"the provider answered {answer.get('error', 'without a code')[:100]!r}")
        return answer["code"], flow

    async def redeem(self, code: str, flow: Flow) -> Identity:
        """Return whom the provider vouches for by this code."""
        metadata = await self._about()
        tokens = await self._redeem(metadata, code, flow)
        claims = await self._verified(metadata, tokens.id_token, flow.nonce)
        if "email" not in claims and metadata.userinfo_endpoint and tokens.access_token:
            told = await self._userinfo(metadata.userinfo_endpoint, tokens.access_token)
            if told.get("sub") != claims["sub"]:
                raise _refused("the user info is of another subject than the ID token")
            claims = told | claims
        return _identity(self._issuer, claims)

    async def _redeem(self, metadata: _Metadata, code: str, flow: Flow) -> _Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": flow.redirect_uri,
            "code_verifier": flow.verifier,
            "client_id": self._client_id,
        }
        headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")]
        methods = metadata.token_endpoint_auth_methods_supported
        if self._client_secret and ("client_secret_basic" in methods or "client_secret_post" not in methods):
            # Both are form-encoded first: RFC 6749, 2.3.1.
            pair = f"{quote_plus(self._client_id)}:{quote_plus(self._client_secret)}"
            headers.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
        elif self._client_secret:
            form["client_secret"] = self._client_secret
        exchange = await self._ask(
            Outbound("POST", metadata.token_endpoint, headers, urlencode(form).encode(), _TIMEOUT, 0, _LARGEST)
        )
        if 400 <= exchange.status < 500:
            raise _refused(f"the token endpoint answered {exchange.status}: the code was used, is too old, or not ours")
        return _read(exchange, _Tokens)

    async def _verified(self, metadata: _Metadata, id_token: str, nonce: str) -> dict[str, Any]:
        """Return an ID token's claims, when it is the provider's, for us, for this flow, and fresh."""
        registry = jwt.JWTClaimsRegistry(
            now=int(time.time()),
            leeway=_LEEWAY,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            token = await self._decoded(metadata, id_token)
            registry.validate(token.claims)
        except (JoseError, ValueError) as error:
            raise _refused(f"the ID token does not hold: {type(error).__name__} {error}") from None
        claims = token.claims
        if claims.get("azp", self._client_id) != self._client_id:
            raise _refused("the ID token was issued to another client")
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and "azp" not in claims:
            raise _refused("the ID token is for several audiences and does not say whom it was issued to")
        if not isinstance(claims["sub"], str) or not claims["sub"].isprintable():
            raise _refused("the ID token's subject is not printable text")
        return claims

    async def _decoded(self, metadata: _Metadata, id_token: str) -> jwt.Token:
        """Check the signature. A key we do not know may be a new one, and is looked for once."""
        try:
            return jwt.decode(id_token, await self._key_set(metadata, _KNOWN_FOR), algorithms=_ALGORITHMS)
        except (JoseError, ValueError):
            return jwt.decode(id_token, await self._key_set(metadata, _KEYS_AGAIN_AFTER), algorithms=_ALGORITHMS)

    async def _key_set(self, metadata: _Metadata, known_for: float) -> KeySet:
        async with self._fetching:
            if self._keys is None or time.monotonic() - self._keys[0] >= known_for:
                found = _read(await self._ask(_get(metadata.jwks_uri)), dict[str, Any]).get("keys")
                keys = [key for each in (found if isinstance(found, list) else ()) if (key := _key(each))]
                self._keys = time.monotonic(), KeySet(keys)
            return self._keys[1]

    async def _about(self) -> _Metadata:
        async with self._fetching:
            if self._metadata is None or time.monotonic() - self._metadata[0] >= _KNOWN_FOR:
                url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
                found = _read(await self._ask(_get(url)), _Metadata)
                self._check(found)
                self._metadata = time.monotonic(), found
            return self._metadata[1]

    def _check(self, found: _Metadata) -> None:
        if found.issuer != self._issuer:
            raise Unavailable(f"the identity provider calls itself {found.issuer!r}: set oidc_issuer to that, exactly")
        endpoints = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint)
        for url in filter(None, endpoints):
            if urlsplit(url).scheme not in {"https", urlsplit(self._issuer).scheme}:
                raise Unavailable(f"the identity provider names {url!r}, which is not https")

    async def _userinfo(self, url: str, access_token: str) -> dict[str, Any]:
        return _read(await self._ask(_get(url, ("Authorization", f"Bearer {access_token}"))), dict[str, Any])

    async def _ask(self, request: Outbound) -> Answer:
        exchange = await self._send(request)
        if isinstance(exchange, Answer) and exchange.status < 500:
            return exchange
        said = exchange.status if isinstance(exchange, Answer) else f"{exchange.code}, {exchange.message}"
        raise Unavailable(f"the identity provider did not answer at {urlsplit(request.url).netloc}: {said}")


def _new_flow(redirect_uri: str) -> Flow:
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    return Flow(state, nonce, verifier, redirect_uri, time.time())


def _get(url: str, *headers: tuple[str, str]) -> Outbound:
    return Outbound("GET", url, [("Accept", "application/json"), *headers], None, _TIMEOUT, 0, _LARGEST)


def _read(answer: Answer, shape: type[T]) -> T:
    try:
        if answer.status != 200:
            raise ValueError(answer.status)
        return msgspec.json.decode(answer.body, type=shape)
    except (ValueError, msgspec.DecodeError):
        place = urlsplit(answer.url).netloc
        raise Unavailable(
            f"the identity provider's answer from {place} ({answer.status}) is not what OpenID Connect says"
        ) from None


def _key(found: Any) -> Key | None:
    """Read one of the provider's keys; None when it is of a kind we do not know, or for something else."""
    if not isinstance(found, dict) or found.get("kty") == "oct" or found.get("use", "sig") != "sig":
        return None
    try:
        return JWKRegistry.import_key(found)
    except (JoseError, ValueError, TypeError):
        return None


def _identity(issuer: str, claims: Mapping[str, Any]) -> Identity:
    email, name = claims.get("email"), claims.get("name")
    usable = isinstance(email, str) and "@" in email and email.isprintable()
    return Identity(
        issuer=issuer,
        subject=claims["sub"],
        email=email.strip().lower() if isinstance(email, str) and usable else "",
        verified=usable and claims.get("email_verified") is True,
        name=name if isinstance(name, str) else "",
    )


def _refused(why: str) -> RequestError:
    """Make what the person is told. Why is for the operator, and logged."""
    logger().warning("a sign-in through the identity provider was refused", reason=why)
    return RequestError(
        400, "sign-in-failed", "Signing in through the identity provider did not work. Please try again."
    )
