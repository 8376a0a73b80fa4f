// The host: all there is in the process of one instance besides the user's code. It has no permission at all.
// Enters: frames on fd 0 (the code once, then batches of events). Leaves: frames on fd 1, one line an event.
// User code comes over the channel and runs as a script: being in no module graph, it has no import().
import { makeCache } from "./host/cache.ts";
import { begin, HANDLER_NAMES, type Handlers, handlersInto, place, prepare } from "./host/compile.ts";
import { confess, makeConsole, write } from "./host/console.ts";
import { faultOf, shown, wordStacks } from "./host/faults.ts";
import { answered, fetch, fetching, readyFor } from "./host/fetch.ts";
import { boundEvents, NO_HANDLER, refused, returned, threw, TIMEOUT } from "./host/lines.ts";
import { widen } from "./host/nodefetch.ts";
import { gather, type Package } from "./host/packages.ts";
import {
  append, create, decode, find, isPrototypeOf, mapDelete, mapGet, mapSet, NativePromise, now, parse, part, stringify, then,
  uncurry,
} from "./host/primordials.ts";
import { furnish, provide } from "./host/realm.ts";
import { rehearse } from "./host/rehearse.ts";
import { type Batch, batches, follow, presumed, runAs, type Slot } from "./host/slots.ts";
import { provideStubs } from "./host/stubs.ts";
import { forAll, idsOf, type Lines, paired } from "./host/together.ts";
import * as wire from "./host/wire.ts";

interface Load {
  code: string;
  settings: unknown;
  timeout_ms: number;
  log_lines: number;
  log_line_bytes: number;
  event_bytes: number;
  packages: Package[];
  stubs: Record<string, string>;
}

// Another batch, an answer or EXPIRE may wait behind a batch whose events use much processor time: let them in this often.
const SLICE_MS = 100;

const exit = Deno.exit;
const promisePrototype = NativePromise.prototype;

const handlers: Handlers = create(null);
let settings: unknown = null;
let timeoutMs = 0;
let loaded = false;
let inFlight = 0;

// ---- the code ----

async function load(message: Load, bundles: Uint8Array): Promise<void> {
  loaded = true;
  inFlight++;
  settings = message.settings;
  timeoutMs = message.timeout_ms;
  boundEvents(message.event_bytes);
  follow(message.code);
  const prepared = await prepare(message.code);
  await furnishFor(message, bundles);
  let error = begin(prepared) ?? "null";
  let names = "";
  try {
    if (error === "null") names = handlersInto(handlers);
  } catch (thrown) {
    error = faultOf(thrown);
  }
  inFlight--;
  wire.put(wire.READY, 0, `{"handlers":"${names}","error":${error}}`);
}

/** Make the code's global scope. What only some code needs is loaded before the code itself could watch that. */
async function furnishFor(message: Load, bundles: Uint8Array): Promise<void> {
  const names = (word: string) => message.code.includes(word);
  const needs = (name: string) => message.packages.some((each) => each.needs.includes(name));
  const cryptography = names("crypto") || needs("crypto")
    ? withWebCrypto((await import("node:crypto")).default)
    : undefined;
  const placePackages = await gather(message.packages, bundles, cryptography);
  // Packages speak, too: moment of dates it has to guess at.
  const format = names("console") || message.packages.length > 0 ? (await import("node:util")).format : () => "";
  const packages = message.packages.length > 0;
  readyFor(message.code, packages);
  furnish(message.code, packages);
  widen(message.code);
  wordStacks();
  if (cryptography !== undefined) provide("crypto", cryptography);
  provide("console", makeConsole(format, message.log_lines, message.log_line_bytes));
  provide("fetch", fetch);
  provide("cache", makeCache(message.timeout_ms));
  placePackages();
  provideStubs(message.stubs);
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
  if (kind === wire.RUN) start(id, payload, false);
  else if (kind === wire.RUN_TOGETHER) start(id, payload, true);
  else if (kind === wire.ANSWER) answered(id, payload);
  else if (kind === wire.EXPIRE) expire(id);
  else if (kind === wire.LOAD) {
    const split = find(payload, 10);
    const message = parse(decode(part(payload, 0, split))) as Load;
    load(message, wire.keep(payload, split + 1)).catch(() => exit(1));
  }
}

function start(id: number, payload: Uint8Array, together: boolean): void {
  const events: Record<number, string> = create(null);
  let count = 0;
  for (let from = 0; from <= payload.length; count++) {
    const newline = find(payload, 10, from);
    const to = newline < 0 ? payload.length : newline;
    // Each line by itself: one character outside Latin-1 would make two-byte strings of them all.
    events[count] = decode(part(payload, from, to));
    from = to + 1;
  }
  const left = together ? 1 : count;
  const batch: Batch = { __proto__: null, id, count, events, slots: create(null), next: 0, left, together };
  mapSet(batches, id, batch);
  inFlight++;
  if (together) advanceTogether(batch);
  else advance(batch);
}

function slotFor(batch: Batch, index: number, started: number): Slot {
  const slot: Slot = { __proto__: null, batch, index, started, took: 0, line: "", ended: false, lines: 0, dropped: 0 };
  batch.slots[index] = slot;
  return slot;
}

/** Start the batch's events in order, yielding to what else there is when they take long. */
function advance(batch: Batch): void {
  const since = now();
  let at = since;
  while (batch.next < batch.count) {
    const index = batch.next++;
    const event = batch.events[index];
    batch.events[index] = "";
    runAs(slotFor(batch, index, at), invoke, event);
    at = now();
    if (at - since >= SLICE_MS) return wire.yieldTo(() => advance(batch));
  }
}

function invoke(slot: Slot, text: string): void {
  try {
    const event = parse(text);
    const handler = typeof event.type === "string" ? handlers[event.type] : undefined;
    if (handler === undefined || event.type === "batch") return settle(slot, NO_HANDLER + missing(event.type));
    const result = handler(event, settings);
    if (!isThenable(result)) return settle(slot, returned(result));
    whenSettled(result, (value) => settle(slot, returned(value)), (reason) => settle(slot, threw(reason)));
  } catch (thrown) {
    settle(slot, threw(thrown));
  }
}

/** Start the one call that a batch for `onBatch` is. It speaks as its first event; the others only wait for their line. */
function advanceTogether(batch: Batch): void {
  const at = now();
  for (let i = batch.count - 1; i > 0; i--) slotFor(batch, i, at).ended = true;
  batch.next = batch.count;
  runAs(slotFor(batch, 0, at), invokeTogether, "");
}

function invokeTogether(slot: Slot): void {
  const batch = slot.batch;
  try {
    const events: unknown[] = [];
    for (let i = 0; i < batch.count; i++) {
      append(events, parse(batch.events[i]));
      batch.events[i] = "";
    }
    const ids = idsOf(events, batch.count);
    const take = (answer: unknown) => settleTogether(batch, linesOf(answer, ids, batch.count));
    const result = handlers.batch!(events, settings);
    if (!isThenable(result)) return take(result);
    whenSettled(result, take, (reason) => settleTogether(batch, forAll(threw(reason), batch.count)));
  } catch (thrown) {
    settleTogether(batch, forAll(threw(thrown), batch.count));
  }
}

function linesOf(answer: unknown, ids: ReturnType<typeof idsOf>, count: number): Lines {
  try {
    return paired(answer, ids, count);
  } catch {
    return forAll(refused("onBatch returned an array that cannot be read"), count);
  }
}

function isThenable(result: unknown): result is object {
  return typeof result === "object" && result !== null &&
    (isPrototypeOf(promisePrototype, result) || typeof (result as { then?: unknown }).then === "function");
}

function whenSettled(result: object, done: (value: unknown) => void, failed: (reason: unknown) => void): void {
  const promise = isPrototypeOf(promisePrototype, result) ? result : new NativePromise((resolve) => resolve(result));
  then(promise, done, failed);
}

function missing(type: unknown): string {
  const name = typeof type === "string" ? HANDLER_NAMES[type] : undefined;
  if (name !== undefined && type !== "batch") return stringify(`this function has no ${name} handler`);
  return stringify(`there is no handler for events of type ${shown(typeof type === "string" ? type : typeof type, 64)}`);
}

function settle(slot: Slot, line: string): void {
  if (slot.ended) return;
  confess(slot);
  slot.ended = true;
  slot.line = line;
  slot.took = now() - slot.started;
  if (--slot.batch.left === 0) finish(slot.batch);
}

function settleTogether(batch: Batch, lines: Lines): void {
  const speaker = batch.slots[0];
  if (speaker.ended) return;
  const took = now() - speaker.started;
  for (let i = 1; i < batch.count; i++) {
    batch.slots[i].line = lines[i];
    batch.slots[i].took = took;
  }
  settle(speaker, lines[0]);
}

function finish(batch: Batch): void {
  mapDelete(batches, batch.id);
  inFlight--;
  try {
    tell(batch);
  } catch {
    exit(1); // no memory is left for the answer: without it the batch would never end, this way it comes event by event
  }
}

/** Send a batch's lines: microseconds of each event first, then one line an event. */
function tell(batch: Batch): void {
  wire.open(wire.DONE, batch.id);
  let times = "";
  for (let i = 0; i < batch.count; i++) times += (i === 0 ? "" : ",") + (batch.slots[i].took * 1000 | 0);
  wire.text(times);
  for (let i = 0; i < batch.count; i++) {
    wire.line(batch.slots[i].line);
  }
  wire.close();
}

function expire(id: number): void {
  const batch = mapGet(batches, id);
  const at = now();
  for (let i = 0; batch !== undefined && i < batch.next; i++) {
    const slot = batch.slots[i];
    if (slot.ended || at - slot.started < timeoutMs) continue;
    if (batch.together) settleTogether(batch, forAll(TIMEOUT, batch.count));
    else settle(slot, TIMEOUT);
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
  place.line = event.lineno;
  place.column = event.colno;
  write(presumed(), "error", () => `Uncaught: ${faultText(event.error)}`);
});

function faultText(thrown: unknown): string {
  const fault = parse(faultOf(thrown)) as { name: string; message: string };
  return `${fault.name}: ${fault.message}`;
}

wire.put(wire.HELLO, 0, "");
await wire.listen(receive, () => inFlight > 0 || fetching() > 0);
if (loaded) exit(0);
// Without code there is nothing to be ended in the middle of, and Deno writes the last of its cache as it ends by itself.
try {
  await rehearse();
} catch (error) {
  Deno.stderr.writeSync(new TextEncoder().encode(`${error}`));
  exit(1);
}
