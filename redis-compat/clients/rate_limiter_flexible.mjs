// rate-limiter-flexible's RateLimiterRedis, which needs strings alone: `node rate_limiter_flexible.mjs HOST PORT FOLDER`.
// On ioredis in RESP2 and RESP3, and on node-redis, to which it sends EVAL instead of EVALSHA.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { runAll, until, versionOf } from "./report.mjs";

const [host, port, folder] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { Redis } = require("ioredis");
const { createClient } = require("redis");
const { RateLimiterRedis, RateLimiterRes } = require("rate-limiter-flexible");

const open = [];
async function connect(protocol) {
  const client = new Redis({ host, port: Number(port), protocol });
  client.on("error", () => {});
  const other = createClient({ socket: { host, port: Number(port) }, RESP: protocol });
  other.on("error", () => {});
  await other.connect();
  open.push(() => client.disconnect(), () => other.destroy());
  return { client, stores: [{ storeClient: client }, { storeClient: other, useRedisPackage: true }] };
}

// The same check with each of the two clients, each on keys of its own.
const withEach = (check) => async ({ client, stores }) => {
  for (const [number, store] of stores.entries()) {
    const keyPrefix = `limit${number}`;
    await check((options) => new RateLimiterRedis({ ...store, keyPrefix, ...options }), client, keyPrefix);
  }
};

const refused = async (promise) => {
  const answer = await promise.then(() => assert.fail("it was let in"), (answer) => answer);
  assert.ok(answer instanceof RateLimiterRes, String(answer));
  return answer;
};

const checks = {
  counts_to_the_limit: withEach(async (open, client, prefix) => {
    const limiter = open({ points: 5, duration: 100 });
    const left = [];
    for (let hit = 0; hit < 5; hit += 1) left.push((await limiter.consume("ada")).remainingPoints);
    assert.deepEqual(left, [4, 3, 2, 1, 0]);
    const answer = await refused(limiter.consume("ada"));
    assert.deepEqual([answer.consumedPoints, answer.remainingPoints, answer.isFirstInDuration], [6, 0, false]);
    assert.ok(answer.msBeforeNext > 90_000 && answer.msBeforeNext <= 100_000, `${answer.msBeforeNext} ms`);
    assert.equal((await limiter.consume("bob", 3)).remainingPoints, 2);
    assert.ok((await client.pttl(`${prefix}:ada`)) > 90_000);
  }),

  penalty_reward_and_get: withEach(async (open) => {
    const limiter = open({ points: 5, duration: 100 });
    assert.equal(await limiter.get("ada"), null);
    await limiter.penalty("ada", 4);
    await limiter.reward("ada", 1);
    assert.equal((await limiter.get("ada")).consumedPoints, 3);
    assert.deepEqual([await limiter.delete("ada"), await limiter.delete("ada")], [true, false]);
    await limiter.set("ada", 5, 50);
    await refused(limiter.consume("ada"));
  }),

  a_blocked_key_stays_blocked: withEach(async (open, client, prefix) => {
    const limiter = open({ points: 1, duration: 10, blockDuration: 100 });
    await limiter.consume("ada");
    const answer = await refused(limiter.consume("ada"));
    assert.equal(answer.msBeforeNext, 100_000);
    assert.ok((await client.pttl(`${prefix}:ada`)) > 90_000);
    await limiter.block("bob", 100);
    await refused(limiter.consume("bob"));
  }),

  a_window_ends: withEach(async (open, client, prefix) => {
    const limiter = open({ points: 1, duration: 100 });
    await limiter.consume("ada");
    await client.pexpire(`${prefix}:ada`, 20);
    await until(() => limiter.consume("ada").then((answer) => answer.isFirstInDuration, () => false));
  }),

  a_window_without_end: withEach(async (open, client, prefix) => {
    const limiter = open({ points: 2, duration: 0 });
    await limiter.consume("ada");
    await limiter.consume("ada");
    await refused(limiter.consume("ada"));
    assert.equal(await client.pttl(`${prefix}:ada`), -1);
  }),

  a_crowd_gets_no_more_than_the_limit: withEach(async (open, client, prefix) => {
    const limiter = open({ points: 100, duration: 100 });
    const asked = await Promise.allSettled(Array.from({ length: 300 }, () => limiter.consume("all")));
    assert.equal(asked.filter((answer) => answer.status === "fulfilled").length, 100);
    const places = asked.map((answer) => (answer.value ?? answer.reason).consumedPoints).sort((a, b) => a - b);
    assert.deepEqual(places, Array.from({ length: 300 }, (_, place) => place + 1));
    assert.equal(await client.get(`${prefix}:all`), "300");
  }),
};

const version = versionOf(folder, "rate-limiter-flexible");
const close = await runAll("rate-limiter-flexible", version, checks, connect, ({ client }) => client.flushall());
open.forEach((end) => end());
close();
