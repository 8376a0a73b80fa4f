// `cache` for user code: values that outlive an invocation, loaded once however many ask at the same time.
import {
  mapDelete, mapGet, MapOf, mapSet, mapSize, NativePromise, NativeTypeError, now, oldestKey, then,
} from "./primordials.ts";

interface Entry {
  readonly __proto__: null;
  readonly promise: Promise<unknown>;
  /** While it loads: when nobody new is to wait for it. Afterwards: when it is over. */
  until: number;
}
type Loader = () => unknown;

const MOST = 1000;
const entries: Map<string, Entry> = new MapOf();

/** Make the cache. A load that takes longer than `patienceMs`, an invocation's own time, is not joined any more. */
export function makeCache(patienceMs: number): Record<string, unknown> {
  return {
    load: (key: string, ttl: number | Loader | null | undefined, loader?: Loader) => {
      const omitted = typeof ttl === "function";
      const load = omitted ? ttl : loader;
      const forMs = omitted ? -1 : ttl ?? -1;
      check(key, forMs, load);
      const found = mapGet(entries, key);
      if (found !== undefined && now() < found.until) return found.promise;
      return begin(key, forMs === -1 ? Infinity : forMs, load as Loader, patienceMs);
    },
    delete: (key: string) => {
      checkKey(key);
      mapDelete(entries, key);
    },
  };
}

function begin(key: string, ttl: number, load: Loader, patienceMs: number): Promise<unknown> {
  // The executor runs at once; what it throws is a rejection like any other.
  const promise = new NativePromise((resolve) => resolve(load()));
  const entry: Entry = { __proto__: null, promise, until: now() + patienceMs };
  mapDelete(entries, key); // the newest goes last
  mapSet(entries, key, entry);
  if (mapSize(entries) > MOST) mapDelete(entries, oldestKey(entries));
  then(
    promise,
    () => entry.until = now() + ttl,
    () => mapGet(entries, key) === entry && mapDelete(entries, key),
  );
  return promise;
}

function checkKey(key: unknown): void {
  if (typeof key !== "string") throw new NativeTypeError(`cache: expected the key to be a string, got ${kindOf(key)}`);
}

function check(key: unknown, ttl: unknown, load: unknown): void {
  checkKey(key);
  if (typeof ttl !== "number" || !(ttl >= 0 || ttl === -1)) {
    const got = typeof ttl === "number" ? `${ttl}` : kindOf(ttl);
    throw new NativeTypeError(`cache.load: expected the time to live in milliseconds, or -1 for ever, got ${got}`);
  }
  if (typeof load !== "function") {
    throw new NativeTypeError(`cache.load: expected a function that loads the value, got ${kindOf(load)}`);
  }
}

const kindOf = (value: unknown): string => value === null ? "null" : value === undefined ? "nothing" : `a ${typeof value}`;
