import type { Cache, CreateCacheOptions } from "cache-manager";

/** cache-manager's `createCache`; the last of the stores is a Keyv over a `FillStore`. */
export function createCache(options: CreateCacheOptions): Cache;
