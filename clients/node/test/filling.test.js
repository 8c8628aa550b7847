// The steps of a fill without a server: replies in, commands out, time as a number.

import assert from "node:assert/strict";
import test from "node:test";
import { FillTimeout, FillUnavailable, Uncacheable } from "../src/index.js";
import { Breaker } from "../src/breaker.js";
import { PRIVATE, SHARED, VOID, filling } from "../src/filling.js";
import { DEFAULTS, changed } from "../src/options.js";

const LEAD = ["LEAD", null, "t", 3000];
const TOO_BIG = Object.assign(new Error("OOM"), { isReply: true });

// Plays a fill: each command is answered with the next reply (an error is thrown; a function is called), in no time.
// What was sent, slept and computed is in `sent`, `pauses`, `computed`.
function script(options, ...replies) {
  const played = { sent: [], parked: [], pauses: [], computed: [], now: 0 };
  const io = {
    async send(words, parked) {
      played.sent.push(words.map(String));
      played.parked.push(parked);
      const reply = replies.shift();
      assert.notEqual(reply, undefined, `no reply to ${words}`);
      if (reply instanceof Error) throw reply;
      return typeof reply === "function" ? reply(played) : reply;
    },
    async pause(ms) {
      played.pauses.push(ms);
      played.now += ms;
    },
    async compute(...lease) {
      played.computed.push(lease);
      if (options.value instanceof Error) throw options.value;
      return "value" in options ? options.value : "v";
    },
    now: () => played.now,
  };
  const { value, breaker, ...given } = options;
  played.breaker = io.breaker = breaker instanceof Breaker ? breaker : new Breaker(io.now);
  if (typeof breaker === "number") given.breaker = breaker;
  played.outcome = filling("k", changed(changed(DEFAULTS, { serializer: "str" }), given), "n", 2.5, io);
  return played;
}

const text = async (played) => {
  const { encoded, sharing } = await played.outcome;
  return [encoded === null ? null : String(encoded), sharing];
};

test("a hit is one command, which is never parked", async () => {
  const played = script({}, ["HIT", "v", null, 5]);
  assert.deepEqual(await text(played), ["v", SHARED]);
  assert.deepEqual([played.sent, played.parked], [[["FILL.GET", "k", "NOWAIT", "AS", "n"]], [false]]);
});

test("options become words", async () => {
  const options = { wait: 60, lease: 2, stale: 0, beta: 0.5, ttl: 1.5, idle: 1, grace: 0.25, jitter: 10 };
  const played = script(options, ["WAIT", null, null, 900], LEAD, "OK");
  assert.deepEqual(await text(played), ["v", SHARED]);
  const asked = ["LEASE", "2000", "STALE", "0", "BETA", "0.5", "AS", "n"];
  // No longer than half of the reply time-out.
  assert.deepEqual(played.sent[1], ["FILL.GET", "k", "WAIT", "2500", ...asked]);
  assert.deepEqual(played.computed, [["t", 3000]]);
  const kept = ["PX", "1500", "IDLE", "1000", "GRACE", "250", "JITTER", "10"];
  assert.deepEqual(played.sent[2], ["FILL.PUT", "k", "t", "v", ...kept]);
});

test("who is told to wait sleeps so long before it asks again", async () => {
  const wait = (ms) => ["WAIT", null, null, ms];
  const played = script({}, wait(900), wait(150), wait(0), ["SELF", null, null, 4000], ["NONE", null, null, 5]);
  assert.deepEqual(await text(played), [null, SHARED]);
  // The first time it was not parked, and parks at once on another connection. 0: its own time was over.
  assert.deepEqual(played.pauses, [150, 10]);
  assert.deepEqual(played.parked, [false, true, true, true, true]);
  const never = script({ wait: 0 }, wait(90), ["HIT", "v", null, 5]);
  assert.deepEqual(await text(never), ["v", SHARED]);
  assert.deepEqual([never.pauses, never.parked], [[90], [false, false]]);
});

test("asking ends with the timeout", async () => {
  const late = (played) => {
    played.now += 900;
    return ["WAIT", null, null, 200];
  };
  await assert.rejects(script({ timeout: 1 }, ["WAIT", null, null, 9], late).outcome, FillTimeout);
});

test("trouble is asked again a bounded number of times", async () => {
  const gone = () => new Error("gone");
  const played = script({ retries: 3, onError: "raise" }, gone(), gone(), gone(), gone());
  await assert.rejects(played.outcome, (error) => error instanceof FillUnavailable && error.cause.message === "gone");
  assert.equal(played.pauses.length, 3);
  [50, 100, 200].forEach((most, n) => assert.ok(played.pauses[n] >= most / 2 && played.pauses[n] <= most));
});

test("trouble computes where that was asked for, and is reported", async () => {
  const reported = [];
  const options = { retries: 0, report: (error) => reported.push(error.constructor) };
  const played = script(options, new Error("gone"));
  assert.deepEqual([await text(played), reported, played.computed], [["v", SHARED], [FillUnavailable], [[]]]);
});

test("an error reply to FILL.GET is thrown", async () => {
  for (const onError of ["raise", "compute"]) await assert.rejects(script({ onError }, TOO_BIG).outcome, TOO_BIG);
});

test("a failure is told with its message cut", async () => {
  const value = new Error("x".repeat(1000));
  const played = script({ value }, LEAD, "OK");
  await assert.rejects(played.outcome, value);
  assert.deepEqual(played.sent[1], ["FILL.FAIL", "k", "t", "x".repeat(500), "RETRY", "1000"]);
  const own = script({ value, failureTtl: 0 }, LEAD, "OK");
  await assert.rejects(own.outcome, value);
  assert.equal(own.sent[1].length, 4);
});

test("what cannot be encoded, and a TTL out of its bounds, are failures", async () => {
  for (const [options, error] of [[{ value: {}, serializer: "bytes" }, TypeError], [{ ttl: () => -1 }, RangeError]]) {
    const played = script(options, LEAD, "OK");
    await assert.rejects(played.outcome, error);
    assert.equal(played.sent[1][0], "FILL.FAIL");
  }
});

test("a value that is refused holds nobody up", async () => {
  await assert.rejects(script({ onError: "raise" }, LEAD, TOO_BIG, "OK").outcome, TOO_BIG);
  const reported = [];
  const played = script({ report: (error) => reported.push(error) }, LEAD, TOO_BIG, "OK");
  assert.deepEqual([await text(played), reported], [["v", SHARED], [TOO_BIG]]);
  assert.deepEqual(played.sent[2], ["FILL.FAIL", "k", "t", "OOM"]);
});

test("a value that could not be told is its caller's still", async () => {
  const reported = [];
  const played = script({ retries: 0, report: (error) => reported.push(error.message) }, LEAD, new Error("gone"));
  assert.deepEqual([await text(played), reported], [["v", SHARED], ["gone"]]);
});

test("a late value is void for others, an uncacheable one is private", async () => {
  assert.deepEqual(await text(script({}, ["REFRESH", "old", "t", 3000], "VOID")), ["v", VOID]);
  const played = script({ value: new Uncacheable("mine", 2) }, LEAD, "OK");
  assert.deepEqual(await text(played), ["mine", PRIVATE]);
  assert.deepEqual(played.sent[1], ["FILL.PASS", "k", "t", "PX", "2000"]);
  assert.deepEqual(await text(script({}, ["PASS", null, null, 5])), ["v", PRIVATE]);
});

test("undefined and null say that it does not exist", async () => {
  for (const value of [undefined, null]) {
    const played = script({ value, negativeTtl: 3 }, LEAD, "OK");
    assert.deepEqual(await text(played), [null, SHARED]);
    assert.deepEqual(played.sent[1], ["FILL.NONE", "k", "t", "PX", "3000"]);
  }
});

test("a serializer may return any array of bytes", async () => {
  const serializer = { encode: (value) => new TextEncoder().encode(`${value}!`), decode: String };
  const { encoded } = await script({ serializer }, LEAD, "OK").outcome;
  assert.ok(Buffer.isBuffer(encoded) && encoded.equals(Buffer.from("v!")));
});

test("what does not exist may be told to those only who wait already", async () => {
  const played = script({ value: null, negativeTtl: 0 }, LEAD, "OK");
  assert.deepEqual([await text(played), played.sent[1].slice(3)], [[null, SHARED], ["PX", "1"]]);
});

test("a server that does not answer is left alone, then tried by one", async () => {
  let now = 0;
  const breaker = new Breaker(() => now);
  const options = changed(DEFAULTS, { breaker: 2, breakerPause: 10 });
  assert.deepEqual([breaker.isOpen(options), breaker.failed(options), breaker.isOpen(options)], [false, false, false]);
  assert.deepEqual([breaker.failed(options), breaker.isOpen(options)], [true, true]);
  // Another caller may have other thoughts.
  assert.ok(!breaker.isOpen(changed(options, { breaker: 0 })));
  now = 10_000;
  assert.deepEqual([breaker.isOpen(options), breaker.isOpen(options)], [false, true]);
  breaker.answered();
  assert.deepEqual([breaker.isOpen(options), breaker.failed(options)], [false, false]);
});

test("a request is not sent again once the breaker trips, nor while it is open", async () => {
  const gone = () => new Error("gone");
  const played = script({ retries: 9, breaker: 2 }, gone(), gone());
  assert.deepEqual([await text(played), played.sent.length], [["v", SHARED], 2]);
  const { breaker } = played;
  const refused = { breaker, onError: "raise" };
  breaker.failed(changed(DEFAULTS, { breaker: 1 }));
  breaker.failed(DEFAULTS);
  breaker.failed(DEFAULTS);
  await assert.rejects(script(refused).outcome, /left alone/);
});

test("an error reply is an answer", async () => {
  const breaker = new Breaker(() => 0);
  const options = { breaker, retries: 0, onError: "raise" };
  const errors = [...Array(4).fill(new Error("gone")), TOO_BIG, ...Array(4).fill(new Error("gone"))];
  for (const error of errors) await assert.rejects(script(options, error).outcome);
  assert.deepEqual(await text(script(options, ["HIT", "v", null, 5])), ["v", SHARED]);
});
