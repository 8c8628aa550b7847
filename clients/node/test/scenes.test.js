// What happens between callers, over ioredis and node-redis alike: two fills each, so that they are two processes.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { after, before, beforeEach, describe, test } from "node:test";
import { Cluster } from "ioredis";
import { FillFailed, FillTimeout, FillUnavailable, Fill, Uncacheable, fill } from "onefill";
import { createCluster } from "redis";
import { LIBRARIES, Server, fillsOf, gate, until } from "./support.js";

for (const [library, connect] of Object.entries(LIBRARIES)) {
  describe(library, () => {
    let server;
    before(async () => (server = await new Server().start()));
    after(() => server.stop());
    beforeEach(() => server.client.flushall());

    const two = (context, options) =>
      [1, 2].map(() => fillsOf(context, connect(server.port), { serializer: "str", ...options }));

    // One computes, the other waits for it.
    async function leadAndWait(context, made, options) {
      const [one, other] = two(context, options);
      const leading = one.fill("page", made);
      await made.begun;
      const waiting = other.fill("page", made);
      await until(async () => (await server.waiters("page")) === 1);
      // Until they are looked at, their errors are nobody's.
      for (const each of [leading, waiting]) each.catch(() => {});
      return { one, other, leading, waiting };
    }

    test("one computes and the others get its value", async (context) => {
      const made = gate("Ada");
      const { other, leading, waiting } = await leadAndWait(context, made);
      made.let();
      assert.deepEqual(await Promise.all([leading, waiting, other.fill("page", made)]), ["Ada", "Ada", "Ada"]);
      assert.deepEqual([made.calls, await server.client.get("page")], [1, "Ada"]);
    });

    test("absence is shared", async (context) => {
      const made = gate(null);
      const { other, leading, waiting } = await leadAndWait(context, made, { negativeTtl: 100 });
      made.let();
      assert.deepEqual(await Promise.all([leading, waiting, other.fill("page", made)]), [null, null, null]);
      assert.equal(made.calls, 1);
    });

    test("a failure is shared and remembered", async (context) => {
      const made = gate(new TypeError("down"));
      const { other, leading, waiting } = await leadAndWait(context, made, { failureTtl: 100 });
      made.let();
      await assert.rejects(leading, TypeError);
      const failed = (error) => error instanceof FillFailed && error.message === "down" && error.retryAfter > 90;
      await assert.rejects(waiting, failed);
      await assert.rejects(other.fill("page", made), failed);
      assert.equal(made.calls, 1);
    });

    test("a failure without failureTtl is the next caller's turn, in this process too", async (context) => {
      const [one, other] = two(context, { failureTtl: 0 });
      const made = gate(new TypeError("mine"));
      const leading = assert.rejects(one.fill("page", made), TypeError);
      await made.begun;
      const joined = one.fill("page", () => "yours");
      const waiting = other.fill("page", () => "yours");
      await until(async () => (await server.waiters("page")) === 1);
      made.let();
      await leading;
      assert.deepEqual(await Promise.all([joined, waiting]), ["yours", "yours"]);
    });

    test("a slow computation is waited for and its lease renewed", async (context) => {
      const made = gate();
      const { leading, waiting } = await leadAndWait(context, made, { wait: 0.02, lease: 1 });
      const expired = await server.figure("fill_wait_expired");
      // 1.6 s: longer than the lease, which is renewed every third of a second.
      await until(async () => (await server.figure("fill_wait_expired")) > expired + 80);
      made.let();
      assert.deepEqual([await leading, await waiting, made.calls], ["made", "made", 1]);
    });

    test("a lease that is not renewed ends", async (context) => {
      const [one, other] = two(context);
      const [first, second] = [gate("late"), gate("in time")];
      const leading = one.fill("page", { lease: 0.05, renew: 0 }, first);
      await first.begun;
      const waiting = other.fill("page", second);
      await second.begun;
      second.let();
      assert.equal(await waiting, "in time");
      first.let();
      // It is void, and still what its own caller asked for.
      assert.deepEqual([await leading, await server.client.get("page")], ["late", "in time"]);
    });

    test("a killed leader is succeeded", async (context) => {
      const leader = spawn("node", [new URL("leader.js", import.meta.url).pathname, String(server.port)]);
      context.after(() => leader.kill("SIGKILL"));
      await once(leader.stdout, "data");
      const [other] = two(context);
      const waiting = other.fill("page", () => "second");
      await until(async () => (await server.waiters("page")) === 1);
      leader.kill("SIGKILL");
      assert.equal(await waiting, "second");
    });

    test("what must not be shared is computed by each", async (context) => {
      const [one, other] = two(context);
      const made = gate(new Uncacheable("mine", 100));
      const leading = one.fill("page", made);
      await made.begun;
      const joined = [1, 2].map(() => one.fill("page", () => "yours"));
      made.let();
      assert.deepEqual(await Promise.all([leading, ...joined]), ["mine", "yours", "yours"]);
      assert.deepEqual([await other.fill("page", () => "yours"), await server.client.get("page")], ["yours", null]);
    });

    test("an old value is served while one refreshes", async (context) => {
      const [one, other] = two(context, { grace: 100 });
      await one.fill("page", () => "old");
      assert.equal(await one.stale("page"), true);
      const made = gate("new");
      const leading = one.fill("page", made);
      await made.begun;
      assert.equal(await other.fill("page", made), "old");
      made.let();
      assert.deepEqual([await leading, await other.fill("page", made)], ["new", "new"]);
    });

    test("a refresh in the background gives the old value at once, and its failure is reported", async (context) => {
      const reported = [];
      const report = (error) => reported.push(error.message);
      const options = { grace: 100, background: true, failureTtl: 0.001, report };
      const [one, other] = two(context, options);
      await one.fill("page", () => "old");
      await one.stale("page");
      const bad = gate(new TypeError("down"));
      assert.equal(await one.fill("page", bad), "old");
      bad.let();
      await until(() => reported.length === 1);
      // Also where it is not in the background.
      await until(async () => (await one.fill("page", { background: false }, bad)) === "old" && reported.length === 2);
      assert.deepEqual(reported, ["down", "down"]);
      const good = gate("new");
      await until(async () => (await one.fill("page", good)) === "old" && good.calls === 1);
      assert.equal(await other.fill("page", good), "old");
      good.let();
      await until(async () => (await other.fill("page", good)) === "new");
    });

    test("a deletion while it is computed is heeded, by who joins too", async (context) => {
      const [one, other] = two(context);
      const [first, second] = [gate("old"), gate("new")];
      const leading = one.fill("page", first);
      await first.begun;
      const joined = one.fill("page", second);
      assert.equal(await other.invalidate("page"), false);
      await one.invalidate("page");
      const later = one.fill("page", second);
      second.let();
      first.let();
      assert.deepEqual(await Promise.all([leading, joined, later]), ["old", "new", "new"]);
      assert.equal(await other.fill("page", second), "new");
    });

    test("others that never finish are given up", async (context) => {
      const made = gate();
      const [one, other] = two(context);
      const leading = one.fill("page", made);
      await made.begun;
      const [quick, reported] = [{ wait: 0.02, timeout: 0.1 }, []];
      await assert.rejects(other.fill("page", quick, made), FillTimeout);
      // Within the process too: who gives up earlier asks by itself.
      await assert.rejects(one.fill("page", quick, made), FillTimeout);
      const options = { ...quick, onTimeout: "compute", report: (error) => reported.push(error.name) };
      assert.deepEqual([await other.fill("page", options, () => "own"), reported], ["own", ["FillTimeout"]]);
      made.let();
      assert.deepEqual([await leading, made.calls], ["made", 1]);
    });

    test("a server that is down", async (context) => {
      const closed = createServer().listen(0, "127.0.0.1");
      await once(closed, "listening");
      const { port } = closed.address();
      closed.close();
      await once(closed, "close");
      const fills = fillsOf(context, connect(port), { serializer: "str" });
      await assert.rejects(fills.fill("page", { onError: "raise" }, () => "own"), FillUnavailable);
      const reported = [];
      const options = { report: (error) => reported.push(error.name) };
      assert.deepEqual([await fills.fill("page", options, () => "own"), reported], ["own", ["FillUnavailable"]]);
    });

    test("a server that hangs", async (context) => {
      const sockets = [];
      const silent = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
      await once(silent, "listening");
      context.after(() => [silent, ...sockets].forEach((each) => (each.destroy ?? each.close).call(each)));
      const fills = fillsOf(context, connect(silent.address().port, 50), { serializer: "str", retries: 1 });
      const began = performance.now();
      await assert.rejects(fills.fill("page", { onError: "raise" }, () => "own"), FillUnavailable);
      assert.equal(await fills.fill("page", () => "own"), "own");
      // Two callers ask twice each. Without a bound it would not end.
      assert.ok(performance.now() - began < 5000);
    });

    test("a restart while one computes and one waits", async (context) => {
      const made = gate();
      const { leading, waiting } = await leadAndWait(context, made, { wait: 5, retries: 20, breaker: 0 });
      await server.restart();
      // The waiter is elected by the new server; the first leader's value is void there.
      await until(() => made.calls === 2);
      made.let();
      assert.deepEqual([await leading, await waiting, made.calls], ["made", "made", 2]);
      assert.equal(await server.client.get("page"), "made");
    });

    test("a server that goes while one computes", async (context) => {
      const [made, reported] = [gate(), []];
      const [one] = two(context, { retries: 0, report: (error) => reported.push(error) });
      const leading = one.fill("page", made);
      await made.begun;
      await server.stop();
      made.let();
      assert.deepEqual([await leading, reported.length], ["made", 1]);
      await server.start();
    });

    test("a value that is refused holds nobody up", async (context) => {
      const [one] = two(context);
      const limit = (bytes) => server.client.config("SET", "maxmemory", bytes, "maxmemory-policy", "noeviction");
      const [big, reported] = ["x".repeat(4 << 20), []];
      await server.client.set("full", big);
      await limit("1mb");
      context.after(() => limit("0"));
      await assert.rejects(one.fill("other", { onError: "raise" }, () => big), /OOM/);
      const options = { report: (error) => reported.push(error.message) };
      assert.equal(await one.fill("page", options, () => big), big);
      assert.deepEqual([reported.length, await server.figure("fill_flights")], [1, 0]);
    });

    test("a key of another type is the server's error", async (context) => {
      const [one] = two(context);
      await server.client.hset("page", "a", "1");
      for (const onError of ["raise", "compute"]) {
        await assert.rejects(one.fill("page", { onError }, () => "v"), /WRONGTYPE/);
      }
    });

    test("options, prefix and keys of bytes reach the server", async (context) => {
      const [shop] = two(context, { prefix: "shop:", ttl: 100 });
      const bytes = Buffer.from([0xff, 0xfe]);
      await shop.fill("a", { ttl: (value) => 50 + value.length, jitter: 0 }, () => "1");
      await shop.fill(bytes, () => "2");
      assert.equal(await shop.fill(Buffer.from([0xff, 0xfd]), () => "3"), "3");
      assert.equal(await server.client.get(Buffer.concat([Buffer.from("shop:"), bytes])), "2");
      const ttl = await server.client.pttl("shop:a");
      assert.ok(ttl > 50_000 && ttl <= 51_000, `${ttl}`);
      await shop.fill("for ever", { ttl: null, idle: 40 }, () => "v");
      assert.equal(await shop.fill("a", { stale: 1, beta: 0, lease: 1 }, gate()), "1");
    });

    test("callers of a process ask once", async (context) => {
      const [one] = two(context);
      const made = gate('{"n": 1}');
      const asked = await server.figure("fill_gets");
      const leading = one.fill("page", made);
      await made.begun;
      const joined = Array.from({ length: 20 }, () => one.fill("page", { serializer: "json" }, made));
      await turn();
      made.let();
      assert.deepEqual([await leading, await Promise.all(joined)], ['{"n": 1}', Array(20).fill({ n: 1 })]);
      assert.deepEqual([made.calls, (await server.figure("fill_gets")) - asked], [1, 1]);
    });

    test("who joined gives up in time, or computes, and gets failures as others do", async (context) => {
      const [one] = two(context, { wait: 0.02, timeout: 0.1 });
      const made = gate(new TypeError("down"));
      const leading = assert.rejects(one.fill("page", made), TypeError);
      await made.begun;
      await assert.rejects(one.fill("page", made), FillTimeout);
      // Another way of giving up: it asks by itself.
      assert.equal(await one.fill("page", { onTimeout: "compute" }, () => "own"), "own");
      const joined = one.fill("page", { failureTtl: 7 }, made);
      await turn();
      made.let();
      await leading;
      const failed = (error) => error instanceof FillFailed && error.message === "down" && error.retryAfter === 7;
      await assert.rejects(joined, (error) => failed(error) && error.cause instanceof TypeError);
    });

    test("a server that is down is asked once by a process, then left alone", async (context) => {
      const closed = createServer().listen(0, "127.0.0.1");
      await once(closed, "listening");
      const { port } = closed.address();
      closed.close();
      await once(closed, "close");
      const fills = fillsOf(context, connect(port), { retries: 0, breaker: 2, breakerPause: 100 });
      const made = gate();
      const leading = fills.fill("page", made);
      await made.begun;
      const joined = [1, 2, 3].map(() => fills.fill("page", made));
      await turn();
      made.let();
      assert.deepEqual([await leading, await Promise.all(joined), made.calls], ["made", Array(3).fill("made"), 1]);
      await assert.rejects(fills.fill("page", { onError: "raise" }, made), FillUnavailable);
      await assert.rejects(fills.fill("page", { onError: "raise" }, made), /left alone/);
    });

    test("many keys are waited for at once over few connections", async (context) => {
      const [one, other] = two(context);
      const gates = Array.from({ length: 30 }, () => gate());
      const leading = gates.map((made, n) => one.fill(`page${n}`, made));
      await Promise.all(gates.map((made) => made.begun));
      const before = Number((await server.client.info("clients")).match(/connected_clients:(\d+)/)[1]);
      const waiting = gates.map((made, n) => other.fill(`page${n}`, made));
      await until(async () => (await server.figure("fill_waiters")) === 30);
      const connections = Number((await server.client.info("clients")).match(/connected_clients:(\d+)/)[1]) - before;
      assert.ok(connections <= 9, `${connections}`);
      // The other way round, so that each reply queues behind others.
      for (const made of gates.reverse()) made.let();
      assert.deepEqual(new Set(await Promise.all([...leading, ...waiting])), new Set(["made"]));
      assert.ok(gates.every((made) => made.calls === 1));
    });

    test("a function is filled by its arguments", async (context) => {
      const [one, other] = two(context, { prefix: "shop:" });
      let calls = 0;
      const decorate = (fills) => fills.cached((id, lang) => `${id}:${lang}`, (id) => `${id} ${++calls}`);
      const [user, same] = [one, other].map(decorate);
      assert.deepEqual([await user(7, "en"), await same(7, "en"), await same(8, "en")], ["7 1", "7 1", "8 2"]);
      assert.deepEqual([user.key(7, "en"), await user.invalidate(7, "en"), await same(7, "en")], ["7:en", true, "7 3"]);
      assert.equal(await user.stale(7, "en"), false); // without grace
      assert.equal(await same(7, "en"), "7 4");
    });

    test("a plain client fills, with one set of connections", async () => {
      const client = connect(server.port);
      assert.deepEqual(await fill(client, "page", () => ({ n: 1 })), { n: 1 });
      assert.equal(await fill(client, "page", { serializer: "str" }, gate()), '{"n":1}');
    });
  });
}

test("what is no client is refused, a cluster's too", () => {
  const ofIoredis = new Cluster([{ port: 1 }], { lazyConnect: true });
  const ofNodeRedis = createCluster({ rootNodes: [{ url: "redis://127.0.0.1:1" }] });
  for (const client of [null, {}, ofIoredis, ofNodeRedis]) assert.throws(() => new Fill(client), TypeError);
});

test("ioredis's own prefix is kept", async (context) => {
  const server = await new Server().start();
  context.after(() => server.stop());
  const client = server.client.duplicate({ keyPrefix: "app:", lazyConnect: true });
  const fills = fillsOf(context, client, { prefix: "shop:", serializer: "str" });
  await fills.fill("a", () => "1");
  assert.equal(await server.client.get("app:shop:a"), "1");
});
