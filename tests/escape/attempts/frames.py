"""Forging what the host says: by what it writes with, by the memory it writes from, by a stack that ends while it does."""

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

# Calls at each of the last depths before the stack ends, with frames of several sizes: one of them ends it in the middle.
_DEEP = """
  const deep = (call) => {
    for (let size = 0; size < 4; size++) {
      let left = 300;
      const down = (...all) => { try { down(...all) } finally { if (left-- > 0) try { call() } catch {} } };
      try { down(...Array(size).fill(0)) } catch {}
    }
  };"""
# All that user code can have the host do while its own stack is nearly used up.
_STACKS = {
    "console": "console.log('x'.repeat(40))",
    "fetch": "void fetch('http://10.0.0.1/').catch(() => {})",
    "fetch with an abort": "{ const c = new AbortController(); fetch('http://10.0.0.1/', { signal: c.signal }).catch(() => {});"
    " c.abort() }",
    "an error's stack": "void new Error('x').stack",
    "timers": "setTimeout(() => {}, 0)",
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
    *(
        Attempt(
            f"half a frame by a stack that ends within {name}",
            f"{_DEEP} onTrack = async () => {{ deep(() => {code}); return {{ got: 'mine' }} }}",
            "mine",
            None,
            not_shown="who prints whole lines has no frames to tear",
        )
        for name, code in _STACKS.items()
    ),
]
