// 64 processes and one key: each time that it expires, the origin is asked once.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import test from "node:test";
import { Server, until } from "./support.js";

const PROCESSES = 64;
// That are started at once: each needs a CPU for a while.
const STARTED_AT_ONCE = 8;
const CALLER = new URL("crowd-caller.js", import.meta.url);

test("64 processes ask the origin once for each expiry", async (context) => {
  const server = await new Server().start();
  const callers = [];
  context.after(() => callers.forEach((caller) => caller.kill()));
  context.after(() => server.stop());
  while (callers.length < PROCESSES) {
    const some = Array.from({ length: STARTED_AT_ONCE }, () => fork(CALLER, [String(server.port)]));
    callers.push(...some);
    await Promise.all(some.map((caller) => once(caller, "message")));
  }

  // What each of them gets.
  const ask = async (parked, options) => {
    const heard = callers.map((caller) => once(caller, "message"));
    for (const caller of callers) caller.send({ parked, options });
    return new Set((await Promise.all(heard)).map(([value]) => value));
  };

  for (const round of [1, 2]) {
    assert.deepEqual(await ask(PROCESSES / 2, { stale: 0 }), new Set([round]));
    await server.client.pexpire("page", 1);
    await until(async () => (await server.client.exists("page")) === 0);
  }
  // Where the old value may be served, everybody has one or the other, and one asks the origin.
  await ask(0, {});
  await server.client.call("FILL.STALE", "page");
  const values = await ask(0, {});
  assert.deepEqual(new Set([3, 4, ...values]), new Set([3, 4]));
  assert.ok(values.has(4));
  assert.equal(await server.client.get("calls"), "4");
});
