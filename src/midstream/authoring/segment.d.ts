// The types of a function's world: events, settings, errors and globals. For editors and `midstream functions check`;
// nothing of it exists at run time. Code needs no types: JavaScript without any annotation is as good.

// ---- events, in the form in which functions see them ----

/** JSON as it comes: look before you use it. */
// deno-lint-ignore no-explicit-any
type SegmentObject = Record<string, any>;

interface SegmentContext extends SegmentObject {
  active?: boolean;
  app?: { name?: string; version?: string; build?: string; namespace?: string } & SegmentObject;
  campaign?: { name?: string; source?: string; medium?: string; term?: string; content?: string } & SegmentObject;
  channel?: string;
  device?: { id?: string; advertisingId?: string; manufacturer?: string; model?: string; name?: string; type?: string; token?: string } & SegmentObject;
  groupId?: string;
  ip?: string;
  library?: { name?: string; version?: string };
  locale?: string;
  location?: { city?: string; country?: string; latitude?: number; longitude?: number; speed?: number } & SegmentObject;
  network?: { bluetooth?: boolean; carrier?: string; cellular?: boolean; wifi?: boolean };
  os?: { name?: string; version?: string };
  page?: { path?: string; referrer?: string; search?: string; title?: string; url?: string } & SegmentObject;
  referrer?: { id?: string; type?: string; name?: string; url?: string; link?: string };
  screen?: { width?: number; height?: number; density?: number };
  timezone?: string;
  traits?: SegmentObject;
  userAgent?: string;
}

/** `false` and `true` by destination; an object is `true` with options. `All` stands for those not named. */
type SegmentIntegrations = Record<string, boolean | SegmentObject>;

interface SegmentEventBase {
  messageId: string;
  userId?: string | null;
  anonymousId?: string | null;
  /** Null in deletes. */
  context?: SegmentContext | null;
  integrations?: SegmentIntegrations | null;
  /** ISO 8601, corrected for the client's clock. */
  timestamp: string;
  originalTimestamp: string;
  sentAt: string;
  receivedAt: string;
  channel: string;
  version: number;
  projectId: string;
  // Whatever else a client sent, or a function adds.
  // deno-lint-ignore no-explicit-any
  [name: string]: any;
}

interface SegmentTrackEvent extends SegmentEventBase {
  type: "track";
  event: string;
  properties?: SegmentObject;
}

interface SegmentIdentifyEvent extends SegmentEventBase {
  type: "identify";
  traits?: SegmentObject;
}

interface SegmentGroupEvent extends SegmentEventBase {
  type: "group";
  groupId: string;
  traits?: SegmentObject;
}

interface SegmentPageEvent extends SegmentEventBase {
  type: "page";
  name?: string | null;
  category?: string | null;
  properties?: SegmentObject;
}

interface SegmentScreenEvent extends SegmentEventBase {
  type: "screen";
  name?: string | null;
  category?: string | null;
  properties?: SegmentObject;
}

interface SegmentAliasEvent extends SegmentEventBase {
  type: "alias";
  previousId: string;
}

/** A request to delete what is known of a user. Only `userId` says who. */
interface SegmentDeleteEvent extends SegmentEventBase {
  type: "delete";
  userId: string;
}

type SegmentEvent =
  | SegmentTrackEvent
  | SegmentIdentifyEvent
  | SegmentGroupEvent
  | SegmentPageEvent
  | SegmentScreenEvent
  | SegmentAliasEvent
  | SegmentDeleteEvent;

// ---- handlers ----

/** The values of the settings that are declared in function.toml: strings, booleans, lists or tables of strings. */
interface FunctionSettings {
  // deno-lint-ignore no-explicit-any
  [name: string]: any;
}

/** What a handler gives back: the event goes on; nothing means that it does not. */
type SegmentResult = object | null | undefined | void;
type SegmentHandler<E> = (event: E, settings: FunctionSettings) => SegmentResult | Promise<SegmentResult>;

declare var onTrack: SegmentHandler<SegmentTrackEvent>;
declare var onIdentify: SegmentHandler<SegmentIdentifyEvent>;
declare var onGroup: SegmentHandler<SegmentGroupEvent>;
declare var onPage: SegmentHandler<SegmentPageEvent>;
declare var onScreen: SegmentHandler<SegmentScreenEvent>;
declare var onAlias: SegmentHandler<SegmentAliasEvent>;
declare var onDelete: SegmentHandler<SegmentDeleteEvent>;
/** Many events in one call. An event that is left out is not delivered; an Error in its place is its outcome alone. */
declare var onBatch: (
  events: SegmentEvent[],
  settings: FunctionSettings,
) => (SegmentResult | Error)[] | Promise<(SegmentResult | Error)[]>;

// ---- errors ----

/** This type of event is not for the destination. Discarded: Unsupported Event Type. */
declare class EventNotSupported extends Error {
  constructor(message?: string, cause?: unknown);
}
/** The event lacks something. Discarded: Message Rejected. */
declare class InvalidEventPayload extends Error {
  constructor(message?: string, cause?: unknown);
}
/** The event is not as it should be. Discarded: Message Rejected. */
declare class ValidationError extends Error {
  constructor(message?: string, cause?: unknown);
}
/** It may work later: the event is tried again, for up to four hours. */
declare class RetryError extends Error {
  constructor(message?: string, cause?: unknown);
}
/** The event is not to be delivered, on purpose. */
declare class DropEvent extends Error {
  constructor(message?: string, cause?: unknown);
}

// ---- globals beside those of the web ----

/** Values that outlive an invocation, in this process only. */
declare var cache: {
  /** Return the cached value, or load it. `ttl` is in milliseconds; -1 or nothing means for ever. */
  load<T>(key: string, ttl: number | null | undefined, load: () => T | Promise<T>): Promise<T>;
  load<T>(key: string, load: () => T | Promise<T>): Promise<T>;
  delete(key: string): void;
};

/** Node's bytes. */
interface Buffer extends Uint8Array {
  toString(encoding?: BufferEncoding, start?: number, end?: number): string;
  toJSON(): { type: "Buffer"; data: number[] };
  equals(other: Uint8Array): boolean;
  // deno-lint-ignore no-explicit-any
  [name: string]: any;
}
type BufferEncoding = "utf8" | "utf-8" | "hex" | "base64" | "base64url" | "latin1" | "binary" | "ascii" | "utf16le" | "ucs2";
declare var Buffer: {
  from(text: string, encoding?: BufferEncoding): Buffer;
  from(bytes: ArrayLike<number> | ArrayBufferLike | Iterable<number>): Buffer;
  alloc(size: number, fill?: string | number): Buffer;
  concat(list: readonly Uint8Array[], length?: number): Buffer;
  byteLength(text: string, encoding?: BufferEncoding): number;
  compare(one: Uint8Array, other: Uint8Array): number;
  isBuffer(value: unknown): value is Buffer;
};

type NodeBytes = string | ArrayBufferView;
interface NodeHash {
  update(data: NodeBytes, encoding?: BufferEncoding): this;
  digest(): Buffer;
  digest(encoding: BufferEncoding): string;
}
interface NodeCipher {
  update(data: NodeBytes): Buffer;
  update(data: NodeBytes, input: BufferEncoding | undefined): Buffer;
  update(data: NodeBytes, input: BufferEncoding | undefined, output: BufferEncoding): string;
  final(): Buffer;
  final(output: BufferEncoding): string;
  getAuthTag(): Buffer;
  setAuthTag(tag: NodeBytes): this;
  setAAD(data: NodeBytes): this;
}
/** `crypto` is Node's module, with the web's as `crypto.subtle`. What is not listed here is there, and untyped. */
interface Crypto {
  createHash(algorithm: string): NodeHash;
  createHmac(algorithm: string, key: NodeBytes): NodeHash;
  createCipheriv(algorithm: string, key: NodeBytes, iv: NodeBytes | null, options?: object): NodeCipher;
  createDecipheriv(algorithm: string, key: NodeBytes, iv: NodeBytes | null, options?: object): NodeCipher;
  randomBytes(size: number): Buffer;
  randomInt(min: number, max?: number): number;
  timingSafeEqual(one: ArrayBufferView, other: ArrayBufferView): boolean;
  pbkdf2Sync(password: NodeBytes, salt: NodeBytes, iterations: number, length: number, digest: string): Buffer;
  scryptSync(password: NodeBytes, salt: NodeBytes, length: number, options?: object): Buffer;
  // deno-lint-ignore no-explicit-any
  [name: string]: any;
}

/** As much of Node's https as goes through `fetch`. */
declare var https: {
  // deno-lint-ignore no-explicit-any
  request(url: string | URL | object, options?: any, answered?: (response: any) => void): any;
  // deno-lint-ignore no-explicit-any
  get(url: string | URL | object, options?: any, answered?: (response: any) => void): any;
};

declare function setImmediate(call: (...values: unknown[]) => void, ...values: unknown[]): unknown;
declare function clearImmediate(handle: unknown): void;
declare var window: typeof globalThis;
declare var global: typeof globalThis;

// ---- packages, under the names Segment gives them; see their own documentation ----

// deno-lint-ignore-start no-explicit-any
/** lodash */
declare var _: any;
/** moment-timezone */
declare var moment: any;
declare var jsonwebtoken: {
  sign(payload: string | object, secret: any, options?: any): string;
  verify(token: string, secret: any, options?: any): any;
  decode(token: string, options?: any): any;
  [name: string]: any;
};
/** `libphonenumberjslib.libphonenumberjs` is libphonenumber-js. */
declare var libphonenumberjslib: any;
/** `uuidv5.uuidv5` is uuidv5. */
declare var uuidv5: any;
declare var xml: any;
declare var xml2js: any;
/** `zlib.zlib` is Node's zlib. */
declare var zlib: any;
/** `fetchretrylib.fetchretry` is fetch-retry. */
declare var fetchretrylib: any;
declare var OAuth: any;
// deno-lint-ignore-end
