import { EventEmitter } from "node:events";
import type { Keyv } from "keyv";
import type { Client, Fill, FillOptions } from "./index.js";

export class FillStore extends EventEmitter {
  constructor(client: Client, options?: Omit<FillOptions, "ttl" | "serializer"> & { prefix?: string });
  readonly fills: Fill;
  namespace: string | undefined;
  get(key: string): Promise<any>;
  getMany(keys: string[]): Promise<any[]>;
  set(key: string, value: any, ttl_ms?: number): Promise<boolean>;
  has(key: string): Promise<boolean>;
  delete(key: string): Promise<boolean>;
  deleteMany(keys: string[]): Promise<boolean>;
  clear(): Promise<void>;
  disconnect(): Promise<void>;
}

/** The value of a key, computed by one caller of all processes where nobody has it; undefined: it does not exist. */
export function wrap<Value>(
  keyv: Keyv,
  key: string,
  compute: () => Value | undefined | Promise<Value | undefined>,
  ttl_ms?: number,
): Promise<Value | undefined>;

/** As `wrap`, with what Keyv stores. */
export function wrapRaw<Value>(
  keyv: Keyv,
  key: string,
  compute: () => Value | undefined | Promise<Value | undefined>,
  ttlOf_ms: (value: Value) => number | undefined,
): Promise<{ value: Value; expires?: number } | undefined>;
