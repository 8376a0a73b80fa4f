// The host: all there is in the process of one instance besides the user's code. It has no permission at all.
// Enters: frames on fd 0 (the code once, then batches of events). Leaves: frames on fd 1, one line an event.
// User code comes over the channel and runs by vm.Script: being in no module graph, it has no import().
import vm from "node:vm";
import { confess, makeConsole, write } from "./host/console.ts";
import { AUTHORS, faultOf, shown, wordStacks } from "./host/faults.ts";
import { answered, fetch, fetching } from "./host/fetch.ts";
import {
  create, decode, find, isArray, isPrototypeOf, mapDelete, mapGet, mapSet, NativeError, NativePromise, now, parse,
  part, stringify, stringOf, then, uncurry,
} from "./host/primordials.ts";
import { furnish, provide } from "./host/realm.ts";
import { type Batch, batches, follow, presumed, runAs, type Slot } from "./host/slots.ts";
import * as wire from "./host/wire.ts";

type Handler = (event: unknown, settings: unknown) => unknown;
interface Load {
  code: string;
  settings: unknown;
  timeout_ms: number;
  log_lines: number;
  log_line_bytes: number;
  event_bytes: number;
}

/** First character of an event's line; protocol.py has the same list. */
const RETURNED = "0", THREW = "1", NOTHING = "2", UNUSABLE = "3", NO_HANDLER = "4", TIMEOUT = "5";
// Another batch, an answer or EXPIRE may wait behind a batch whose events use much processor time: let them in this often.
const SLICE_MS = 100;

const exit = Deno.exit;
const report = reportError;
const Script = vm.Script;
const run = uncurry(vm.Script.prototype.runInThisContext);
const promisePrototype = NativePromise.prototype;

const handlers: Record<string, Handler | undefined> = create(null);
let settings: unknown = null;
let timeoutMs = 0;
let eventBytes = 0;
let inFlight = 0;

// ---- the code ----

// One expression finds them all, however they were declared; `typeof` is safe on a name that does not exist.
const NAMES = ["identify", "track", "page", "screen", "group", "alias", "delete", "batch"];
const handlerName = (type: string) => `on${type[0].toUpperCase()}${type.slice(1)}`;
const found = NAMES.map((type) => [type, handlerName(type)])
  .map(([type, name]) => `${type}: typeof ${name} === "function" ? ${name} : undefined`);
const FIND = new Script(`({__proto__: null, ${found.join(", ")}})`, { filename: "host" });
const HANDLER_NAMES: Record<string, string> = Object.assign(
  create(null),
  Object.fromEntries(NAMES.map((type) => [type, handlerName(type)])),
);

let faultLine = 0;
let faultColumn = 0;

/** Compile the author's code. A syntax error knows its place only while no stack frame hides it. */
function compile(code: string): vm.Script {
  const frames = NativeError.stackTraceLimit;
  NativeError.stackTraceLimit = 0;
  try {
    return new Script(code, { filename: AUTHORS });
  } catch (error) {
    report(error);
    throw error;
  } finally {
    NativeError.stackTraceLimit = frames;
  }
}

async function load(message: Load): Promise<void> {
  inFlight++;
  settings = message.settings;
  timeoutMs = message.timeout_ms;
  eventBytes = message.event_bytes;
  follow(message.code);
  await furnishFor(message);
  let error = "null";
  let names = "";
  try {
    run(compile(message.code));
    const all = run(FIND) as Record<string, Handler | undefined>;
    for (let i = 0; i < NAMES.length; i++) {
      const type = NAMES[i];
      if (all[type] === undefined) continue;
      handlers[type] = all[type];
      names += (names === "" ? "" : ",") + HANDLER_NAMES[type];
    }
  } catch (thrown) {
    error = faultOf(thrown, faultLine, faultColumn);
  }
  inFlight--;
  wire.put(wire.READY, 0, `{"handlers":"${names}","error":${error}}`);
}

/** Make the code's global scope. What only some code needs is loaded before the code itself could watch that. */
async function furnishFor(message: Load): Promise<void> {
  const names = (word: string) => message.code.includes(word);
  const cryptography = names("crypto") ? withWebCrypto((await import("node:crypto")).default) : undefined;
  const format = names("console") ? (await import("node:util")).format : () => "";
  furnish();
  wordStacks();
  if (cryptography !== undefined) provide("crypto", cryptography);
  provide("console", makeConsole(format, message.log_lines, message.log_line_bytes));
  provide("fetch", fetch);
}

/** Make the `crypto` of functions: Node's, whose web half would look for itself in the global it now is. */
function withWebCrypto(node: object): object {
  const web = globalThis.crypto;
  const both = Object.defineProperties({}, Object.getOwnPropertyDescriptors(node));
  const half = {
    subtle: web.subtle,
    webcrypto: web,
    getRandomValues: web.getRandomValues.bind(web),
    randomUUID: web.randomUUID.bind(web),
  };
  for (const [name, value] of Object.entries(half)) {
    Object.defineProperty(both, name, { value, writable: true, configurable: true, enumerable: true });
  }
  return both;
}

// ---- invocations ----

function receive(kind: number, id: number, payload: Uint8Array): void {
  if (kind === wire.RUN) start(id, payload);
  else if (kind === wire.ANSWER) answered(id, payload);
  else if (kind === wire.EXPIRE) expire(id);
  else if (kind === wire.LOAD) load(parse(decode(payload)) as Load).catch(() => exit(1));
}

function start(id: number, payload: Uint8Array): void {
  const events: Record<number, string> = create(null);
  let count = 0;
  for (let from = 0; from <= payload.length; count++) {
    const newline = find(payload, 10, from);
    const to = newline < 0 ? payload.length : newline;
    // Each line by itself: one character outside Latin-1 would make two-byte strings of them all.
    events[count] = decode(part(payload, from, to));
    from = to + 1;
  }
  const batch: Batch = { __proto__: null, id, count, events, slots: create(null), next: 0, left: count };
  mapSet(batches, id, batch);
  inFlight++;
  advance(batch);
}

/** Start the batch's events in order, yielding to what else there is when they take long. */
function advance(batch: Batch): void {
  const since = now();
  let at = since;
  while (batch.next < batch.count) {
    const index = batch.next++;
    const event = batch.events[index];
    batch.events[index] = "";
    const slot: Slot = {
      __proto__: null, batch, index, started: at, took: 0, line: "", ended: false, lines: 0, dropped: 0,
    };
    batch.slots[index] = slot;
    runAs(slot, invoke, event);
    at = now();
    if (at - since >= SLICE_MS) return wire.yieldTo(() => advance(batch));
  }
}

function invoke(slot: Slot, text: string): void {
  try {
    const event = parse(text);
    const handler = handlers[event.type];
    if (handler === undefined || event.type === "batch") return settle(slot, NO_HANDLER + missing(event.type));
    const result = handler(event, settings);
    if (typeof result === "object" && result !== null && isThenable(result)) whenSettled(slot, result);
    else settle(slot, returned(result));
  } catch (thrown) {
    settle(slot, THREW + faultOf(thrown));
  }
}

function isThenable(result: object): boolean {
  return isPrototypeOf(promisePrototype, result) || typeof (result as { then?: unknown }).then === "function";
}

function whenSettled(slot: Slot, result: object): void {
  const promise = isPrototypeOf(promisePrototype, result) ? result : new NativePromise((resolve) => resolve(result));
  then(
    promise,
    (value) => settle(slot, returned(value)),
    (reason) => settle(slot, THREW + faultOf(reason)),
  );
}

function missing(type: unknown): string {
  const name = typeof type === "string" ? HANDLER_NAMES[type] : undefined;
  if (name !== undefined && type !== "batch") return stringify(`this function has no ${name} handler`);
  return stringify(`there is no handler for events of type ${shown(typeof type === "string" ? type : typeof type, 64)}`);
}

/** Say what a handler gave back. Only a JSON object is an event. */
function returned(value: unknown): string {
  if (value === undefined || value === null) return NOTHING;
  let json: string | undefined;
  try {
    json = stringify(value);
  } catch (thrown) {
    return unusable(`something that is not JSON (${messageOf(thrown)})`);
  }
  if (json === undefined || typeof value === "function") return unusable(`a ${typeof value}`);
  if (json[0] !== "{") return unusable(isArray(value) ? "an array" : `${json[0] === "[" ? "an array" : "a primitive"}`);
  if (json.length > eventBytes) return unusable(`more than ${eventBytes} bytes`);
  return RETURNED + json;
}

const unusable = (what: string) => UNUSABLE + stringify(`the handler returned ${what}; it must return one event object`);

function messageOf(thrown: unknown): string {
  try {
    return shown(stringOf((thrown as Error).message), 256);
  } catch {
    return "its conversion failed";
  }
}

function settle(slot: Slot, line: string): void {
  if (slot.ended) return;
  confess(slot);
  slot.ended = true;
  slot.line = line;
  slot.took = now() - slot.started;
  if (--slot.batch.left === 0) finish(slot.batch);
}

/** Send a batch's lines: microseconds of each event first, then one line an event. */
function finish(batch: Batch): void {
  mapDelete(batches, batch.id);
  inFlight--;
  wire.open(wire.DONE, batch.id);
  let times = "";
  for (let i = 0; i < batch.count; i++) times += (i === 0 ? "" : ",") + (batch.slots[i].took * 1000 | 0);
  wire.text(times);
  for (let i = 0; i < batch.count; i++) {
    wire.text("\n");
    wire.text(batch.slots[i].line);
  }
  wire.close();
}

function expire(id: number): void {
  const batch = mapGet(batches, id);
  const at = now();
  for (let i = 0; batch !== undefined && i < batch.next; i++) {
    const slot = batch.slots[i];
    if (!slot.ended && at - slot.started >= timeoutMs) settle(slot, TIMEOUT);
  }
  wire.put(wire.ALIVE, id, "");
}

// ---- the process ----

const keepAlive = uncurry(Event.prototype.preventDefault);
addEventListener("unhandledrejection", (event) => {
  keepAlive(event);
  write(presumed(), "error", () => `Unhandled rejection: ${faultText(event.reason)}`);
});
addEventListener("error", (event) => {
  keepAlive(event);
  faultLine = event.lineno;
  faultColumn = event.colno;
  write(presumed(), "error", () => `Uncaught: ${faultText(event.error)}`);
});

function faultText(thrown: unknown): string {
  const fault = parse(faultOf(thrown)) as { name: string; message: string };
  return `${fault.name}: ${fault.message}`;
}

wire.put(wire.HELLO, 0, "");
await wire.listen(receive, () => inFlight > 0 || fetching() > 0);
exit(0);
