// Segment globals that are not here: using one says how to do without it. `typeof` and reading the name are safe.
import { create, defineProperty, NativeError } from "./primordials.ts";
import { provide } from "./realm.ts";

const NativeProxy = Proxy;

/** Put in the stubs: a path like `google.cloud.storage`, and the sentence that using it throws. */
export function provideStubs(stubs: Record<string, string>): void {
  const roots: Record<string, object> = create(null);
  for (const [path, sentence] of Object.entries(stubs)) {
    const names = path.split(".");
    const leaf = names.pop()!;
    let at = roots;
    for (const name of names) at = (at[name] ??= {}) as Record<string, object>;
    at[leaf] = stub(sentence);
  }
  for (const [name, value] of Object.entries(roots)) provide(name, value);
}

function stub(sentence: string): object {
  const refuse = () => {
    throw new NativeError(sentence);
  };
  // Symbols are what printing and converting ask for: that a stub can be looked at harms nobody.
  const get = (_: object, key: string | symbol) => typeof key === "symbol" ? undefined : refuse();
  const traps = { __proto__: null, apply: refuse, construct: refuse, set: refuse, get } as ProxyHandler<() => void>;
  return new NativeProxy(bare(), traps);
}

/** A function that can be called with `new`, so that the trap for it is asked. */
function bare(): () => void {
  const target = function () {};
  defineProperty(target, "prototype", { __proto__: null, writable: true } as PropertyDescriptor);
  return target;
}
