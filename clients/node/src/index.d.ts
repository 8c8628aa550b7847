// Types of the package; what each part does is said in index.js and docs/packages.md.

/**
 * A client of ioredis (`Redis`) or of node-redis (`createClient`), by what is used of it, so that neither library must
 * be there. Its server, user and TLS are used, over connections of the fills' own.
 */
export type Client =
  | { callBuffer(...words: any[]): Promise<unknown>; duplicate(...options: any[]): unknown }
  | {
      sendCommand(...words: any[]): Promise<unknown>;
      connect(): Promise<unknown>;
      duplicate(...options: any[]): unknown;
    };

export type Key = string | Uint8Array;

export interface Serializer<Value = any> {
  encode(value: Value): Uint8Array;
  decode(bytes: Buffer): Value;
}

/** All times are in seconds; fractions are allowed. `null` leaves a choice to the server, or means "for ever". */
export interface FillOptions<Value = any> {
  ttl?: number | null | ((value: Value) => number | null);
  grace?: number | null;
  idle?: number | null;
  jitter?: number | null;
  negativeTtl?: number | null;
  failureTtl?: number;
  stale?: number | null;
  beta?: number | null;
  background?: boolean;
  wait?: number;
  lease?: number | null;
  renew?: number;
  timeout?: number;
  retries?: number;
  onError?: "compute" | "raise";
  onTimeout?: "raise" | "compute";
  breaker?: number;
  breakerPause?: number;
  serializer?: "bytes" | "str" | "json" | Serializer<Value>;
  report?: ((error: unknown) => void) | null;
}

/** `null` and `undefined` say that it does not exist. */
export type Computed<Value> = Value | null | undefined | Uncacheable<Value>;
export type Compute<Value> = () => Computed<Value> | Promise<Computed<Value>>;

export interface Cached<Words extends unknown[], Value> {
  (...words: Words): Promise<Value | null>;
  key(...words: Words): Key;
  invalidate(...words: Words): Promise<boolean>;
  stale(...words: Words): Promise<boolean>;
}

export class Fill {
  constructor(client: Client, options?: FillOptions & { prefix?: string });
  fill<Value>(key: Key, compute: Compute<Value>): Promise<Value | null>;
  fill<Value>(key: Key, options: FillOptions<Value>, compute: Compute<Value>): Promise<Value | null>;
  cached<Words extends unknown[], Value>(
    keyOf: (...words: Words) => Key,
    compute: (...words: Words) => ReturnType<Compute<Value>>,
  ): Cached<Words, Value>;
  cached<Words extends unknown[], Value>(
    keyOf: (...words: Words) => Key,
    options: FillOptions<Value>,
    compute: (...words: Words) => ReturnType<Compute<Value>>,
  ): Cached<Words, Value>;
  invalidate(key: Key): Promise<boolean>;
  stale(key: Key): Promise<boolean>;
  name(key: Key): Buffer;
  call(...words: Array<string | Buffer>): Promise<any>;
  close(): void;
}

export function fill<Value>(client: Client, key: Key, compute: Compute<Value>): Promise<Value | null>;
export function fill<Value>(
  client: Client,
  key: Key,
  options: FillOptions<Value>,
  compute: Compute<Value>,
): Promise<Value | null>;

export function cached<Words extends unknown[], Value>(
  client: Client,
  keyOf: (...words: Words) => Key,
  compute: (...words: Words) => ReturnType<Compute<Value>>,
): Cached<Words, Value>;
export function cached<Words extends unknown[], Value>(
  client: Client,
  keyOf: (...words: Words) => Key,
  options: FillOptions<Value>,
  compute: (...words: Words) => ReturnType<Compute<Value>>,
): Cached<Words, Value>;

/** A value that must not be shared: everybody else computes for itself for `ttl` seconds. */
export class Uncacheable<Value> {
  constructor(value: Value | null, ttl?: number);
  readonly value: Value | null;
  readonly ttl: number;
}

/** The common base of all errors below. */
export class FillError extends Error {}
/** Whoever computed the value failed; after `retryAfter` seconds somebody is let try again. */
export class FillFailed extends FillError {
  constructor(message: string, retryAfter: number, options?: { cause?: unknown });
  readonly retryAfter: number;
}
/** The server could not be asked. */
export class FillUnavailable extends FillError {}
/** Others were still computing the value when `timeout` was over. */
export class FillTimeout extends FillUnavailable {}
