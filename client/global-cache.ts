import type { CacheAdapter } from '../shared/cache.js';
import { LocMemCache } from './backends/loc-mem-cache.js';
import { checkAdapter } from './backends/registry.js';

let globalCache: CacheAdapter | undefined;

/** The cache that `cached` uses where it is given none: a LocMemCache of this process until `setCache` sets another. */
export function getCache(): CacheAdapter {
  globalCache ??= new LocMemCache();
  return globalCache;
}

/**
 * Sets the cache that `getCache` returns and that functions wrapped without a `cache` use from their next call on; what
 * they cached before stays where it is. The former cache is not closed.
 * @throws CacheError ERR_INVALID_ARGUMENT for what is not a cache
 */
export function setCache(cache: CacheAdapter): void {
  globalCache = checkAdapter(cache, 'the argument of setCache');
}
