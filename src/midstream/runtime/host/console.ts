// `console` for user code: each line goes to the invocation that wrote it, and no invocation can flood us.
import { shown } from "./faults.ts";
import { apply, clock, create, fixed, now, replaceAll, slice, stringify, stringOf } from "./primordials.ts";
import { type Slot, speaking } from "./slots.ts";
import { LOG, put } from "./wire.ts";

// The other side cuts at the exact byte after it has replaced secrets; the slack keeps a secret at the edge whole.
const SLACK = 4096;
const DEEPEST = 64; // characters of indentation
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

/** What one invocation keeps between its calls of the console: how far it is indented, its counts and its timers. */
export interface Notes {
  readonly __proto__: null;
  indent: string;
  readonly counts: Record<string, number | undefined>;
  readonly timers: Record<string, number | undefined>;
}

const notesOf = (slot: Slot): Notes =>
  slot.notes ??= { __proto__: null, indent: "", counts: create(null), timers: create(null) };

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
  const say = (level: string, values: unknown[]) => {
    const slot = speaking();
    write(slot, level, () => {
      const indent = slot!.notes?.indent ?? "";
      return indent === "" ? text(values) : indent + replaceAll(text(values), "\n", () => "\n" + indent);
    });
  };
  const at = (level: string) => (...values: unknown[]) => say(level, values);
  const log = at("log"), info = at("info"), warn = at("warn"), error = at("error"), debug = at("debug");
  return {
    log, info, warn, error, debug, trace: at("trace"), dir: (value: unknown) => log(value), dirxml: log, table: log,
    clear: () => {}, ...grouping(log), ...counting(log), ...timing(log, text),
    assert: (holds: unknown, ...values: unknown[]) => {
      if (!holds) say("error", ["Assertion failed: " + text(values)]);
    },
  };
}

type Say = (...values: unknown[]) => void;
type Work = (notes: Notes, label: string, values: unknown[]) => void;
/** Make a method of what needs an invocation's notes: outside one there is nothing to keep them in. */
const noting = (work: Work) => (label: unknown = "default", ...values: unknown[]): void => {
  const slot = speaking();
  if (slot !== undefined) work(notesOf(slot), stringOf(label), values);
};

function grouping(log: Say) {
  const group = (...label: unknown[]) => {
    if (label.length > 0) apply(log, undefined, label);
    const slot = speaking();
    if (slot === undefined) return;
    const notes = notesOf(slot);
    if (notes.indent.length < DEEPEST) notes.indent += "  ";
  };
  return { group, groupCollapsed: group, groupEnd: noting((notes) => notes.indent = slice(notes.indent, 2)) };
}

function counting(log: Say) {
  return {
    count: noting((notes, label) => log(`${label}: ${notes.counts[label] = (notes.counts[label] ?? 0) + 1}`)),
    countReset: noting((notes, label) => notes.counts[label] = 0),
  };
}

function timing(log: Say, text: (values: unknown[]) => string) {
  const told: Work = (notes, label, values) => {
    const since = notes.timers[label];
    if (since === undefined) return;
    log(`${label}: ${fixed(now() - since, 3)}ms${values.length > 0 ? " " + text(values) : ""}`);
  };
  return {
    time: noting((notes, label) => notes.timers[label] ??= now()),
    timeLog: noting(told),
    timeEnd: noting((notes, label) => {
      told(notes, label, []);
      notes.timers[label] = undefined;
    }),
  };
}
