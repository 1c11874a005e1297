import type { Cache, MutationOption } from 'drizzle-orm/cache/core';
import type { CacheConfig, WithCacheConfig } from 'drizzle-orm/cache/core/types';
import { CacheError } from '../../shared/errors.js';
import { checkOptionNames } from '../../shared/option-names.js';
import { behind, type CachedPool } from './cached-pool.js';
import { checkQueryCache, type QueryCacheOptions } from './request.js';

/** The little of a database of `drizzle-orm/node-postgres` that is used here. */
export interface DrizzleDatabase {
  readonly $client: CachedPool;
  $cache: { invalidate: Cache['onMutate'] };
  readonly _: { readonly session: object };
}

/** What a session makes of a query: what it hands to the driver, for rows as arrays and as objects. */
interface Prepared {
  readonly queryConfig?: { cache?: QueryCacheOptions | false };
  readonly rawQueryConfig?: { cache?: QueryCacheOptions | false };
}

interface Session {
  prepareQuery(...args: unknown[]): Prepared;
  readonly cache?: object;
}

/** Where `prepareQuery` is given what `$withCache` said. */
const CACHE_ARGUMENT = 6;
/** By these Drizzle itself tells its classes and tables. */
const ENTITY_KIND = Symbol.for('drizzle:entityKind');
const TABLE_NAME = Symbol.for('drizzle:Name');
const TABLE_SCHEMA = Symbol.for('drizzle:Schema');

/**
 * Makes `$withCache` and `$cache.invalidate` of a Drizzle database speak to the query cache. Drizzle's own `Cache` is not used:
 * it is told too little, and too early, to be kept fresh. Every query of the database goes through the pool as it is.
 * @param db of `drizzle({ client: pool })` of drizzle-orm/node-postgres, `pool` of `cachedPool`, without a `cache`; it is changed and returned
 * @returns the same database
 * @throws CacheError ERR_INVALID_ARGUMENT for another pool, another driver of Drizzle, or a database with a `cache`. A query
 *   throws it for options of `$withCache` other than `ex`, `px`, `tag` and `autoInvalidate`, and ERR_INVALID_TTL, ERR_INVALID_TAG
 */
export function cachedDrizzle<Database extends DrizzleDatabase>(db: Database): Database {
  const pool = db?.$client;
  const { cache } = behind(pool);
  const session = db._?.session as Session | undefined;
  if (typeof session?.prepareQuery !== 'function') throw strange();
  const kind = (session.cache?.constructor as { [ENTITY_KIND]?: string } | undefined)?.[ENTITY_KIND];
  if (kind !== undefined && kind !== 'NoopCache') {
    throw new CacheError('ERR_INVALID_ARGUMENT', `leave the option cache (${kind}) of drizzle() out: the pool caches`);
  }
  const prepare = session.prepareQuery.bind(session);
  session.prepareQuery = (...args) => {
    const prepared = prepare(...args);
    const asked = args[CACHE_ARGUMENT] as WithCacheConfig | undefined;
    if (asked === undefined) return prepared;
    const { queryConfig, rawQueryConfig } = prepared;
    if (queryConfig === undefined || rawQueryConfig === undefined) throw strange();
    const options = asked.enable ? optionsOf(asked) : false;
    queryConfig.cache = options;
    rawQueryConfig.cache = options;
    return prepared;
  };
  const invalidate = async ({ tags = [], tables = [] }: MutationOption) => {
    const allTags = [tags].flat();
    if (allTags.length > 0) await cache.invalidateTags(allTags);
    for (const table of [tables].flat()) await pool.invalidateTable(nameOf(table));
  };
  db.$cache = { invalidate };
  return db;
}

const strange = () =>
  new CacheError('ERR_INVALID_ARGUMENT', 'cachedDrizzle takes what drizzle({ client: pool }) of node-postgres gives');

function optionsOf({ enable: _enable, tag, autoInvalidate: _always, config = {} }: WithCacheConfig): QueryCacheOptions {
  checkOptionNames(config, ['ex', 'px'] satisfies (keyof CacheConfig)[]);
  const { ex, px } = config;
  const ttl = px === undefined ? ex : px / 1000;
  const options = { ...(ttl === undefined ? {} : { ttl }), ...(tag === undefined ? {} : { tags: [tag] }) };
  checkQueryCache(options);
  return options;
}

/** @param table one of Drizzle's, or 'products', 'shop.products' */
function nameOf(table: object | string): string {
  if (typeof table === 'string') return table;
  const { [TABLE_NAME]: name, [TABLE_SCHEMA]: schema } = table as Record<symbol, string | undefined>;
  if (typeof name !== 'string') throw new CacheError('ERR_INVALID_ARGUMENT', 'tables are those of Drizzle, or names');
  return schema === undefined ? name : `${schema}.${name}`;
}
