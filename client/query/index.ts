export { type CachedPool, type CachedQueries, cachedPool } from './cached-pool.js';
export { type Classified, Classifier } from './classifier.js';
export { DependencyTracker } from './dependencies.js';
export { configureQueryCache, getQueryCache, setQueryCache } from './global.js';
export { QueryCacheManager, type QueryCacheManagerOptions, type QueryEntryOptions, type WarmEntry } from './manager.js';
export type { BypassedQuery, CachedPoolOptions, TableOptions } from './options.js';
export type { QueryCacheOptions } from './request.js';
export { CacheStats } from './stats.js';
export * from './watch.js';
