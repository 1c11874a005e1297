import { CacheError } from '../../shared/errors.js';
import { LocMemCache } from '../backends/loc-mem-cache.js';
import { QueryCacheManager, type QueryCacheManagerOptions } from './manager.js';

const DEFAULT_ENTRIES = 5000;

let manager: QueryCacheManager | undefined;

/** The query cache of this process: one over a LocMemCache of 5000 entries until another is configured or set. */
export function getQueryCache(): QueryCacheManager {
  manager ??= new QueryCacheManager({ backend: new LocMemCache({ maxSize: DEFAULT_ENTRIES }) });
  return manager;
}

/** @throws CacheError ERR_INVALID_ARGUMENT for what is no QueryCacheManager */
export function setQueryCache(given: QueryCacheManager): void {
  if (!(given instanceof QueryCacheManager)) {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'setQueryCache takes a QueryCacheManager');
  }
  manager = given;
}

/** Makes a query cache and sets it as that of this process. @throws CacheError as the constructor */
export function configureQueryCache(options: QueryCacheManagerOptions): QueryCacheManager {
  manager = new QueryCacheManager(options);
  return manager;
}
