// What the FormData, Response and Headers of Segment's functions (form-data 2, node-fetch 2) have beyond the web's.
// Only code that could ask for it gets it: Deno loads some of these classes when they are first named.
import { apply, defineProperty } from "./primordials.ts";

/** form-data's third argument: the file's name, or more about the file. */
type About = string | { filename?: string; contentType?: string };

function appending(native: FormData["append"], NativeBlob: typeof Blob, NativeBytes: typeof Uint8Array) {
  return function append(this: FormData, name: string, value: unknown, about?: About): void {
    const file = typeof about === "object" && about !== null ? about : { filename: about };
    if (about === undefined && !(value instanceof NativeBytes)) return apply(native, this, [name, value] as never);
    const blob = value instanceof NativeBlob ? value : new NativeBlob([value as BlobPart], { type: file.contentType });
    apply(native, this, (file.filename === undefined ? [name, blob] : [name, blob, file.filename]) as never);
  };
}

/** The headers a request needs to carry the form: none by hand, `fetch` adds what has the boundary. */
function getHeaders(this: FormData, others?: Record<string, string>): Record<string, string> {
  return { ...others };
}

function raw(this: Headers): Record<string, string[]> {
  const all: Record<string, string[]> = {};
  this.forEach((value, name) => (all[name] ??= []).push(value));
  return all;
}

/** Give the web's classes what the code names of it, as methods that it may replace. */
export function widen(code: string): void {
  if (code.includes("FormData")) {
    add(FormData.prototype, { append: appending(FormData.prototype.append, Blob, Uint8Array), getHeaders });
  }
  if (code.includes("buffer")) {
    const from = Buffer.from;
    add(Response.prototype, {
      async buffer(this: Response) {
        return from(await this.arrayBuffer());
      },
    });
  }
  if (code.includes("raw")) add(Headers.prototype, { raw });
}

function add(to: object, methods: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(methods)) {
    defineProperty(to, name, { value, writable: true, configurable: true, enumerable: false });
  }
}
