"""Strange things returned, thrown and logged: what a host that takes them for what they seem trips over."""

from __future__ import annotations

from typing import Any

from dirty_equals import IsStr

from midstream.domain.function import Ending
from tests.escape.attempts.attempt import Attempt, Ends, Harm

_MUST = "; it must return one event object"


def _unusable(what: str) -> Ends:
    return Ends(Ending.UNUSABLE, f"the handler returned {what}{_MUST}")


_NOT_JSON = Ends(
    Ending.UNUSABLE,
    IsStr(regex=r"(?s)the handler returned something that is not JSON \(.*\); it must return one event object"),
)
_THREW = Ending.THREW

# What is returned, what it gets, and what it does to a host that does not look.
_RETURNED: dict[str, tuple[str, Any]] = {
    "a big integer": ("{ n: 1n }", _NOT_JSON),
    "a circle": ("(() => { const a = {}; return a.a = a })()", _NOT_JSON),
    "a getter that throws": ("{ get n() { throw new Error('no') } }", _NOT_JSON),
    "a toJSON that throws": ("{ toJSON() { throw new Error('no') } }", _NOT_JSON),
    "a toJSON that throws what cannot be shown": ("{ toJSON() { throw { get message() { throw 1 } } } }", _NOT_JSON),
    "a proxy whose keys are not there": (
        "new Proxy({}, { get: (_, k) => { if (k === 'then' || k === 'toJSON') return undefined; throw new Error('no') }, "
        "ownKeys: () => ['n'], getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }) })",
        _NOT_JSON,
    ),
    "a promise that fails with nothing": ("Promise.reject()", Ends(_THREW, "undefined")),
    "a promise that fails with null": ("Promise.reject(null)", Ends(_THREW, "null")),
}
_THROWN: dict[str, tuple[str, Any]] = {
    "nothing": ("undefined", "undefined"),
    "null": ("null", "null"),
    "getters that throw": ("{ get name() { throw 1 }, get message() { throw 2 }, toString() { throw 3 } }", ""),
    "a proxy that throws": ("new Proxy({}, { get() { throw 1 }, getPrototypeOf() { throw 2 } })", ""),
    "an error whose name is a symbol": ("Object.assign(new Error('x'), { name: Symbol('n') })", "x"),
    "an error whose message is an object that throws": (
        "Object.assign(new Error(), { message: { toString() { throw 1 } } })",
        "",
    ),
    "an error whose stack throws": ("Object.defineProperty(new Error('x'), 'stack', { get() { throw 1 } })", "x"),
}


# Where the host lies, and what else its frames would say.
_FRAMES = """
  const told = [];
  Error.prepareStackTrace = (_, frames) => {
    for (const frame of frames) {
      try { Object.getPrototypeOf(frame).getFileName = () => "function.js" } catch {}
      told.push(frame.getScriptNameOrSourceURL(), String(frame), typeof (frame.getFunction() ?? frame.getThis()?.Deno));
    }
    return "";
  };
"""
_TOLD = {
    "frames that are looked at": _FRAMES + "onTrack = () => { void new Error().stack; return { got: told.join() } }",
    "frames of an object that is no error": _FRAMES
    + "onTrack = () => { const o = {}; Error.captureStackTrace(o); void o.stack; return { got: told.join() } }",
    "a stack in V8's own words": "Error.prepareStackTrace = undefined; onTrack = () => ({ got: new Error().stack })",
    "a stack in V8's own words, by taking away others": "try { delete Error.prepareStackTrace } catch {}; "
    "onTrack = () => ({ got: new Error().stack })",
    "a long stack": "Error.stackTraceLimit = Infinity; onTrack = async () => { await null; return { got: new Error().stack } }",
    "a stack of a failure within the host": "onTrack = async (e) => { try { await structuredClone(() => {}) } "
    "catch (error) { return { got: String(new Error('x', { cause: error }).stack) } } }",
}
_NO_PATH = IsStr(regex=r"(?s)(?!.*(/|host|object)).*function\.js.*")
_PATH = IsStr(regex=r"(?s).*/unguarded\.js.*")
_OURS = "what is said is read on our side of the channel"
_LINE = "Object.defineProperty(made, 'lineno', { value: 'no number' }); Object.defineProperty(made, 'colno', { value: {} });"


def _returns(name: str, value: str, gets: Any) -> Attempt:
    return Attempt(f"returning {name}", f"onTrack = () => ({value})", gets, Harm.SPOILS)


def _throws(name: str, value: str, message: str) -> Attempt:
    return Attempt(f"throwing {name}", f"onTrack = () => {{ throw {value} }}", Ends(_THREW, message), Harm.SPOILS)


ATTEMPTS = [
    *(_returns(name, *each) for name, each in _RETURNED.items()),
    *(_throws(name, *each) for name, each in _THROWN.items()),
    *(Attempt(f"our paths by {name}", code, _NO_PATH, _PATH) for name, code in _TOLD.items()),
    Attempt(
        "a line number of five thousand digits",
        "onTrack = () => { const x = new Error('x'); x.stack = `Error: x\\n    at function.js:${'1'.repeat(5000)}:1`; throw x }",
        Ends(Ending.THREW, "x"),
        None,
        not_shown=_OURS,
    ),
    Attempt(
        "a made-up syntax error at a place that is none",
        f"const made = new Event('error'); {_LINE} dispatchEvent(made); throw new Error('x')",
        Ends(Ending.UNLOADABLE, "x"),
        None,
        not_shown=_OURS,
        loses="code that does not load has no handlers",
    ),
]
