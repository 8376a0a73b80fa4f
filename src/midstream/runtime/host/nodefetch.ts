// What the FormData, Response and Headers of Segment's functions (form-data 2, node-fetch 2) have beyond the web's.
import { apply, defineProperty } from "./primordials.ts";

/** form-data's third argument: the file's name, or more about the file. */
type About = string | { filename?: string; contentType?: string };

const NativeBlob = Blob;
const NativeBytes = Uint8Array;
const bufferOf = Buffer.from;
const nativeAppend = FormData.prototype.append;

function append(this: FormData, name: string, value: unknown, about?: About): void {
  const file = typeof about === "object" && about !== null ? about : { filename: about };
  if (about === undefined && !(value instanceof NativeBytes)) return apply(nativeAppend, this, [name, value] as never);
  const blob = value instanceof NativeBlob ? value : new NativeBlob([value as BlobPart], { type: file.contentType });
  apply(nativeAppend, this, (file.filename === undefined ? [name, blob] : [name, blob, file.filename]) as never);
}

/** The headers a request needs to carry the form: none by hand, `fetch` adds what has the boundary. */
function getHeaders(this: FormData, others?: Record<string, string>): Record<string, string> {
  return { ...others };
}

async function buffer(this: Response): Promise<Uint8Array> {
  return bufferOf(await this.arrayBuffer());
}

function raw(this: Headers): Record<string, string[]> {
  const all: Record<string, string[]> = {};
  this.forEach((value, name) => (all[name] ??= []).push(value));
  return all;
}

/** Give them to the web's classes, as methods that code may replace. */
export function widen(): void {
  add(FormData.prototype, { append, getHeaders });
  add(Response.prototype, { buffer });
  add(Headers.prototype, { raw });
}

function add(to: object, methods: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(methods)) {
    defineProperty(to, name, { value, writable: true, configurable: true, enumerable: false });
  }
}
