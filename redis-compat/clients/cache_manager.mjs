// cache-manager over keyv's Redis store, doing a day's work: `node cache_manager.mjs HOST PORT FOLDER`.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { runAll, until, versionOf } from "./report.mjs";

const [host, port, folder] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { Keyv } = require("keyv");
const KeyvRedis = require("@keyv/redis").default;
const { createCache } = require("cache-manager");
const version = versionOf(folder, "cache-manager");

const open = [];
function connect(protocol, options = {}) {
  const store = new KeyvRedis({ socket: { host, port: Number(port) }, RESP: protocol });
  const cache = createCache({ stores: [new Keyv({ store })], ...options });
  open.push(cache);
  return cache;
}

const checks = {
  async values(cache) {
    assert.equal(await cache.get("none"), undefined);
    await cache.set("k", { n: 1 });
    assert.deepEqual(await cache.get("k"), { n: 1 });
    await cache.mset([{ key: "a", value: 1 }, { key: "b", value: 2, ttl: 100_000 }]);
    assert.deepEqual(await cache.mget(["a", "none", "b"]), [1, undefined, 2]);
    await cache.del("k");
    await cache.mdel(["a", "b"]);
    assert.deepEqual(await cache.mget(["k", "a", "b"]), [undefined, undefined, undefined]);
  },

  async expiry(cache) {
    await cache.set("k", "v", 100_000);
    const until_ms = await cache.ttl("k");
    assert.ok(until_ms > Date.now() + 90_000 && until_ms <= Date.now() + 100_000, `expires at ${until_ms}`);
    await cache.set("k", "v", 20);
    await until(async () => (await cache.get("k")) === undefined);
  },

  async wrap_computes_once(cache) {
    let computed = 0;
    const compute = async () => ++computed;
    assert.deepEqual(await Promise.all(Array.from({ length: 20 }, () => cache.wrap("w", compute, 100_000))), Array(20).fill(1));
    assert.equal(await cache.wrap("w", compute, 100_000), 1);
  },

  async clear(cache) {
    await cache.mset(Array.from({ length: 100 }, (_, n) => ({ key: `k${n}`, value: n })));
    assert.equal(await cache.clear(), true);
    assert.equal(await cache.get("k99"), undefined);
  },
};

const close = await runAll("cache-manager", version, checks, connect, (cache) => cache.clear());
for (const cache of open) await cache.disconnect();
close();
