// Scripts from text, run in this realm and without import(): by Node's `vm` or by what Deno makes it of, as launch.py says.
// The latter is there at once, while Node's half takes as long to load as all else; but Deno does not document it, and keeps
// what it compiled in its cache, by name and hash. So only where that cannot be written, and if `proven` does not throw.
import { NativeError, uncurry } from "./primordials.ts";

/** What a script threw, if it did. */
interface Ran {
  readonly __proto__: null;
  readonly threw: boolean;
  readonly thrown?: unknown;
}
/** A script's `name` is for stacks, and has to be a URL. */
interface Scripts {
  /** Whether it can be run: nothing of it is. */
  compiles(code: string): boolean;
  /** Run one of the author's. It may change all that is its own, but not what is said here of it. */
  run(code: string, name: string): Ran;
  /** Run one of ours and return its value. */
  valueOf(code: string, name: string): unknown;
}

interface Core {
  evalContext(code: string, name: string, options: unknown[]): [unknown, { thrown: unknown; isCompileError: boolean } | null];
  getAsyncContext(): unknown;
  setAsyncContext(context: unknown): void;
}

const internals = Deno as unknown as { internal: symbol } & Record<symbol, { core: Core }>;
/** Deno's own, where it is to be used instead of Node's. */
export const core = Deno.args[0] === "core" ? internals[internals.internal].core : undefined;
export const { compiles, run, valueOf } = core ? scriptsOf(core) : await scriptsOfNode();

function scriptsOf({ evalContext }: Core): Scripts {
  // As vm gives it: who answers an import() looks at it, and refuses.
  const options = [1];
  const valueOf = (code: string, name: string) => {
    const result = evalContext(code, name, options);
    if (result[1] !== null) throw result[1].thrown;
    return result[0];
  };
  let ended = false;
  // A name that no code has: a script that declares it again ends before it begins, and one that calls it has ended.
  const end = `end_${Math.random().toString(36).slice(2)}`;
  const tell = valueOf(`let ${end}; (told) => ${end} = told`, "host:") as (told: () => void) => void;
  tell(() => ended = true);
  return {
    compiles: (code) => !evalContext(`${code}\n;let ${end};`, "trial:", options)[1]!.isCompileError,
    run: (code, name) => {
      ended = false;
      let thrown;
      try {
        thrown = evalContext(`${code}\n;${end}();`, name, options)[1]?.thrown;
      } catch {
        // It does not throw, but takes an array apart, and the script may have changed what arrays do.
      }
      return { __proto__: null, threw: !ended, thrown };
    },
    valueOf,
  };
}

async function scriptsOfNode(): Promise<Scripts> {
  const { Script } = (await import("node:vm")).default;
  const runIn = uncurry(Script.prototype.runInThisContext);
  // Some are compiled after user code has run: what a script sets on itself, no setter of Object.prototype may catch.
  Object.setPrototypeOf(Script.prototype, null);
  const make = (code: string, filename: string) => new Script(code, { __proto__: null, filename } as object);
  return {
    compiles: (code) => {
      try {
        return make(code, "trial:") !== undefined;
      } catch {
        return false;
      }
    },
    run: (code, name) => {
      try {
        runIn(make(code, name));
        return { __proto__: null, threw: false };
      } catch (thrown) {
        return { __proto__: null, threw: true, thrown };
      }
    },
    valueOf: (code, name) => runIn(make(code, name)),
  };
}

/** Throw unless scripts can neither import() nor make code of strings that could, and trying one runs nothing of it. */
export async function proven(): Promise<void> {
  const expected = (what: string) => new NativeError(`expected this Deno to ${what}, and it does not`);
  const ran = compiles("globalThis.trialRan = true") && Reflect.has(globalThis, "trialRan");
  if (ran || compiles("(")) throw expected("compile a script without running it");
  for (const way of [`import("node:fs")`, `import("data:text/javascript,")`, `eval("1")`, `Function("1")`]) {
    const made = valueOf(`(async () => ${way})()`, "proof:") as Promise<unknown>;
    if (await made.then(() => true, () => false)) throw expected(`refuse ${way} to a script`);
  }
}
