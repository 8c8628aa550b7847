// A cache miss is filled once, across processes: FILL of Onefill, over ioredis and node-redis.
//
//   const cache = new Fill(redis, { ttl: 60 });
//   const user = await cache.fill("user:7", () => load(7));
//
// One caller of all processes computes; the others wait in the server and get its value. The options: docs/packages.md.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Breaker } from "./breaker.js";
import { FillError, FillFailed, FillTimeout } from "./errors.js";
import { PRIVATE, SHARED, filling, messageOf, milliseconds } from "./filling.js";
import { Lines } from "./lines.js";
import { DEFAULTS, asksLike, changed } from "./options.js";

export { FillError, FillFailed, FillTimeout, FillUnavailable } from "./errors.js";
export { Uncacheable } from "./filling.js";

// How often a caller joins a fill that is then found void, before it asks by itself.
const JOINS_MAX = 3;
const FIRST_OPTIONS = changed(DEFAULTS, {});
const now = () => performance.now();

// Fills over a client, with connections of their own: a prefix for the keys, defaults for the options.
export class Fill {
  #lines;
  #prefix;
  #options;
  // key -> { outcome: a promise, options }: callers of this process that want one key wait for one ask.
  #underway = new Map();
  #breaker = new Breaker(now);

  constructor(client, { prefix = "", ...defaults } = {}) {
    this.#lines = new Lines(client);
    this.#prefix = Buffer.from(this.#lines.prefix + prefix);
    this.#options = changed(FIRST_OPTIONS, defaults);
  }

  // The value of a key, computed by one caller of all processes where nobody has it: `fill(key, [options,] compute)`.
  async fill(key, options, compute) {
    if (typeof options === "function") [options, compute] = [undefined, options];
    return this.#fill(this.name(key), changed(this.#options, options), compute);
  }

  // The function `compute`, filled once for each key that `keyOf` makes of its arguments.
  cached(keyOf, options, compute) {
    if (typeof options === "function") [options, compute] = [undefined, options];
    const chosen = changed(this.#options, options);
    const filled = async (...words) => this.#fill(this.name(keyOf(...words)), chosen, () => compute(...words));
    return Object.assign(filled, {
      key: keyOf,
      invalidate: (...words) => this.invalidate(keyOf(...words)),
      stale: (...words) => this.stale(keyOf(...words)),
    });
  }

  // Deletes a key; whoever computes it now has its value refused. Whether it was there.
  async invalidate(key) {
    return this.#forget("DEL", this.name(key));
  }

  // Makes a value old at once: one caller refreshes it, the others get the old one for as long as its `grace`.
  async stale(key) {
    return this.#forget("FILL.STALE", this.name(key));
  }

  // What a key is called in the server: with the prefix, as a buffer.
  name(key) {
    return Buffer.concat([this.#prefix, Buffer.from(key)]);
  }

  // Sends any command over the same connections, its keys as `name` says them. Bulk strings come as buffers.
  call(...words) {
    return this.#lines.send(words);
  }

  // Closes the connections. They are opened again when they are needed.
  close() {
    this.#lines.close();
  }

  async #forget(command, name) {
    try {
      return Number(await this.#lines.send([command, name])) === 1;
    } finally {
      // Who comes from now on must not join a fill that asked before.
      this.#underway.delete(placeOf(name));
    }
  }

  async #fill(name, options, compute) {
    const found = await this.#found(name, options, compute);
    return found === null ? null : options.serializer.decode(found);
  }

  async #found(name, options, compute) {
    const [place, until] = [placeOf(name), now() + options.timeout * 1000];
    for (let joins = 0; joins < JOINS_MAX; joins++) {
      const joined = this.#underway.get(place);
      if (!joined) return (await this.#begin(place, name, options, compute)).encoded;
      if (!asksLike(options, joined.options)) break;
      try {
        // Since who asks may compute for as long as it likes.
        const found = await inTime(joined.outcome, until - now());
        if (!found) {
          if (options.onTimeout === "compute") return (await this.#ask(name, atOnce(options), compute)).encoded;
          throw new FillTimeout(`another caller of this process did not finish within ${options.timeout} s`);
        }
        if (found.sharing === SHARED) return found.encoded;
        if (found.sharing === PRIVATE) break;
      } catch (error) {
        if (error instanceof FillError || error.isReply) throw error;
        // As the server would have told it; without failureTtl it is its caller's own, and this one's turn comes.
        if (options.failureTtl > 0) throw new FillFailed(messageOf(error), options.failureTtl, { cause: error });
      }
    }
    return (await this.#ask(name, options, compute)).encoded;
  }

  #begin(place, name, options, compute) {
    const outcome = this.#ask(name, options, compute).finally(() => {
      if (this.#underway.get(place)?.outcome === outcome) this.#underway.delete(place);
    });
    this.#underway.set(place, { outcome, options });
    return outcome;
  }

  #ask(name, options, compute) {
    return filling(name, options, randomUUID(), this.#lines.replyTimeout_ms / 2000, {
      send: (words, parked) => this.#lines.send(words, parked),
      pause: (ms) => sleep(ms),
      now,
      breaker: this.#breaker,
      compute: (token, lease_ms) => this.#renewed(name, token, lease_ms, options, compute),
    });
  }

  // Calls the function, and renews the lease until it ends.
  async #renewed(name, token, lease_ms, options, compute) {
    const over = new AbortController();
    // It ends with an error when it is aborted in its sleep.
    const renewed = token !== undefined && options.renew > 0;
    if (renewed) this.#renew(name, token, lease_ms, options, over.signal).catch(() => {});
    try {
      return await compute();
    } finally {
      over.abort();
    }
  }

  // Ends after `renew` seconds, so that a computation that hangs loses its lease; by the signal; or by an error reply.
  async #renew(name, token, lease_ms, options, signal) {
    const pause = lease_ms / 3;
    const lease = options.lease === null ? [] : ["LEASE", String(milliseconds(options.lease))];
    for (let left = Math.floor((options.renew * 1000) / pause); left > 0; left--) {
      await sleep(pause, undefined, { signal, ref: false });
      try {
        if (Number(await this.#lines.send(["FILL.RENEW", name, token, ...lease])) === 0) return;
      } catch (error) {
        if (error.isReply) return; // other trouble may pass, and the next renewal come in time
      }
    }
  }
}

// The promise's result, undefined where it has none after so many ms.
async function inTime(promise, ms) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, Math.max(0, ms))));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// For who has waited long enough.
const atOnce = (options) => changed(options, { timeout: 0 });

// A key's name in a map: one character for each byte, so that none is lost.
const placeOf = (name) => name.toString("latin1");

const ofClients = new WeakMap();

function fillsOf(client) {
  if (!ofClients.has(client)) ofClients.set(client, new Fill(client));
  return ofClients.get(client);
}

// `Fill.fill` over a client, with one `Fill` for each client.
export function fill(client, key, options, compute) {
  return fillsOf(client).fill(key, options, compute);
}

// `Fill.cached` likewise.
export function cached(client, keyOf, options, compute) {
  return fillsOf(client).cached(keyOf, options, compute);
}
