// What the Node client scripts share: running checks one by one, each in RESP2 and RESP3, and printing one line for each.
// A line is `ok <name>` or `FAIL <name>: <why>`; the last line is `report <client> <version> <passed> <failed>`, which
// redis-compat/clients.rs reads.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

// Runs every check of `checks` with a client of `connect(protocol)` whose databases are empty.
export async function runAll(name, version, checks, connect, flush) {
  let [passed, failed] = [0, 0];
  for (const protocol of [2, 3]) {
    const client = await connect(protocol);
    for (const [check, run] of Object.entries(checks)) {
      const title = `RESP${protocol} ${check}`;
      try {
        await flush(client);
        await run(client, protocol);
        passed += 1;
        console.log(`ok ${title}`);
      } catch (error) {
        failed += 1;
        console.log(`FAIL ${title}: ${String(error.message ?? error).replace(/\s+/g, " ")}`);
      }
    }
  }
  return () => {
    console.log(`report ${name} ${version} ${passed} ${failed}`);
    process.exitCode = failed === 0 ? 0 : 1;
  };
}

// A package's version. Its package.json is read as a file: not every package exports it.
export const versionOf = (folder, name) => JSON.parse(readFileSync(`${folder}/node_modules/${name}/package.json`)).version;

// Waits until the condition holds.
export async function until(condition, seconds = 10) {
  const end = performance.now() + seconds * 1000;
  while (!(await condition())) {
    assert.ok(performance.now() < end, `still not so after ${seconds} s`);
    await sleep(2);
  }
}

// The waiters in FILL.INFO's reply: a flat list in RESP2; in RESP3 a map, which arrives as a list, a Map or an object.
export function waitersIn(info) {
  if (info === null) return 0;
  if (Array.isArray(info)) return Number(info[info.indexOf("waiters") + 1]);
  return Number(info instanceof Map ? info.get("waiters") : info.waiters);
}
