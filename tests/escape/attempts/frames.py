"""Forging what the host says: by what it says it with, and by the memory it says it from."""

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

# Whoever is asked for a class, or for the memory behind an array, gets the memory. Then it waits for its own answer to
# stand in there, and changes the other events' in it.
_FORGE = """
  const forge = (bytes) => {
    for (let i = 0; i + 4 < bytes.byteLength; i++) {
      if (bytes[i] === 110 && bytes[i + 1] === 34 && bytes[i + 2] === 58 && bytes[i + 3] > 48) bytes[i + 3] = 57;
    }
  };
  const All = Uint8Array, typed = Object.getPrototypeOf(Uint8Array);
  const before = Object.getOwnPropertyDescriptors(typed.prototype);
  const put = (of, name, get) => { try { Object.defineProperty(of, name, { get, configurable: true }) } catch {} };
"""
_SPECIES = "{ [Symbol.species]: function (memory, at, length) { const all = new All(memory, at, length); forge(all); return all } }"
_MEMORY = {
    "the memory of frames by the class of bytes": f"put(Uint8Array.prototype, 'constructor', () => ({_SPECIES}));",
    "the memory of frames by the species of bytes": f"put(Uint8Array, Symbol.species, () => ({_SPECIES})[Symbol.species]);",
    **{
        f"the memory of frames by its {name}{where}": f"""put({of}, "{name}", function () {{
          const memory = before.buffer.get.call(this);
          forge(new All(memory));
          return before.{name}.get.call(this) }});"""
        for name in ("length", "byteLength", "byteOffset", "buffer")
        for where, of in ((" of bytes", "Uint8Array.prototype"), (" of all arrays", "typed.prototype"))
    },
}

ATTEMPTS = [
    *(Attempt(name, tried(code), gone(missing), Harm.SPOILS) for name, (code, missing) in _WRITES.items()),
    *(
        Attempt(name, _FORGE + code + " onTrack = async () => ({ got: 'mine' })", "mine", Harm.SPOILS)
        for name, code in _MEMORY.items()
    ),
    Attempt(
        "a forged answer by a console line",
        f"onTrack = async () => {{ console.log({_LINE}.trim()); return {{ got: 'mine' }} }}",
        "mine",
        Harm.SPOILS,
    ),
]
