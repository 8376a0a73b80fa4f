// From the author's text to its handlers: compiled, its types stripped if it has any, run once, and looked through.
import { compiles, run, valueOf } from "./scripts.ts";
import { AUTHORS, faultOf } from "./faults.ts";
import { create, NativeError } from "./primordials.ts";

type Handler = (events: unknown, settings: unknown) => unknown;
/** By type of event. */
export type Handlers = Record<string, Handler | undefined>;

const NAMES = ["identify", "track", "page", "screen", "group", "alias", "delete", "batch"];
const handlerName = (type: string) => `on${type[0].toUpperCase()}${type.slice(1)}`;
/** The handler's name of each type. */
export const HANDLER_NAMES: Record<string, string> = Object.assign(
  create(null),
  Object.fromEntries(NAMES.map((type) => [type, handlerName(type)])),
);

const report = reportError;
// One expression finds them all, however they were declared; `typeof` is safe on a name that does not exist. It is made a
// function while there is no user code yet, and looks when it is called.
const found = NAMES.map((type) => [type, handlerName(type)])
  .map(([type, name]) => `${type}: typeof ${name} === "function" ? ${name} : undefined`);
const all = valueOf(`() => ({__proto__: null, ${found.join(", ")}})`, "host:") as () => Handlers;
// `TypeScript enum is not supported in strip-only mode at file:///….ts:2:1`
const PLACE = /^(?:SyntaxError: )?(.*) at file:\/\/\/\S+?:(\d+):(\d+)$/s;

/** Where the last uncaught error was: a syntax error tells its place in no other way. */
export const place = { __proto__: null, line: 0, column: 0 };

/** The author's code as it can be run, or why it cannot be. */
export interface Prepared {
  readonly code: string;
  readonly compiles: boolean;
  readonly fault?: string;
}

/** Prepare the author's code. What does not compile as JavaScript is tried as TypeScript, without its types. */
export async function prepare(code: string): Promise<Prepared> {
  if (compiles(code)) return { code, compiles: true };
  const { stripTypeScriptTypes } = await import("node:module");
  try {
    const stripped = stripTypeScriptTypes(code);
    // Types become blanks, so places are the author's own. What fails even so was meant as it was written.
    if (compiles(stripped)) return { code: stripped, compiles: true };
  } catch (error) {
    const unsupported = PLACE.exec(String((error as Error).message));
    if (unsupported !== null) {
      const [, message, line, column] = unsupported;
      return { code, compiles: false, fault: faultOf(new SyntaxError(message), Number(line), Number(column)) };
    } // otherwise it is not TypeScript either
  }
  return { code, compiles: false };
}

/** Run the code once. Returns the fault it has, if any. */
export function begin({ code, compiles, fault }: Prepared): string | undefined {
  if (!compiles) return fault ?? misspelt(code);
  const { threw, thrown } = run(code, AUTHORS);
  return threw ? faultOf(thrown) : undefined;
}

/** Say why code does not compile. A syntax error knows its place only while no stack frame hides it. */
function misspelt(code: string): string | undefined {
  const frames = NativeError.stackTraceLimit;
  NativeError.stackTraceLimit = 0;
  try {
    valueOf(code, AUTHORS);
  } catch (error) {
    report(error);
    return faultOf(error, place.line, place.column);
  } finally {
    NativeError.stackTraceLimit = frames;
  }
}

/** Put the handlers that the code has into `into`. Returns their names, comma-joined. */
export function handlersInto(into: Handlers): string {
  const there = all();
  let names = "";
  for (let i = 0; i < NAMES.length; i++) {
    const type = NAMES[i];
    if (there[type] === undefined) continue;
    into[type] = there[type];
    names += (names === "" ? "" : ",") + HANDLER_NAMES[type];
  }
  return names;
}
