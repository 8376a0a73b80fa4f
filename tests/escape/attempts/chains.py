"""Ways to the function constructor, and from there to code nobody checked: through every kind of object in reach."""

from __future__ import annotations

import json

from tests.escape.attempts.attempt import LOOT, Attempt

REFUSED = "EvalError: Code generation from strings disallowed for this context"

# From whatever a way leads to, up to the constructor of all functions, and from there to the file.
_CLIMB = """
  async function onTrack(e, settings) {
    const got = {};
    for (const [name, way] of Object.entries(ways)) {
      try {
        let F = await way(e, settings);
        while (F.constructor !== F) F = F.constructor;
        got[name] = await F(`return Deno.readTextFileSync(${JSON.stringify(e.file)})`)();
      } catch (error) { got[name] = String(error) }
    }
    return { got };
  }"""
# Functions call Node's crypto `crypto`; in a program of Deno it has to be fetched first.
_NODE = """if (typeof process === 'object') {
  Object.defineProperty(globalThis, 'crypto', { value: process.getBuiltinModule('node:crypto') });
}"""
_OVERFLOW = """(() => {
  let last;
  const deeper = (call) => { try { deeper(call) } catch (error) { last ??= error } try { call() } catch (error) { last = error } };
  deeper(() => structuredClone({}));
  return last;
})()"""
_SITES = """(() => {
  let sites;
  const before = Error.prepareStackTrace;
  Error.prepareStackTrace = (_, all) => { sites = all; return "" };
  void new Error().stack;
  Error.prepareStackTrace = before;
  return sites[sites.length - 1];
})()"""

_WAYS = {
    "functions": {
        "a function": "function () {}",
        "an arrow function": "() => {}",
        "a bound function": "onTrack.bind(null)",
        "an async function": "Object.getPrototypeOf(async () => {}).constructor",
        "a generator function": "Object.getPrototypeOf(function* () {}).constructor",
        "an async generator function": "Object.getPrototypeOf(async function* () {}).constructor",
        "the prototype of async generators": "Object.getPrototypeOf((async function* () {})())",
        "an async iterator of a generator": "(async function* () {})().return().constructor",
        "a class": "class { static #own = 1 }",
        "a method": "({ method() {} }).method",
        "a getter": "Object.getOwnPropertyDescriptor(Map.prototype, 'size').get",
        "a proxy of a function": "new Proxy(onTrack, {})",
        "a tagged template": "((parts) => parts)`x`",
    },
    "results of the language": {
        "a match": "'x'.match(/x/)",
        "an iterator helper": "[1].values().map((x) => x)",
        "a symbol": "Symbol.iterator",
        "a big integer": "1n",
    },
    "errors": {
        "an error of the language": "(() => { try { null.x } catch (error) { return error } })()",
        "an error of JSON": "(() => { try { JSON.parse('{') } catch (error) { return error } })()",
        "an error of a stack that is too deep for a call of the host": _OVERFLOW,
        "a frame of a stack": _SITES,
        "why a fetch was refused": "fetch('data:,').then(() => ({ x: 1 }), (error) => error)",
        "the cause of that": "fetch('nowhere:').then(null, (error) => error.cause ?? error)",
        "a rejected promise": "Promise.reject(new Error('x')).catch((error) => error)",
        "an exception of the web": "(() => { try { atob('*') } catch (error) { return error } })()",
        "a reason to abort": "AbortSignal.abort().reason",
    },
    "objects of the web": {
        "a response": "new Response('x')",
        "the headers of a response": "new Response('x').headers",
        "an iterator of headers": "new Headers({ a: 'b' }).entries()",
        "the signal of a request": "new Request('http://x.test/').signal",
        "the body of a response": "new Response('x').body",
        "a reader of a stream": "new Response('x').body.getReader()",
        "what a reader read": "new Response('x').body.getReader().read()",
        "a blob": "new Blob(['x'])",
        "a form": "new FormData()",
        "a URL": "new URL('http://x.test/?a=1').searchParams",
        "a buffer of Node": "Buffer.from('x')",
        "a digest of the web": "crypto.subtle.digest('SHA-256', new Uint8Array())",
        "a key of the web": "crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])",
        "a deep copy": "structuredClone(new Error('x'))",
    },
    "callbacks": {
        "an event": "new CustomEvent('x')",
        "a target of events": "new EventTarget()",
        "a listener's `this`": "new Promise((done) => { const t = new EventTarget(); t.addEventListener('x', function () {"
        " done(this) }); t.dispatchEvent(new Event('x')) })",
        "a timer's `this`": "new Promise((done) => setTimeout(function () { done(this ?? globalThis) }, 0))",
        "a timer": "setTimeout(() => {}, 0)",
        "a formatter": "new Intl.NumberFormat()",
        "a registry of what is gone": "new FinalizationRegistry(() => {})",
    },
    "what the host gives": {
        "the console": "console.log",
        "the event": "e",
        "the settings": "settings",
        "the caller of nobody": "(function () { return this ?? globalThis })()",
        "the global scope": "globalThis",
    },
    "cryptography": {
        "a hash": "crypto.createHash('sha256')",
        "a cipher": "crypto.createCipheriv('aes-256-gcm', Buffer.alloc(32), Buffer.alloc(12))",
        "a secret key": "crypto.createSecretKey(Buffer.alloc(32))",
        "a pair of keys": "crypto.generateKeyPairSync('ed25519').privateKey",
    },
}


def _of(ways: dict[str, str]) -> str:
    listed = ", ".join(f"{json.dumps(name)}: async (e, settings) => ({way})" for name, way in ways.items())
    return f"{_NODE} const ways = {{ {listed} }}; {_CLIMB}"


ATTEMPTS = [
    Attempt(f"code from strings by way of {name}", _of(ways), dict.fromkeys(ways, REFUSED), dict.fromkeys(ways, LOOT))
    for name, ways in _WAYS.items()
]
