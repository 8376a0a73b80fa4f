// From the author's text to its handlers: compiled, its types stripped if it has any, run once, and looked through.
import vm from "node:vm";
import { AUTHORS, faultOf } from "./faults.ts";
import { create, NativeError, uncurry } from "./primordials.ts";

export type Handler = (events: unknown, settings: unknown) => unknown;

const NAMES = ["identify", "track", "page", "screen", "group", "alias", "delete", "batch"];
const handlerName = (type: string) => `on${type[0].toUpperCase()}${type.slice(1)}`;
/** The handler's name of each type. */
export const HANDLER_NAMES: Record<string, string> = Object.assign(
  create(null),
  Object.fromEntries(NAMES.map((type) => [type, handlerName(type)])),
);

const Script = vm.Script;
const run = uncurry(vm.Script.prototype.runInThisContext);
const report = reportError;
// One expression finds them all, however they were declared; `typeof` is safe on a name that does not exist.
const found = NAMES.map((type) => [type, handlerName(type)])
  .map(([type, name]) => `${type}: typeof ${name} === "function" ? ${name} : undefined`);
const FIND = new Script(`({__proto__: null, ${found.join(", ")}})`, { filename: "host" });
// `TypeScript enum is not supported in strip-only mode at file:///….ts:2:1`
const PLACE = /^(?:SyntaxError: )?(.*) at file:\/\/\/\S+?:(\d+):(\d+)$/s;

/** Where the last uncaught error was: a syntax error tells its place in no other way. */
export const place = { __proto__: null, line: 0, column: 0 };

/** The author's code, ready to run, or the fault it has. */
export interface Compiled {
  script?: vm.Script;
  fault?: string;
}

/** Compile the author's code. What does not compile as JavaScript is tried as TypeScript, without its types. */
export async function compile(code: string): Promise<Compiled> {
  const asWritten = attempt(code);
  if (asWritten.script !== undefined) return asWritten;
  const { stripTypeScriptTypes } = await import("node:module");
  try {
    const stripped = attempt(stripTypeScriptTypes(code));
    // Types become blanks, so places are the author's own. What fails even so was meant as it was written.
    return stripped.script !== undefined ? stripped : asWritten;
  } catch (error) {
    const unsupported = PLACE.exec(String((error as Error).message));
    if (unsupported === null) return asWritten; // not TypeScript either
    const [, message, line, column] = unsupported;
    return { fault: faultOf(new SyntaxError(message), Number(line), Number(column)) };
  }
}

/** A syntax error knows its place only while no stack frame hides it. */
function attempt(code: string): Compiled {
  const frames = NativeError.stackTraceLimit;
  NativeError.stackTraceLimit = 0;
  try {
    return { script: new Script(code, { filename: AUTHORS }) };
  } catch (error) {
    report(error);
    return { fault: faultOf(error, place.line, place.column) };
  } finally {
    NativeError.stackTraceLimit = frames;
  }
}

/** Run the code once, and put the handlers it has into `into`. Returns their names, comma-joined. */
export function handlersOf(script: vm.Script, into: Record<string, Handler | undefined>): string {
  run(script);
  const all = run(FIND) as Record<string, Handler | undefined>;
  let names = "";
  for (let i = 0; i < NAMES.length; i++) {
    const type = NAMES[i];
    if (all[type] === undefined) continue;
    into[type] = all[type];
    names += (names === "" ? "" : ",") + HANDLER_NAMES[type];
  }
  return names;
}
