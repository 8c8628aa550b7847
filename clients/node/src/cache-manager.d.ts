import type { Cache, CreateCacheOptions } from "cache-manager";

/** cache-manager's `createCache`; the last of the stores is a Keyv over an `OnefillStore`. */
export function createCache(options: CreateCacheOptions): Cache;
