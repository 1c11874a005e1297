/** Sessions that differ, definitions that change elsewhere, connections that run out: what of a wrapped pool's queries is cached then. */
// gate: cost=2 timeout=240
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cached } from '../../client/index.js';
import { type CachedPool, cachedPool } from '../../client/query/index.js';
import { eventually, type TestServer, testServer } from '../support/daemon.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';

interface World {
  db: TestDatabase;
  a: TestServer;
  b: TestServer;
  open: (server: TestServer, config?: pg.PoolConfig) => CachedPool;
  opened: CachedPool[];
}
const test = suite<World>('query-sessions');

test.before(async (context) => {
  context.db = await testDatabase();
  await runSql(
    context.db.url,
    `CREATE TABLE items (id int PRIMARY KEY, name text, at timestamptz); INSERT INTO items VALUES (1, 'a', '2026-01-02 03:04:05Z');
     CREATE TABLE others (id int PRIMARY KEY, name text); INSERT INTO others VALUES (1, 'other');
     CREATE SCHEMA shop; CREATE TABLE shop.items (LIKE items); INSERT INTO shop.items VALUES (1, 'shop', now());
     CREATE VIEW seen AS SELECT id, name FROM items`,
  );
  context.a = await testServer(context.db.url);
  context.b = await testServer(context.db.url);
  context.opened = [];
  context.open = (server, config = {}) => {
    const raw = new pg.Pool({ connectionString: context.db.url, max: 1, ...config });
    raw.on('error', () => {});
    const pool = cachedPool(raw, { cache: server.client(), tables: { items: {}, others: {}, 'shop.items': {} } });
    context.opened.push(pool);
    return pool;
  };
});

test.after(async ({ opened, a, b, db }) => {
  for (const pool of opened ?? []) await pool.end();
  await a?.close();
  await b?.close();
  await db?.close();
});

const name = async (pool: CachedPool, from = 'items') =>
  (await pool.query<{ name: string }>(`SELECT name FROM ${from} WHERE id = 1`)).rows[0]?.name;
async function isHit(pool: CachedPool, call: () => unknown): Promise<boolean> {
  const before = pool.cacheStats.hits;
  await call();
  return pool.cacheStats.hits > before;
}

test('settings of the only connection: what was cached under others is no answer', async ({ open, a }) => {
  const pool = open(a);
  const at = async () =>
    (await pool.query({ text: 'SELECT at::text AS at FROM items WHERE id = 1' })).rows[0].at as string;
  assert.match(await at(), /03:04:05\+00/);
  assert.ok(await isHit(pool, at));
  for (const set of ["SET TimeZone = 'Asia/Tokyo'", "SELECT set_config('TimeZone', 'Asia/Tokyo', false)"]) {
    await pool.query(set);
    for (let turn = 0; turn < 3; turn++) assert.match(await at(), /12:04:05\+09/, set);
    await pool.query('RESET TimeZone');
    assert.match(await at(), /03:04:05\+00/);
    assert.ok(await isHit(pool, at), 'as before');
  }
});

test('another search path: names mean other tables, and writes of those are heard of', async ({ open, a }) => {
  const pool = open(a);
  const writer = open(a);
  assert.is(await name(pool), 'a');
  await pool.query('SET search_path = shop');
  for (let turn = 0; turn < 3; turn++) {
    assert.is(await name(pool), turn === 0 ? 'shop' : `turn ${turn - 1}`);
    await name(pool);
    await writer.query('UPDATE shop.items SET name = $1', [`turn ${turn}`]);
  }
  await pool.query('RESET search_path');
  assert.is(await name(pool), 'a');
});

test('a transaction left open on the only connection sees its own writes', async ({ open, a }) => {
  const pool = open(a);
  await name(pool);
  assert.ok(await isHit(pool, () => name(pool)));
  await pool.query('BEGIN');
  await pool.query("UPDATE items SET name = 'inside'");
  assert.is(await name(pool), 'inside');
  await pool.query('ROLLBACK');
  assert.is(await name(pool), 'a');
});

test('a view that is replaced on one server reads other tables on the other too', async ({ open, a, b }) => {
  const [here, there] = [open(a), open(b)];
  for (const one of [here, there]) assert.is(await name(one, 'seen'), 'a');
  await here.query('CREATE OR REPLACE VIEW seen AS SELECT id, name FROM others');
  await eventually('replaced', async () => (await name(there, 'seen')) === 'other', 3000);
  await eventually('cached', () => isHit(there, () => name(there, 'seen')), 3000);
  await here.query("UPDATE others SET name = 'changed'");
  assert.is(await name(here, 'seen'), 'changed');
  await eventually('heard of', async () => (await name(there, 'seen')) === 'changed', 3000);
});

test('one connection is enough for what is made of a query on it', async ({ open, a }) => {
  const pool = open(a);
  let runs = 0;
  const read = cached(
    async () => {
      runs += 1;
      const client = await pool.connect();
      try {
        return (await client.query('SELECT name FROM items WHERE id = 1')).rows[0].name as string;
      } finally {
        client.release();
      }
    },
    { cache: a.client({ namespace: 'made' }), keyPrefix: 'on-one' },
  );
  assert.is(await read(), 'a');
  await read();
  assert.is(runs, 1);
  await pool.query("UPDATE items SET name = 'b'");
  assert.is(await read(), 'b');
});

test('what follows a query that the driver runs by itself begins in the state in which it leaves the connection', async ({
  open,
  a,
}) => {
  const pool = open(a);
  const client = await pool.connect();
  client.query(new pg.Query('BEGIN') as unknown as pg.Submittable);
  await client.query("UPDATE items SET name = 'never'");
  await client.query('ROLLBACK');
  client.release();
  assert.is(await name(pool), 'b');
});

test('what follows it on a connection that is gone fails, and does not wait', async ({ open, a, db }) => {
  const pool = open(a);
  const client = await pool.connect();
  const gone = new Promise((resolve) => client.on('end', () => resolve(undefined)).on('error', () => {}));
  const pid = (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid as number;
  await runSql(db.url, `SELECT pg_terminate_backend(${pid}, 5000)`);
  await gone;
  const lost = new pg.Query('SELECT 1') as unknown as pg.Submittable & NodeJS.EventEmitter;
  lost.on('error', () => {});
  client.query(lost);
  assert.instance(await client.query('SELECT 1').catch((error: unknown) => error), Error);
  client.release(true);
});

test.run();
