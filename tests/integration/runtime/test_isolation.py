"""What user code can reach, and that what it does to its own realm neither hangs us nor forges results."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from midstream.domain.function import Ending
from tests.integration.runtime.conftest import Runner, event

GONE = [
    "Deno",
    "process",
    "require",
    "module",
    "Worker",
    "WebSocket",
    "EventSource",
    "BroadcastChannel",
    "localStorage",
    "sessionStorage",
    "caches",
    "navigator",
    "location",
    "WebAssembly",
    "SharedArrayBuffer",
    "Atomics",
    "close",
    "prompt",
    "reportError",
    "MessageChannel",
    "nodeBootstrap",
]
THERE = {
    "string": "typeof JSON.stringify({})",
    "abc": "new TextDecoder().decode(new TextEncoder().encode('abc'))",
    "YWJj": "btoa('abc')",
    "616263": "Buffer.from('abc').toString('hex')",
    "?a=1": "new URL('/x?a=1', 'https://h.test').search",
    "b=2": "new URLSearchParams({ b: 2 }).toString()",
    "1": "structuredClone({ a: '1' }).a",
    "12,5": "new Intl.NumberFormat('de').format(12.5)",
    "ba7816bf": "crypto.createHash('sha256').update('abc').digest('hex').slice(0, 8)",
    "object": "typeof crypto.subtle",
    "ba78": "crypto.subtle.digest('SHA-256', Buffer.from('abc')).then(d => Buffer.from(d).toString('hex').slice(0, 4))",
    "36": "String(crypto.randomUUID().length)",
    "Mon": "new Intl.DateTimeFormat('en', { weekday: 'short', timeZone: 'Asia/Tokyo' }).format(new Date('2026-11-22T20:00Z'))",
    "v": "new Request('https://h.test', { headers: { k: 'v' } }).headers.get('k')",
    "body": "new Response('body').text()",
    "f": "(() => { const f = new FormData(); f.set('k', 'f'); return f.get('k') })()",
    "aborted": "(() => { const c = new AbortController(); c.abort(); return c.signal.aborted ? 'aborted' : '' })()",
    "late": "new Promise(done => setTimeout(done, 1, 'late'))",
    "soon": "new Promise(done => setImmediate(done, 'soon'))",
}
TAMPERINGS = {
    "stringify": "JSON.stringify = () => 'FORGED\\n0FORGED'; JSON.parse = () => ({ type: 'track', forged: 1 });",
    "array methods": "for (const k of ['join','push','map','forEach','fill']) Array.prototype[k] = () => { throw 1 };",
    "iterators": "Array.prototype[Symbol.iterator] = function* () { throw 1 }; Map.prototype[Symbol.iterator] = null;",
    "then": "try { Promise.prototype.then = f => f({ forged: 1 }) } catch {}",
    "promise constructor": "try { Object.defineProperty(Promise.prototype, 'constructor', { get() { return class { "
    "constructor(f) { f(() => {}, () => {}) } } } }) } catch {}",
    "species": "try { Object.defineProperty(Promise, Symbol.species, { get() { throw 1 } }) } catch {}",
    "indices": "for (const p of [Object.prototype, Array.prototype]) for (const i of [0, 1, 2]) "
    "Object.defineProperty(p, i, { set(v) { throw 1 }, get() { return 'FORGED' } });",
    "names": "for (const k of ['id','count','left','line','next','batch','index','ended','events','slots']) "
    "Object.defineProperty(Object.prototype, k, { set(v) { throw 1 }, get() { return 'FORGED' } });",
    "thenables": "Object.prototype.then = undefined; Number.prototype.then = f => f('FORGED');",
    "maps": "Map.prototype.get = () => null; Map.prototype.set = () => {}; Map.prototype.delete = () => true;",
    "functions": "Function.prototype.bind = Function.prototype.toString = () => { throw 1 };",
    "bytes": "Uint8Array.prototype.subarray = Uint8Array.prototype.set = Uint8Array.prototype.indexOf = () => 0; "
    "DataView.prototype.setUint32 = () => {}; TextEncoder.prototype.encodeInto = () => ({ written: 0 });",
    "globals": "delete globalThis.console; JSON = null; Promise = null; Map = null; Error = null; Reflect = null; "
    "setImmediate = null; Uint8Array = null;",
    "strings": "String.prototype.slice = String.prototype.toWellFormed = () => 'FORGED'; RegExp.prototype.test = () => 1;",
    "stack words": "Error.prepareStackTrace = () => { throw 1 }; Error.stackTraceLimit = 'x';",
    "dispatch": "dispatchEvent = null; EventTarget.prototype.dispatchEvent = null; setTimeout(() => { throw 1 }, 0);",
}


@pytest.fixture
def run(either: Runner) -> Runner:
    return either


@pytest.mark.parametrize("name", GONE)
async def test_what_reaches_outside_is_gone(run: Runner, name: str) -> None:
    assert await run.value(f"typeof globalThis['{name}'] + typeof {name}") == "undefined" * 2


async def test_what_functions_use_is_there(run: Runner) -> None:
    calls = ", ".join(THERE.values())
    assert await run.value(f"Promise.all([{calls}])") == list(THERE)


async def test_nothing_is_there_that_is_not_on_the_list(run: Runner) -> None:
    """A Deno that brings a new global must not hand it to functions by itself."""
    names = set(await run.value("Object.getOwnPropertyNames(globalThis)"))
    listed = (Path(__file__).parents[3] / "src/midstream/runtime/host/realm.ts").read_text().split("`")
    allowed = {
        *listed[1].split(),
        *listed[3].split(),
        "onTrack",
        "console",
        "fetch",
        "cache",
        "window",
        "self",
        "global",
    }
    allowed |= {"EventNotSupported", "InvalidEventPayload", "ValidationError", "RetryError", "DropEvent"}
    assert names - allowed == {"dispatchEvent"}
    assert allowed - names == set()


@pytest.mark.parametrize(
    "code",
    [
        "await import('node:fs')",
        "await import('file:///etc/hostname')",
        "await import('data:text/javascript,1')",
        "await import('https://x.test/')",
        "eval('1')",
        "(0, eval)('1')",
        "new Function('return 1')()",
        "(async () => {}).constructor('return 1')()",
        "console.log.constructor('return 1')()",
        "await Promise.resolve('1').then(Function)",
        "setTimeout.constructor.constructor('return 1')()",
    ],
)
async def test_code_from_elsewhere_is_refused(run: Runner, code: str) -> None:
    (one,) = await run(f"onTrack = async () => ({{ got: typeof {code} }})")
    assert one.ending is Ending.THREW


async def test_no_object_in_reach_leads_outside(run: Runner) -> None:
    """Walk everything reachable from the globals, and from what the library's calls return."""
    code = """
      const bad = /^(writeSync|readSync|readTextFile.*|Command|dlopen|exit|kill|core|ops|op_.*|binding|getBuiltinModule|mainModule|setFlagsFromString|env|Deno|process|execPath|stdin|stdout|createRequire|openSync|runInThisContext|Worker|internal)$/;
      function onTrack() {
        const seen = new Set(), hits = [];
        const timer = setTimeout(() => {}, 1);
        const hash = crypto.createHash('md5'), cipher = crypto.createCipheriv('aes-256-gcm', Buffer.alloc(32), Buffer.alloc(12));
        const queue = [[globalThis, ''], [timer, 'timer'], [hash, 'hash'], [cipher, 'cipher'], [fetch('http://x.test/'), 'fetch'],
          [console.log, 'log'], [new RetryError('x'), 'error']];
        while (queue.length && seen.size < 50000) {
          const [value, path] = queue.shift();
          if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) continue;
          seen.add(value);
          for (const key of Reflect.ownKeys(value)) {
            const at = path + '.' + String(key), { get, value: inner } = Reflect.getOwnPropertyDescriptor(value, key);
            let read = inner;
            if (get) { queue.push([get, at + '<get>']); try { read = value[key] } catch { continue } }
            if (bad.test(String(key)) && read !== undefined) hits.push(at);
            queue.push([read, at]);
          }
          queue.push([Object.getPrototypeOf(value), path + '.__proto__']);
        }
        return { seen: seen.size, hits };
      }"""
    (one,) = await run(code)
    found = json.loads(one.event or b"{}")
    assert found["seen"] > 1000
    assert found["hits"] == []


@pytest.mark.parametrize("code", TAMPERINGS.values(), ids=TAMPERINGS.keys())
async def test_tampering_neither_hangs_nor_forges(run: Runner, code: str) -> None:
    code += """
      async function onTrack(e) { await null; return { n: e.n } }
      function onPage(e) { return { n: e.n } }
      function onGroup() { throw new RetryError("again") }"""
    for _ in range(2):
        results = await run(code, event(n=1), event("page", n=2), event("group"), event(n=3))
        assert [one.event for one in results] == [b'{"n":1}', b'{"n":2}', None, b'{"n":3}']
        assert results[2].error is not None
        assert (results[2].error.name, results[2].error.message) == ("RetryError", "again")
    assert run.kills == []


async def test_a_to_json_of_every_object_is_only_the_functions_own_loss(run: Runner) -> None:
    code = "Object.prototype.toJSON = () => 'FORGED\\nline'; onTrack = e => e; onPage = () => { console.log('x'); throw new Error('y') }"
    track, page = await run(code, event(), event("page"))
    assert track.ending is Ending.UNUSABLE
    assert page.error is not None
    assert (page.error.message, [line.message for line in page.logs]) == ("y", ["x"])


async def test_a_function_that_breaks_deno_itself_breaks_nothing_but_itself(run: Runner) -> None:
    code = "Function.prototype.call = Function.prototype.apply = () => { throw 1 }; onTrack = e => new Promise(r => setTimeout(r, 5, e))"
    broken, other = await asyncio.gather(run(code), run("onTrack = e => e", instance="ifi_2"))
    assert broken[0].ending in {Ending.CRASHED, Ending.TIMEOUT, Ending.THREW, Ending.RETURNED}
    assert other[0].ending is Ending.RETURNED


async def test_globals_can_be_reassigned(run: Runner) -> None:
    code = """
      const console = { log() {} };
      crypto = crypto.createHash;
      fetch = async () => ({ text: async () => 'mine' });
      window.setTimeout = f => f();
      var URL = 5;
      onTrack = async e => ({ a: await (await fetch()).text(), b: typeof crypto, c: await new Promise(setTimeout) ?? 'c', URL })"""
    (one,) = await run(code)
    assert json.loads(one.event or b"{}") == {"a": "mine", "b": "function", "c": "c", "URL": 5}


async def test_two_instances_of_the_same_code_share_nothing(run: Runner) -> None:
    code = "let kept = []; onTrack = (e, s) => { kept.push(s.key); globalThis.mine ??= s.key; return { kept, mine } }"
    await run(code, instance="ifi_a", key="a")
    (b,) = await run(code, instance="ifi_b", key="b")
    (a,) = await run(code, instance="ifi_a", key="a")
    assert json.loads(b.event or b"{}") == {"kept": ["b"], "mine": "b"}
    assert json.loads(a.event or b"{}") == {"kept": ["a", "a"], "mine": "a"}


async def test_the_process_has_no_environment_of_ours(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDSTREAM_MASTER_KEY", "secret")
    await run("onTrack = e => e")
    (instance,) = run.pool._instances.values()
    process: Any = instance._process
    proc = Path(f"/proc/{process.pid}")
    if not proc.exists():
        pytest.skip("there is no /proc to look into")
    names = {entry.split(b"=")[0] for entry in (proc / "environ").read_bytes().split(b"\0") if entry}
    # Python, which executes Deno, sets LC_CTYPE where there is no locale.
    assert names - {b"LC_CTYPE"} == {b"DENO_DIR", b"DENO_NO_UPDATE_CHECK", b"NO_COLOR"}
    assert re.search(r"Max core file size +0 +0 ", (proc / "limits").read_text())
    sockets = {str(fd.readlink()).split(":")[0] for fd in (proc / "fd").iterdir() if int(fd.name) <= 1}
    assert sockets == {"socket"}
