"""The packages and modules functions find as globals, and which of them a code can need.

Enters: a function's code. Leaves: the few entries that travel to its process, with their bundles; usually none. The
bundles in `packages/` are made by `packages/build/build.mjs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from midstream.runtime.naming import declares, mentions, names_in

_FOLDER = Path(__file__).with_name("packages")


@dataclass(frozen=True, slots=True)
class Library:
    """One global: `bundle` is a file in `packages/`; without one it is the first of the modules it `needs`.

    `member` is the name below the global, where Segment has one. `needs` has to be known to host/packages.ts.
    """

    name: str
    bundle: str | None
    member: str = ""
    needs: tuple[str, ...] = ()

    def script(self) -> bytes:
        """Return the bundle."""
        return _read(self.bundle) if self.bundle else b""


LIBRARIES = (
    Library("_", "lodash"),
    Library("moment", "moment-timezone"),
    Library("jsonwebtoken", "jsonwebtoken", needs=("buffer", "crypto", "stream", "util")),
    Library("libphonenumberjslib", "libphonenumber-js", "libphonenumberjs"),
    Library("uuidv5", "uuidv5", "uuidv5", needs=("crypto",)),
    Library("xml", "xml", needs=("stream",)),
    Library("xml2js", "xml2js", needs=("events", "stream", "timers")),
    Library("fetchretrylib", "fetch-retry", "fetchretry"),
    Library("OAuth", "oauth", needs=("crypto", "http", "https", "querystring", "url")),
    Library("zlib", None, "zlib", needs=("zlib",)),
    Library("https", None, needs=("https",)),
)


def libraries_for(code: str) -> Sequence[Library]:
    """Return those the code mentions anywhere: they travel to its process."""
    return [library for library in LIBRARIES if mentions(code, library.name)]


def packages_named(code: str) -> Sequence[str]:
    """Return the globals of this table that the code's own words name, for who checks code."""
    named = names_in(code)
    return [library.name for library in LIBRARIES if library.name in named and not declares(code, library.name)]


@cache
def _read(bundle: str) -> bytes:
    return (_FOLDER / f"{bundle}.js").read_bytes()
