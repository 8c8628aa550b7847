// redlock on ioredis: `node redlock.mjs HOST PORT FOLDER PACKAGE`, PACKAGE being redlock (version 4, what npm calls the
// latest) or redlock5 (the beta of version 5). Both send the same scripts, each in its own way.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { runAll, until, versionOf } from "./report.mjs";

const [host, port, folder, name] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { Redis } = require("ioredis");
const Redlock = require(name).default ?? require(name);

const open = [];
function connect(protocol, options = {}) {
  const client = new Redis({ host, port: Number(port), protocol, ...options });
  client.on("error", () => {});
  open.push(client);
  return client;
}

const atOnce = { retryCount: 0 };
const patient = { retryCount: -1, retryDelay: 2, retryJitter: 1 };
const isBetween = (number, low, high) => assert.ok(low < number && number <= high, `${number} is not in ${low} to ${high}`);

const checks = {
  async one_of_two_takes_it(client) {
    const redlock = new Redlock([client], atOnce);
    const lock = await redlock.acquire(["job"], 100_000);
    await assert.rejects(redlock.acquire(["job"], 100_000));
    assert.equal(await client.get("job"), lock.value);
    isBetween(await client.pttl("job"), 99_000, 100_000);
    await redlock.release(lock);
    await redlock.release(await redlock.acquire(["job"], 100_000));
    assert.equal(await client.exists("job"), 0);
  },

  async several_resources_are_one_lock(client) {
    const redlock = new Redlock([client], atOnce);
    const lock = await redlock.acquire(["a", "b"], 100_000);
    await assert.rejects(redlock.acquire(["b", "c"], 100_000));
    assert.equal(await client.exists("a", "b", "c"), 2);
    await redlock.release(lock);
    assert.equal(await client.exists("a", "b", "c"), 0);
  },

  async extend(client) {
    const redlock = new Redlock([client], atOnce);
    const lock = await (await redlock.acquire(["a", "b"], 10_000)).extend(100_000);
    isBetween(await client.pttl("a"), 99_000, 100_000);
    isBetween(await client.pttl("b"), 99_000, 100_000);
    await client.set("b", "another's");
    await assert.rejects(lock.extend(200_000));
    assert.equal(await client.get("b"), "another's");
  },

  async another_owners_lock_is_left_alone(client) {
    const redlock = new Redlock([client], atOnce);
    const lock = await redlock.acquire(["job"], 100_000);
    await client.set("job", "another's");
    await redlock.release(lock).catch(() => {});
    assert.equal(await client.get("job"), "another's");
  },

  async expired_lock_is_free(client) {
    const redlock = new Redlock([client], patient);
    const first = await redlock.acquire(["job"], 20);
    const second = await redlock.acquire(["job"], 100_000);
    await assert.rejects(first.extend(100_000));
    assert.equal(await client.get("job"), second.value);
  },

  async majority_of_three_suffices(client, protocol) {
    const clients = [client, connect(protocol, { db: 1 }), connect(protocol, { db: 2 })];
    const redlock = new Redlock(clients, atOnce);
    await clients[0].set("job", "another's");
    const lock = await redlock.acquire(["job"], 100_000);
    // Version 5 goes on when two have answered.
    await until(async () => (await clients[1].get("job")) === lock.value && (await clients[2].get("job")) === lock.value);
    await redlock.release(lock);
    await until(async () => (await clients[1].exists("job")) + (await clients[2].exists("job")) === 0);
    await clients[1].set("job", "another's");
    await assert.rejects(redlock.acquire(["job"], 100_000));
    await until(async () => (await clients[2].exists("job")) === 0);
  },

  async scripts_survive_a_flush(client) {
    const redlock = new Redlock([client], atOnce);
    const lock = await redlock.acquire(["job"], 100_000);
    await client.script("FLUSH");
    await redlock.release(lock);
    assert.equal(await client.exists("job"), 0);
  },

  async it_is_held_once(client, protocol) {
    let [inside, count] = [0, 0];
    const work = async () => {
      const redlock = new Redlock([connect(protocol)], patient);
      for (let round = 0; round < 10; round += 1) {
        const lock = await redlock.acquire(["job"], 100_000);
        assert.equal((inside += 1), 1);
        const before = Number(await client.get("count"));
        await client.set("count", before + 1);
        inside -= 1;
        count += 1;
        await redlock.release(lock);
      }
    };
    await Promise.all(Array.from({ length: 8 }, work));
    assert.deepEqual([Number(await client.get("count")), count], [80, 80]);
  },
};

const close = await runAll(name, versionOf(folder, name), checks, connect, (client) => client.flushall());
open.forEach((client) => client.disconnect());
close();
