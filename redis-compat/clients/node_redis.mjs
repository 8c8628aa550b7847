// node-redis doing a day's work: `node node_redis.mjs HOST PORT FOLDER`, FOLDER holding node_modules.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { runAll, until, waitersIn, versionOf } from "./report.mjs";

const [host, port, folder] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { BasicClientSideCache, createClient, createClientPool, RESP_TYPES, WatchError } = require("redis");
const version = versionOf(folder, "redis");

const open = [];
async function connect(protocol, options = {}) {
  const client = createClient({ socket: { host, port: Number(port) }, RESP: protocol, ...options });
  // A check sees its errors in its replies; without a listener the process would end.
  client.on("error", () => {});
  open.push(client);
  return client.connect();
}

const waiters = async (client, key) => waitersIn(await client.sendCommand(["FILL.INFO", key]));

const checks = {
  async strings(client) {
    assert.equal(await client.ping(), "PONG");
    assert.equal(await client.set("k", "v"), "OK");
    assert.equal(await client.get("k"), "v");
    assert.equal(await client.get("none"), null);
    assert.equal(await client.set("k", "w", { NX: true }), null);
    assert.equal(await client.set("k", "w", { EX: 100, XX: true, GET: true }), "v");
    assert.equal(await client.mSet({ a: "1", b: "2" }), "OK");
    assert.deepEqual(await client.mGet(["a", "none", "b"]), ["1", null, "2"]);
    assert.deepEqual([await client.incr("n"), await client.incrBy("n", 5), await client.decr("n")], [1, 6, 5]);
    assert.equal(Number(await client.incrByFloat("f", 0.5)), 0.5);
    assert.deepEqual([await client.append("k", "x"), await client.strLen("k"), await client.getDel("k")], [2, 2, "wx"]);
    assert.deepEqual([await client.exists(["a", "b", "none"]), await client.del(["a", "b", "none"])], [2, 2]);
    assert.equal(await client.type("f"), "string");
  },

  async multi(client) {
    assert.deepEqual(await client.multi().set("k", "1").incr("k").get("k").get("none").exec(), ["OK", 2, "2", null]);
    const mixed = await client.multi().set("s", "text").incr("s").get("s").exec().catch((error) => error.replies);
    assert.match(mixed[1].message, /not an integer/);
    assert.equal(mixed[2], "text");
  },

  async watch_retry_loop(client, protocol) {
    const countUp = async () => {
      const own = await connect(protocol);
      for (let round = 0; round < 20; round++) {
        for (let done = false; !done; ) {
          await own.watch("counter");
          const value = Number(await own.get("counter"));
          const change = own.multi().set("counter", String(value + 1)).exec();
          done = await change.then(
            () => true,
            (error) => assert.ok(error instanceof WatchError, String(error)),
          );
        }
      }
    };
    await Promise.all([countUp(), countUp(), countUp(), countUp()]);
    assert.equal(await client.get("counter"), "80");
  },

  async expiry(client) {
    await client.set("k", "v", { EX: 100 });
    const ttl = await client.ttl("k");
    assert.ok(ttl >= 99 && ttl <= 100, `TTL ${ttl}`);
    assert.equal(await client.persist("k"), 1);
    assert.equal(await client.pExpire("k", 20), 1);
    await until(async () => (await client.get("k")) === null);
    assert.equal(await client.ttl("k"), -2);
  },

  async scan_iterator(client) {
    await client.mSet(Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`key:${n}`, String(n)])));
    const seen = new Set();
    for await (const keys of client.scanIterator({ COUNT: 50 })) keys.forEach((key) => seen.add(key));
    assert.equal(seen.size, 1000);
    const matched = new Set();
    for await (const keys of client.scanIterator({ MATCH: "key:99?" })) keys.forEach((key) => matched.add(key));
    assert.equal(matched.size, 10);
    assert.equal(await client.dbSize(), 1000);
  },

  async select(client, protocol) {
    await client.set("k", "zero");
    const other = await connect(protocol, { database: 5 });
    await other.set("k", "five");
    assert.deepEqual([await client.get("k"), await other.get("k")], ["zero", "five"]);
    await other.select(0);
    assert.equal(await other.get("k"), "zero");
  },

  async client_name_and_info(_, protocol) {
    const client = await connect(protocol, { name: "worker-7", clientInfoTag: "shop" });
    assert.equal(await client.clientGetName(), "worker-7");
    const info = await client.clientInfo();
    assert.equal(info.name, "worker-7");
    assert.equal(info.libName, "node-redis(shop)");
    assert.ok((await client.clientList()).some((entry) => entry.name === "worker-7"));
    assert.equal(await client.clientSetName("worker-8"), "OK");
  },

  async server_information(client) {
    assert.match(await client.info("server"), /redis_version:7\./);
    assert.deepEqual({ ...(await client.configGet("appendonly")) }, { appendonly: "no" });
    assert.deepEqual({ ...(await client.configGet("no-such-parameter")) }, {});
    assert.ok((await client.commandCount()) > 50);
    const get = (await client.command()).find((command) => command.name === "get");
    assert.deepEqual([get.arity, get.firstKeyIndex], [2, 1]);
  },

  async large_and_binary_values(client) {
    const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    const value = Buffer.alloc(20 * 1024 * 1024, Buffer.from(Array.from({ length: 256 }, (_, n) => n)));
    await client.set("large", value);
    assert.ok((await binary.get("large")).equals(value), "20 MiB come back whole");
    await client.flushAll();
    const key = Buffer.from([0, 255, 13, 10, 36, 45, 49]);
    await client.set(key, Buffer.from([0, 255]));
    assert.deepEqual(await binary.get(key), Buffer.from([0, 255]));
    assert.deepEqual(await binary.keys("*"), [key]);
  },

  async errors_are_mapped(client, protocol) {
    await client.set("s", "text");
    await assert.rejects(client.incr("s"), /ERR value is not an integer or out of range/);
    await assert.rejects(client.sendCommand(["NONSENSE"]), /ERR unknown command/);
    await assert.rejects(client.sendCommand(["GET"]), /ERR wrong number of arguments/);
    await assert.rejects(client.set("k", "v", { EX: 0 }), /ERR invalid expire time/);
    // By default the library tries again for ever.
    const socket = { host, port: Number(port), reconnectStrategy: false };
    await assert.rejects(connect(protocol, { username: "nobody", password: "x", socket }), /WRONGPASS/);
  },

  async many_commands_at_once(client) {
    const calls = Array.from({ length: 5000 }, async (_, n) => {
      await client.set(`key:${n}`, String(n));
      return Number(await client.get(`key:${n}`));
    });
    assert.deepEqual(await Promise.all(calls), Array.from({ length: 5000 }, (_, n) => n));
  },

  async pool(client, protocol) {
    const pool = createClientPool({ socket: { host, port: Number(port) }, RESP: protocol }, { minimum: 2, maximum: 8 });
    await pool.connect();
    await Promise.all(Array.from({ length: 100 }, () => pool.incr("shared")));
    assert.equal(await client.get("shared"), "100");
    pool.destroy();
  },

  async reconnect_after_kill(client, protocol) {
    const victim = await connect(protocol);
    const id = await victim.clientId();
    assert.equal(await client.clientKill({ filter: "ID", id }), 1);
    await until(async () => (await victim.clientId().catch(() => id)) !== id);
    assert.equal(await victim.ping(), "PONG");
  },

  async client_side_cache_under_concurrent_writes(client, protocol) {
    if (protocol !== 3) return;
    const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 0 });
    const cached = await connect(3, { clientSideCache: cache });
    const writers = [await connect(3), await connect(2)];
    const keys = Array.from({ length: 8 }, (_, at) => `shared:${at}`);
    let writes = true;
    const reading = (async () => {
      while (writes) {
        for (const key of keys) await cached.get(key);
        // What the cache answers needs no turn of the loop, and the invalidations need one.
        await new Promise(setImmediate);
      }
    })();
    const write = async (writer, number) => {
      for (let round = 0; round < 300; round++) await writer.set(keys[round % keys.length], `${number}:${round}`);
    };
    await Promise.all(writers.map(write));
    writes = false;
    await reading;
    // Every key has its last value, and what the cache gives settles there.
    for (const key of keys) {
      const last = await client.get(key);
      await until(async () => (await cached.get(key)) === last);
    }
    const hits = cache.stats().hitCount;
    assert.equal(await cached.get(keys[0]), await client.get(keys[0]));
    assert.equal(cache.stats().hitCount, hits + 1);
  },

  async fill_leader_puts_and_others_hit(client, protocol) {
    const [status, value, token, lease] = await client.sendCommand(["FILL.GET", "page", "WAIT", "200"]);
    assert.deepEqual([status, value, typeof token, lease > 0], ["LEAD", null, "string", true]);
    assert.equal(await client.sendCommand(["FILL.PUT", "page", token, "made", "EX", "100"]), "OK");
    assert.equal(await client.sendCommand(["FILL.PUT", "page", token, "made", "EX", "100"]), "DUP");
    const hit = await (await connect(protocol)).sendCommand(["FILL.GET", "page"]);
    assert.deepEqual(hit.slice(0, 3), ["HIT", "made", null]);
  },

  async fill_put_is_taken_while_a_read_is_parked_on_the_same_connection(shared, protocol) {
    const [other, third] = [await connect(protocol), await connect(protocol)];
    const [, , otherToken] = await other.sendCommand(["FILL.GET", "b"]);
    const [, , ownToken] = await shared.sendCommand(["FILL.GET", "a"]);
    const waiting = third.sendCommand(["FILL.GET", "a", "WAIT", "8000"]);
    const parked = shared.sendCommand(["FILL.GET", "b", "WAIT", "8000"]);
    await until(async () => (await waiters(other, "a")) === 1 && (await waiters(other, "b")) === 1);
    const put = shared.sendCommand(["FILL.PUT", "a", ownToken, "made a"]);
    assert.deepEqual((await waiting).slice(0, 3), ["HIT", "made a", null]);
    const pending = Symbol("pending");
    assert.equal(await Promise.race([parked, Promise.resolve(pending)]), pending);
    assert.equal(await other.sendCommand(["FILL.PUT", "b", otherToken, "made b"]), "OK");
    assert.deepEqual((await parked).slice(0, 3), ["HIT", "made b", null]);
    assert.equal(await put, "OK");
  },
};

const close = await runAll("node-redis", version, checks, connect, (client) => client.flushAll());
open.forEach((client) => client.isOpen && client.destroy());
close();
