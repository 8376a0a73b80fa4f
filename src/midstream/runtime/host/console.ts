// `console` for user code: each line goes to the invocation that wrote it, and no invocation can flood us.
import { shown } from "./faults.ts";
import { apply, clock, stringify } from "./primordials.ts";
import { type Slot, speaking } from "./slots.ts";
import { LOG, put } from "./wire.ts";

// The other side cuts at the exact byte after it has replaced secrets; the slack keeps a secret at the edge whole.
const SLACK = 4096;
let maxLines = 0;
let maxLength = 0;
type Format = (...values: unknown[]) => string;

function send(slot: Slot, level: string, message: string): void {
  const said = { __proto__: null, index: slot.index, level, at: clock(), message: shown(message, maxLength + SLACK) };
  put(LOG, slot.batch.id, stringify(said));
}

/** Write a line for an invocation, unless it ended or has used up its lines. */
export function write(slot: Slot | undefined, level: string, message: () => string): void {
  if (slot === undefined || slot.ended) return;
  if (slot.lines >= maxLines) {
    slot.dropped++;
    return;
  }
  slot.lines++;
  send(slot, level, message());
}

/** Say how many lines were not kept. Called as the invocation ends. */
export function confess(slot: Slot): void {
  if (slot.dropped > 0) send(slot, "warn", `${slot.dropped} more lines were not kept: the limit is ${maxLines}`);
}

/** Make the console. `format` is Node's `util.format`. */
export function makeConsole(format: Format, lines: number, length: number): Record<string, unknown> {
  maxLines = lines;
  maxLength = length;
  const text = (values: unknown[]) => {
    try {
      return apply(format, undefined, values) as string;
    } catch {
      return "[a value that cannot be printed]";
    }
  };
  const at = (level: string) => (...values: unknown[]) => write(speaking(), level, () => text(values));
  const log = at("log"), info = at("info"), warn = at("warn"), error = at("error"), debug = at("debug");
  const quiet = () => {};
  return {
    log, info, warn, error, debug, trace: at("trace"), dir: (value: unknown) => log(value), dirxml: log, table: log,
    group: log, groupCollapsed: log, groupEnd: quiet, time: quiet, timeEnd: quiet, timeLog: quiet, count: quiet,
    countReset: quiet, clear: quiet,
    assert: (holds: unknown, ...values: unknown[]) => {
      if (!holds) write(speaking(), "error", () => "Assertion failed: " + text(values));
    },
  };
}
