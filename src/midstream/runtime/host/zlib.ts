// Node's `zlib` for user code, without its streams: they ask a global `process`, which is not there. Functions with a
// callback are the synchronous ones, called a little later.
import { defineProperty } from "./primordials.ts";

type Sync = (data: unknown, options?: unknown) => unknown;
type Callback = (error: unknown, result?: unknown) => void;

const later = queueMicrotask;
const scope = globalThis;
const { hasOwn } = Object;
const remove = Reflect.deleteProperty;
const quiet = Object.freeze({ nextTick: Object.freeze(() => {}) });

/** Deno's zlib asks that same global before it throws what is wrong with the data: for the time of the call there is one. */
function heard(sync: Sync): Sync {
  return (data, options) => {
    if (hasOwn(scope, "process")) return sync(data, options); // the author's own
    defineProperty(scope, "process", { __proto__: null, value: quiet, configurable: true } as PropertyDescriptor);
    try {
      return sync(data, options);
    } finally {
      remove(scope, "process");
    }
  };
}

function calledBack(sync: Sync): (data: unknown, options: unknown, callback?: Callback) => void {
  return (data, options, callback) => {
    const call = (typeof options === "function" ? options : callback) as Callback;
    if (typeof call !== "function") throw new TypeError(`expected a callback, got a ${typeof call}`);
    later(() => {
      let result: unknown;
      try {
        result = sync(data, typeof options === "function" ? undefined : options);
      } catch (error) {
        return call(error);
      }
      call(null, result);
    });
  };
}

/** Make `zlib.zlib` of Node's module. */
export function offered(all: Record<string, unknown>): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(all)) {
    const sync = all[`${name}Sync`] as Sync | undefined;
    if (sync !== undefined) kept[name] = calledBack(heard(sync));
    else if (name.endsWith("Sync")) kept[name] = heard(value as Sync);
    else if (typeof value !== "function" || name === "crc32") kept[name] = value;
  }
  return kept;
}
