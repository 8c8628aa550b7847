// Compiled, not run: what users write passes, and what is wrong does not.

import { Redis } from "ioredis";
import { Keyv } from "keyv";
import { createClient } from "redis";
import { FillFailed, Fill, Uncacheable, cached, fill } from "onefill";
import { createCache } from "onefill/cache-manager";
import { FillStore, wrap } from "onefill/keyv";

interface User {
  name: string;
}
declare function load(id: number): Promise<User | null>;

export async function all(): Promise<unknown[]> {
  const io = new Fill(new Redis(), { prefix: "shop:", ttl: 60, serializer: "json" });
  const node = await createClient().connect();
  const found: User | null = await io.fill("user:7", { grace: 30, ttl: (user) => user.name.length }, () => load(7));
  const same: User | null = await fill(node, "user:7", () => load(7));
  const user = cached(node, (id: number) => `user:${id}`, { serializer: "json" }, load);
  const deleted: boolean = await user.invalidate(7);
  const mine = await io.fill("page", () => new Uncacheable("mine", 5));
  const keyv = new Keyv({ store: new FillStore(node, { grace: 30, onError: "compute" }) });
  const wrapped: User | undefined = await wrap(keyv, "user:7", async () => (await load(7)) ?? undefined, 60_000);
  const cache = createCache({ stores: [new Keyv(), keyv], ttl: 60_000 });
  const retry = new FillFailed("down", 1).retryAfter.toFixed();
  // @ts-expect-error: seconds are numbers
  await io.fill("user:7", { ttl: "60" }, () => load(7));
  // @ts-expect-error: no such option
  await io.fill("user:7", { tll: 60 }, () => load(7));
  // @ts-expect-error: the value may not exist
  const certain: User = await user(7);
  return [found, same, deleted, mine, wrapped, await cache.wrap("k", () => 1), retry, certain];
}
