// ioredis doing a day's work: `node ioredis.mjs HOST PORT FOLDER`, FOLDER holding node_modules.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { runAll, until, waitersIn, versionOf } from "./report.mjs";

const [host, port, folder] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const Redis = require("ioredis").Redis;
const version = versionOf(folder, "ioredis");

const open = [];
function connect(protocol, options = {}) {
  const client = new Redis({ host, port: Number(port), protocol, ...options });
  // A check sees its errors in its replies; without a listener the process would print them too.
  client.on("error", () => {});
  open.push(client);
  return client;
}

const waiters = async (client, key) => waitersIn(await client.call("FILL.INFO", key));

const checks = {
  async strings(client) {
    assert.equal(await client.ping(), "PONG");
    assert.equal(await client.set("k", "v"), "OK");
    assert.equal(await client.get("k"), "v");
    assert.equal(await client.get("none"), null);
    assert.equal(await client.set("k", "w", "NX"), null);
    assert.equal(await client.set("k", "w", "EX", 100, "XX", "GET"), "v");
    assert.equal(await client.mset({ a: 1, b: 2 }), "OK");
    assert.deepEqual(await client.mget("a", "none", "b"), ["1", null, "2"]);
    assert.deepEqual([await client.incr("n"), await client.incrby("n", 5), await client.decr("n")], [1, 6, 5]);
    assert.equal(await client.incrbyfloat("f", 0.5), "0.5");
    assert.deepEqual([await client.append("k", "x"), await client.strlen("k"), await client.getdel("k")], [2, 2, "wx"]);
    assert.equal(await client.del("a", "b", "none"), 2);
  },

  async pipeline_with_multi(client) {
    const replies = await client.multi().set("k", "1").incr("k").get("k").get("none").exec();
    assert.deepEqual(replies, [[null, "OK"], [null, 2], [null, "2"], [null, null]]);
    const mixed = await client.multi().set("s", "text").incr("s").get("s").exec();
    assert.match(mixed[1][0].message, /not an integer/);
    assert.deepEqual(mixed[2], [null, "text"]);
  },

  async watch_retry_loop(client, protocol) {
    const countUp = async () => {
      const own = connect(protocol);
      for (let round = 0; round < 20; round++) {
        for (let done = false; !done; ) {
          await own.watch("counter");
          const value = Number(await own.get("counter"));
          done = (await own.multi().set("counter", value + 1).exec()) !== null;
        }
      }
    };
    await Promise.all([countUp(), countUp(), countUp(), countUp()]);
    assert.equal(await client.get("counter"), "80");
  },

  async expiry(client) {
    await client.set("k", "v", "EX", 100);
    const ttl = await client.ttl("k");
    assert.ok(ttl >= 99 && ttl <= 100, `TTL ${ttl}`);
    assert.equal(await client.persist("k"), 1);
    assert.equal(await client.pexpire("k", 20), 1);
    await until(async () => (await client.get("k")) === null);
    assert.equal(await client.ttl("k"), -2);
  },

  async scan_stream(client) {
    const pairs = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`key:${n}`, n]));
    await client.mset(pairs);
    const seen = new Set();
    for await (const keys of client.scanStream({ count: 50 })) keys.forEach((key) => seen.add(key));
    assert.equal(seen.size, 1000);
    const matched = new Set();
    for await (const keys of client.scanStream({ match: "key:99?" })) keys.forEach((key) => matched.add(key));
    assert.equal(matched.size, 10);
  },

  async select(client, protocol) {
    await client.set("k", "zero");
    const other = connect(protocol, { db: 5 });
    await other.set("k", "five");
    assert.deepEqual([await client.get("k"), await other.get("k")], ["zero", "five"]);
    assert.equal(await other.select(0), "OK");
    assert.equal(await other.get("k"), "zero");
  },

  async client_name_and_info(_, protocol) {
    const client = connect(protocol, { connectionName: "worker-7" });
    assert.equal(await client.client("GETNAME"), "worker-7");
    const info = await client.client("INFO");
    assert.match(info, /name=worker-7 /);
    assert.match(info, /lib-name=ioredis/);
    assert.match(await client.client("LIST"), /name=worker-7 /);
    assert.equal(await client.client("SETNAME", "worker-8"), "OK");
  },

  async ready_check_reads_info(_, protocol) {
    const client = connect(protocol, { enableReadyCheck: true, lazyConnect: true });
    await client.connect();
    assert.equal(client.status, "ready");
    assert.match(await client.info("persistence"), /loading:0\r\n/);
  },

  async large_value(client) {
    const value = Buffer.alloc(20 * 1024 * 1024, Buffer.from(Array.from({ length: 256 }, (_, n) => n)));
    await client.set("large", value);
    assert.equal(await client.strlen("large"), value.length);
    assert.ok((await client.getBuffer("large")).equals(value), "20 MiB come back whole");
  },

  async binary_keys(client) {
    const key = Buffer.from([0, 255, 13, 10, 36, 45, 49]);
    await client.set(key, Buffer.from([0, 255]));
    assert.deepEqual(await client.getBuffer(key), Buffer.from([0, 255]));
    assert.deepEqual(await client.keysBuffer("*"), [key]);
  },

  async errors_are_mapped(client, protocol) {
    await client.set("s", "text");
    await assert.rejects(client.incr("s"), /ERR value is not an integer or out of range/);
    await assert.rejects(client.call("NONSENSE"), /ERR unknown command/);
    await assert.rejects(client.call("GET"), /ERR wrong number of arguments/);
    await assert.rejects(client.set("k", "v", "EX", 0), /ERR invalid expire time/);
    const stranger = connect(protocol, { username: "nobody", password: "x", retryStrategy: null, maxRetriesPerRequest: 0 });
    await assert.rejects(stranger.ping(), /WRONGPASS|Connection is closed/);
  },

  async deep_pipeline(client) {
    const pipeline = client.pipeline();
    for (let n = 0; n < 500; n++) pipeline.set(`key:${n}`, n).get(`key:${n}`);
    const replies = await pipeline.exec();
    assert.deepEqual(replies.filter((_, index) => index % 2).map(([, value]) => Number(value)), Array.from({ length: 500 }, (_, n) => n));
  },

  async many_commands_at_once(client) {
    const calls = Array.from({ length: 5000 }, (_, n) => client.set(`key:${n}`, n).then(() => client.get(`key:${n}`)));
    assert.deepEqual((await Promise.all(calls)).map(Number), Array.from({ length: 5000 }, (_, n) => n));
  },

  async reconnect_after_kill(client, protocol) {
    const victim = connect(protocol);
    const id = await victim.client("ID");
    assert.equal(await client.client("KILL", "ID", id), 1);
    await until(async () => (await victim.client("ID").catch(() => id)) !== id);
    assert.equal(await victim.ping(), "PONG");
  },

  async fill_leader_puts_and_others_hit(client, protocol) {
    const [status, value, token, lease] = await client.call("FILL.GET", "page", "WAIT", 200);
    assert.deepEqual([status, value, typeof token, lease > 0], ["LEAD", null, "string", true]);
    assert.equal(await client.call("FILL.PUT", "page", token, "made", "EX", 100), "OK");
    assert.equal(await client.call("FILL.PUT", "page", token, "made", "EX", 100), "DUP");
    const hit = await connect(protocol).call("FILL.GET", "page");
    assert.deepEqual(hit.slice(0, 3), ["HIT", "made", null]);
  },

  async fill_put_is_taken_while_a_read_is_parked_on_the_same_connection(shared, protocol) {
    const [other, third] = [connect(protocol), connect(protocol)];
    const [, , otherToken] = await other.call("FILL.GET", "b");
    const [, , ownToken] = await shared.call("FILL.GET", "a");
    const waiting = third.call("FILL.GET", "a", "WAIT", 8000);
    // The shared connection leads "a" and waits for "b": its PUT must not queue behind its own parked read.
    const parked = shared.call("FILL.GET", "b", "WAIT", 8000);
    await until(async () => (await waiters(other, "a")) === 1 && (await waiters(other, "b")) === 1);
    const put = shared.call("FILL.PUT", "a", ownToken, "made a");
    assert.deepEqual((await waiting).slice(0, 3), ["HIT", "made a", null]);
    const pending = Symbol("pending");
    assert.equal(await Promise.race([parked, Promise.resolve(pending)]), pending);
    assert.equal(await other.call("FILL.PUT", "b", otherToken, "made b"), "OK");
    assert.deepEqual((await parked).slice(0, 3), ["HIT", "made b", null]);
    assert.equal(await put, "OK");
  },

  async fill_same_connection_is_told_that_it_leads(shared) {
    const [, , token] = await shared.call("FILL.GET", "k");
    const [status, value, none] = await shared.call("FILL.GET", "k", "WAIT", 8000);
    assert.deepEqual([status, value, none], ["SELF", null, null]);
    assert.equal(await shared.call("FILL.NONE", "k", token, "PX", 5000), "OK");
    assert.deepEqual((await shared.call("FILL.GET", "k")).slice(0, 3), ["NONE", null, null]);
  },
};

const close = await runAll("ioredis", version, checks, connect, (client) => client.flushall());
open.forEach((client) => client.disconnect());
close();
