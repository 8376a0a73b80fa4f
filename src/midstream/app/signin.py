"""Puts sign-in together of its settings: passwords, throttle, the provider and its door, and the pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from starlette.routing import BaseRoute

from midstream.config import Config
from midstream.control.oidc import Provider
from midstream.control.passwords import Passwords
from midstream.control.sign_in import SignIn
from midstream.control.signed_in import Lifetimes
from midstream.control.throttle import Throttle
from midstream.domain.issuer import place_of
from midstream.egress import Egress
from midstream.secrets import Vault
from midstream.store.session import Sessions
from midstream.web import signin, tokens
from midstream.web.browser import Site
from midstream.web.visitors import Visitors


@dataclass(frozen=True, slots=True)
class Entrance:
    """The pages of signing in, and who came in by them."""

    routes: list[BaseRoute]
    visitors: Visitors


@asynccontextmanager
async def signing_in(config: Config, sessions: Sessions, vault: Vault) -> AsyncIterator[Entrance]:
    """Let people sign in for as long as the block runs."""
    async with AsyncExitStack() as cleanup:
        passwords = Passwords()
        cleanup.callback(passwords.close)
        provider = None
        if config.oidc_issuer:
            # Only the issuer's own host may be private: whoever configured it meant it.
            egress = Egress(allow=(*config.egress_allow, place_of(config.oidc_issuer)), deny=config.egress_deny)
            cleanup.push_async_callback(egress.close)
            provider = Provider(
                egress.send,
                issuer=config.oidc_issuer,
                client_id=config.oidc_client_id,
                client_secret=config.oidc_client_secret,
            )
        lifetimes = lifetimes_of(config)
        way = SignIn(sessions, passwords, Throttle(), lifetimes=lifetimes, create_members=config.oidc_create_members)
        cleanup.push_async_callback(way.close)
        site = Site(config.public_url)
        visitors = Visitors(sessions, site, lifetimes)
        routes = signin.routes(sessions, way, visitors, vault, provider, site=site)
        yield Entrance([*routes, *tokens.routes(sessions, vault, visitors, site)], visitors)


def lifetimes_of(config: Config) -> Lifetimes:
    """Return how long sessions live."""
    return Lifetimes(timedelta(seconds=config.session_idle), timedelta(seconds=config.session_max_age))
