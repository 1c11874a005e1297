/** Checked when it is compiled: each `expectType` and each @ts-expect-error that does not hold fails the build. */
import type pg from 'pg';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from '../../client/index.js';
import { type CachedPool, type CacheStats, cachedPool, type QueryCacheOptions } from '../../client/query/index.js';
import { expectType, type Same } from '../support/types.js';

interface Product {
  id: number;
  name: string;
}

test('a cached pool is a pool, and its queries have the types of the driver', () => {
  expectType<CachedPool extends pg.Pool ? true : false>();
  expectType<Same<ReturnType<typeof cachedPool>, CachedPool>>();
  expectType<Same<CachedPool['cacheStats'], CacheStats>>();
  expectType<Same<Awaited<ReturnType<typeof byTtl>>, Product[]>>();
  expectType<Same<Awaited<ReturnType<typeof byOptions>>, pg.QueryResult<Product>>>();
  expectType<Same<Awaited<ReturnType<typeof byConfig>>, pg.QueryResult<Product>>>();
  expectType<Same<Awaited<ReturnType<typeof asArrays>>, [number, string][]>>();

  async function byTtl(pool: CachedPool) {
    return (await pool.cache('5m').query<Product>('SELECT * FROM products WHERE id = $1', [1])).rows;
  }
  async function byOptions(pool: CachedPool) {
    const options: QueryCacheOptions = { ttl: 60, tags: ['shelf'], grace: '1h', beta: 1, coalesce: 'cluster' };
    return pool.cache(options).query<Product>({ text: 'SELECT * FROM products' });
  }
  async function byConfig(pool: CachedPool) {
    await pool.query({ text: 'SELECT 1', cache: false });
    return pool.query<Product>({ text: 'SELECT * FROM products', cache: { ttl: '5m' } });
  }
  async function asArrays(pool: CachedPool) {
    return (await pool.query<[number, string]>({ text: 'SELECT * FROM products', rowMode: 'array', cache: true })).rows;
  }
});

test('what is no option is an error', async () => {
  const calls = (pool: CachedPool) => {
    // @ts-expect-error no such option
    void pool.query({ text: 'SELECT 1', cache: { tll: 5 } });
    // @ts-expect-error a duration is a number or a text
    void pool.cache({ ttl: new Date() });
    // @ts-expect-error a row is named by its key
    void pool.invalidateRow('products');
    // @ts-expect-error the rows are no strings
    const rows: Promise<pg.QueryResult<string>> = pool.cache(5).query<Product>('SELECT 1');
    return rows;
  };
  assert.type(calls, 'function');
  const cache = connect({ socket: '/nonexistent/pgcached.sock' });
  // @ts-expect-error a pool of pg, and a client
  assert.throws(() => cachedPool({}, { cache }), /ERR_INVALID_ARGUMENT/);
  await cache.close();
});

test.run();
