// `onBatch`: one call for many events, and which of what it returned belongs to which of them.
import { shown } from "./faults.ts";
import { NOTHING, refused, returned, threw } from "./lines.ts";
import { create, isArray, isPrototypeOf, NativeError, stringify } from "./primordials.ts";

const errorPrototype = NativeError.prototype;
const LEFT_OUT = NOTHING + stringify("left out by onBatch");

/** By index of the event. */
export type Lines = Record<number, string>;

/** The `messageId`s of the events as they went in, by index, before their author could change them. */
export type Ids = Record<number, string | undefined>;

export function idsOf(events: ArrayLike<unknown>, count: number): Ids {
  const ids: Ids = create(null);
  for (let i = 0; i < count; i++) {
    const id = (events[i] as { messageId?: unknown } | null)?.messageId;
    ids[i] = typeof id === "string" && id !== "" ? id : undefined;
  }
  return ids;
}

/** The same line for every event. */
export function forAll(line: string, count: number): Lines {
  const lines: Lines = create(null);
  for (let i = 0; i < count; i++) lines[i] = line;
  return lines;
}

/**
 * Give each event its line of what `onBatch` returned: paired by `messageId` or, where that was removed and nothing was
 * left out, by position. What cannot be paired with certainty is no answer for any of them. May throw what getters throw.
 */
export function paired(answer: unknown, ids: Ids, count: number): Lines {
  if (answer === undefined || answer === null) return forAll(NOTHING, count);
  if (!isArray(answer)) return forAll(refused(`onBatch returned ${nounOf(answer)}; it must return an array of events`), count);
  const length = answer.length;
  if (length > count) {
    return forAll(refused(`onBatch returned ${length} entries for ${count} events; it may leave events out, not add any`), count);
  }
  const lines: Lines = create(null);
  const claim = claims(ids, count, lines);
  for (let at = 0; at < length; at++) {
    const entry: unknown = answer[at];
    if (entry === undefined || entry === null) continue;
    const index = claim(entry, at, length === count);
    if (typeof index === "string") return forAll(refused(index), count);
    lines[index] = isPrototypeOf(errorPrototype, entry as object) ? threw(entry) : returned(entry);
  }
  for (let i = 0; i < count; i++) lines[i] ??= LEFT_OUT;
  return lines;
}

/** Make the function that says which event an entry is for, or why it is for none. */
function claims(ids: Ids, count: number, taken: Lines) {
  // Two events may have one id: `first` leads to the first of them, `following` from one to the next.
  const first: Record<string, number | undefined> = create(null);
  const following: Record<number, number | undefined> = create(null);
  for (let i = count - 1; i >= 0; i--) {
    const id = ids[i];
    if (id === undefined) continue;
    following[i] = first[id];
    first[id] = i;
  }
  return (entry: unknown, at: number, complete: boolean): number | string => {
    const id = messageIdOf(entry);
    if (id === undefined) return byPosition(at, complete, taken);
    let index = typeof id === "string" ? first[id] : undefined;
    if (index === undefined) return `onBatch returned the messageId ${quoted(id)}, which none of its events has`;
    while (index !== undefined && taken[index] !== undefined) index = following[index];
    return index ?? `onBatch returned the messageId ${quoted(id)} more than once`;
  };
}

function byPosition(at: number, complete: boolean, taken: Lines): number | string {
  if (!complete) {
    return `entry ${at} that onBatch returned has no messageId, and events were left out, so it cannot be told which event` +
      " it is for; keep the messageId, or put null for what is left out";
  }
  return taken[at] === undefined ? at : `onBatch returned two entries for event ${at}`;
}

function messageIdOf(entry: unknown): unknown {
  if (typeof entry !== "object" || isPrototypeOf(errorPrototype, entry as object)) return undefined;
  const id = (entry as { messageId?: unknown }).messageId;
  return id === "" || id === null ? undefined : id;
}

const quoted = (id: unknown): string => typeof id === "string" ? `"${shown(id, 100)}"` : `of type ${typeof id}`;

function nounOf(value: unknown): string {
  const type = typeof value;
  return type === "object" ? "an object" : `a ${type}`;
}
