// A store for Keyv, and `wrap`, which fills a key of such a Keyv once, across processes.
//
//   const keyv = new Keyv({ store: new FillStore(redis, { grace: 30 }) });
//   const user = await wrap(keyv, "user:7", () => load(7), 60_000);
//
// Values are stored as Keyv writes them, so that `keyv.get` finds what `wrap` filled and `wrap` what `keyv.set` wrote.
// As in Keyv, times here are in ms, and what does not exist is undefined.

import { EventEmitter } from "node:events";
import { milliseconds } from "./filling.js";
import { Fill } from "./index.js";

// Keys that one SCAN looks at while a store is cleared.
const SCAN_COUNT = 1000;

// A storage adapter for Keyv; `options` are those of Fill, but for ttl and serializer, which are Keyv's.
export class FillStore extends EventEmitter {
  // Keyv says here what it puts before its keys (its `useKeyPrefix`, which must stay on for `clear`).
  namespace;

  constructor(client, options) {
    super();
    this.fills = new Fill(client, options);
  }

  async get(key) {
    return text(await this.fills.call("GET", this.fills.name(key)));
  }

  async getMany(keys) {
    return (await this.fills.call("MGET", ...keys.map((key) => this.fills.name(key)))).map(text);
  }

  async set(key, value, ttl_ms) {
    const expiry = ttl_ms ? ["PX", String(milliseconds(ttl_ms / 1000))] : [];
    await this.fills.call("SET", this.fills.name(key), value, ...expiry);
    return true;
  }

  async has(key) {
    return Number(await this.fills.call("EXISTS", this.fills.name(key))) === 1;
  }

  async delete(key) {
    return this.fills.invalidate(key);
  }

  async deleteMany(keys) {
    const deleted = await Promise.all(keys.map((key) => this.delete(key)));
    return deleted.includes(true);
  }

  // Deletes the keys of its namespace, one by one: a database may hold others.
  async clear() {
    const beginning = this.fills.name(this.namespace ? `${this.namespace}:` : "").toString("latin1");
    const pattern = Buffer.from(`${beginning.replace(/[*?[\]\\^]/g, "\\$&")}*`, "latin1");
    let cursor = "0";
    do {
      const [next, keys] = await this.fills.call("SCAN", cursor, "MATCH", pattern, "COUNT", String(SCAN_COUNT));
      if (keys.length > 0) await this.fills.call("UNLINK", ...keys);
      cursor = String(next);
    } while (cursor !== "0");
  }

  async disconnect() {
    this.fills.close();
  }
}

// The value of a key, computed by one caller of all processes where nobody has it; undefined for what does not exist.
// Throws what `compute` threw (in the caller that computed), or a FillError.
export async function wrap(keyv, key, compute, ttl_ms) {
  return (await wrapRaw(keyv, key, compute, () => ttl_ms ?? keyv.ttl))?.value;
}

// As `wrap`, with what Keyv stores: `{ value, expires }`. `ttlOf_ms` is asked with the computed value.
export async function wrapRaw(keyv, key, compute, ttlOf_ms) {
  const { store } = keyv;
  if (!(store instanceof FillStore)) throw new TypeError("the Keyv's store is no FillStore");
  let ttl_ms;
  const serialized = async () => {
    const value = await compute();
    if (value === undefined) return null;
    // 0 and undefined are Keyv's "for ever".
    ttl_ms = ttlOf_ms(value) || undefined;
    return keyv.serializeData({ value, expires: ttl_ms && Date.now() + ttl_ms });
  };
  const ttl = () => (ttl_ms === undefined ? null : ttl_ms / 1000);
  const found = await store.fills.fill(keyv._getKeyPrefix(key), { ttl, serializer: "str" }, serialized);
  return found === null ? undefined : keyv.deserializeData(found);
}

const text = (bytes) => (bytes === null ? undefined : bytes.toString());
