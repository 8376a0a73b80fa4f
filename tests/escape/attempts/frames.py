"""Forging what the host says, by what it says it with."""

from __future__ import annotations

import json

from tests.escape.attempts.attempt import Attempt, Harm, gone, tried

_LINE = json.dumps(json.dumps([{"n": "FORGED"}, {"got": 1}, {"n": "FORGED"}]) + "\n")
_BYTES = f"new TextEncoder().encode({_LINE})"

_WRITES = {
    "a forged answer by Deno's standard output": (f"Deno.stdout.writeSync({_BYTES})", "Deno"),
    "a forged answer by Node's standard output": (f"process.stdout.write({_LINE})", "process"),
    "a forged answer by file descriptor": (f"process.getBuiltinModule('node:fs').writeSync(1, {_LINE})", "process"),
    "a forged answer by the kernel's view of the process": (f"Deno.writeFileSync('/proc/self/fd/1', {_BYTES})", "Deno"),
    "a forged answer by a stream": (f"Deno.stdout.writable.getWriter().write({_BYTES})", "Deno"),
    "a forged answer by a child's output": (
        f"new Deno.Command('/bin/echo', {{ args: [{_LINE}.trim()], stdout: 'inherit' }}).outputSync()",
        "Deno",
    ),
    "closing the way answers go": ("process.getBuiltinModule('node:fs').closeSync(1)", "process"),
}

ATTEMPTS = [
    *(Attempt(name, tried(code), gone(missing), Harm.SPOILS) for name, (code, missing) in _WRITES.items()),
    Attempt(
        "a forged answer by a console line",
        f"onTrack = async () => {{ console.log({_LINE}.trim()); return {{ got: 'mine' }} }}",
        "mine",
        Harm.SPOILS,
    ),
]
