/** A misspelt option is refused wherever options are given, with the name that was meant. */
// gate: cost=1 timeout=60
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DatabaseCache } from '../../client/database.js';
import { cacheMiddleware as express } from '../../client/http/express.js';
import { cacheMiddleware as hono } from '../../client/http/hono.js';
import { cacheHandler, purge } from '../../client/http/index.js';
import { cacheMiddleware as koa } from '../../client/http/koa.js';
import {
  ConsistentHashRing,
  cached,
  connect,
  LocMemCache,
  StampedeProtection,
  TwoTierCache,
} from '../../client/index.js';
import { cachedPool, configureQueryCache, QueryCacheManager, watchTables } from '../../client/query/index.js';
import { startDaemon } from '../../daemon/index.js';
import { CacheError, ERROR_ADVICE } from '../../shared/errors.js';

const test = suite('option names');
const client = connect({ socket: '/nonexistent/pgcached.sock' });
const memory = new LocMemCache();
const pool = new pg.Pool({ host: '/nonexistent' });
const twoTiers = new TwoTierCache({ l1: memory, l2: new LocMemCache() });
const stampede = new StampedeProtection({ backend: memory });
const table = new DatabaseCache(pool);
const queries = new QueryCacheManager({ backend: memory });
const load = () => 1;

/** What was meant, and calls with something near it. Types would refuse most of them: this is for JavaScript. */
const MISSPELT: readonly [
  meant: string,
  calls: Readonly<Record<string, (options: never) => unknown>>,
  options: object,
][] = [
  [
    'ttl',
    {
      'cached(fn)': (options) => cached(load, options),
      'cached()': (options) => cached(options),
      'client.set': (options) => client.set('k', 1, options),
      'client.add': (options) => client.add('k', 1, options),
      'client.setMany': (options) => client.setMany({ k: 1 }, options),
      'client.getOrSet': (options) => client.getOrSet('k', load, options),
      'LocMemCache.set': (options) => memory.set('k', 1, options),
      'LocMemCache.getOrSet': (options) => memory.getOrSet('k', load, options),
      'TwoTierCache.set': (options) => twoTiers.set('k', 1, options),
      'TwoTierCache.getOrSet': (options) => twoTiers.getOrSet('k', load, options),
      'StampedeProtection.set': (options) => stampede.set('k', 1, options),
      'StampedeProtection.getOrSet': (options) => stampede.getOrSet('k', load, options),
      'DatabaseCache.set': (options) => table.set('k', 1, options),
      'DatabaseCache.getOrSet': (options) => table.getOrSet('k', load, options),
      'QueryCacheManager.set': (options) => queries.set(queries.makeKey('t', 'q'), 1, options),
      'pool.cache': (options) => cachedPool(pool, { cache: client }).cache(options).query('SELECT 1'),
      cacheHandler: (options) => cacheHandler(() => new Response(''), options),
      express: (options) => express(options),
      hono: (options) => hono(options),
      koa: (options) => koa(options),
    },
    { tll: 5 },
  ],
  ['tags', { 'client.getOrSet': (options) => client.getOrSet('k', load, options) }, { tags_: [] }],
  ['socket', { connect: (options) => connect(options) }, { sokcet: '/x' }],
  ['maxEntries', { near: (near) => connect({ socket: '/x', near }) }, { maxEntires: 5 }],
  ['maxSize', { LocMemCache: (options) => new LocMemCache(options) }, { maxsize: 5 }],
  ['l1Ttl', { TwoTierCache: (options) => new TwoTierCache(options) }, { l1: memory, l2: memory, l1ttl: 5 }],
  ['beta', { StampedeProtection: (options) => new StampedeProtection(options) }, { backend: memory, betta: 2 }],
  ['vnodes', { ConsistentHashRing: (options) => new ConsistentHashRing(options) }, { vnode: 2 }],
  ['table', { DatabaseCache: (options) => new DatabaseCache(pool, options) }, { tabel: 'x' }],
  [
    'defaultTtl',
    {
      QueryCacheManager: (options) => new QueryCacheManager(options),
      configureQueryCache: (options) => configureQueryCache(options),
    },
    { backend: memory, defaultTTL: 5 },
  ],
  [
    'versions',
    { warm: (entry) => queries.warm([entry]) },
    { key: queries.makeKey('t', 'q'), load, version: new Map() },
  ],
  ['tables', { cachedPool: (options) => cachedPool(pool, options) }, { cache: client, tabels: {} }],
  ['cacheTtl', { cachedPool: (t) => cachedPool(pool, { cache: client, tables: { t } }) }, { cachedTtl: 5 }],
  ['rowsMax', { watchTables: (options) => watchTables(pool, ['t'], options) }, { rowMax: 5 }],
  ['urls', { purge: (target) => purge(client, target) }, { urlz: [] }],
  ['databaseUrl', { startDaemon: (options) => startDaemon(options) }, { databaseURI: 'postgres:///x' }],
];

for (const [meant, calls, options] of MISSPELT) {
  for (const [name, call] of Object.entries(calls)) {
    test(`${name}: did you mean ${meant}?`, async () => {
      const error = await (async () => call(options as never))().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      assert.instance(error, CacheError, `${name} takes ${Object.keys(options).at(-1)}`);
      assert.match((error as Error).message, `${Object.keys(options).at(-1)} is not an option`);
      assert.match((error as Error).message, `(did you mean ${meant}?)`);
    });
  }
}

test('an option without a value is none', () => {
  assert.instance(new LocMemCache({ maxsize: undefined } as object), LocMemCache);
});

test('a value that an option does not take is told by that name', () => {
  assert.throws(() => new LocMemCache({ maxSize: 0 }), /^maxSize is 0, not a whole number from 1 to/);
});

test('no advice merely sends its reader elsewhere', () => {
  for (const [code, advice] of Object.entries(ERROR_ADVICE)) assert.not.match(advice, /^see /, code);
});

test.after(async () => {
  await client.close();
  await pool.end();
});
test.run();
