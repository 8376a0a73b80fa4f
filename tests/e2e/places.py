"""Where a secret could be found: on disk, in the database, in a process's memory, in whatever form."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from tests.whole import Whole


def left_behind(whole: Whole) -> Iterator[tuple[str, bytes]]:
    """Yield all that stays on disk, but for the master key, which is the secret that opens the others."""
    for path in whole.data_dir.rglob("*"):
        if path.is_file() and path.name != "master.key":
            yield str(path.relative_to(whole.data_dir)), path.read_bytes()
    yield "log", whole.log().encode()


def kept(url: str) -> Iterator[tuple[str, bytes]]:
    """Yield all that the database holds: the files of SQLite, as they are, or every row of every table of PostgreSQL."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        yield from ((each.name, each.read_bytes()) for each in path.parent.glob(f"{path.name}*"))
        return
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            rows = connection.execute(sql.SQL("SELECT row_to_json(t)::text FROM {} t").format(sql.Identifier(table)))
            yield f"table {table}", "\n".join(row for (row,) in rows).encode()


def remembered(pid: int) -> Iterator[bytes]:
    """Yield what a process has in memory that it can write, piece by piece: all that a core of it would hold."""
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in maps:
            place, rights, *_ = line.split()
            begin, end = (int(each, 16) for each in place.split("-"))
            if rights.startswith("rw"):
                memory.seek(begin)
                with contextlib.suppress(OSError):  # gone meanwhile, or nothing to read
                    yield memory.read(end - begin)


def spelled(secret: str) -> set[bytes]:
    """Return a secret as itself, in hex, for URLs, and in Base64 wherever in a longer text it stands."""
    plain = secret.encode()
    inside = {
        base64.b64encode(bytes(shift) + plain)[(8 * shift + 5) // 6 : 8 * (shift + len(plain)) // 6]
        for shift in range(3)
    }
    forms = {plain, plain.hex().encode(), plain.hex().upper().encode(), quote(secret, safe="").encode(), *inside}
    return forms | {form.translate(bytes.maketrans(b"+/", b"-_")) for form in inside}
