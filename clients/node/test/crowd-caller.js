// One process of the crowd: asks for "page" each time that it is told to. `node crowd-caller.js PORT`.
// Told `{ parked, options }`, it says the value that it got; a computation lasts until so many are parked for it.

import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { Fill } from "onefill";

const redis = new Redis({ port: Number(process.argv[2]) });
const fills = new Fill(redis, { ttl: 100, grace: 100, serializer: "json" });

async function waiters() {
  const info = await redis.call("FILL.INFO", "page");
  return info[info.indexOf("waiters") + 1];
}

process.on("message", async ({ parked, options }) => {
  const value = await fills.fill("page", options, async () => {
    while ((await waiters()) < parked) await sleep(2);
    return redis.incr("calls");
  });
  process.send(value);
});
process.send("ready");
