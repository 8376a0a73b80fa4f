"""Using up what all share: time, memory, attention. What crosses a limit is stopped and named, and only it is charged."""

from __future__ import annotations

from typing import Any

from dirty_equals import IsStr

from midstream.domain.function import Ending, Limits
from tests.escape.attempts.attempt import BRIEF, Attempt, Ends, Harm

SMALL = Limits(timeout=10, heap_mb=20, memory_mb=80)
_LATE = Ends(Ending.TIMEOUT, "the handler did not finish within 0.5 s")
_FULL = Ends(Ending.OUT_OF_MEMORY, "the function needs more than its 20 MB of heap or 80 MB of memory")

# Each of these keeps the thread: nothing but the end of the process stops them.
_LOOPS = {
    "an endless toJSON": "onTrack = () => ({ toJSON() { for (;;); } })",
    "an endless getter of what is thrown": "onTrack = () => { throw Object.defineProperty(new Error('x'), 'name', { get() { for (;;); } }) }",
    "an endless then": "onTrack = () => ({ then() { for (;;); } })",
    "an endless search by the language itself": "onTrack = () => ({ got: Array.prototype.includes.call("
    "{ length: Number.MAX_SAFE_INTEGER }, 1) })",
    "an endless digest": "onTrack = () => { (globalThis.process?.getBuiltinModule('node:crypto') ?? crypto)"
    ".pbkdf2Sync('a', 'b', 1e9, 32, 'sha512'); return {} }",
    "an endless expression behind an answer": "onTrack = async () => { await null; return /^(\\w+\\s?)*$/.test('a'.repeat(40) + '!') }",
}
# These leave the thread free and never end.
_WAITS = {
    "a promise nobody keeps": "onTrack = () => new Promise(() => {})",
    "a then that never answers": "onTrack = () => ({ then() {} })",
    "timers that set timers": "onTrack = () => new Promise(() => { const again = () => setTimeout(again, 0); again() })",
    "a reader of a stream that gives nothing": "onTrack = async () => { await new ReadableStream().getReader().read(); return {} }",
    "an iterator that never comes": "onTrack = async () => { for await (const one of { [Symbol.asyncIterator]: () => ({ "
    "next: () => new Promise(() => {}) }) }) return {} }",
}
_KEEP = "const all = []; const grow = (make) => { for (;;) all.push(make(all.length)) };"
_MEMORY: dict[str, tuple[str, Any]] = {
    "promises nobody keeps": ("grow(() => new Promise(() => {}))", _FULL),
    "timers": ("grow((n) => setTimeout(() => n, 1e9))", _FULL),
    "microtasks": ("grow((n) => queueMicrotask(() => n))", _FULL),
    "an array of holes": ("all.length = 3e7; all.fill(1.5); grow(() => all.slice())", _FULL),
    "big integers": ("grow((n) => 1n << BigInt(4_000_000 + n))", _FULL),
    "buffers that grow": (
        "grow(() => { const b = new ArrayBuffer(1, { maxByteLength: 1 << 26 }); b.resize(1 << 26); new Uint8Array(b).fill(1); return b })",
        Ends(Ending.THREW, IsStr(regex=".*(allocation failed|out of memory|resize).*")),
    ),
    "one buffer beyond all": (
        "grow((n) => new Uint8Array(2 ** (27 + n)).fill(1))",
        Ends(Ending.THREW, IsStr(regex=".*(allocation failed|length|size).*")),
    ),
    "blobs": ("const piece = new Uint8Array(1 << 22).fill(7); grow(() => new Blob([piece]))", _FULL),
}
# What nobody catches ends a program that does not expect it.
_UNCAUGHT = {
    "a timer": "setTimeout(() => { throw new Error('x') }, 0)",
    "a microtask": "queueMicrotask(() => { throw new Error('x') })",
    "a listener": "{ const t = new EventTarget(); t.addEventListener('x', () => { throw new Error('x') }); t.dispatchEvent(new Event('x')) }",
    "a signal's listener": "{ const c = new AbortController(); c.signal.onabort = () => { throw new Error('x') }; c.abort() }",
    "a rejection": "Promise.reject(new Error('x'))",
    "ten thousand rejections": "for (let i = 0; i < 1e4; i++) Promise.reject(new Error('x'))",
    "a rejection that cannot be shown": "Promise.reject({ get message() { throw 1 }, toString() { throw 2 } })",
    "an async function nobody awaits": "(async () => { await null; throw new Error('x') })()",
    "a stream's source": "new ReadableStream({ start() { setTimeout(() => { throw new Error('x') }, 0) } })",
}
_SOON = "await new Promise((done) => setTimeout(done, 20));"

ATTEMPTS = [
    *(Attempt(name, code, _LATE, Harm.HANGS, kills=("timeout",), limits=BRIEF) for name, code in _LOOPS.items()),
    *(Attempt(name, code, _LATE, Harm.HANGS, limits=BRIEF) for name, code in _WAITS.items()),
    *(
        Attempt(
            f"memory full of {name}",
            f"{_KEEP} onTrack = () => {{ {code}; return {{}} }}",
            gets,
            Harm.FILLS,
            kills=("out_of_memory",),
            limits=SMALL,
        )
        for name, (code, gets) in _MEMORY.items()
    ),
    *(
        Attempt(
            f"an end by what nobody catches in {name}",
            f"onTrack = async () => {{ {code}; {_SOON} return {{ got: 'mine' }} }}",
            "mine",
            Harm.DIES,
        )
        for name, code in _UNCAUGHT.items()
    ),
]
