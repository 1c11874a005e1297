/** Queries of watched tables: a commit by anybody drops what it changed, row by row; and pools that read from a standby. */
// gate: cost=2 timeout=240
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CachedPool, cachedPool, watchTables } from '../../client/query/index.js';
import { eventually, type TestServer, testServer } from '../support/daemon.js';
import { runSql, type TestCluster, testCluster } from '../support/postgres.js';
import { postgresProxy } from '../support/postgres-proxy.js';
import { testStandby } from '../support/standby.js';

const test = suite<{ cluster: TestCluster; server: TestServer; pool: CachedPool; why: string[] }>('query-watched');

test.before(async (context) => {
  context.cluster = await testCluster({ wal_level: 'replica' });
  await runSql(
    context.cluster.url,
    `CREATE TABLE products (id int PRIMARY KEY, name text); CREATE TABLE orders (id int PRIMARY KEY, product int REFERENCES products ON DELETE CASCADE);
     CREATE TABLE pairs (a text, b int8, n int, PRIMARY KEY (a, b));
     INSERT INTO products SELECT i, 'p' || i FROM generate_series(1, 500) AS i; INSERT INTO orders SELECT i, i FROM generate_series(1, 9) AS i;
     INSERT INTO pairs VALUES ('x', 1, 1), ('x', 2, 2), ('y,z', 9007199254740993, 3)`,
  );
  context.server = await testServer(context.cluster.url);
  context.why = [];
  const raw = new pg.Pool({ connectionString: context.cluster.url, max: 4 });
  raw.on('error', () => {});
  const tables = { products: {}, orders: {}, pairs: {} };
  context.pool = cachedPool(raw, {
    cache: context.server.client(),
    tables,
    onBypass: ({ reason }) => context.why.push(reason),
  });
  await watchTables(context.pool, ['products', 'orders', 'pairs']);
});

test.after(async ({ pool, server, cluster }) => {
  await pool?.end();
  await server?.close();
  await cluster?.close();
});

const name = async (pool: CachedPool, id: number) =>
  (await pool.query<{ name: string }>('SELECT name FROM products WHERE id = $1', [id])).rows[0]?.name;
async function isHit(pool: CachedPool, call: () => unknown): Promise<boolean> {
  const before = pool.cacheStats.hits;
  await call();
  return pool.cacheStats.hits > before;
}

test('a commit from psql drops the queries of its rows, and leaves those of others', async ({ pool, cluster }) => {
  const list = async () =>
    (await pool.query('SELECT count(*)::int AS n FROM products WHERE name LIKE $1', ['%!'])).rows[0].n as number;
  for (const id of [1, 2]) await name(pool, id);
  await list();
  await runSql(cluster.url, "UPDATE products SET name = name || '!' WHERE id = 1");
  await eventually('dropped', async () => (await name(pool, 1)) === 'p1!', 3000);
  assert.is(await list(), 1);
  assert.ok(await isHit(pool, () => name(pool, 2)));
  await runSql(cluster.url, "BEGIN; UPDATE products SET name = 'never' WHERE id = 2; ROLLBACK");
  assert.ok(await isHit(pool, () => name(pool, 2)));
  await runSql(cluster.url, "UPDATE products SET name = 'many' WHERE id > 1");
  await eventually('dropped', async () => (await name(pool, 2)) === 'many', 3000);
});

test('rows that were not there, and that leave', async ({ pool, cluster }) => {
  assert.is(await name(pool, 9000), undefined);
  await runSql(cluster.url, "INSERT INTO products VALUES (9000, 'new')");
  await eventually('seen', async () => (await name(pool, 9000)) === 'new', 3000);
  await runSql(cluster.url, 'UPDATE products SET id = 9001 WHERE id = 9000');
  await eventually('gone', async () => (await name(pool, 9000)) === undefined, 3000);
  assert.is(await name(pool, 9001), 'new');
  const of = async () => (await pool.query('SELECT product FROM orders WHERE id = ANY ($1)', [[3, 4]])).rows.length;
  assert.is(await of(), 2);
  await runSql(cluster.url, 'DELETE FROM products WHERE id = 3');
  await eventually('cascaded', async () => (await of()) === 1, 3000);
});

test('keys of several columns and long numbers', async ({ pool, cluster }) => {
  const n = async (a: string, b: string) =>
    (await pool.query('SELECT n FROM pairs WHERE b = $2 AND a = $1', [a, b])).rows[0]?.n as number;
  const big = '9007199254740993';
  assert.equal([await n('x', '1'), await n('x', '2'), await n('y,z', big)], [1, 2, 3]);
  await runSql(cluster.url, `UPDATE pairs SET n = 30 WHERE b = ${big}`);
  await eventually('dropped', async () => (await n('y,z', big)) === 30, 3000);
  assert.ok(await isHit(pool, () => n('x', '1')));
  assert.ok(await isHit(pool, () => n('x', '2')));
});

test('a write through the wrapper is logged by the triggers alone: other rows stay, and it is read at once', async ({
  pool,
}) => {
  for (const id of [10, 11]) await name(pool, id);
  await pool.query("UPDATE products SET name = 'mine' WHERE id = 10");
  assert.is(await name(pool, 10), 'mine');
  assert.ok(await isHit(pool, () => name(pool, 11)));
});

test('what a function writes is read at once', async ({ pool, cluster }) => {
  await runSql(
    cluster.url,
    "CREATE FUNCTION rename(int, text) RETURNS void LANGUAGE sql AS 'UPDATE products SET name = $2 WHERE id = $1'",
  );
  for (let turn = 0; turn < 5; turn++) {
    await name(pool, 12);
    await pool.query('SELECT rename(12, $1)', [`turn ${turn}`]);
    assert.is(await name(pool, 12), `turn ${turn}`);
    const client = await pool.connect();
    await client.query('SELECT rename(12, $1)', [`client ${turn}`]);
    client.release();
    assert.is(await name(pool, 12), `client ${turn}`);
  }
});

test('a pool on a standby whose replay is paused is not cached, and its older rows get nowhere', async ({
  pool,
  server,
  cluster,
  why,
}) => {
  await name(pool, 20);
  const standby = await testStandby(cluster);
  const proxy = await postgresProxy(cluster.url);
  const open = (connectionString: string) => {
    const raw = new pg.Pool({ connectionString, max: 1 });
    raw.on('error', () => {});
    const options = { cache: server.client(), tables: { products: {} } };
    return cachedPool(raw, { ...options, onBypass: ({ reason }) => why.push(reason) });
  };
  const [onStandby, moved] = [open(standby.url), open(proxy.url)];
  const write = (text: string) =>
    pool.query('UPDATE products SET name = $1 WHERE id IN (20, 21)', [text]).catch(() => undefined);
  try {
    await eventually('the primary is back', async () => (await write('before')) !== undefined);
    await eventually('the daemon too', async () => {
      await name(pool, 20);
      return isHit(pool, () => name(pool, 20));
    });
    for (let turn = 0; turn < 2; turn++) assert.is(await name(moved, 20), 'before');
    assert.ok(await isHit(moved, () => name(moved, 20)), 'proven on the primary');
    await standby.caughtUp();
    await runSql(standby.url, 'SELECT pg_wal_replay_pause()');
    await write('after');
    assert.is(await name(pool, 20), 'after');
    for (let turn = 0; turn < 3; turn++) assert.is(await name(onStandby, 20), 'before', 'replay stands still');
    assert.match(why.at(-1)!, /standby/);
    assert.is(onStandby.cacheStats.hits, 0);
    // An address behind which another server answers from now on: what it says is not kept.
    proxy.switchTo(standby.url);
    proxy.cut();
    await eventually('moved', async () => (await name(moved, 21).catch(() => undefined)) === 'before');
    for (let turn = 0; turn < 3; turn++) assert.is(await name(pool, 21), 'after');
    assert.is(await name(moved, 21), 'before', 'as without a cache');
    await runSql(standby.url, 'SELECT pg_wal_replay_resume()');
    await standby.caughtUp();
    assert.is(await name(onStandby, 20), 'after');
  } finally {
    await onStandby.end();
    await moved.end();
    await proxy.close();
    await standby.close();
  }
});

test('a row that is invalidated by hand', async ({ pool }) => {
  for (const id of [30, 31]) await name(pool, id);
  await pool.invalidateRow('products', 30);
  assert.not(await isHit(pool, () => name(pool, 30)));
  assert.ok(await isHit(pool, () => name(pool, 31)));
});

test.run();
