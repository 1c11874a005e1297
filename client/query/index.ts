export { type CachedPool, type CachedQueries, cachedPool } from './cached-pool.js';
export { type Classified, Classifier } from './classifier.js';
export type { BypassedQuery, CachedPoolOptions, TableOptions } from './options.js';
export type { QueryCacheOptions } from './request.js';
export { CacheStats } from './stats.js';
export * from './watch.js';
