import type { Ttl } from '../cache.js';
import { ttlToMs } from '../duration.js';
import { CacheError } from '../errors.js';
import { given } from '../key.js';
import { checkOptionNames } from '../option-names.js';
import { DEFAULT_NAMESPACE, DEFAULT_TTL_SECONDS, LIMIT } from '../protocol.js';
import { coreNames, DEFAULT_TABLE, spaceNames, splitTable } from './names.js';
import type { PoolLike } from './queryable.js';
import type { Storage } from './value.js';

export interface DatabaseCacheOptions {
  /** How long a value lives that is stored without a ttl: seconds, or a duration such as '5m'; 300 where it is missing. */
  defaultTtl?: Ttl;
  /** The cache's table, perhaps with a schema before it; 'hyper_cache' where it is missing. */
  table?: string;
  /** Which of the caches on that table; every namespace but 'default' has a table of its own beside it. */
  namespace?: string;
  /** 'jsonb': what JSONB carries is readable from SQL; 'packed': all values are packed bytes. 'jsonb' where it is missing. */
  storage?: Storage;
  /** Regular tables instead of UNLOGGED ones, if this call makes them; false where it is missing. */
  logged?: boolean;
  /** Whether statements are prepared: false behind a pooler in transaction mode. True where it is missing. */
  prepare?: boolean;
  /** The largest value, in packed bytes up to 32 MiB; 8 MiB where it is missing. */
  maxValueBytes?: number;
  /** About how many written rows there are to one trim of expired rows, from 1; Infinity leaves trimming to others. 1000 where it is missing. */
  trimEveryWrites?: number;
  /** How long what is dead stays, for the sake of slow loads: a duration; '1m' where it is missing. */
  trimLag?: Ttl;
  /** Milliseconds of a monotonic clock. */
  clock?: () => number;
  /** A source of numbers from 0 to 1. */
  random?: () => number;
}

export interface CheckedDatabaseCacheOptions {
  readonly defaultTtlMs: number;
  readonly table: string;
  readonly namespace: string;
  readonly storage: Storage;
  readonly logged: boolean;
  readonly prepare: boolean;
  readonly maxValueBytes: number;
  readonly trimEveryWrites: number;
  readonly trimLagMs: number;
  readonly clock: () => number;
  readonly random: () => number;
}

const OPTIONS = Object.keys({
  defaultTtl: true,
  table: true,
  namespace: true,
  storage: true,
  logged: true,
  prepare: true,
  maxValueBytes: true,
  trimEveryWrites: true,
  trimLag: true,
  clock: true,
  random: true,
} satisfies Record<keyof DatabaseCacheOptions, true>);

const TRIM_EVERY_WRITES = 1000;
const TRIM_LAG_MS = 60_000;

/** @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL, ERR_INVALID_CONFIG, ERR_INVALID_NAMESPACE */
export function checkDatabaseCacheOptions(pool: PoolLike, options: DatabaseCacheOptions): CheckedDatabaseCacheOptions {
  if (typeof pool?.connect !== 'function') throw invalid('pool', pool, 'a pg Pool');
  checkOptionNames(options, OPTIONS, 'DatabaseCache');
  const { table = DEFAULT_TABLE, namespace = DEFAULT_NAMESPACE, storage = 'jsonb' } = options;
  const { logged = false, prepare = true, maxValueBytes = LIMIT.valueBytesDefault } = options;
  const { trimEveryWrites = TRIM_EVERY_WRITES, clock = () => performance.now(), random = Math.random } = options;
  spaceNames(coreNames('public', splitTable(String(table)).name), String(namespace));
  if (storage !== 'jsonb' && storage !== 'packed') throw invalid('storage', storage, "'jsonb' or 'packed'");
  if (typeof logged !== 'boolean') throw invalid('logged', logged, 'true or false');
  if (typeof prepare !== 'boolean') throw invalid('prepare', prepare, 'true or false');
  if (!Number.isInteger(maxValueBytes) || maxValueBytes < 1 || maxValueBytes > LIMIT.valueBytesMax) {
    throw invalid('maxValueBytes', maxValueBytes, `a whole number from 1 to ${LIMIT.valueBytesMax}`);
  }
  if (typeof trimEveryWrites !== 'number' || !(trimEveryWrites >= 1)) {
    throw invalid('trimEveryWrites', trimEveryWrites, 'a number from 1, or Infinity');
  }
  return {
    defaultTtlMs: ttlToMs(options.defaultTtl ?? DEFAULT_TTL_SECONDS, 'defaultTtl'),
    trimLagMs: options.trimLag === undefined ? TRIM_LAG_MS : ttlToMs(options.trimLag, 'trimLag'),
    ...{ table, namespace, storage, logged, prepare, maxValueBytes, trimEveryWrites, clock, random },
  };
}

function invalid(option: string, value: unknown, allowed: string): CacheError {
  return new CacheError('ERR_INVALID_ARGUMENT', `${option} is ${given(value)}, not ${allowed}`);
}
