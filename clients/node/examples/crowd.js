// Twenty callers in four processes want the same report at once. It is made once.
//
// Prints:
//     20 callers got "the report", which was made 1 time(s)

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { cached } from "onefill";

const redis = new Redis({ port: Number(process.env.REDIS_PORT ?? 6379) });

const report = cached(redis, (day) => `report:${day}`, { ttl: 60, serializer: "str" }, async () => {
  await redis.incr("reports made");
  await sleep(200); // the slow thing that a cache is for
  return "the report";
});

if (process.send) {
  process.send(await Promise.all(Array.from({ length: 5 }, () => report("monday"))));
} else {
  await redis.del("reports made");
  await report.invalidate("monday");
  const processes = Array.from({ length: 4 }, () => fork(fileURLToPath(import.meta.url)));
  const got = await Promise.all(processes.map(async (child) => (await once(child, "message"))[0]));
  const texts = [...new Set(got.flat())].map((text) => JSON.stringify(text)).join(" and ");
  console.log(`${got.flat().length} callers got ${texts}, which was made ${await redis.get("reports made")} time(s)`);
}
process.disconnect?.();
redis.disconnect();
