import { debuglog } from 'node:util';
import type { Ttl } from '../../shared/cache.js';
import { ttlToMs } from '../../shared/duration.js';
import { CacheError } from '../../shared/errors.js';
import { checkOptionNames } from '../../shared/option-names.js';
import type { PgCachedClient } from '../client.js';
import { emitWarning, type QueryWarning } from './warnings.js';

export interface TableOptions {
  /** How long results read from this table are kept at most; `defaultTtl` where it is missing. Infinity: until a commit drops them. */
  cacheTtl?: Ttl;
}

/** A query that was not cached. */
export interface BypassedQuery {
  readonly text: string;
  readonly reason: string;
}

export interface CachedPoolOptions {
  /** A client that `connect()` made; results lie in its namespace, which must lie whole on the pool's own database. */
  cache: PgCachedClient;
  /** The tables and views whose queries are cached without being asked to, as 'products' or 'shop.products'. */
  tables?: Readonly<Record<string, TableOptions>>;
  /** For tables and queries that say that they are cached and not for how long; 300 seconds where it is missing. */
  defaultTtl?: Ttl;
  /** Results that take more are returned and not kept; 1 MiB where it is missing, at most what the daemon takes. */
  maxResultBytes?: number;
  /** How long the definitions of tables, views and functions are remembered, in milliseconds from 0; 60,000 where it is missing. */
  catalogTtlMs?: number;
  /**
   * false: queries of `tables` are cached whether it pays or not. Else what costs more time than it saves, by what was measured, goes to
   * Postgres directly for a while. What a query asks for itself (`cache: { ttl }`, `pool.cache(ttl)`) is cached in any case.
   */
  adaptive?: boolean;
  /** Told of each query that was not cached, and why; of one that would have been, and does not pay, once each time that this begins. `NODE_DEBUG=pgcached-query` prints the same. */
  onBypass?: (query: BypassedQuery) => void;
  /**
   * Told once of each cached table whose changes by others are not heard of, and where nothing of the pool can be cached.
   * `process.emitWarning` where it is missing, and where it throws; `() => {}` for silence.
   */
  onWarning?: (warning: QueryWarning) => void;
}

export interface CheckedPoolOptions {
  readonly cache: PgCachedClient;
  /** By name, as the caller spells it; milliseconds. */
  readonly tableTtlMs: ReadonlyMap<string, number>;
  readonly defaultTtlMs: number;
  readonly maxResultBytes: number;
  readonly catalogTtlMs: number;
  readonly adaptive: boolean;
  readonly onBypass: (query: BypassedQuery) => void;
  readonly onWarning: (warning: QueryWarning) => void;
}

const QUERY_TTL_DEFAULT_SECONDS = 300;
const RESULT_BYTES_DEFAULT = 1024 * 1024;
const CATALOG_TTL_MS_DEFAULT = 60_000;

const ofPool: Readonly<Record<keyof CachedPoolOptions, true>> = {
  cache: true,
  tables: true,
  defaultTtl: true,
  maxResultBytes: true,
  catalogTtlMs: true,
  adaptive: true,
  onBypass: true,
  onWarning: true,
};

const debug = debuglog('pgcached-query');

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const textOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

/** @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL */
export function checkPoolOptions(options: CachedPoolOptions): CheckedPoolOptions {
  if (typeof options !== 'object' || options === null || typeof options.cache !== 'object') {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'cachedPool takes a pool and { cache: connect(), … }');
  }
  checkOptionNames(options, Object.keys(ofPool));
  const { cache, tables = {}, defaultTtl = QUERY_TTL_DEFAULT_SECONDS, onBypass, onWarning = emitWarning } = options;
  const { maxResultBytes = RESULT_BYTES_DEFAULT, catalogTtlMs = CATALOG_TTL_MS_DEFAULT, adaptive = true } = options;
  for (const [name, value] of Object.entries({ maxResultBytes, catalogTtlMs })) {
    if (typeof value !== 'number' || !(value >= 0)) {
      throw new CacheError('ERR_INVALID_ARGUMENT', `${name} is a number from 0, not ${String(value)}`);
    }
  }
  if (typeof adaptive !== 'boolean') {
    throw new CacheError('ERR_INVALID_ARGUMENT', `adaptive is true or false, not ${String(adaptive)}`);
  }
  for (const [name, value] of Object.entries({ onBypass, onWarning })) {
    if (value === undefined || typeof value === 'function') continue;
    throw new CacheError('ERR_INVALID_ARGUMENT', `${name} is a function`);
  }
  const defaultTtlMs = ttlToMs(defaultTtl, 'defaultTtl');
  const tableTtlMs = new Map<string, number>();
  if (!isObject(tables)) {
    throw new CacheError('ERR_INVALID_ARGUMENT', "tables is an object such as { products: { cacheTtl: '5m' } }");
  }
  for (const [name, table] of Object.entries(tables)) {
    if (!isObject(table)) {
      throw new CacheError('ERR_INVALID_ARGUMENT', `tables.${name} is an object such as { cacheTtl: '5m' }`);
    }
    checkOptionNames(table, ['cacheTtl']);
    tableTtlMs.set(name, table.cacheTtl === undefined ? defaultTtlMs : ttlToMs(table.cacheTtl, 'cacheTtl'));
  }
  const told = (query: BypassedQuery) => {
    debug('not cached, for %s: %s', query.reason, query.text);
    onBypass?.(query);
  };
  // A warning comes up while queries run that have nothing to do with it.
  const warned = (warning: QueryWarning) => {
    try {
      onWarning(warning);
    } catch (error) {
      emitWarning({ code: warning.code, message: `${warning.message}. onWarning itself threw: ${textOf(error)}` });
    }
  };
  return { cache, tableTtlMs, defaultTtlMs, maxResultBytes, catalogTtlMs, adaptive, onBypass: told, onWarning: warned };
}
