/** Over a real Postgres: what does not pay to be cached runs directly, and what is read is as fresh as ever. */
// gate: cost=2 timeout=240
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cached } from '../../client/index.js';
import { type CachedPool, type CachedPoolOptions, cachedPool, watchTables } from '../../client/query/index.js';
import { eventually, type TestServer, testServer } from '../support/daemon.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';

interface World {
  db: TestDatabase;
  server: TestServer;
  /** For what the wrapper does not see. */
  raw: pg.Pool;
  opened: pg.Pool[];
  open: (options?: Partial<CachedPoolOptions>, of?: TestServer) => CachedPool & { readonly why: string[] };
}
const test = suite<World>('query-adaptive');

const CHEAP = 'SELECT v FROM items WHERE n = $1';
/** Changes before a statement must have gone directly: what is concluded takes about 40 calls. */
const CHANGES_MAX = 1_000;
const CALLS_MAX = 30_000;

test.before(async (context) => {
  context.db = await testDatabase();
  await runSql(
    context.db.url,
    `CREATE TABLE items (id int PRIMARY KEY, n int NOT NULL, v int NOT NULL);
    INSERT INTO items SELECT i, i, 0 FROM generate_series(1, 20) AS i`,
  );
  context.server = await testServer(context.db.url);
  context.raw = new pg.Pool({ connectionString: context.db.url, max: 4 });
  context.opened = [context.raw];
  await watchTables(context.raw, ['items']);
  context.open = (options = {}, of = context.server) => {
    const raw = new pg.Pool({ connectionString: context.db.url, max: 24 });
    raw.on('error', () => {});
    context.opened.push(raw);
    const why: string[] = [];
    const given = { tables: { items: {} }, onBypass: ({ reason }: { reason: string }) => why.push(reason), ...options };
    const pool = cachedPool(raw, { cache: of.client({ near: true }), ...given });
    return Object.assign(pool, { why });
  };
});

test.after(async ({ opened, server, db }) => {
  for (const pool of opened ?? []) await pool.end();
  await server?.close();
  await db?.close();
});

/** Changes a row, and reads it: it must be what was written. */
async function change(pool: CachedPool, id: number): Promise<void> {
  const { rows } = await pool.query('UPDATE items SET v = v + 1 WHERE id = $1 RETURNING v', [id]);
  assert.is((await pool.query(CHEAP, [id])).rows[0].v, rows[0].v);
}

/** Reads and changes in turn until reads go directly. */
async function lose(pool: CachedPool, id: number): Promise<void> {
  for (let n = 0; pool.cacheStats.direct === 0; n++) {
    assert.ok(n < CHANGES_MAX, `it was cached ${n} times for nothing`);
    await change(pool, id);
  }
}

test('a cheap query that changes all the time goes directly after a while, and comes back when its table rests', async ({
  open,
}) => {
  const pool = open();
  await lose(pool, 1);
  const { cacheStats, why } = pool;
  assert.is(cacheStats.direct, cacheStats.bypasses - why.filter((one) => !one.includes('costs more')).length);
  const direct = cacheStats.direct;
  for (let n = 0; n < 50; n++) await change(pool, 1);
  assert.is(cacheStats.direct, direct + 50);
  assert.is(why.filter((one) => one.includes('costs more than it saves')).length, 1, 'told once');

  const misses = cacheStats.misses;
  const { v } = (await pool.query(CHEAP, [1])).rows[0];
  for (let n = 0; cacheStats.hits < 1_000; n++) {
    assert.ok(n < CALLS_MAX, `not found again after ${n} calls`);
    assert.is((await pool.query(CHEAP, [1])).rows[0].v, v);
  }
  assert.ok(cacheStats.misses <= misses + 2);
  await change(pool, 1);
});

test('an expensive one never goes directly', async ({ open }) => {
  const pool = open();
  const text = 'SELECT max(v) AS v, (SELECT count(*) FROM generate_series(1, 400000)) AS c FROM items WHERE n = $1';
  for (let n = 0; n < 50; n++) {
    const { rows } = await pool.query('UPDATE items SET v = v + 1 WHERE id = 2 RETURNING v');
    assert.is((await pool.query(text, [2])).rows[0].v, rows[0].v);
  }
  assert.is(pool.cacheStats.misses, 50);
  assert.is(pool.cacheStats.direct, 0);
});

test('who asks for the cache gets it, and adaptive: false caches all', async ({ open }) => {
  const pool = open();
  await lose(pool, 3);
  const asked = [
    () => pool.query({ text: CHEAP, values: [4], cache: true }),
    () => pool.cache('1m').query(CHEAP, [4]),
    () => pool.query({ text: CHEAP, values: [4], cache: { ttl: 5 } }),
  ];
  await asked[0]!();
  for (const ask of asked) {
    const { hits } = pool.cacheStats;
    await ask();
    assert.is(pool.cacheStats.hits, hits + 1);
  }
  const all = open({ adaptive: false });
  for (let n = 0; n < 150; n++) await change(all, 5);
  assert.is(all.cacheStats.direct, 0);
});

test('what is made of a query that goes directly is dropped with what it read', async ({ open, server, raw }) => {
  const pool = open();
  await lose(pool, 6);
  const cache = server.client({ namespace: 'made', near: true });
  let runs = 0;
  const inner = cached(
    async (id: number) => {
      runs += 1;
      return (await pool.query<{ v: number }>(CHEAP, [id])).rows[0]!.v;
    },
    { cache, keyPrefix: 'inner' },
  );
  const page = cached(async (ids: number[]) => (await Promise.all(ids.map((id) => inner(id)))).join(), {
    cache,
    keyPrefix: 'page',
  });
  const { direct } = pool.cacheStats;
  assert.is(await page([7, 8]), '0,0');
  assert.is(pool.cacheStats.direct, direct + 2);
  assert.is(await page([7, 8]), '0,0');
  assert.is(runs, 2, 'it is kept');
  for (let turn = 1; turn <= 3; turn++) {
    await raw.query('UPDATE items SET v = v + 1 WHERE id = 8');
    await eventually('it is dropped', async () => (await page([7, 8])) === `0,${turn}`, 3_000);
  }
});

test('what is found in the cache after a direct run is not older than what that has seen', async ({
  open,
  raw,
  db,
}) => {
  // A daemon that hears of no commit by itself before it is time to look.
  const deaf = await testServer(db.url, { pooler: true, staleBoundMs: 60_000, pollIntervalMs: 30_000 });
  try {
    const pool = open({}, deaf);
    // By its key: what is kept of row 12 stays while row 11 changes.
    const read = async (id: number) =>
      (await pool.query<{ v: number }>('SELECT v FROM items WHERE id = $1', [id])).rows[0]!.v;
    await read(12);
    for (let n = 0; pool.cacheStats.direct === 0; n++) {
      assert.ok(n < CHANGES_MAX);
      await pool.query('UPDATE items SET v = v + 1 WHERE id = 11');
      await read(11);
    }
    let { direct } = pool.cacheStats;
    const { v } = (await raw.query('UPDATE items SET v = v + 1 WHERE id = 12 RETURNING v')).rows[0];
    for (const { hits } = pool.cacheStats; pool.cacheStats.hits === hits; ) {
      // The first call that is not direct finds, or runs, what the last direct one has seen.
      assert.is(await read(12), v);
      if (pool.cacheStats.direct === direct) continue;
      direct = pool.cacheStats.direct;
      assert.ok(direct < CALLS_MAX);
    }
  } finally {
    await deaf.close();
  }
});

test('a query that goes directly and becomes slow is run by few of those who ask for it', async ({ open, raw }) => {
  const pool = open();
  await lose(pool, 9);
  const locker = await raw.connect();
  const waiting = async () => {
    const text = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query = $1";
    return (await raw.query<{ n: number }>(text, [CHEAP])).rows[0]!.n;
  };
  let herd: Promise<pg.QueryResult<{ v: number }>>[] = [];
  let most = 0;
  try {
    await locker.query('BEGIN; LOCK TABLE items');
    herd = Array.from({ length: 100 }, () => pool.query(CHEAP, [9]));
    await eventually('they wait', async () => (await waiting()) >= 8);
    // Time for others to come, if there were any.
    for (let n = 0; n < 50; n++) most = Math.max(most, await waiting());
  } finally {
    await locker.query('COMMIT');
    locker.release();
  }
  assert.is(new Set((await Promise.all(herd)).map(({ rows }) => rows[0]!.v)).size, 1);
  assert.ok(most <= 9, `${most} runs at a time`);
});

test.run();
