"""What a browser brings and is given: cookies, forms, and where a form was sent from.

A form is only taken from one of our own pages. Browsers say so in `Sec-Fetch-Site` (over TLS and on loopback) and in
`Origin` (always, with a POST); whoever says neither is no browser with somebody's cookie, and must say `Origin` too.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from midstream.control.signed_in import Whence
from midstream.errors import RequestError

SESSION, FLOW = "midstream", "midstream_flow"  # the cookies
_MOST_BYTES = 16 * 1024
_MOST_FIELDS = 20


class Site:
    """Where people reach us: at `public_url` if one is set, else wherever a request says it was sent."""

    def __init__(self, public_url: str = "") -> None:
        self._public_url = public_url.rstrip("/")

    def url(self, request: Request, path: str = "") -> str:
        """Return the URL of one of our paths."""
        return (self._public_url or str(request.base_url).rstrip("/")) + path

    def cookie(self, request: Request, name: str) -> str | None:
        """Return a cookie of ours."""
        return request.cookies.get(self._name(request, name))

    def set_cookie(self, request: Request, response: Response, name: str, value: str, seconds: float) -> None:
        """Give the browser a cookie that scripts and other sites do not get. `seconds` 0 takes it back.

        Over TLS its name says `__Host-`: no other host, and nobody on the way without TLS, can set one of that name.
        """
        response.set_cookie(
            self._name(request, name),
            value,
            max_age=int(seconds),
            path="/",
            secure=self._secure(request),
            httponly=True,
            samesite="lax",
        )

    def check_origin(self, request: Request) -> None:
        """Raise 403 unless one of our own pages sent this form."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        ours = site in {"same-origin", "none"} if site else origin == _origin(self.url(request))
        if not ours:
            raise RequestError(
                403,
                "cross-site",
                "This form was not sent from a page of this midstream. Open the page again and repeat it. Behind a proxy "
                "that changes the host's name, public_url has to be set.",
            )

    def _name(self, request: Request, name: str) -> str:
        return f"__Host-{name}" if self._secure(request) else name

    def _secure(self, request: Request) -> bool:
        return urlsplit(self.url(request)).scheme == "https"


def whence(request: Request) -> Whence:
    """Return where a request came from."""
    return Whence(request.client.host if request.client else "unknown", request.headers.get("user-agent", ""))


async def fields(request: Request) -> dict[str, str]:
    """Read a form. What cannot be one of ours is refused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise RequestError(415, "unsupported-media-type", "Expected the form of one of our pages.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise RequestError(413, "too-large", "The form is too large.")
    try:
        found = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"))
        if "\0" in "".join(found.values()):  # which PostgreSQL does not take
            raise ValueError
    except ValueError:
        raise RequestError(400, "bad-request", "The form cannot be read.") from None
    return found


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
