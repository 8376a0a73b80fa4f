// What user code finds in its global scope: an allow list, so that a new Deno adds nothing by itself.
import { errorClasses } from "./faults.ts";

const LANGUAGE = `
  Object Function Array Number parseFloat parseInt Infinity NaN undefined Boolean String Symbol Date Promise RegExp
  Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError SuppressedError globalThis JSON
  Math Intl ArrayBuffer Uint8Array Int8Array Uint16Array Int16Array Uint32Array Int32Array BigUint64Array BigInt64Array
  Uint8ClampedArray Float16Array Float32Array Float64Array DataView Map BigInt Set Iterator WeakMap WeakSet Proxy Reflect
  FinalizationRegistry WeakRef decodeURI decodeURIComponent encodeURI encodeURIComponent escape unescape eval isFinite
  isNaN`;
const WEB = `
  queueMicrotask AbortController AbortSignal Blob ByteLengthQueuingStrategy CountQueuingStrategy CryptoKey CustomEvent
  DOMException Event EventTarget File FormData Headers ReadableStream ReadableStreamDefaultReader Request Response
  TextDecoder TextEncoder TextDecoderStream TextEncoderStream TransformStream URL URLSearchParams WritableStream
  WritableStreamDefaultWriter atob btoa clearInterval clearTimeout crypto Crypto SubtleCrypto performance setImmediate
  clearImmediate Buffer setInterval setTimeout structuredClone`;

/** Define a global that user code may reassign. */
export function provide(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

// Deno loads these from its Node half when they are first read, and that asks for globals that are withdrawn then. Code
// that names neither them nor the global scope cannot read them, and is spared what they take: 4 ms.
const LAZY = ["Buffer", "setTimeout"];
const READS = /buffer|Timeout|Interval|Immediate|\b(global(This)?|window|self|this)\b|\\u/i;

/** Take away every global that is not on the list, and put ours in; `packages` may read any of them. */
export function furnish(code: string, packages: boolean): void {
  if (packages || READS.test(code)) for (const name of LAZY) Reflect.get(globalThis, name);
  const allowed = new Set(`${LANGUAGE} ${WEB}`.trim().split(/\s+/));
  for (const name of Object.getOwnPropertyNames(globalThis)) if (!allowed.has(name)) withdraw(name);
  for (const alias of ["window", "self", "global"]) provide(alias, globalThis);
  for (const [name, made] of errorClasses) provide(name, made);
  // Deno calls this one when it reports an uncaught error; inherited, it could be taken away and the process with it.
  Object.defineProperty(globalThis, "dispatchEvent", { value: EventTarget.prototype.dispatchEvent.bind(globalThis) });
}

function withdraw(name: string): void {
  if (!Reflect.deleteProperty(globalThis, name)) provide(name, undefined);
}
