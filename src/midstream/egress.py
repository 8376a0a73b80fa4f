"""The only door for outbound HTTP: address guard, redirects, limits and timeouts, the same for everyone who leaves.

Enters: an `Outbound`. Leaves: an `Exchange`; a network's or a caller's fault is a `NoAnswer`, never an exception. The
guard stands where the socket is made, so it judges the very address connected to, however a URL spelled or hid it.
"""

from __future__ import annotations

import asyncio
import errno
import io
import re
import socket
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from midstream.domain.address import Entry, Guard
from midstream.domain.http import Answer, Exchange, NoAnswer, Outbound

USER_AGENT = f"midstream/{version('midstream')}"

# Idle connections are let go before Node's servers do it from their side, after 5 s: a request never races the close.
_KEEP_ALIVE = 4.0
# Names are looked up on threads of our own: somebody's hanging DNS server must not use up the loop's.
_LOOKUPS = 16
_CACHED_URL_CHARS = 2048

# The connection's own business, not the caller's (fetch calls them forbidden), and the encodings we can undo.
_OURS = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "keep-alive"}
    | {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})
_ABOUT_THE_BODY = frozenset({"content-encoding", "content-language", "content-location", "content-type"})

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNFIT_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PLAIN_URL = re.compile(r"[!#$%&'()*+,./:;=?@\[\]_~0-9A-Za-z-]+")
_HOST = re.compile(r"[0-9A-Za-z_.:%-]+")
_NUMERIC_HOST = re.compile(r"((0x[0-9a-f]*|[0-9]+)(\.|$)){1,4}", re.IGNORECASE)


class _Unusable(Exception):
    """Ends an exchange from within; `send` turns it into a `NoAnswer`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Target:
    url: URL
    host: str
    port: int

    @property
    def place(self) -> str:
        """Where, without path and query: those may hold secrets."""
        return f"{self.host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.url.scheme, self.host, self.port


@dataclass(slots=True)
class _Hop:
    """One request under way, and what the guard said to the addresses tried for it."""

    target: _Target
    passed: bool = False
    refusals: list[str] = field(default_factory=list)

    @property
    def blocked(self) -> bool:
        return bool(self.refusals) and not self.passed


# How the socket factory, which is given only an address, knows which host the address is meant to be. Each request runs
# in its own task or sets it anew; connecting never leaves that context.
_hop: ContextVar[_Hop] = ContextVar("midstream_egress_hop")


class Egress:
    """Sends HTTP requests. Bound to the loop of its first `send`; the owner closes it."""

    def __init__(self, *, allow: Sequence[str] = (), deny: Sequence[str] = (), per_host: int = 100) -> None:
        self._guard = Guard(tuple(map(Entry.of, allow)), tuple(map(Entry.of, deny)))
        self._per_host = per_host
        self._session: aiohttp.ClientSession | None = None
        self._resolver: _Resolver | None = None

    async def send(self, request: Outbound) -> Exchange:
        """Ask, follow redirects as far as allowed, and return what came of it; all within `request.timeout`."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(request.timeout.total_seconds()):
                return await self._exchange(request, started)
        except TimeoutError:
            fault = _Unusable("ETIMEDOUT", f"no complete answer within {request.timeout.total_seconds():g} s")
        except _Unusable as unusable:
            fault = unusable
        return NoAnswer(fault.code, str(fault), _ms_since(started))

    async def close(self) -> None:
        """Close all connections. Requests under way fail."""
        session, self._session = self._session, None
        resolver, self._resolver = self._resolver, None
        if session is not None:
            await session.close()
        if resolver is not None:
            await resolver.close()

    async def _exchange(self, request: Outbound, started: float) -> Exchange:
        method, body = _method(request.method), request.body
        headers = _headers(request.headers)
        target = _target(request.url)
        for left in range(max(request.redirects, 0), -1, -1):
            _check_hosts(request, target)
            response = await self._ask(target, method, headers, body)
            onward = _redirect(target, response) if left else None
            if onward is None:
                break
            response.release()
            if onward.origin != target.origin:
                _drop(headers, _CREDENTIALS)
            if _becomes_get(response.status, method):
                method, body = "GET", None
                _drop(headers, _ABOUT_THE_BODY)
            target = onward
        content = await _read(response, request, target)
        reason = (response.reason or "").encode("utf-8", "replace").decode()
        received = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
        return Answer(response.status, reason, received, content, str(target.url), _ms_since(started))

    async def _ask(
        self, target: _Target, method: str, headers: CIMultiDict[str], body: bytes | None
    ) -> aiohttp.ClientResponse:
        hop = _Hop(target)
        _hop.set(hop)
        # As a file, because aiohttp warns of large bytes.
        data = io.BytesIO(body) if body is not None and len(body) >= 1 << 20 else body
        try:
            return await self._pool().request(method, target.url, headers=headers, data=data, allow_redirects=False)
        except TimeoutError:
            raise
        # RuntimeError is uvloop's for addresses it cannot use, and aiohttp's for a door closed meanwhile.
        except (aiohttp.ClientError, OSError, RuntimeError, ValueError) as error:
            if hop.blocked:
                raise _Unusable("EBLOCKED", hop.refusals[-1]) from error
            raise _named(error, target) from error

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._resolver = _Resolver()
            connector = aiohttp.TCPConnector(
                limit=0,
                limit_per_host=self._per_host,
                keepalive_timeout=_KEEP_ALIVE,
                resolver=self._resolver,
                socket_factory=self._socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Content-Type", "User-Agent"),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            )
        return self._session

    def _socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """Make the socket for one address, or refuse to."""
        family, kind, protocol, _, where = info
        hop = _hop.get()
        refusal = self._guard.refusal(hop.target.host, where[1], where[0])
        if refusal is not None:
            hop.refusals.append(refusal)
            raise PermissionError(errno.EACCES, refusal)
        hop.passed = True
        return socket.socket(family, kind, protocol)


class _Resolver(AbstractResolver):
    """The system's resolver on a bounded number of threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="midstream-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _look_up, host, port, family)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return [
        ResolveResult(hostname=host, host=str(where[0]), port=port, family=kind, proto=protocol, flags=flags)
        for kind, _, protocol, _, where in found
    ]


def _method(method: str) -> str:
    if not _TOKEN.fullmatch(method) or method.upper() in ("CONNECT", "TRACE", "TRACK"):
        raise _Unusable("EINVAL", "expected an HTTP method such as GET or POST (CONNECT, TRACE and TRACK are not sent)")
    return method.upper()


def _headers(given: Sequence[tuple[str, str]]) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in given:
        if not _TOKEN.fullmatch(name):
            raise _Unusable("EINVAL", f"{name!r} is not a header name: letters, digits and -_. are")
        if _UNFIT_VALUE.search(value):
            raise _Unusable("EINVAL", f"the value of header {name} holds a line break or another control character")
        if name.lower() not in _OURS:
            headers.add(name, value)
    headers["Accept-Encoding"] = "gzip, deflate"
    headers.setdefault("User-Agent", USER_AGENT)
    return headers


def _check_hosts(request: Outbound, target: _Target) -> None:
    for hosts in request.hosts:
        refusal = hosts.refusal(*target.origin)
        if refusal is not None:
            raise _Unusable("EBLOCKED", refusal)


def _drop(headers: CIMultiDict[str], names: frozenset[str]) -> None:
    for name in names:
        headers.popall(name, None)


def _target(url: str) -> _Target:
    return _parsed(url) if len(url) <= _CACHED_URL_CHARS else _parsed.__wrapped__(url)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> _Target:
    try:
        # What is already in a URL's own characters goes out as it is: normalising would break signed URLs.
        url = URL(text, encoded=_PLAIN_URL.fullmatch(text) is not None)
        host, port = url.raw_host, url.port
        numeric = host is not None and _NUMERIC_HOST.fullmatch(host)
        if host and numeric:
            # 2130706433, 0x7f.1, 0177.0.0.1 … are IPv4 addresses to fetch, and to us.
            url = url.with_host(socket.inet_ntoa(socket.inet_aton(host.rstrip("."))))
    except (ValueError, OSError):
        raise _Unusable("EINVAL", "the URL cannot be read; expected one like https://example.com/path") from None
    if url.scheme not in ("http", "https") or not port or not url.raw_host or not _HOST.fullmatch(url.raw_host):
        raise _Unusable("EINVAL", "expected an absolute http or https URL")
    if url.raw_user is not None or url.raw_password is not None:
        raise _Unusable("EINVAL", "credentials in a URL are not sent; use an Authorization header")
    return _Target(url.with_fragment(None), url.raw_host.lower(), port)


def _redirect(target: _Target, response: aiohttp.ClientResponse) -> _Target | None:
    location = response.headers.get("Location")
    if location is None or response.status not in (301, 302, 303, 307, 308):
        return None
    try:
        return _target(urljoin(str(target.url), location))
    except (_Unusable, ValueError) as fault:
        response.close()
        raise _Unusable("EINVAL", f"{target.place} redirected to somewhere unusable: {fault}") from None


def _becomes_get(status: int, method: str) -> bool:
    """Say whether a redirect turns the request into a GET (fetch standard, HTTP-redirect fetch, step 12)."""
    return (status in (301, 302) and method == "POST") or (status == 303 and method not in ("GET", "HEAD"))


async def _read(response: aiohttp.ClientResponse, request: Outbound, target: _Target) -> bytes:
    """Read and decompress the body, never holding much more than its limit."""
    limit = request.max_response_bytes
    inflate = _inflater(response.headers.get("Content-Encoding", ""))
    content = bytearray()
    try:
        async for chunk in response.content.iter_any():
            content += chunk if inflate is None else inflate(chunk, limit + 1 - len(content))
            if len(content) > limit:
                return _cut(response, request, content)
    except zlib.error as error:
        raise _Unusable("EPROTO", f"{target.place} sent a body that cannot be decompressed") from error
    except TimeoutError:
        raise
    except (aiohttp.ClientError, OSError) as error:
        raise _named(error, target) from error
    finally:
        if not response.closed:  # after a complete body the connection is back in the pool already
            response.close()
    return bytes(content)


def _cut(response: aiohttp.ClientResponse, request: Outbound, content: bytearray) -> bytes:
    if request.cut:
        return bytes(content[: request.max_response_bytes])
    limit = f"{request.max_response_bytes:,} bytes"
    raise _Unusable("ETOOLARGE", f"the answer ({response.status}) is over the limit of {limit}")


class _Inflater:
    """Undoes gzip or deflate piece by piece, at most so many bytes at a time."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._stream = zlib.decompressobj(window)
        self._begun = False

    def __call__(self, chunk: bytes, most: int) -> bytes:
        """Return what the chunk holds, cut at `most` bytes."""
        try:
            out = self._stream.decompress(chunk, most)
        except zlib.error:
            # "deflate" is sent with and, by some servers, without its zlib header.
            if self._begun or self._window != zlib.MAX_WBITS:
                raise
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
            out = self._stream.decompress(chunk, most)
        self._begun = True
        return out


def _inflater(encoding: str) -> _Inflater | None:
    match encoding.strip().lower():
        case "gzip" | "x-gzip":
            return _Inflater(zlib.MAX_WBITS | 16)
        case "deflate":
            return _Inflater(zlib.MAX_WBITS)
        case _:
            return None


def _named(error: Exception, target: _Target) -> _Unusable:
    """Give a failure Node's name."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            again = getattr(error.os_error, "errno", None) == socket.EAI_AGAIN
            return _Unusable("EAI_AGAIN" if again else "ENOTFOUND", f"the name {target.host} could not be resolved")
        case aiohttp.ClientSSLError():
            return _Unusable("ECERT", f"no trusted TLS connection to {target.place}: {_tls_reason(error)}")
        case aiohttp.ClientConnectorError():
            code = errno.errorcode.get(error.os_error.errno or 0, "EHOSTUNREACH")
            return _Unusable(code, f"cannot connect to {target.place}: {error.os_error.strerror or error.os_error}")
        case aiohttp.ClientResponseError():
            return _Unusable("EPROTO", f"{target.place} did not answer in HTTP")
        case aiohttp.InvalidURL() | ValueError():
            return _Unusable("EINVAL", "the request cannot be written as HTTP; check its URL and headers")
        case _:
            return _Unusable("ECONNRESET", f"{target.place} closed the connection before a complete answer")


def _tls_reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return str(getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or "handshake failed")


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
