// What an event's line says: a status and its rest. Made here of whatever a handler returned or threw.
import { faultOf, shown } from "./faults.ts";
import { isArray, stringify, stringOf } from "./primordials.ts";

/** First character of an event's line; protocol.py has the same list. */
export const RETURNED = "0", THREW = "1", NOTHING = "2", UNUSABLE = "3", NO_HANDLER = "4", TIMEOUT = "5";

let eventBytes = 0;

/** Set how long a returned event may be. */
export function boundEvents(bytes: number): void {
  eventBytes = bytes;
}

/** Say what a handler gave back. Only a JSON object is an event. */
export function returned(value: unknown): string {
  if (value === undefined || value === null) return NOTHING;
  let json: string | undefined;
  try {
    json = stringify(value);
  } catch (thrown) {
    return unusable(`something that is not JSON (${messageOf(thrown)})`);
  }
  if (json === undefined || typeof value === "function") return unusable(`a ${typeof value}`);
  if (json[0] !== "{") return unusable(isArray(value) ? "an array" : `${json[0] === "[" ? "an array" : "a primitive"}`);
  if (json.length > eventBytes) return unusable(`more than ${eventBytes} bytes`);
  return RETURNED + json;
}

/** Say what a handler threw. */
export const threw = (thrown: unknown): string => THREW + faultOf(thrown);

/** Say that an answer cannot be used, and why. */
export const refused = (why: string): string => UNUSABLE + stringify(why);

const unusable = (what: string) => refused(`the handler returned ${what}; it must return one event object`);

function messageOf(thrown: unknown): string {
  try {
    return shown(stringOf((thrown as Error).message), 256);
  } catch {
    return "its conversion failed";
  }
}
