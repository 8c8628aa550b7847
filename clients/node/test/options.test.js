// Options and serializers; and that docs/packages.md says what is so.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { DEFAULTS, asksLike, changed } from "../src/options.js";
import { SERIALIZERS } from "../src/serializers.js";

const PAGE = new URL("../../../docs/packages.md", import.meta.url);
const TYPES = new URL("../src/index.d.ts", import.meta.url);

test("what is out of bounds or unknown is refused", () => {
  const bad = [
    ...[-1, 61, null, "1", true, NaN].map((wait) => ({ wait })),
    ...[0, 5000].map((lease) => ({ lease })),
    ...["retries", "breaker"].flatMap((name) => [-1, 1.5].map((value) => ({ [name]: value }))),
    ...["onError", "onTimeout"].map((name) => ({ [name]: "ignore" })),
    { ttl: 0 }, { idle: 0 }, { ttl: NaN }, { jitter: 101 }, { breakerPause: -1 },
    { serializer: "yaml" }, { serializer: "toString" },
  ];
  for (const options of bad) assert.throws(() => changed(DEFAULTS, options), RangeError, JSON.stringify(options));
  assert.throws(() => changed(DEFAULTS, { tll: 1 }), TypeError);
});

test("null is taken where it means something, and undefined is the default", () => {
  const chosen = changed(DEFAULTS, { ttl: null, negativeTtl: null, grace: null, wait: undefined });
  assert.deepEqual([chosen.ttl, chosen.negativeTtl, chosen.wait], [null, null, 0.2]);
});

test("callers that give up alike may wait for one answer", () => {
  assert.ok(asksLike(changed(DEFAULTS, { ttl: 1 }), changed(DEFAULTS, { ttl: 2, serializer: "json" })));
  for (const other of [{ stale: 0 }, { timeout: 1 }, { onError: "raise" }, { onTimeout: "compute" }]) {
    assert.ok(!asksLike(DEFAULTS, changed(DEFAULTS, other)), JSON.stringify(other));
  }
});

test("names and defaults are those of the page and of the types", async () => {
  const rows = (await readFile(PAGE, "utf8")).matchAll(/^\| `(\w+)`[^|]*\| ([^|]*) \|/gm);
  const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
  const shown = Object.fromEntries([...rows].map(([, name, value]) => [camel(name), value]));
  const said = Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, String(value ?? "–")]));
  assert.deepEqual(shown, said);
  const types = /interface FillOptions[^{]*\{([^}]*)\}/.exec(await readFile(TYPES, "utf8"))[1];
  assert.deepEqual([...types.matchAll(/(\w+)\?:/g)].map(([, name]) => name), Object.keys(DEFAULTS));
});

test("each serializer gives back what it took", () => {
  for (const [name, value] of Object.entries({ bytes: Buffer.from([0, 255]), str: "grün", json: { a: [1, null] } })) {
    assert.deepEqual(SERIALIZERS[name].decode(SERIALIZERS[name].encode(value)), value);
  }
  assert.throws(() => SERIALIZERS.bytes.encode({}), /object needs another serializer/);
});

test("callers that share bytes cannot change each other's", () => {
  const read = Buffer.from("value");
  SERIALIZERS.bytes.decode(read)[0] = 0;
  assert.equal(read.toString(), "value");
});
