/// <reference types="node" preserve="true" />
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
export { ConsistentHashRing, type ConsistentHashRingOptions, type RingStats } from './backends/consistent-hash-ring.js';
export { LocMemCache, type LocMemCacheOptions } from './backends/loc-mem-cache.js';
export { type AdapterSource, getAdapter, listAdapters, registerAdapter } from './backends/registry.js';
export {
  StampedeProtection,
  type StampedeProtectionOptions,
  type StampedeSetOptions,
} from './backends/stampede-protection.js';
export { TwoTierCache, type TwoTierCacheOptions } from './backends/two-tier-cache.js';
export { type CachedOptions, cached, getCache, setCache } from './cached.js';
export { connect, type PgCachedClient } from './client.js';
export type { Lease, Leased, LeaseOptions } from './lease.js';
export type { ConnectOptions, NearOptions } from './options.js';
export type { CacheTransaction, TransactionClient } from './transaction.js';
