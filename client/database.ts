/// <reference types="node" preserve="true" />
export { CacheError, type ErrorCode } from '../shared/errors.js';
export { DatabaseCache, type TableKind } from '../shared/table/database-cache.js';
export type { DatabaseCacheOptions } from '../shared/table/database-cache-options.js';
export type { ClientLike, PoolLike, Queryable, Statement } from '../shared/table/queryable.js';
