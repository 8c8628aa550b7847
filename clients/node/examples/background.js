// Callers get the old price at once, while one of them fetches the new one behind their backs.
//
// Prints:
//     before: 1
//     while it is fetched: 1, 1, 1
//     afterwards: 2

import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "redis";
import { Fill } from "onefill";

const redis = await createClient({ socket: { port: Number(process.env.REDIS_PORT ?? 6379) } }).connect();
const fills = new Fill(redis, { prefix: "shop:", ttl: 60, grace: 30, serializer: "json", background: true });

let prices = 0;
let mayFetch = Promise.resolve();
const price = () =>
  fills.fill("price", async () => {
    await mayFetch;
    return ++prices;
  });

await fills.invalidate("price");
console.log(`before: ${await price()}`);
let letFetch;
mayFetch = new Promise((resolve) => (letFetch = resolve));
await fills.stale("price");
console.log(`while it is fetched: ${await price()}, ${await price()}, ${await price()}`);
letFetch();
while ((await price()) === 1) await sleep(1);
console.log(`afterwards: ${await price()}`);
fills.close();
redis.destroy();
