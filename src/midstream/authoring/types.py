"""What TypeScript says of a function: `deno check` with the types of a function's world, offline.

Enters: code. Leaves: diagnoses in the author's own lines and columns. Ordinary JavaScript is full of what TypeScript
minds, such as `new Date() - start`; names that do not exist are what it is always right about.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

from midstream import confine
from midstream.authoring.diagnosis import Diagnosis, at
from midstream.authoring.words import is_code
from midstream.runtime.launch import packaged
from midstream.runtime.stubs import STUBS

Depth = Literal["none", "names", "all"]

DECLARATIONS = "segment.d.ts"
# "Cannot find name …", and the same with advice to install the types of something.
_NAME_CODES = frozenset({2304, 2503, 2552, 2580, 2581, 2582, 2583, 2584, 2591, 2592, 2593})
# Syntax is V8's to judge, and it has loaded the code.
_SYNTAX_CODES = range(1000, 2000)
_ADVICE = re.compile(r" Do you need to .*")
# What would make Deno read other files of this machine, which may be shown in its errors. None of it does anything in a
# function. Replaced by as many characters, so that places stay.
_REACHES = re.compile(
    r"\bimport\b|\bexport\b|\brequire\b|<reference\b|@deno-types\b|@ts-types\b|@jsx\w*", re.IGNORECASE
)
_BLANK = "ˍ"  # a letter to JavaScript
_FAULT = re.compile(r"^TS(\d+) \[\w+\]: (.*)\n(?:.*\n)*?    at (\S+):(\d+):(\d+)$", re.MULTILINE)
_PATIENCE = 30.0  # seconds; on an idle machine it takes one, and 140 MB
_MEMORY_MB = 512
_MOST = 100  # faults of one code: nobody reads more
_CLEAN, _FAULTY = 0, 1  # exit codes of a check that came to its end
_OPTIONS = {
    "checkJs": True,
    "lib": ["esnext", "webworker"],
    "types": [f"./{DECLARATIONS}"],
    "useUnknownInCatchVariables": False,
}


def declarations() -> str:
    """Return the types of a function's world."""
    return Path(__file__).with_name(DECLARATIONS).read_text("utf-8")


async def type_faults(code: str, deno: str | None, *, depth: Depth, typescript: bool) -> list[Diagnosis]:
    """Check the types of a code that loads: all of them, or only that its names exist."""
    with tempfile.TemporaryDirectory(prefix="midstream-types-") as name:
        folder = Path(name)
        file = folder / ("function.ts" if typescript else "function.js")
        file.write_text(_REACHES.sub(lambda found: _BLANK * len(found[0]), code), "utf-8")
        (folder / DECLARATIONS).write_text(declarations() + _stubs(), "utf-8")
        options = _OPTIONS | {"strict": typescript, "noImplicitAny": False}
        (folder / "deno.json").write_text(json.dumps({"compilerOptions": options}), "utf-8")
        said = await _run(deno or packaged(), folder, file)
    if said is None:
        limit = f"{_PATIENCE:g} s and {_MEMORY_MB} MB"
        return [Diagnosis("warning", "unchecked_types", f"the types are too much to be checked within {limit}")]
    return list(islice(_faults(code, said, file.name, depth), _MOST))


def _stubs() -> str:
    """Declare what exists only to say that it is not there: that is said elsewhere, and better."""
    roots = {path.partition(".")[0] for path in STUBS}
    return "".join(f"declare var {root}: any;\n" for root in sorted(roots))


async def _run(deno: str, folder: Path, file: Path) -> str | None:
    """Return what Deno says of a file; None if it does not come to an end."""
    offline = ("--no-lock", "--no-remote", "--no-npm", "--quiet", "--config", str(folder / "deno.json"))
    bound = f"--v8-flags=--max-old-space-size={_MEMORY_MB}"
    command = confine.command([deno, "check", bound, *offline, str(file)], signal=signal.SIGKILL)
    process = await asyncio.create_subprocess_exec(
        *command,
        env={
            "DENO_DIR": str(folder / "cache"),
            "DENO_NO_UPDATE_CHECK": "1",
            "DENO_NO_PACKAGE_JSON": "1",
            "NO_COLOR": "1",
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            _, said = await process.communicate()
    except TimeoutError:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return said.decode(errors="replace") if process.returncode in (_CLEAN, _FAULTY) else None


def _faults(code: str, said: str, name: str, depth: Depth) -> Iterator[Diagnosis]:
    for number, message, place, line, column in _FAULT.findall(said):
        about_a_name = int(number) in _NAME_CODES
        if not place.endswith(f"/{name}") or int(number) in _SYNTAX_CODES or (depth == "names" and not about_a_name):
            continue
        if _BLANK in message and not is_code(code, int(line), int(column)):
            continue  # a type taken from another file, in a comment
        text = _ADVICE.sub("", _restored(message, code, int(line), int(column)))
        kind = "unknown_name" if about_a_name else "type"
        severity: Literal["error", "warning"] = "error" if depth == "all" else "warning"
        yield at(code, severity, kind, text, line=int(line), column=int(column))


def _restored(message: str, code: str, line: int, column: int) -> str:
    """Put back the word that was replaced: it is what stands there."""
    lines = code.splitlines()
    word = re.match(r"[\w-]*", lines[line - 1][column - 1 :] if line <= len(lines) else "")
    return re.sub(f"{_BLANK}+", word[0], message) if word else message
