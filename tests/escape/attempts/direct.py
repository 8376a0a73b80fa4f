"""Plain ways out: whatever Deno and Node give a program by name."""

from __future__ import annotations

from tests.escape.attempts.attempt import LOOT, Attempt, Harm, gone, tried

_TCP = """(async () => {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: e.port });
  await socket.write(new TextEncoder().encode("GET / HTTP/1.1\\r\\n\\r\\n"));
  return new TextDecoder().decode(new Uint8Array(await new Response(socket.readable).arrayBuffer()));
})()"""
_EVENT_SOURCE = """new Promise((done) => {
  const source = new EventSource(e.url);
  source.onmessage = (message) => { source.close(); done(message.data) };
})"""
_WORKER = """new Promise((done) => {
  const code = `postMessage(Deno.readTextFileSync(${JSON.stringify(e.file)}))`;
  const worker = new Worker("data:text/javascript," + encodeURIComponent(code), { type: "module" });
  worker.onmessage = (message) => { done(message.data); worker.terminate() };
  worker.onerror = (error) => done(error.message);
})"""
_SOCKET = """new Promise((done) => {
  const socket = process.getBuiltinModule("node:net").connect(e.port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\\r\\n\\r\\n");
  socket.on("data", (data) => done(String(data)));
})"""
# (module (func (export "f") (result i32) i32.const 42))
_WASM = """new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1,
  127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 6, 1, 4, 0, 65, 42, 11]))).exports.f()"""

_LOOT = {
    "a file by Deno": ("Deno.readTextFileSync(e.file)", "Deno"),
    "a file by Node": ("process.getBuiltinModule('node:fs').readFileSync(e.file, 'utf8')", "process"),
    "a file by a worker": (_WORKER, "Worker"),
    "a file by a child process": (
        "new TextDecoder().decode(new Deno.Command('/bin/cat', { args: [e.file] }).outputSync().stdout)",
        "Deno",
    ),
    "a file by require": (
        "process.getBuiltinModule('node:module').createRequire('file:///')('node:fs').readFileSync(e.file, 'utf8')",
        "process",
    ),
    "a file through the kernel's view of the process": (
        "Deno.readTextFileSync('/proc/self/root' + e.file)",
        "Deno",
    ),
    "the environment by Deno": ("Deno.env.get(e.variable)", "Deno"),
    "the environment by Node": ("process.env[e.variable]", "process"),
    "the environment through the kernel": ("Deno.readTextFileSync('/proc/self/environ')", "Deno"),
    "a port of loopback by Deno": (_TCP, "Deno"),
    "a port of loopback by Node": (_SOCKET, "process"),
    "a port of loopback by an event source": (_EVENT_SOURCE, "EventSource"),
}
_THINGS = {
    "the calls under Deno": ("typeof Deno[Deno.internal].core.ops", "Deno", "object"),
    "WebAssembly": (_WASM, "WebAssembly", 42),
    "memory shared between threads": ("new SharedArrayBuffer(8).byteLength", "SharedArrayBuffer", 8),
    "shared memory through WebAssembly": (
        "new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer.constructor.name",
        "WebAssembly",
        "SharedArrayBuffer",
    ),
    "a channel to other threads": ("new MessageChannel().port1.constructor.name", "MessageChannel", "MessagePort"),
    "the id of the process": ("typeof process.pid", "process", "number"),
    "where the program lies": ("typeof Deno.execPath()", "Deno", "string"),
    "the machine's name": ("typeof Deno.hostname()", "Deno", "string"),
    "the machine's cores": ("typeof navigator.hardwareConcurrency", "navigator", "number"),
}
_ENDS = {
    "ending the process by Deno": ("Deno.exit(7)", "Deno"),
    "ending the process by Node": ("process.exit(7)", "process"),
    "ending the process by the kernel": ("Deno.kill(Deno.pid, 'SIGKILL')", "Deno"),
    "aborting the process": ("process.abort()", "process"),
    "ending the process by a signal of Node": ("process.kill(process.pid, 'SIGTERM')", "process"),
    "ending the process from below": ("process.reallyExit(7)", "process"),
}

ATTEMPTS = [
    *(Attempt(name, tried(code), gone(missing), LOOT) for name, (code, missing) in _LOOT.items()),
    *(Attempt(name, tried(code), gone(missing), thing) for name, (code, missing, thing) in _THINGS.items()),
    *(Attempt(name, tried(code), gone(missing), Harm.DIES) for name, (code, missing) in _ENDS.items()),
    Attempt(
        "sleeping without a turn of the loop",
        tried("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)"),
        gone("Atomics"),
        Harm.HANGS,
    ),
]
