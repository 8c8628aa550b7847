// keyv with its Redis store, doing a day's work: `node keyv.mjs HOST PORT FOLDER`, FOLDER holding node_modules.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { runAll, until, versionOf } from "./report.mjs";

const [host, port, folder] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { Keyv } = require("keyv");
const KeyvRedis = require("@keyv/redis").default;
const version = versionOf(folder, "keyv");

const open = [];
function connect(protocol, namespace) {
  const store = new KeyvRedis({ socket: { host, port: Number(port) }, RESP: protocol });
  const keyv = new Keyv({ store, namespace, throwOnErrors: true, useKeyPrefix: false });
  keyv.on("error", () => {});
  open.push(keyv);
  return keyv;
}

const checks = {
  async values(keyv) {
    assert.equal(await keyv.get("none"), undefined);
    assert.equal(await keyv.set("k", { name: "grün", list: [1, null] }), true);
    assert.deepEqual(await keyv.get("k"), { name: "grün", list: [1, null] });
    assert.deepEqual([await keyv.has("k"), await keyv.has("none")], [true, false]);
    assert.deepEqual([await keyv.delete("k"), await keyv.delete("k")], [true, false]);
  },

  async expiry(keyv) {
    await keyv.set("k", "v", 20);
    await until(async () => (await keyv.has("k")) === false);
    assert.equal(await keyv.get("k"), undefined);
  },

  async many(keyv) {
    await keyv.setMany([{ key: "a", value: 1 }, { key: "b", value: 2, ttl: 100_000 }]);
    assert.deepEqual(await keyv.getMany(["a", "none", "b"]), [1, undefined, 2]);
    assert.equal(await keyv.delete(["a", "b"]), true);
    assert.deepEqual(await keyv.getMany(["a", "b"]), [undefined, undefined]);
  },

  async namespaces_are_cleared_and_walked_apart(_, protocol) {
    const [shop, blog] = [connect(protocol, "shop"), connect(protocol, "blog")];
    for (let n = 0; n < 300; n++) await shop.set(`k${n}`, n);
    await blog.set("k0", "blog");
    const seen = new Map();
    for await (const [key, value] of shop.iterator()) seen.set(key, value);
    assert.deepEqual([seen.size, seen.get("k299")], [300, 299]);
    await shop.clear();
    assert.deepEqual([await shop.get("k0"), await blog.get("k0")], [undefined, "blog"]);
  },
};

const close = await runAll("keyv", version, checks, connect, (keyv) => keyv.clear());
for (const keyv of open) await keyv.disconnect();
close();
