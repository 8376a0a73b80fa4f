// Which invocation is speaking: one slot an event, followed through awaits, timers and callbacks.
import type { Notes } from "./console.ts";
import { core } from "./scripts.ts";
import { mapEach, MapOf, matches } from "./primordials.ts";

/** One event's invocation. Objects here have no prototype, so no tampered one can reach them. */
export interface Slot {
  readonly __proto__: null;
  readonly batch: Batch;
  readonly index: number;
  readonly started: number;
  took: number;
  line: string;
  ended: boolean;
  lines: number;
  dropped: number;
  /** The console's, once it needs them. */
  notes?: Notes;
}

export interface Batch {
  readonly __proto__: null;
  readonly id: number;
  readonly count: number;
  /** Raw events not started yet; by index, like `slots`. */
  readonly events: Record<number, string>;
  readonly slots: Record<number, Slot>;
  next: number;
  left: number;
  /** Whether the events are one call of `onBatch`. Its first slot speaks for all of them. */
  readonly together: boolean;
}

export const batches: Map<number, Batch> = new MapOf();

// Following costs about a microsecond an event, so code that names nothing that could need it goes without.
const SPEAKS =
  /\b(console|fetch|https|cache|OAuth|set(Timeout|Interval|Immediate)|queueMicrotask|global(This)?|window|self|this)\b|\\u/;
const { runIn, current } = core ? followedBy(core) : await followedByNode();
let follows = true;

interface Following {
  runIn(slot: Slot, work: Work, of: Slot, event: string): void;
  current(): Slot | undefined;
}
type Work = (slot: Slot, event: string) => void;

async function followedByNode(): Promise<Following> {
  const { AsyncLocalStorage } = await import("node:async_hooks");
  const storage = new AsyncLocalStorage<Slot>();
  return { runIn: storage.run.bind(storage), current: storage.getStore.bind(storage) };
}

/** Node's is made of this. What is set is what V8 hands on; Deno's own, of which there is none here, are copied along. */
function followedBy({ getAsyncContext, setAsyncContext }: NonNullable<typeof core>): Following {
  return {
    runIn: (slot, work, of, event) => {
      const before = getAsyncContext();
      setAsyncContext({ __proto__: null, slot });
      try {
        work(of, event);
      } finally {
        setAsyncContext(before);
      }
    },
    current: () => (getAsyncContext() as { slot?: Slot } | undefined)?.slot,
  };
}

/** Decide once, by its text, whether the code can need following. */
export function follow(code: string): void {
  follows = matches(SPEAKS, code);
}

export function runAs(slot: Slot, work: Work, event: string): void {
  if (follows) runIn(slot, work, slot, event);
  else work(slot, event);
}

/** The slot that is speaking; undefined outside an invocation. */
export const speaking = (): Slot | undefined => current();

/** The slot that is speaking or, when nobody says who does, the only one in flight. */
export function presumed(): Slot | undefined {
  const slot = current();
  if (slot !== undefined) return slot;
  let only: Slot | undefined;
  let found = 0;
  mapEach(batches, (batch) => {
    for (let i = 0; i < batch.next; i++) {
      if (batch.slots[i].ended) continue;
      only = batch.slots[i];
      found++;
    }
    found += batch.count - batch.next;
  });
  return found === 1 ? only : undefined;
}
