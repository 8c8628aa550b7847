// The stores for Keyv and cache-manager: what those promise, and that wrap is filled once.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { Keyv } from "keyv";
import { createCache } from "onefill/cache-manager";
import { FillStore, wrap } from "onefill/keyv";
import { LIBRARIES, Server, gate, until } from "./support.js";

for (const [library, connect] of Object.entries(LIBRARIES)) {
  describe(library, () => {
    let server;
    before(async () => (server = await new Server().start()));
    after(() => server.stop());
    beforeEach(() => server.client.flushall());

    function keyvOf(context, options) {
      const store = new FillStore(connect(server.port), { prefix: "shop:" });
      const keyv = new Keyv({ store, throwOnErrors: true, ...options });
      context.after(() => keyv.disconnect());
      return keyv;
    }

    // Plays a computation for which another process waits. Returns both values and the number of computations.
    async function once(one, other) {
      const made = gate({ n: 1 });
      const leading = one(made);
      await made.begun;
      const waiting = other(made);
      await until(async () => (await server.figure("fill_waiters")) === 1);
      made.let();
      return [await leading, await waiting, await other(made), made.calls];
    }

    test("keyv: a store like others", async (context) => {
      const keyv = keyvOf(context);
      assert.equal(await keyv.get("k"), undefined);
      assert.equal(await keyv.set("k", { name: "grün" }, 100_000), true);
      assert.deepEqual(await keyv.get("k"), { name: "grün" });
      assert.deepEqual([await keyv.has("k"), await keyv.has("none")], [true, false]);
      const ttl = await server.client.pttl("shop:keyv:k");
      assert.ok(ttl > 90_000 && ttl <= 100_000, `${ttl}`);
      await keyv.setMany([{ key: "a", value: 1 }, { key: "b", value: null }]);
      assert.deepEqual(await keyv.getMany(["a", "none", "b"]), [1, undefined, null]);
      assert.deepEqual([await keyv.delete("k"), await keyv.delete("k")], [true, false]);
      assert.deepEqual([await keyv.delete(["a", "b"]), await keyv.get("a")], [true, undefined]);
      await keyv.set("k", "v", 1);
      await until(async () => (await keyv.get("k")) === undefined);
    });

    test("keyv: clear deletes its namespace only", async (context) => {
      const [odd, other] = ["a*?[x]\\", "ab"].map((namespace) => keyvOf(context, { namespace }));
      await Promise.all(Array.from({ length: 300 }, (_, n) => odd.set(`k${n}`, n)));
      await other.set("k0", "other");
      await server.client.set("a*?[x]\\:k0", "no prefix");
      await odd.clear();
      const left = [await odd.get("k0"), await odd.get("k299"), await other.get("k0")];
      assert.deepEqual(left, [undefined, undefined, "other"]);
      assert.equal(await server.client.dbsize(), 2);
    });

    test("keyv: wrap is filled once", async (context) => {
      const [one, other] = [keyvOf(context), keyvOf(context)];
      const wrapped = (keyv) => (made) => wrap(keyv, "k", made, 100_000);
      assert.deepEqual(await once(wrapped(one), wrapped(other)), [{ n: 1 }, { n: 1 }, { n: 1 }, 1]);
      assert.deepEqual(await other.get("k"), { n: 1 });
      const { expires } = await other.getRaw("k");
      assert.ok(expires > Date.now() + 90_000 && expires <= Date.now() + 100_000);
      // What was set by hand is found, and null is a value; undefined is none.
      await one.set("k", "by hand");
      assert.equal(await wrap(other, "k", gate()), "by hand");
      assert.deepEqual([await wrap(one, "null", () => null), await wrap(one, "null", gate())], [null, null]);
      assert.equal(await wrap(one, "none", () => undefined), undefined);
      assert.deepEqual([await server.client.pttl("shop:keyv:null"), await one.get("none")], [-1, undefined]);
    });

    test("keyv: wrap wants the store", async () => {
      await assert.rejects(wrap(new Keyv(), "k", gate()), TypeError);
      assert.throws(() => createCache({ stores: [new Keyv()] }), TypeError);
      assert.throws(() => createCache(), TypeError);
    });

    test("cache-manager: wrap is filled once", async (context) => {
      const [one, other] = [1, 2].map(() => createCache({ stores: [keyvOf(context)], ttl: 100_000 }));
      const wrapped = (cache) => (made) => cache.wrap("k", made);
      assert.deepEqual(await once(wrapped(one), wrapped(other)), [{ n: 1 }, { n: 1 }, { n: 1 }, 1]);
      assert.deepEqual([await other.get("k"), await other.mget(["k", "none"])], [{ n: 1 }, [{ n: 1 }, undefined]]);
      const raw = await other.wrap("k", gate(), { raw: true });
      assert.ok(raw.value.n === 1 && raw.expires > Date.now() + 90_000);
      assert.equal(await one.wrap("by value", () => 5, (value) => value * 10_000), 5);
      const ttl = await server.client.pttl("shop:keyv:by value");
      assert.ok(ttl > 40_000 && ttl <= 50_000, `${ttl}`);
      await one.del("k");
      assert.equal(await other.get("k"), undefined);
      await one.clear();
      assert.equal(await server.client.dbsize(), 0);
    });

    test("cache-manager: a store before the common one is asked first and filled from it", async (context) => {
      const memories = [new Keyv(), new Keyv()];
      const [one, other] = memories.map((memory) => createCache({ stores: [memory, keyvOf(context)], ttl: 100_000 }));
      const wrapped = (cache) => (made) => cache.wrap("k", made);
      assert.deepEqual(await once(wrapped(one), wrapped(other)), [{ n: 1 }, { n: 1 }, { n: 1 }, 1]);
      assert.deepEqual([await memories[0].get("k"), await memories[1].get("k")], [{ n: 1 }, { n: 1 }]);
      await server.client.flushall();
      assert.deepEqual(await one.wrap("k", gate()), { n: 1 });
    });
  });
}
