/** What a wrapped pool says by itself when it can't be what it is meant to be: unwatched tables, and another database. */
// gate: cost=1 timeout=120
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type CachedPool,
  type CachedPoolOptions,
  cachedPool,
  type QueryWarning,
  watchTables,
} from '../../client/query/index.js';
import { eventually, type TestServer, testServer } from '../support/daemon.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';

interface Context {
  db: TestDatabase;
  server: TestServer;
  pools: CachedPool[];
  told: QueryWarning[];
  open: (options?: Partial<CachedPoolOptions>, url?: string) => CachedPool;
}
const test = suite<Context>('query warnings');

test.before(async (context) => {
  context.db = await testDatabase();
  await runSql(
    context.db.url,
    `CREATE TABLE heard (id int PRIMARY KEY); CREATE TABLE unheard (id int PRIMARY KEY); CREATE TABLE "Odd ""Name" (id int);
     CREATE TABLE others (id int PRIMARY KEY); CREATE VIEW behind AS SELECT * FROM others; CREATE TABLE never (id int);
     CREATE MATERIALIZED VIEW stored AS SELECT 1 AS n;
     CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);`,
  );
  context.server = await testServer(context.db.url);
  context.pools = [];
  const raw = new pg.Pool({ connectionString: context.db.url });
  await watchTables(raw, ['heard', 'parts']);
  await raw.end();
  context.open = (options = {}, url = context.db.url) => {
    const pool = new pg.Pool({ connectionString: url, max: 2 });
    pool.on('error', () => {});
    const names = ['heard', 'unheard', 'Odd "Name', 'behind', 'parts', 'stored'];
    const tables = Object.fromEntries(names.map((name) => [name, { cacheTtl: 60 }]));
    const onWarning = (warning: QueryWarning) => context.told.push(warning);
    const wrapped = cachedPool(pool, { tables, onWarning, ...options, cache: context.server.client() });
    context.pools.push(wrapped);
    return wrapped;
  };
});
test.before.each((context) => {
  context.told = [];
});
test.after(async ({ pools, server, db }) => {
  for (const pool of pools ?? []) await pool.end();
  await server?.close();
  await db?.close();
});

/** Asks until it is answered from the cache. */
async function cache(pool: CachedPool, text: string): Promise<void> {
  const before = pool.cacheStats.hits;
  await eventually(`${text} is cached`, async () => {
    await pool.query(text);
    return pool.cacheStats.hits > before;
  });
}
const tables = (told: readonly QueryWarning[]) => told.map(({ message }) => message.split(' is not watched')[0]);

test('a cached table that nobody watches is told once, with the command', async (context) => {
  const pool = context.open();
  await cache(pool, 'SELECT * FROM unheard');
  assert.is(context.told.length, 1);
  const [{ code, message }] = context.told as [QueryWarning];
  assert.is(code, 'PGCACHED_UNWATCHED');
  assert.match(message, /^public\.unheard is not watched/);
  assert.match(message, 'run `pgcached watch public.unheard`');
  assert.match(message, 'docs/watch.md');
  await cache(pool, 'SELECT id FROM unheard');
  await pool.query('SELECT count(*) FROM unheard, heard');
  assert.is(context.told.length, 1, 'once a table');
});

test('watched tables, materialized views, and what is not cached are passed over', async (context) => {
  const pool = context.open();
  for (const text of ['heard', 'parts', 'stored']) await cache(pool, `SELECT * FROM ${text}`);
  await pool.query('SELECT * FROM never');
  assert.equal(context.told, []);
});

test('tables behind views, names that need quotes, queries that ask by themselves', async (context) => {
  const pool = context.open();
  await pool.query('SELECT * FROM behind');
  await pool.query('SELECT * FROM "Odd ""Name"');
  await pool.cache('1m').query('SELECT * FROM never');
  assert.equal(tables(context.told), ['public.others', 'public."Odd ""Name"', 'public.never']);
  assert.match(context.told[1]!.message, `run \`pgcached watch 'public."Odd ""Name"'\``);
});

test('a partition that was attached later counts', async (context) => {
  await runSql(context.db.url, 'CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20)');
  await context.open().query('SELECT id FROM parts');
  assert.match(context.told[0]?.message ?? 'nothing', /^a partition, child or parent of public\.parts is not watched/);
});

test("a pool over another database than the daemon's is told once", async (context) => {
  const elsewhere = await testDatabase();
  await runSql(elsewhere.url, 'CREATE TABLE heard (id int PRIMARY KEY)');
  const pool = context.open({}, elsewhere.url);
  for (const id of [1, 2]) await pool.query('SELECT * FROM heard WHERE id = $1', [id]);
  assert.equal(
    context.told.map(({ code }) => code),
    ['PGCACHED_NOT_CACHED'],
  );
  assert.match(context.told[0]!.message, "it is not the one that the cache's daemon follows");
  // A cache of another daemon there, and so a function of that name: the proof itself fails.
  const there = await testServer(elsewhere.url);
  await there.client({ namespace: 'tables' }).set('k', 1);
  await context.open({}, elsewhere.url).query('SELECT * FROM heard');
  assert.match(context.told[1]?.message ?? 'nothing', "is not the one that the cache's daemon follows. See");
  await context.pools.pop()!.end();
  await context.pools.pop()!.end();
  await there.close();
  await elsewhere.close();
});

test('without onWarning it is a warning of the process', async (context) => {
  const heard: (Error & { code?: string })[] = [];
  const listen = (warning: Error) => heard.push(warning);
  process.on('warning', listen);
  try {
    await context.open({ onWarning: undefined }).query('SELECT 1 FROM unheard');
    await eventually('warned', async () => heard.length > 0);
    assert.equal([heard[0]!.name, heard[0]!.code], ['PgcachedWarning', 'PGCACHED_UNWATCHED']);
  } finally {
    process.off('warning', listen);
  }
});

test('a handler that throws fails no query, and what it was told is a warning of the process', async (context) => {
  const other = await testDatabase();
  const warnings: Error[] = [];
  const onProcess = (warning: Error) => warnings.push(warning);
  process.on('warning', onProcess);
  const onWarning = () => {
    throw new Error('no warnings here');
  };
  const elsewhere = context.open({ onWarning }, other.url);
  try {
    await runSql(other.url, 'CREATE TABLE unheard (id int PRIMARY KEY)');
    for (let call = 0; call < 3; call++) assert.equal((await elsewhere.query('SELECT * FROM unheard')).rows, []);
    await cache(context.open({ onWarning }), 'SELECT count(*) FROM unheard');
    await eventually('both are told', async () => warnings.length === 2);
    for (const { message } of warnings) assert.match(message, /onWarning itself threw: no warnings here/);
  } finally {
    process.off('warning', onProcess);
    context.pools.splice(context.pools.indexOf(elsewhere), 1);
    await elsewhere.end();
    await other.close();
  }
});

test.run();
