export type {
  Cache,
  CacheAdapter,
  CacheStatistics,
  Entries,
  GetOrSetOptions,
  Load,
  LoadContext,
  SetOptions,
  SyncCache,
  Ttl,
} from '../shared/cache.js';
export { CacheError, type ErrorCode } from '../shared/errors.js';
export { connect, type PgCachedClient } from './client.js';
export type { ConnectOptions } from './options.js';
