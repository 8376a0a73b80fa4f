"""Tampering with the language under the host's feet: prototypes, iterators, species, thenables, the globals themselves."""

from __future__ import annotations

from midstream.domain.function import Ending
from tests.escape.attempts.attempt import Attempt, Ends, Harm

_TRACK = "; onTrack = async (e) => { await null; return { got: 'mine' } };"
_THROWS = "() => { throw new Error('poisoned') }"
_TRAP = "set(v) { throw new Error('trap') }, get() { return 'FORGED' }, configurable: true"
_FIELDS = (
    "['id', 'batch', 'index', 'line', 'ended', 'left', 'next', 'count', 'slots', 'events', 'event', 'took', 'result', "
    "'started', 'lines', 'dropped', 'resolve', 'reject', 'code', 'status', 'written', 'read', 'done', 'value']"
)
_MINE = """class Mine extends Promise {
    then(done, failed) { return super.then(() => done({ n: 'FORGED' }), failed) }
  }"""

_POISONS = {
    "JSON.stringify that forges": 'JSON.stringify = () => \'{"n":"FORGED"}\'',
    "JSON.parse that forges": "JSON.parse = () => [{ type: 'page', n: 'FORGED' }]",
    "JSON behind a getter": f"Object.defineProperty(globalThis, 'JSON', {{ get: {_THROWS} }})",
    "then of every promise": "try { Promise.prototype.then = (done) => done({ n: 'FORGED' }) } catch {}",
    "Promise.all that forges": "Promise.all = async (list) => { for (const one of list) await one }; "
    "Array.prototype.map = () => []",
    "Promise.race that forges": "Promise.race = async () => ({ n: 'FORGED' })",
    "Promise.resolve": f"Promise.resolve = {_THROWS}",
    "promises' constructor": f"{_MINE}; try {{ Object.defineProperty(Promise.prototype, 'constructor', {{ get: () => Mine }}) }}"
    " catch {}; Promise = Mine",
    "array's map": "Array.prototype.map = () => [{ n: 'FORGED' }]",
    "array's join": 'Array.prototype.join = () => \'{"n":"FORGED"}\'',
    "array's iterator": f"Array.prototype[Symbol.iterator] = {_THROWS}",
    "array's iterator, in code that is followed": f"Array.prototype[Symbol.iterator] = {_THROWS}; void console",
    "array's species": "Object.defineProperty(Array, Symbol.species, { get: () => function () { return { length: 0 } } })",
    "array's constructor": "Array.prototype.constructor = { [Symbol.species]: function () { return { length: 0 } } }",
    "setters of arrays' first indices": f"for (const i of [0, 1, 2]) Object.defineProperty(Array.prototype, i, {{ {_TRAP} }})",
    "setters of all objects' first indices": f"for (const i of [0, 1, 2]) Object.defineProperty(Object.prototype, i, {{ {_TRAP} }})",
    "setters of the names of the host's records": f"for (const name of {_FIELDS}) Object.defineProperty(Object.prototype, name, {{ {_TRAP} }})",
    "map's get": "Map.prototype.get = () => 'onTrack'",
    "map's get, set, delete, has and forEach": f"for (const k of ['get', 'set', 'delete', 'has', 'forEach']) Map.prototype[k] = {_THROWS}",
    "function's call": "Function.prototype.call = () => ({ n: 'FORGED' })",
    "string's methods": "for (const k of Object.getOwnPropertyNames(String.prototype)) if (typeof ''[k] === 'function') "
    f"String.prototype[k] = {_THROWS}",
    "String": f"String = {_THROWS}; JSON.parse = ((parse) => (text) => parse(String(text)))(JSON.parse)",
    "regular expressions' exec": "RegExp.prototype.exec = () => null",
    "regular expressions' test": "RegExp.prototype.test = () => false",
    "TextEncoder": f"TextEncoder = TextDecoder = {_THROWS}",
    "timers": f"setTimeout = setInterval = setImmediate = clearTimeout = queueMicrotask = {_THROWS}",
    "errors' name and message": "JSON.parse = null; for (const k of ['name', 'message', 'stack']) "
    f"Object.defineProperty(Error.prototype, k, {{ get: {_THROWS}, configurable: true }})",
    "the words of stacks": f"Error.prepareStackTrace = {_THROWS}; JSON.stringify = () => {{ throw new Error('x') }}",
    "Promise taken away": "Promise = undefined",
    "the globals emptied": "for (const name of Object.getOwnPropertyNames(globalThis)) if (!/^on/.test(name)) "
    "try { delete globalThis[name] } catch {}",
    "the globals behind getters": "for (const name of ['Promise', 'Map', 'JSON', 'Uint8Array', 'TextEncoder', 'String']) "
    f"Object.defineProperty(globalThis, name, {{ get: {_THROWS} }})",
    "the prototype of functions cut off": "Object.setPrototypeOf(Function.prototype, null); Object.setPrototypeOf(onPage, null)",
    "the prototype of arrays cut off": "Object.setPrototypeOf(Array.prototype, null); delete Array.prototype.map",
    "the prototype of promises cut off": "try { Object.setPrototypeOf(Promise.prototype, null) } catch {}; "
    "Object.setPrototypeOf(Promise, null); delete Promise.all",
    "promises' own functions": f"for (const k of ['resolve', 'reject', 'withResolvers', 'race', 'any', 'all']) Promise[k] = {_THROWS}",
}
_ENDLESS = {
    "array iterators' next": "Object.getPrototypeOf([][Symbol.iterator]()).next = () => ({ done: true, value: undefined })",
    "the text encoder": "TextEncoder.prototype.encode = () => new Uint8Array([91, 93, 10]); "
    "TextEncoder.prototype.encodeInto = () => ({ read: 0, written: 0 })",
    "bytes' subarray": "Uint8Array.prototype.subarray = function () { return this }",
    "typed arrays' methods": "for (const k of ['subarray', 'set', 'slice', 'indexOf', 'copyWithin', 'fill']) "
    "Object.getPrototypeOf(Uint8Array.prototype)[k] = function () { return this }",
    "what the length of bytes is": "try { Object.defineProperty(Uint8Array.prototype, 'length', { get: () => 1 }) } catch {};"
    "try { Object.defineProperty(Object.getPrototypeOf(Uint8Array.prototype), 'length', { get: () => 1 }) } catch {}",
}
_PRIMITIVE = Ends(Ending.UNUSABLE, "the handler returned a primitive; it must return one event object")
# What the language itself makes of a returned object when all objects are like this; nobody else's are.
_OWN = {
    "then of every object": "Object.prototype.then = function (done) { done('FORGED') }",
    "toJSON of every object": "Object.prototype.toJSON = () => 'FORGED'",
}

ATTEMPTS = [
    *(Attempt(name, code + _TRACK, "mine", Harm.SPOILS) for name, code in _POISONS.items()),
    *(Attempt(name, code + _TRACK, "mine", Harm.HANGS) for name, code in _ENDLESS.items()),
    *(
        Attempt(name, code + _TRACK, _PRIMITIVE, Harm.SPOILS, loses="its own objects are what it made of all of them")
        for name, code in _OWN.items()
    ),
]
