"""What a browser brings and is given: cookies, forms, and whether one of our own pages sent it here."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from midstream.control.signed_in import Whence
from midstream.domain.provenance import is_form_of_ours, is_script_of_ours
from midstream.errors import RequestError

FLOW = "midstream_flow"  # the cookie of somebody who is at their provider
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

    def check_form(self, request: Request) -> None:
        """Raise 403 unless one of our own pages sent this form."""
        if not is_form_of_ours(*_said(request), self.url(request)):
            raise _elsewhere("form")

    def check_script(self, request: Request) -> None:
        """Raise 403 unless a script of our own pages sent this request."""
        if not is_script_of_ours(request.method, *_said(request), self.url(request)):
            raise _elsewhere("request")

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


def _said(request: Request) -> tuple[str | None, str | None]:
    return request.headers.get("sec-fetch-site"), request.headers.get("origin")


def _elsewhere(what: str) -> RequestError:
    return RequestError(
        403,
        "cross-site",
        f"This {what} was not sent from a page of this midstream. Open the page again and repeat it. Behind a proxy that "
        "changes the host's name, public_url has to be set.",
    )
