// Node's `https` for user code, over our `fetch`: `request` and `get`, streams in both directions.
// Differences: TLS settings and agents are not looked at, but for a client's certificate, which would be missed; and bodies
// are whole before they go out or are handed on.
// The classes are made when they are needed: Node's streams take their time to load.
import type * as Streams from "node:stream";
import { fetch } from "./fetch.ts";

type Headers_ = Record<string, string | number | readonly string[] | undefined>;
interface Options {
  protocol?: string;
  hostname?: string;
  host?: string;
  port?: number | string;
  path?: string;
  method?: string;
  headers?: Headers_ | readonly string[];
  auth?: string;
  timeout?: number;
  signal?: AbortSignal;
  agent?: unknown;
  key?: unknown;
  pfx?: unknown;
}
type Listener = (response: unknown) => void;

const NativeURL = URL;
const NativeAbortController = AbortController;
// Taken when they are needed, too: they are Node's.
let startTimer: typeof setTimeout;
let stopTimer: typeof clearTimeout;
const CHUNK = 64 * 1024;

/** Make the class of answers: streams of their body. */
function answers(Readable: typeof Streams.Readable) {
  return class IncomingMessage extends Readable {
    readonly statusCode: number;
    readonly statusMessage: string;
    readonly headers: Record<string, string | string[]> = {};
    readonly rawHeaders: string[] = [];
    readonly httpVersion = "1.1";
    complete = false;

    constructor(response: Response, private readonly body: Uint8Array) {
      super();
      this.statusCode = response.status;
      this.statusMessage = response.statusText;
      // The body comes undone of its encoding; code that undoes what the header says must not do so again.
      const encoded = response.headers.has("content-encoding");
      response.headers.forEach((value, name) => {
        if (!encoded || (name !== "content-encoding" && name !== "content-length")) this.add(name, value);
      });
    }

    private add(name: string, value: string): void {
      this.rawHeaders.push(name, value);
      if (name === "set-cookie") this.headers[name] = [...(this.headers[name] ?? []), value];
      else this.headers[name] = value;
    }

    override _read(): void {
      for (let at = 0; at < this.body.length; at += CHUNK) this.push(this.body.subarray(at, at + CHUNK));
      this.complete = true;
      this.push(null);
    }

    setTimeout(): this {
      return this;
    }
  };
}

/** Make the class of requests: streams that are sent when they end. */
function requests(
  Writable: typeof Streams.Writable,
  Bytes: typeof Buffer,
  IncomingMessage: ReturnType<typeof answers>,
) {
  return class ClientRequest extends Writable {
    readonly method: string;
    readonly path: string;
    readonly host: string;
    readonly protocol: string;
    aborted = false;
    reusedSocket = false;
    private readonly url: string;
    private readonly fields = new Map<string, [name: string, value: string | readonly string[]]>();
    private readonly chunks: Uint8Array[] = [];
    private readonly controller = new NativeAbortController();
    private timer: ReturnType<typeof setTimeout> | undefined;
    private answered = false;

    constructor(options: Options, expected: string, listener?: Listener) {
      super({ autoDestroy: false }); // it ends with its answer, not with what it sends
      const agent = (options.agent instanceof Agent ? options.agent.options : {}) as Options;
      if (options.key ?? options.pfx ?? agent.key ?? agent.pfx) {
        throw failure("https has no client certificates here", "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", TypeError);
      }
      this.protocol = options.protocol ?? expected;
      this.host = options.hostname ?? withoutPort(options.host) ?? "localhost";
      this.path = options.path ?? "/";
      this.method = (options.method ?? "GET").toUpperCase();
      this.url = placeOf(this.protocol, this.host, options.port, this.path, expected);
      for (const [name, value] of pairsOf(options.headers)) if (value !== undefined) this.setHeader(name, value);
      if (options.auth && !this.hasHeader("authorization")) {
        this.setHeader("Authorization", `Basic ${Bytes.from(options.auth).toString("base64")}`);
      }
      this.once("finish", () => this.send().catch((error) => this.destroy(worded(error))));
      if (listener) this.once("response", listener);
      if (options.timeout) this.setTimeout(options.timeout);
      options.signal?.addEventListener("abort", () => this.destroy(aborted()));
      if (options.signal?.aborted) this.destroy(aborted());
    }

    setHeader(name: string, value: string | number | readonly string[]): this {
      this.fields.set(name.toLowerCase(), [name, Array.isArray(value) ? value.map(String) : String(value)]);
      return this;
    }

    getHeader(name: string): string | readonly string[] | undefined {
      return this.fields.get(name.toLowerCase())?.[1];
    }

    getHeaders(): Record<string, string | readonly string[]> {
      return Object.fromEntries([...this.fields].map(([name, [, value]]) => [name, value]));
    }

    getHeaderNames(): string[] {
      return [...this.fields.keys()];
    }

    hasHeader(name: string): boolean {
      return this.fields.has(name.toLowerCase());
    }

    removeHeader(name: string): void {
      this.fields.delete(name.toLowerCase());
    }

    /** Emit `timeout`, once, if there is no answer by then; like Node, end nothing. */
    setTimeout(ms: number, listener?: () => void): this {
      if (listener) this.once("timeout", listener);
      stopTimer(this.timer);
      if (ms > 0 && !this.answered) this.timer = startTimer(() => this.emit("timeout"), ms);
      return this;
    }

    abort(): void {
      this.aborted = true;
      this.destroy();
    }

    flushHeaders(): void {}
    setNoDelay(): void {}
    setSocketKeepAlive(): void {}

    override _write(chunk: Uint8Array, _: string, done: () => void): void {
      this.chunks.push(chunk);
      done();
    }

    override _destroy(error: Error | null, done: (error: Error | null) => void): void {
      stopTimer(this.timer);
      this.controller.abort();
      // Node's words for a request that ends before its answer, whoever ended it.
      done(error ?? (this.answered ? null : failure("socket hang up", "ECONNRESET")));
    }

    private async send(): Promise<void> {
      const body = Bytes.concat(this.chunks);
      const headers: [string, string][] = [];
      for (const [name, value] of this.fields.values()) {
        for (const each of typeof value === "string" ? [value] : value) headers.push([name, each]);
      }
      const response = await fetch(this.url, {
        method: this.method,
        headers,
        body: body.length > 0 ? body : undefined,
        redirect: "manual", // whoever uses this follows redirects, or does not
        signal: this.controller.signal,
      });
      const message = new IncomingMessage(response, new Uint8Array(await response.arrayBuffer()));
      if (this.destroyed) return;
      this.answered = true;
      stopTimer(this.timer);
      message.once("close", () => this.destroy());
      // An answer nobody listens for still ends.
      if (!this.emit("response", message)) message.resume();
    }
  };
}

/** Agents pool connections, which is done outside; they are accepted and not asked. */
export class Agent {
  constructor(readonly options: object = {}) {}
  destroy(): void {}
}

function placeOf(protocol: string, host: string, port: Options["port"], path: string, expected: string): string {
  if (protocol !== expected) {
    throw failure(`Protocol "${protocol}" not supported. Expected "${expected}"`, "ERR_INVALID_PROTOCOL", TypeError);
  }
  const name = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  const origin = new NativeURL(`${protocol}//${name}${port ? `:${port}` : ""}`).origin;
  return `${origin}${/^[/?]/.test(path) ? "" : "/"}${path}`;
}

const withoutPort = (host: string | undefined) => host?.replace(/:\d+$/, "");

function pairsOf(headers: Options["headers"]): [string, string | number | readonly string[] | undefined][] {
  if (!Array.isArray(headers)) return Object.entries((headers ?? {}) as Headers_);
  const flat = headers as string[];
  return flat.flatMap((name, at): [string, string][] => at % 2 === 0 ? [[name, flat[at + 1]]] : []);
}

function failure(message: string, code: string, kind: ErrorConstructor = Error): Error {
  return Object.assign(new kind(message), { code });
}

const aborted = () => Object.assign(failure("The operation was aborted", "ABORT_ERR"), { name: "AbortError" });

/** Node's errors have their code on themselves, fetch's on their cause. */
function worded(error: Error & { cause?: { code?: string; message: string } }): Error {
  const code = error.cause?.code;
  return code === undefined ? error : failure(`${code} ${error.cause!.message}`, code);
}

function optionsOf(place: string | URL | Options, more: Options | undefined): Options {
  if (typeof place !== "string" && !(place instanceof NativeURL)) return { ...place, ...more };
  const url = new NativeURL(place);
  const auth = url.username ? `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` : undefined;
  const { protocol, hostname, port } = url;
  return { protocol, hostname, port, path: url.pathname + url.search, auth, ...more };
}

type Requested = [place: string | URL | Options, options?: Options | Listener, listener?: Listener];

/** Node's `https`, and `http` for packages that ask for it beside; functions have no global of that name. */
export function overFetch(
  { Readable, Writable }: typeof Streams,
  Bytes: typeof Buffer,
): { https: object; http: object } {
  startTimer = setTimeout;
  stopTimer = clearTimeout;
  const IncomingMessage = answers(Readable);
  const ClientRequest = requests(Writable, Bytes, IncomingMessage);
  const over = (protocol: string) => {
    const request = (...[place, options, listener]: Requested) => {
      const more = typeof options === "function" ? undefined : options;
      const call = typeof options === "function" ? options : listener;
      return new ClientRequest(optionsOf(place, more), protocol, call);
    };
    const get = (...of: Requested) => {
      const asked = request(...of);
      asked.end();
      return asked;
    };
    return { request, get, Agent, globalAgent: new Agent(), ClientRequest, IncomingMessage };
  };
  return { https: over("https:"), http: over("http:") };
}
