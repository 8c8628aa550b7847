// express-rate-limit with rate-limit-redis as its store guards an application: `node rate_limit_redis.mjs HOST PORT FOLDER`.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { runAll, until, versionOf } from "./report.mjs";

const [host, port, folder] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const express = require("express");
const { rateLimit } = require("express-rate-limit");
const { RedisStore } = require("rate-limit-redis");
const { createClient } = require("redis");

const open = [];
async function connect(protocol) {
  const client = createClient({ socket: { host, port: Number(port) }, RESP: protocol });
  client.on("error", () => {});
  open.push(() => client.destroy());
  return client.connect();
}

// An application behind a limit, and what asks it as a user.
async function shop(client, options) {
  const store = new RedisStore({ sendCommand: (...words) => client.sendCommand(words) });
  const keyGenerator = (request) => request.headers.user;
  const app = express();
  app.use(rateLimit({ store, keyGenerator, standardHeaders: true, legacyHeaders: false, windowMs: 100_000, ...options }));
  app.get("/", (request, response) => response.status(Number(request.headers.status ?? 200)).send("index"));
  const server = await new Promise((ready) => {
    const server = app.listen(0, "127.0.0.1", () => ready(server));
  });
  open.push(() => server.close());
  const url = `http://127.0.0.1:${server.address().port}/`;
  const ask = (user = "ada", headers = {}) => fetch(url, { headers: { user, connection: "close", ...headers } });
  return { store, ask, status: async (...words) => (await ask(...words)).status };
}

const checks = {
  async counts_to_the_limit(client) {
    const { ask, status } = await shop(client, { limit: 3 });
    const left = [];
    for (let hit = 0; hit < 3; hit += 1) left.push((await ask()).headers.get("ratelimit-remaining"));
    assert.deepEqual(left, ["2", "1", "0"]);
    const answer = await ask();
    assert.equal(answer.status, 429);
    const seconds = Number(answer.headers.get("retry-after"));
    assert.ok(seconds > 90 && seconds <= 100, `retry after ${seconds} s`);
    assert.equal(await status("bob"), 200);
    assert.ok((await client.pTTL("rl:ada")) > 90_000);
  },

  async store_is_read_and_reset(client) {
    const { store, status } = await shop(client, { limit: 1 });
    assert.deepEqual([await status(), await status()], [200, 429]);
    assert.equal(Number((await store.get("ada")).totalHits), 2);
    await store.resetKey("ada");
    assert.deepEqual([await status(), await status()], [200, 429]);
  },

  async what_succeeds_is_not_counted_where_so_wished(client) {
    const { status } = await shop(client, { limit: 2, skipSuccessfulRequests: true });
    for (let hit = 0; hit < 5; hit += 1) {
      assert.equal(await status("ada"), 200);
      // A hit is taken back after the answer has left.
      await until(async () => (await client.get("rl:ada")) === "0");
    }
    assert.deepEqual([await status("ada", { status: "401" }), await status("ada", { status: "401" })], [401, 401]);
    assert.equal(await status("ada"), 429);
  },

  async a_window_ends(client) {
    const { status } = await shop(client, { limit: 1 });
    assert.deepEqual([await status(), await status()], [200, 429]);
    await client.pExpire("rl:ada", 20);
    await until(async () => (await status()) === 200);
    assert.ok((await client.pTTL("rl:ada")) > 90_000);
  },

  async scripts_survive_a_flush(client) {
    const { store, status } = await shop(client, { limit: 2 });
    assert.equal(await status(), 200);
    await client.scriptFlush();
    assert.equal(Number((await store.get("ada")).totalHits), 1);
    assert.deepEqual([await status(), await status()], [200, 429]);
  },

  async a_crowd_gets_no_more_than_the_limit(client) {
    const shops = [await shop(client, { limit: 50 }), await shop(client, { limit: 50 })];
    const asked = await Promise.all(Array.from({ length: 120 }, (_, number) => shops[number % 2].status("all")));
    assert.equal(asked.filter((status) => status === 200).length, 50);
    assert.equal(await client.get("rl:all"), "120");
  },
};

const version = versionOf(folder, "rate-limit-redis");
const close = await runAll("rate-limit-redis", version, checks, connect, (client) => client.flushAll());
open.forEach((end) => end());
close();
