// Errors as data: what was thrown, said in words the author knows.
import {
  append, apply, defineProperty, isPrototypeOf, NativeError, now, replaceAll, slice, stringify, stringOf, uncurry, wellFormed,
} from "./primordials.ts";

const MESSAGE = 16 * 1024;
const STACK = 32 * 1024;
// V8 words a stack when it is first read, some 30 µs each. When throwing is how a function filters, that would be most of
// its time: beyond a first credit, stacks may take this share of time, and the errors between go without.
const STACK_SHARE = 0.05;
const STACK_CREDIT_MS = 20;
let credit = STACK_CREDIT_MS;
let asOf = now();

/** The name of the author's file. It has to be a URL, and in stacks stands without what makes it one; faults.py looks for it. */
export const AUTHORS = "function.js:";
const SHORT = slice(AUTHORS, 0, -1);
const errorPrototype = NativeError.prototype;

type Constructor = new (message?: string, options?: ErrorOptions) => Error;

function errorClass(name: string): Constructor {
  const made = { [name]: class extends NativeError {} }[name];
  Object.defineProperty(made.prototype, "name", { value: name, writable: true, configurable: true });
  return made;
}

const NAMES = ["EventNotSupported", "InvalidEventPayload", "ValidationError", "RetryError", "DropEvent"] as const;
/** Segment's five error classes, by name. Taken here once: user code may reassign the globals. */
export const errorClasses: ReadonlyArray<readonly [string, Constructor]> = NAMES.map((name) => [name, errorClass(name)]);
const [a, b, c, d, e] = errorClasses.map(([, made]) => made.prototype);

function segmentName(thrown: unknown, name: unknown): string | undefined {
  if (isPrototypeOf(a, thrown as object) || name === NAMES[0]) return NAMES[0];
  if (isPrototypeOf(b, thrown as object) || name === NAMES[1]) return NAMES[1];
  if (isPrototypeOf(c, thrown as object) || name === NAMES[2]) return NAMES[2];
  if (isPrototypeOf(d, thrown as object) || name === NAMES[3]) return NAMES[3];
  if (isPrototypeOf(e, thrown as object) || name === NAMES[4]) return NAMES[4];
  return undefined;
}

/** An error as protocol.py's `Fault` reads it. Without a prototype, so that no `toJSON` can speak for it. */
interface Fault {
  readonly __proto__: null;
  name: string;
  message: string;
  stack: string;
  line: number;
  column: number;
  cause: Fault | null;
}

// Longer chains of causes, cyclic ones too, end here.
const CAUSES = 5;

/** Say what was thrown as JSON. Never throws, whatever it is given. */
export const faultOf = (thrown: unknown, line = 0, column = 0): string => stringify(described(thrown, line, column, CAUSES));

function described(thrown: unknown, line: number, column: number, causes: number): Fault {
  let name = "Error";
  let message = "";
  let stack = "";
  let cause: Fault | null = null;
  try {
    if (isPrototypeOf(errorPrototype, thrown as object)) {
      const error = thrown as Error;
      name = segmentName(error, error.name) ?? (error.name ? stringOf(error.name) : "Error");
      message = stringOf(error.message);
      stack = stackOf(error);
      const why = error.cause;
      if (why !== undefined && causes > 0) cause = described(why, 0, 0, causes - 1);
    } else {
      message = stringOf(thrown);
    }
  } catch {
    // A getter of the thrown thing threw in turn: what was read until then has to do.
  }
  return {
    __proto__: null,
    name: shown(name, 256),
    message: shown(message, MESSAGE),
    stack: shown(stack, STACK),
    line,
    column,
    cause,
  };
}

function stackOf(error: Error): string {
  const begin = now();
  credit += (begin - asOf) * STACK_SHARE;
  if (credit > STACK_CREDIT_MS) credit = STACK_CREDIT_MS;
  asOf = begin;
  if (credit <= 0) return "";
  const stack = stringOf(error.stack);
  credit -= now() - begin;
  return stack;
}

/**
 * Show authors only the frames of their own file, in what they print and where they look at stacks themselves: the
 * others are ours and name our paths.
 */
export function wordStacks(): void {
  let theirs: unknown;
  const forTheirs = (error: Error, sites: CallSite[]) => apply(theirs as Words, NativeError, [error, authors(sites)]);
  Object.defineProperty(NativeError, "prepareStackTrace", {
    get: () => typeof theirs === "function" ? forTheirs : worded,
    set: (value) => theirs = value,
    configurable: false,
  });
}

interface CallSite {
  getFileName(): string | null;
}
type Words = (error: Error, sites: CallSite[]) => unknown;

// Taken from a frame before user code could hold one.
const fileOf = uncurry(frame().getFileName);

function frame(): CallSite {
  let found: CallSite | undefined;
  Object.assign(NativeError, { prepareStackTrace: (_: Error, sites: CallSite[]) => found = sites[0] });
  void new NativeError().stack;
  Reflect.deleteProperty(NativeError, "prepareStackTrace");
  return found!;
}

function authors(sites: CallSite[]): CallSite[] {
  const kept: CallSite[] = [];
  for (let i = 0; i < sites.length; i++) {
    if (fileOf(sites[i]) === AUTHORS) append(kept, sites[i]);
  }
  return kept;
}

function worded(error: Error, sites: CallSite[]): string {
  let stack = stringOf(error);
  for (let i = 0; i < sites.length; i++) {
    if (fileOf(sites[i]) === AUTHORS) stack += `\n    at ${replaceAll(stringOf(sites[i]), AUTHORS, () => SHORT)}`;
  }
  return stack;
}

/** Cut and mend a text so that it can travel as UTF-8. */
export function shown(value: string, limit: number): string {
  return wellFormed(value.length > limit ? slice(value, 0, limit) : value);
}
