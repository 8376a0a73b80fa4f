// `fetch` for user code: the standard interface here, the network on the other side of the channel.
import {
  Bytes, decode, defineProperty, find, MapOf, mapDelete, mapGet, mapSet, matches, NativeError, NativePromise, NativeTypeError,
  parse, part, stringify, uncurry, wellFormed,
} from "./primordials.ts";
import { speaking } from "./slots.ts";
import { ABORT, bytes, close, FETCH, keep, open, put, text } from "./wire.ts";

const getter = (of: object, name: string) =>
  uncurry(Object.getOwnPropertyDescriptor(of, name)!.get as () => unknown) as (self: unknown) => unknown;

/** The web's classes as they are before user code: Deno loads them when they are first named, which takes 3 ms. */
const web = () => ({
  NativeRequest: Request,
  NativeResponse: Response,
  urlOf: getter(Request.prototype, "url") as (self: Request) => string,
  methodOf: getter(Request.prototype, "method") as (self: Request) => string,
  redirectOf: getter(Request.prototype, "redirect") as (self: Request) => string,
  headersOf: getter(Request.prototype, "headers") as (self: Request) => Headers,
  signalOf: getter(Request.prototype, "signal") as (self: Request) => AbortSignal,
  bodyOf: getter(Request.prototype, "body") as (self: Request) => ReadableStream | null,
  abortedOf: getter(AbortSignal.prototype, "aborted") as (self: AbortSignal) => boolean,
  reasonOf: getter(AbortSignal.prototype, "reason"),
  whole: uncurry(Request.prototype.arrayBuffer),
  eachHeader: uncurry(Headers.prototype.forEach),
  addListener: uncurry(EventTarget.prototype.addEventListener),
});
let taken: ReturnType<typeof web> | undefined;

/** Take the web's classes. */
export const takeWeb = () => taken ??= web();

// What names none of these cannot get at `fetch`, nor at the global that has it. If it does, it takes what it has left.
const ASKS = /\b(fetch|https|OAuth|global(This)?|window|self|this)\b|\\u/;

/** Take them before user code could change them, if it can ask for anything. */
export function readyFor(code: string, packages: boolean): void {
  if (packages || matches(ASKS, code)) takeWeb();
}

interface Pending {
  readonly __proto__: null;
  resolve(response: Response): void;
  reject(reason: unknown): void;
}
/** What the other side says: an answer, or why there is none. */
interface Head {
  status: number;
  reason: string;
  url: string;
  redirected: boolean;
  headers: [string, string][];
  code?: string;
  message?: string;
}

const pending: Map<number, Pending> = new MapOf();
// Bodies wait on the other side, where this process's own memory limit does not hold them back.
const MOST = 1000;
let last = 0;
let inFlight = 0;
/** How many fetches wait for their answer. */
export const fetching = (): number => inFlight;

/** The global `fetch`. */
export async function fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const slot = speaking(); // before the first await: a caller that forgets us may have ended by then
  if (inFlight >= MOST) throw new NativeTypeError(`fetch failed: ${MOST} requests of this function wait already`);
  const { NativeRequest, abortedOf, addListener, bodyOf, reasonOf, signalOf, whole } = takeWeb();
  const request = new NativeRequest(input, init);
  const signal = signalOf(request);
  if (abortedOf(signal)) throw reasonOf(signal);
  const body = bodyOf(request) === null ? null : new Bytes(await whole(request));
  return await new NativePromise<Response>((resolve, reject) => {
    const id = last = (last + 1) >>> 0;
    addListener(signal, "abort", () => {
      if (finish(id) === undefined) return;
      put(ABORT, id, "");
      reject(reasonOf(signal));
    });
    const head = headOf(request, slot?.batch.id ?? -1, slot?.index ?? -1);
    open(FETCH, id);
    text(head);
    if (body !== null) bytes(body);
    close();
    // Last: a caller whose stack ends in here has no request, and none that would count for ever.
    mapSet(pending, id, { __proto__: null, resolve, reject });
    inFlight++;
  });
}

function headOf(request: Request, batch: number, index: number): string {
  const { bodyOf, eachHeader, headersOf, methodOf, redirectOf, urlOf } = takeWeb();
  let headers = "";
  eachHeader(headersOf(request), (value: string, name: string) => headers += `${name}: ${value}\n`);
  const method = methodOf(request);
  const head = {
    __proto__: null,
    batch,
    index,
    method: methodOf(request),
    url: urlOf(request),
    redirect: redirectOf(request),
    headers,
    has_body: bodyOf(request) !== null,
  };
  return wellFormed(stringify(head)) + "\n";
}

function finish(id: number): Pending | undefined {
  const waiting = mapGet(pending, id);
  if (waiting === undefined) return undefined;
  mapDelete(pending, id);
  inFlight--;
  return waiting;
}

/** Hand an answer that came over the channel to the `fetch` that waits for it. */
export function answered(id: number, payload: Uint8Array): void {
  const waiting = finish(id);
  if (waiting === undefined) return;
  const split = find(payload, 10);
  const head = parse(decode(part(payload, 0, split))) as Head;
  try {
    if (head.code !== undefined) waiting.reject(failure(head.code, head.message!));
    else waiting.resolve(responseOf(head, keep(payload, split + 1)));
  } catch (error) {
    waiting.reject(new NativeTypeError(`fetch failed: the answer cannot be used: ${(error as Error).message}`));
  }
}

function failure(code: string, message: string): Error {
  const cause = new NativeError(message);
  defineProperty(cause, "code", { __proto__: null, value: code, enumerable: true } as PropertyDescriptor);
  return new NativeTypeError(`fetch failed: ${code} ${message}`, { cause });
}

function responseOf(head: Head, body: Uint8Array<ArrayBuffer>): Response {
  const bodiless = head.status === 204 || head.status === 205 || head.status === 304;
  const init = { __proto__: null, status: head.status, statusText: head.reason, headers: head.headers } as ResponseInit;
  const response = new (takeWeb().NativeResponse)(bodiless ? null : body, init);
  defineProperty(response, "url", { __proto__: null, value: head.url } as PropertyDescriptor);
  defineProperty(response, "redirected", { __proto__: null, value: head.redirected } as PropertyDescriptor);
  return response;
}
