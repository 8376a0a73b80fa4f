// The packages of a function's global scope. Which, says the other side, by the code's text.
// Enters: the bundles in LOAD. Leaves: globals that compile their bundle when they are first read, and can be reassigned.
import { valueOf } from "./scripts.ts";
import { overFetch } from "./https.ts";
import { copyOf, create, decode, defineProperty, NativeError, part } from "./primordials.ts";
import { offered } from "./zlib.ts";

/** What one global is: a bundle of `size` bytes or, if that is 0, the first of the modules it needs. */
export interface Package {
  global: string;
  /** The name below the global, where Segment has one: `uuidv5.uuidv5`. */
  member: string;
  needs: string[];
  size: number;
}
type Modules = Record<string, unknown>;
type Bundle = (require: (name: string) => unknown) => object;

const scope = globalThis;

// Files of ours are all imported at the start: Deno keeps compiled code in its cache, which only a first run can write.
/** Of Node's modules, what a bundle asks of them: a bundle's own scope is not out of its users' reach. */
const IMPORTS: Record<string, (cryptography: object | undefined) => unknown> = {
  buffer: async () => ({ Buffer: (await import("node:buffer")).Buffer }),
  crypto: (cryptography) => cryptography,
  events: async () => (await import("node:events")).default,
  http: async () => (await overNode()).http,
  https: async () => (await overNode()).https,
  querystring: async () => {
    const { parse, stringify, escape, unescape } = (await import("node:querystring")).default;
    return { parse, stringify, escape, unescape };
  },
  stream: async () => (await import("node:stream")).default,
  timers: () => ({ setImmediate }),
  url: async () => ({ parse: (await import("node:url")).default.parse }),
  util: async () => {
    const { format, inherits } = (await import("node:util")).default;
    return { format, inherits };
  },
  zlib: async () => offered((await import("node:zlib")).default as unknown as Record<string, unknown>),
};

async function overNode(): Promise<{ https: object; http: object }> {
  return overFetch(await import("node:stream"), (await import("node:buffer")).Buffer);
}

/** Load all that packages can need. */
export async function loadAll(crypto: object): Promise<void> {
  for (const load of Object.values(IMPORTS)) await load(crypto);
}

/** Load what the packages need, before user code could watch that. Returns how to put their globals in place. */
export async function gather(packages: Package[], bundles: Uint8Array, crypto?: object): Promise<() => void> {
  const modules: Modules = create(null);
  for (const name of new Set(packages.flatMap((each) => each.needs))) modules[name] = await IMPORTS[name](crypto);
  Object.freeze(modules);
  // More listeners than this are worth a warning to Node, which it would give by the global `process`.
  if (packages.length > 0 || crypto !== undefined) (await import("node:events")).default.defaultMaxListeners = 0;
  let at = 0;
  const made = packages.map((each) => ({ ...each, value: unpacked(each, part(bundles, at, at += each.size), modules) }));
  return () => made.forEach(({ global, member, value }) => provideLazily(global, () => within(member, value())));
}

function unpacked({ global, needs, size }: Package, bundle: Uint8Array, modules: Modules): () => object {
  if (size === 0) return () => modules[needs[0]] as object;
  const own = copyOf(bundle, 0);
  return () => {
    const make = valueOf(decode(own), `package:${global}`) as Bundle;
    return make((name) => modules[name] ?? missing(name));
  };
}

function missing(name: string): never {
  throw new NativeError(`there is no module ${name} here`);
}

/** Segment's idiom `x = x.x` may run at each invocation: what it gave the first time has to have an `x` too. */
function within(member: string, value: object): object {
  if (member === "") return value;
  defineProperty(value, member, { __proto__: null, value, writable: true, configurable: true } as PropertyDescriptor);
  const outer = {};
  defineProperty(
    outer,
    member,
    { __proto__: null, value, writable: true, configurable: true, enumerable: true } as PropertyDescriptor,
  );
  return outer;
}

/** Define a global whose value is made when it is first read. */
function provideLazily(name: string, make: () => unknown): void {
  const settle = (value: unknown) => {
    defineProperty(scope, name, { __proto__: null, value, writable: true, configurable: true } as PropertyDescriptor);
  };
  const get = () => {
    settle(undefined); // what the global was before itself, lodash for one asks
    let made;
    try {
      made = make();
    } catch (error) {
      provideLazily(name, make);
      throw error;
    }
    settle(made);
    return made;
  };
  defineProperty(scope, name, { __proto__: null, get, set: settle, configurable: true } as PropertyDescriptor);
}
