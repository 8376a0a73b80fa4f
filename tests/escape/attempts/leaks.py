"""Reaching another instance: what one function leaves behind for the next, which is another process of another function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.escape.attempts.attempt import FOUND, gone


@dataclass(frozen=True)
class Leak:
    """A function that leaves something, and one that looks for it. Where nothing guards, both run in one folder."""

    name: str
    leaves: str  # an expression
    finds: str  # an expression, whose value is what was left
    gets: Any
    one_process: bool = False  # where nothing guards, both are in one process


_CACHE = "await (await caches.open('x')).match('http://x.test/')"
_LEFT = f"'{FOUND}'"

LEAKS = [
    Leak(
        "local storage",
        f"localStorage.setItem('left', {_LEFT})",
        "localStorage.getItem('left')",
        gone("localStorage"),
    ),
    Leak(
        "the cache of the web",
        f"await (await caches.open('x')).put('http://x.test/', new Response({_LEFT}))",
        f"await ({_CACHE}).text()",
        gone("caches"),
    ),
    Leak(
        "a file in Deno's folder",
        f"Deno.writeTextFileSync(Deno.env.get('DENO_DIR') + '/left', {_LEFT})",
        "Deno.readTextFileSync(Deno.env.get('DENO_DIR') + '/left')",
        gone("Deno"),
    ),
    Leak("a global", f"globalThis.left = {_LEFT}", "globalThis.left ?? 'nothing'", "nothing", one_process=True),
    Leak("a prototype", f"Object.prototype.left = {_LEFT}", "({}).left ?? 'nothing'", "nothing", one_process=True),
    Leak(
        "a symbol everybody can name",
        f"globalThis[Symbol.for('left')] = {_LEFT}",
        "globalThis[Symbol.for('left')] ?? 'nothing'",
        "nothing",
        one_process=True,
    ),
    Leak(
        "the console's formats",
        f"console.log = () => {_LEFT}",
        "console.log() ?? 'nothing'",
        "nothing",
        one_process=True,
    ),
    Leak("the settings", f"settings.left = {_LEFT}", "settings.left ?? 'nothing'", "nothing", one_process=True),
    Leak(
        "the class of an error",
        f"RangeError.prototype.left = {_LEFT}",
        "new RangeError().left ?? 'nothing'",
        "nothing",
        one_process=True,
    ),
    Leak(
        "a cached answer",
        f"(await import('data:application/json,{{}}', {{ with: {{ type: 'json' }} }})).default.left = {_LEFT}",
        "(await import('data:application/json,{}', { with: { type: 'json' } })).default.left",
        "TypeError: A dynamic import callback was not specified.",
        one_process=True,
    ),
]
