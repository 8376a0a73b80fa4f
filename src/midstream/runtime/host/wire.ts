// Frames: u32le length | u8 kind | u32le id | payload, both ways over the one socket on fd 0 and 1.
// Small frames of one turn leave together; a large heap of them leaves at once.
import { Bytes, copyOf, encode, moveWithin, NativePromise, now, part, setBytes, setU32, then, View } from "./primordials.ts";

/** The kinds of frames, in and out; protocol.py has the same list. */
export const LOAD = 1, RUN = 2, ANSWER = 3, EXPIRE = 4, RUN_TOGETHER = 5;
export const HELLO = 16, READY = 17, DONE = 18, FETCH = 19, LOG = 20, ALIVE = 21, PROGRESS = 22, ABORT = 23;
const HEADER = 9;
const ROOM = 1 << 20;
const SEND_AT = 1 << 18;
// While batches come and end one after another, all runs within one turn of the event loop; this often it must end.
const TURN_MS = 25;

const readSync = Deno.stdin.readSync.bind(Deno.stdin);
const readAsync = Deno.stdin.read.bind(Deno.stdin);
const writeSync = Deno.stdout.writeSync.bind(Deno.stdout);
const writeAsync = Deno.stdout.write.bind(Deno.stdout);

let out = new Bytes(ROOM);
let view = new View(out.buffer);
let sent = 0;
let end = 0; // of the whole frames
let cursor = 0; // in the frame being made, which does not count before it is whole: user code's stack may end anywhere
let scheduled = false;
let yielding = false;
let lastTurn = 0;
const settled = NativePromise.resolve();
let turning = settled;

/** Send everything that waits, and return when the kernel has it. */
export function flush(): void {
  if (end === 0 || yielding) return;
  while (sent < end) sent += writeSync(part(out, sent, end) as Uint8Array<ArrayBuffer>);
  sent = end = 0;
  if (out.length > ROOM * 4) use(new Bytes(ROOM));
}

function use(memory: Uint8Array<ArrayBuffer>): void {
  view = new View(memory.buffer);
  out = memory;
}

function flushLater(): void {
  scheduled = false;
  flush();
}

/**
 * Send a sign of life and let the event loop turn: frames come in, timers are due, and what rejections and weak
 * references hold can go. An asynchronous write is a turn that no tampered timer can take from us.
 */
async function turn(): Promise<void> {
  flush();
  yielding = true; // or a frame written meanwhile could end up in the middle of this one
  const sign = new Bytes(HEADER);
  setU32(new View(sign.buffer), 0, HEADER - 4, true);
  sign[4] = PROGRESS;
  for (let sent = 0; sent < HEADER;) sent += await writeAsync(part(sign, sent) as Uint8Array<ArrayBuffer>);
  yielding = false;
  lastTurn = now();
  flush();
}

/** Have `work` done after a turn of the event loop. */
export function yieldTo(work: () => void): void {
  if (!yielding) turning = turn();
  then(turning, work, ignore);
}

const ignore = () => {};

function reserve(size: number): void {
  if (cursor + size <= out.length) return;
  let length = out.length * 2;
  while (length < cursor + size) length *= 2;
  const larger = new Bytes(length);
  setBytes(larger, part(out, 0, cursor));
  use(larger);
}

/** Begin a frame; `text` and `bytes` add to it, `close` completes it. */
export function open(kind: number, id: number): void {
  cursor = end;
  reserve(HEADER);
  out[cursor + 4] = kind;
  setU32(view, cursor + 5, id, true);
  cursor += HEADER;
}

export function text(value: string): void {
  reserve(value.length * 3);
  cursor += encode(value, part(out, cursor));
}

/** Add a newline and a text, in one encoding: there are as many as there are events. */
export function line(value: string): void {
  reserve(value.length * 3 + 1);
  out[cursor++] = 10;
  cursor += encode(value, part(out, cursor));
}

export function bytes(value: Uint8Array): void {
  reserve(value.length);
  setBytes(out, value, cursor);
  cursor += value.length;
}

export function close(): void {
  setU32(view, end, cursor - end - 4, true);
  end = cursor;
  if (end >= SEND_AT) flush();
  else if (!scheduled) {
    // Not at once: what the same answer or timer sets off goes out together.
    then(settled, () => then(settled, flushLater, ignore), ignore);
    scheduled = true;
  }
}

/** Put one whole frame. */
export function put(kind: number, id: number, payload: string): void {
  open(kind, id);
  text(payload);
  close();
}

type Receive = (kind: number, id: number, payload: Uint8Array) => void;

/** Give each frame to `receive` until the other side closes. `payload` is only good during the call. */
export async function listen(receive: Receive, busy: () => boolean): Promise<void> {
  let buffer = new Bytes(ROOM);
  let start = 0;
  let filled = 0;
  for (;;) {
    if (filled === buffer.length) {
      if (start > 0) {
        moveWithin(buffer, 0, start, filled);
        filled -= start;
        start = 0;
      } else {
        const larger = new Bytes(buffer.length * 2);
        setBytes(larger, buffer);
        buffer = larger;
      }
    }
    // Handlers that await only what is there already end within a few turns. Then nothing is in flight, and the
    // synchronous read below saves a thread hop and freezes the process until there is work.
    for (let again = 0; again < 6 && busy(); again++) await null;
    if (now() - lastTurn >= TURN_MS && !yielding) await (turning = turn());
    while (yielding && !busy()) await turning; // it would end neither itself nor let anything out
    flush(); // last: what ended beside that turn would else wait, unsent, for the next frame to come in
    const space = part(buffer, filled) as Uint8Array<ArrayBuffer>;
    const count = busy() ? await readAsync(space) : readSync(space);
    if (count === null || count === 0) return;
    filled += count;
    while (filled - start >= 4) {
      const length = u32(buffer, start);
      if (filled - start < 4 + length) break;
      receive(buffer[start + 4], u32(buffer, start + 5), part(buffer, start + HEADER, start + 4 + length));
      start += 4 + length;
    }
    if (start === filled) {
      start = filled = 0;
      if (buffer.length > ROOM * 4) buffer = new Bytes(ROOM);
    }
  }
}

function u32(from: Uint8Array, at: number): number {
  return (from[at] | from[at + 1] << 8 | from[at + 2] << 16 | from[at + 3] << 24) >>> 0;
}

/** Copy what is to outlive its frame. */
export const keep = (payload: Uint8Array, from: number): Uint8Array<ArrayBuffer> => copyOf(payload, from);
