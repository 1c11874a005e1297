/** The table is the seed's: who knows only its columns reads what others wrote, and is read by them. */
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DatabaseCache } from '../../client/database.js';
import type { PgCachedClient } from '../../client/index.js';
import { eventually, sleep, type TestServer, testServer } from '../support/daemon.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';

interface Context {
  database: TestDatabase;
  pool: pg.Pool;
  server: TestServer;
  client: PgCachedClient;
  cache: DatabaseCache;
}

const test = suite<Context>('table-seed');

/** As the seed makes it, with rows in it. */
const SEED_TABLE = `
  CREATE UNLOGGED TABLE IF NOT EXISTS hyper_cache (
    key VARCHAR(255) PRIMARY KEY, value JSONB, counter BIGINT, expires_at TIMESTAMPTZ NOT NULL);
  CREATE INDEX IF NOT EXISTS idx_cache_expires ON hyper_cache (expires_at);
  INSERT INTO hyper_cache VALUES ('from before', '{"a": [1, null]}', NULL, now() + interval '1 hour'),
    ('counter from before', NULL, 41, now() + interval '1 hour'), ('long gone', '1', NULL, now() - interval '1 hour')`;
/** How the seed's backends write: a set, and an increment. */
const SEED_SET = `INSERT INTO hyper_cache (key, value, counter, expires_at) VALUES ($1, $2, NULL, now() + interval '1 hour')
  ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, counter = NULL, expires_at = EXCLUDED.expires_at`;
const SEED_INCR = `INSERT INTO hyper_cache (key, counter, expires_at) VALUES ($1, $2, now() + interval '1 hour')
  ON CONFLICT (key) DO UPDATE SET counter = hyper_cache.counter + EXCLUDED.counter RETURNING counter::int`;

test.before(async (context) => {
  context.database = await testDatabase();
  context.pool = new pg.Pool({ connectionString: context.database.url, max: 4 });
  context.pool.on('error', () => {});
  await context.pool.query(SEED_TABLE);
  context.cache = new DatabaseCache(context.pool);
  await context.cache.ensureTable();
  context.server = await testServer(context.database.url);
  context.client = context.server.client();
});
test.after(async ({ cache, server, pool, database }) => {
  await cache?.close();
  await server?.close();
  await pool?.end();
  await database?.close();
});

const columns = async (pool: pg.Pool, key: string) => {
  const { rows } = await pool.query(
    `SELECT value, counter::int, expires_at > now() AS live, packed FROM hyper_cache WHERE key = $1`,
    [key],
  );
  return rows[0] as { value: unknown; counter: number | null; live: boolean; packed: Buffer | null };
};

test("the seed's own table is taken over with its rows, and with its index", async ({ pool, cache, client }) => {
  for (const subject of [cache, client]) {
    assert.equal(await subject.get('from before'), { a: [1, null] });
    assert.is(await subject.get('counter from before'), 41);
    assert.is(await subject.get('long gone'), undefined);
    assert.is(await subject.count(), 2);
  }
  assert.is(await cache.incr('counter from before'), 42);
  const { rows } = await pool.query("SELECT indexname FROM pg_indexes WHERE tablename = 'hyper_cache' ORDER BY 1");
  assert.equal(
    rows.map(({ indexname }) => indexname),
    ['hyper_cache_pkey', 'idx_cache_expires'],
  );
});

test("a row with only the seed's columns is read by all", async ({ pool, cache, client }) => {
  for (const value of [{ name: 'Alice', tags: ['a', 'b'] }, 'text', 1.5, null, true, []]) {
    await pool.query('DELETE FROM hyper_cache WHERE key = $1', ['plain']);
    await pool.query(SEED_SET, ['plain', JSON.stringify(value)]);
    assert.equal(await cache.get('plain'), value);
    await eventually(
      'the daemon reads it',
      async () => JSON.stringify(await client.get('plain')) === JSON.stringify(value),
    );
  }
  await pool.query(SEED_INCR, ['plain n', 5]);
  assert.is(await client.incr('plain n'), 6);
  assert.is(await cache.incr('plain n'), 7);
});

test('plain SQL reads what they wrote', async ({ pool, cache, client }) => {
  for (const [name, subject] of [
    ['cache', cache],
    ['daemon', client],
  ] as const) {
    await subject.set(`${name} user`, { name: 'Alice', age: 30 }, 600);
    await subject.incr(`${name} n`, 3);
    const { rows } = await pool.query(
      `SELECT value->>'name' AS name, (value->>'age')::int AS age,
        extract(epoch FROM expires_at - now())::float8 AS seconds FROM hyper_cache WHERE key = $1`,
      [`${name} user`],
    );
    assert.equal([rows[0].name, rows[0].age], ['Alice', 30]);
    assert.ok(rows[0].seconds > 570 && rows[0].seconds <= 600, String(rows[0].seconds));
    assert.is((await columns(pool, `${name} n`)).counter, 3);
    assert.is((await pool.query(SEED_INCR, [`${name} n`, 2])).rows[0].counter, 5);
    assert.is(await subject.incr(`${name} n`), 6);
    await subject.delete(`${name} user`);
    assert.is((await columns(pool, `${name} user`)).live, false);
  }
});

test('an update by SQL is read, whatever stood beside the old value', async ({ pool, cache, client }) => {
  const unordered = { name: 'Bob', a: 1 };
  for (const [key, value] of [
    ['plain value', 1],
    ['value in two columns', unordered],
    ['value that JSONB cannot carry', new Date(0)],
  ] as const) {
    await client.set(key, value, { tags: ['t'] });
    assert.equal(await client.get(key), value);
    await pool.query('UPDATE hyper_cache SET value = $2 WHERE key = $1', [key, '"changed"']);
    assert.is(await cache.get(key), 'changed');
    await eventually(`the daemon drops the old ${key}`, async () => (await client.get(key)) === 'changed');
    assert.is((await columns(pool, key)).packed, null);
    assert.is(await cache.expire(key, 500), true);
    assert.is(await cache.get(key), 'changed');
  }
});

test('an update of the expiry by SQL keeps the value', async ({ pool, cache, client }) => {
  for (const value of [new Date(0), { b: 1, a: 2 }, 7]) {
    await client.set('touched', value, { ttl: 60, tags: ['touch'] });
    await pool.query("UPDATE hyper_cache SET expires_at = now() + interval '2 hours' WHERE key = 'touched'");
    assert.equal(await cache.get('touched'), value);
    assert.equal(Object.keys(Object(await cache.get('touched'))), Object.keys(Object(value)));
    assert.ok(((await cache.ttl('touched')) ?? 0) > 3600);
    await cache.invalidateTags(['touch']);
    assert.is(await cache.get('touched'), undefined, 'and its tags');
    await pool.query("UPDATE hyper_cache SET expires_at = now() + interval '3 hours' WHERE key = 'touched'");
    assert.is(await cache.get('touched'), undefined, 'what was invalidated stays so');
  }
});

test("the seed's upsert is read over what was deleted, cleared, expired or tagged", async ({ pool, cache, client }) => {
  const before: [string, () => Promise<unknown>][] = [
    ['deleted', () => cache.delete('over')],
    ['cleared', () => cache.clear()],
    ['expired', () => cache.expire('over', 0.001).then(() => sleep(5))],
    ['invalidated', () => cache.invalidateTags(['t'])],
    ['a counter', () => cache.delete('over').then(() => cache.incr('over'))],
  ];
  for (const [what, make] of before) {
    await cache.set('over', 'old', { tags: ['t'] });
    await make();
    await pool.query(SEED_SET, ['over', JSON.stringify(`over ${what}`)]);
    assert.is(await cache.get('over'), `over ${what}`);
    await eventually('the daemon reads it', async () => (await client.get('over')) === `over ${what}`);
    await cache.invalidateTags(['t']);
    assert.is(await cache.get('over'), `over ${what}`, 'the old tags are gone');
    await cache.clear();
    assert.is(await cache.get('over'), undefined);
  }
});

test('a load does not undo what SQL wrote meanwhile', async ({ pool, cache }) => {
  await cache.set('row', 'old', 0.001);
  await sleep(5);
  const value = await cache.getOrSet('row', async () => {
    await pool.query(SEED_SET, ['row', '"by SQL"']);
    return 'late';
  });
  assert.is(value, 'by SQL');
  assert.is(await cache.get('row'), 'by SQL');
});

test('a deletion by SQL is heard of, and refuses late fills; so is TRUNCATE', async ({ pool, cache, client }) => {
  for (const statement of ["DELETE FROM hyper_cache WHERE key = 'doomed'", 'TRUNCATE hyper_cache']) {
    await client.set('doomed', 'v');
    assert.is(await client.get('doomed'), 'v');
    await pool.query(statement);
    await eventually('the daemon drops it', async () => (await client.get('doomed')) === undefined);
    await cache.set('other', 1);
    let loads = 0;
    const value = await cache.getOrSet('doomed', async () => {
      loads += 1;
      if (loads === 1) {
        await client.set('doomed', 'v');
        await pool.query(statement);
      }
      return loads;
    });
    assert.is(value, 2, 'the first load did not see the deletion');
    await cache.delete('doomed');
  }
});

test('who has rights on the table alone can write it', async ({ pool, cache }) => {
  const role = `writer_${process.pid}`;
  const client = await pool.connect();
  try {
    await client.query(
      `CREATE ROLE ${role}; GRANT SELECT, INSERT, UPDATE, DELETE ON hyper_cache TO ${role}; SET ROLE ${role}`,
    );
    await client.query(SEED_SET, ['by a guest', '1']);
    await client.query(SEED_SET, ['by a guest', '2']);
    assert.is(await cache.get('by a guest'), 2);
    await client.query("DELETE FROM hyper_cache WHERE key = 'by a guest'");
    assert.is(await cache.get('by a guest'), undefined);
  } finally {
    await client.query(`RESET ROLE; DROP OWNED BY ${role}; DROP ROLE ${role}`);
    client.release();
  }
});

test('an integer that JavaScript cannot hold exactly is a bigint', async ({ pool, cache }) => {
  await pool.query(SEED_SET, ['big', '{"id": 9007199254740993}']);
  assert.equal(await cache.get('big'), { id: 9007199254740993n });
  await pool.query('INSERT INTO hyper_cache (key, counter, expires_at) VALUES ($1, $2, $3)', [
    'big n',
    '9007199254740993',
    'infinity',
  ]);
  assert.is(await cache.get('big n'), 9007199254740993n);
  assert.is(await cache.ttl('big n'), Number.POSITIVE_INFINITY);
});

test.run();
