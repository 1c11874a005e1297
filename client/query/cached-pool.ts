import type pg from 'pg';
import type { Ttl } from '../../shared/cache.js';
import { CacheError } from '../../shared/errors.js';
import type { PgCachedClient } from '../client.js';
import { answer, cachedClient, type Listeners, runCall } from './cached-client.js';
import { type Classified, knownFacts } from './classifier.js';
import { type CachedPoolOptions, checkPoolOptions } from './options.js';
import { loadParser } from './parser.js';
import { type QueryCacheOptions, type QueryCall, queryCall } from './request.js';
import { QueryRunner } from './runner.js';
import { type DriverClient, isIdle } from './session.js';
import type { CacheStats } from './stats.js';
import { withClient } from './with-client.js';
import { WriteLog } from './writes.js';

declare module 'pg' {
  interface QueryConfig {
    /** Through a pool of `pgcached/query`: cached for so long, false for not at all. */
    cache?: QueryCacheOptions | boolean;
  }
}

type RowKey = string | number | bigint;

/** What `CachedPool.cache` gives: queries that are cached for that long, whatever tables they read. */
export interface CachedQueries {
  readonly query: pg.Pool['query'];
}

/** A pg Pool whose queries are cached. */
export interface CachedPool extends pg.Pool {
  /** Queries that are cached whatever tables they read. */
  cache(options?: Ttl | QueryCacheOptions): CachedQueries;
  /** What was found in the cache by this pool, and what was not. */
  readonly cacheStats: CacheStats;
  /**
   * Which tables a query reads and which tags drop its result, or why it is not cached.
   * @param text one statement
   * @param values what it would be sent with
   */
  classify(text: string, values?: readonly unknown[]): Promise<Classified>;
  /** Drops all results that were read from a table ('products' or 'shop.products'; 'public' where no schema is given). @throws CacheError as `invalidateTags` */
  invalidateTable(table: string): Promise<void>;
  /**
   * Drops all results that were read from a row, and those that name no rows of the table.
   * @param key of the primary key; a list of values where it has several columns
   */
  invalidateRow(table: string, key: RowKey | readonly RowKey[]): Promise<void>;
  /** Drops everything that is made of queries. @throws CacheError as `clear` */
  invalidateAll(): Promise<void>;
}

/**
 * Wraps a pg Pool: the same `query` and `connect`, but queries whose tables have a `cacheTtl`, or that ask for it by
 * `cache: { ttl }` or `pool.cache(ttl)`, are answered from the cache until a commit changes what they read. What can't be
 * proven to be fresh is not cached: see docs/query-cache.md. Use the wrapper for all that the application does, writes above all.
 * @param pool of the `pg` package's own driver in JavaScript; it is used, not changed
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL
 */
export function cachedPool(pool: pg.Pool, options: CachedPoolOptions): CachedPool {
  if (typeof pool?.connect !== 'function' || typeof pool.query !== 'function') {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'cachedPool takes a Pool of pg and { cache: connect(), … }');
  }
  if ('escapeLiteral' in pool) {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'cachedPool takes a Pool of pg, and this is a Client: new pg.Pool(…)');
  }
  const runner = new QueryRunner(pool, checkPoolOptions(options));
  const log = new WriteLog({
    own: () => runner.gate.invalidateFunction(),
    cachedTables: () => runner.cachedTables(),
  });
  const wrapped = wrap(pool, { pool, runner, log });
  made.set(wrapped, { cache: options.cache, runner });
  return wrapped;
}

/** What stands behind each wrapped pool, for the adapters of query builders. */
const made = new WeakMap<object, { readonly cache: PgCachedClient; readonly runner: QueryRunner }>();

/** @throws CacheError ERR_INVALID_ARGUMENT for a pool that `cachedPool` did not make */
export function behind(pool: CachedPool): { readonly cache: PgCachedClient; readonly runner: QueryRunner } {
  const known = typeof pool === 'object' && pool !== null ? made.get(pool) : undefined;
  if (known === undefined) throw new CacheError('ERR_INVALID_ARGUMENT', 'the pool must be one that cachedPool() made');
  return known;
}

/** The answer of the cache, or of a run that fills it; undefined for what is not cached, which was not run. */
export async function cachedResult(runner: QueryRunner, { text, request }: QueryCall) {
  await loadParser();
  if (request === undefined || text === undefined) return undefined;
  if (request.cache === undefined && knownFacts(text).read === undefined) return undefined;
  return runner.run(request);
}

function wrap(pool: pg.Pool, listeners: Listeners): CachedPool {
  const { runner } = listeners;
  const own: Record<PropertyKey, unknown> = {
    query: (...args: unknown[]) => query(pool, listeners, args, undefined),
    connect: (callback?: ConnectCallback) => connect(pool, listeners, callback),
    end: (callback?: () => void) => {
      void runner.gate.tables.close();
      return callback === undefined ? pool.end() : pool.end(callback);
    },
    cache: (given: Ttl | QueryCacheOptions = {}) => {
      const cache = typeof given === 'object' ? given : { ttl: given };
      return { query: (...args: unknown[]) => query(pool, listeners, args, cache) };
    },
    cacheStats: runner.stats,
    classify: async (text: string, values?: unknown[]) => {
      await loadParser();
      return runner.classify(queryCall([text, values]).request ?? { text, parameters: [] });
    },
    invalidateTable: (table: string) => runner.invalidateTable(table),
    invalidateRow: (table: string, key: RowKey | readonly RowKey[]) => runner.invalidateRow(table, [key].flat()),
    invalidateAll: () => runner.invalidateAll(),
  };
  const proxy: pg.Pool = new Proxy(pool, {
    get(target, property) {
      if (Object.hasOwn(own, property)) return own[property];
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function' || property === 'constructor' || property === 'Client') return value;
      return (...args: unknown[]) => {
        const result: unknown = value.apply(target, args);
        return result === target ? proxy : result;
      };
    },
    has: (target, property) => Object.hasOwn(own, property) || Reflect.has(target, property),
  });
  return proxy as CachedPool;
}

type ConnectCallback = (
  error: Error | undefined,
  client?: pg.PoolClient,
  release?: (error?: Error | boolean) => void,
) => void;

function connect(
  pool: pg.Pool,
  listeners: Listeners,
  callback: ConnectCallback | undefined,
): Promise<pg.PoolClient> | undefined {
  const connected = loadParser()
    .then(() => pool.connect())
    .then((client) => cachedClient(client as DriverClient, listeners));
  if (callback === undefined) return connected;
  connected.then(
    (client) => process.nextTick(callback, undefined, client, client.release),
    (error: Error) => process.nextTick(callback, error, undefined, () => {}),
  );
  return undefined;
}

/** @param cache what `pool.cache` was given */
function query(
  pool: pg.Pool,
  listeners: Listeners,
  args: readonly unknown[],
  cache: QueryCacheOptions | undefined,
): unknown {
  const untouched = () => (pool.query as (...all: unknown[]) => unknown).apply(pool, [...args]);
  if (typeof (args[0] as { submit?: unknown } | null)?.submit === 'function' || typeof args[0] === 'function')
    return untouched();
  let call: QueryCall;
  try {
    call = queryCall(args);
  } catch {
    // The driver says it better.
    return untouched();
  }
  const request = call.request === undefined || cache === undefined ? call.request : { ...call.request, cache };
  return answer(run(pool, listeners, { ...call, request }), call.callback);
}

async function run(pool: pg.Pool, listeners: Listeners, call: QueryCall): Promise<pg.QueryResult> {
  const result = await cachedResult(listeners.runner, call);
  if (result !== undefined) return result;
  const facts = call.text === undefined ? undefined : knownFacts(call.text);
  if (facts?.read !== undefined && facts.keepsSession) {
    return (pool.query as (...all: unknown[]) => Promise<pg.QueryResult>).apply(pool, [...call.args]);
  }
  return withClient(pool, async (client) => {
    const result = await runCall(client, call, listeners);
    // Left in a transaction, it is not as the others are.
    if (!isIdle(client)) listeners.runner.mayDiffer(client);
    return result;
  });
}
