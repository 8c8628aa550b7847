// cache-manager with a `wrap` that is filled once, across processes.
//
//   const cache = createCache({ stores: [new Keyv(), new Keyv({ store: new FillStore(redis) })], ttl: 60_000 });
//   const user = await cache.wrap("user:7", () => load(7));
//
// The last store is the common one. Those before it, if any, are each process's own, asked first and filled from it, as
// cache-manager does it.

import { createCache as createPlain } from "cache-manager";
import { FillStore, wrapRaw } from "./keyv.js";

// cache-manager's `createCache`. Throws TypeError unless the last store is a Keyv over a FillStore.
export function createCache(options) {
  const nearer = [...(options?.stores ?? [])];
  const common = nearer.pop();
  if (!(common?.store instanceof FillStore)) throw new TypeError("the last store is no Keyv over a FillStore");
  const near = nearer.length > 0 ? createPlain({ ...options, stores: nearer }) : null;

  const wrap = async (key, compute, ttlOrOptions, refreshThreshold) => {
    const { ttl, raw } = typeof ttlOrOptions === "object" ? { ...ttlOrOptions } : { ttl: ttlOrOptions };
    const ttlOf = (value) => (typeof ttl === "function" ? ttl(value) : ttl) ?? options.ttl ?? common.ttl;
    const filled = () => wrapRaw(common, key, compute, ttlOf);
    if (near) return near.wrap(key, async () => (await filled())?.value, ttlOrOptions, refreshThreshold);
    const found = await filled();
    return raw ? found : found?.value;
  };
  return { ...createPlain(options), wrap };
}
