// The JavaScript the host itself uses, taken before any user code could change it.
// User code runs in the same realm, so the host never calls a method through a prototype after loading,
// iterates, spreads, destructures an array, or writes an index that a tampered prototype could intercept.

type Method = (...args: never[]) => unknown;
// deno-lint-ignore no-explicit-any
type Uncurried<F extends Method> = (self: any, ...args: Parameters<F>) => ReturnType<F>;

const { bind, call } = Function.prototype;
/** Turn a method into a function that takes `this` first. */
export const uncurry = bind.bind(call) as <F extends Method>(method: F) => Uncurried<F>;

export const create = Object.create;
export const isPrototypeOf = uncurry(Object.prototype.isPrototypeOf);
export const { apply, defineProperty } = Reflect;
export const isArray = Array.isArray;
/** Add to an array without calling a setter that a tampered Array.prototype may have for the index. */
export function append(array: unknown[], value: unknown): void {
  defineProperty(array, array.length, {
    __proto__: null, value, writable: true, enumerable: true, configurable: true,
  } as PropertyDescriptor);
}
export const parse = JSON.parse;
export const stringify = JSON.stringify;
export const stringOf = String;

export const slice = uncurry(String.prototype.slice);
export const replaceAll = uncurry(String.prototype.replaceAll) as (
  text: string,
  what: string,
  by: () => string,
) => string;
export const fixed = uncurry(Number.prototype.toFixed);
export const wellFormed = uncurry(String.prototype.toWellFormed);
export const matches = uncurry(RegExp.prototype.test);

export const MapOf = Map;
export const mapGet = uncurry(Map.prototype.get) as <K, V>(map: Map<K, V>, key: K) => V | undefined;
export const mapSet = uncurry(Map.prototype.set) as <K, V>(map: Map<K, V>, key: K, value: V) => unknown;
export const mapDelete = uncurry(Map.prototype.delete) as <K, V>(map: Map<K, V>, key: K) => boolean;
export const mapEach = uncurry(Map.prototype.forEach) as <K, V>(map: Map<K, V>, call: (value: V) => void) => void;
export const mapSize = uncurry(Object.getOwnPropertyDescriptor(Map.prototype, "size")!.get as () => number);
const mapKeys = uncurry(Map.prototype.keys);
const nextKey = uncurry(Object.getPrototypeOf(new Map().keys()).next as () => { value: unknown });
export const oldestKey = <K>(map: Map<K, unknown>): K => nextKey(mapKeys(map)).value as K;

export const Bytes = Uint8Array;
export const View = DataView;
export const part = uncurry(Uint8Array.prototype.subarray);
export const copyOf = uncurry(Uint8Array.prototype.slice) as (self: Uint8Array, from: number) => Uint8Array<ArrayBuffer>;
export const find = uncurry(Uint8Array.prototype.indexOf);
export const setBytes = uncurry(Uint8Array.prototype.set);
export const moveWithin = uncurry(Uint8Array.prototype.copyWithin);
export const setU32 = uncurry(DataView.prototype.setUint32);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const encodeInto = uncurry(TextEncoder.prototype.encodeInto);
const decodeBytes = uncurry(TextDecoder.prototype.decode);
export const encode = (text: string, into: Uint8Array): number => encodeInto(encoder, text, into).written;
export const decode = (bytes: Uint8Array): string => decodeBytes(decoder, bytes as Uint8Array<ArrayBuffer>);

export const NativePromise = Promise;
export const then = uncurry(Promise.prototype.then) as (
  self: unknown,
  done: (value: unknown) => unknown,
  failed: (reason: unknown) => unknown,
) => unknown;
export const NativeError = Error;
export const NativeTypeError = TypeError;

export const now = performance.now.bind(performance);
export const clock = Date.now;

// Deno and node awaits native promises with what these two say: locked, they can be neither hung nor fed by user code.
Object.freeze(Promise.prototype);
Reflect.defineProperty(Promise, Symbol.species, { configurable: false });
// The same for the bytes of frames. `subarray` asks an array's `constructor` which class to make, and every look at
// `length` or `buffer`, ours and Deno's, calls a getter: replaced, each would be handed the memory that frames lie in.
const typedArray = Object.getPrototypeOf(Uint8Array);
for (const name of ["buffer", "byteLength", "byteOffset", "length"]) {
  lock(Uint8Array.prototype, name, Object.getOwnPropertyDescriptor(typedArray.prototype, name)!);
}
lock(Uint8Array.prototype, "constructor", { value: Uint8Array, writable: false });
lock(Uint8Array, Symbol.species, Object.getOwnPropertyDescriptor(typedArray, Symbol.species)!);

function lock(of: object, name: PropertyKey, descriptor: PropertyDescriptor): void {
  Object.defineProperty(of, name, { ...descriptor, configurable: false });
}
