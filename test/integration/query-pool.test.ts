/** A wrapped pool over a real Postgres and real daemons: the driver's own results, and no answer older than a commit. */
// gate: cost=2 timeout=240
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cached } from '../../client/index.js';
import { type CachedPool, type CachedPoolOptions, cachedPool } from '../../client/query/index.js';
import { eventually, type TestServer, testServer } from '../support/daemon.js';
import { rejectsCode, throwsCode } from '../support/errors.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';

interface World {
  db: TestDatabase;
  a: TestServer;
  b: TestServer;
  raw: pg.Pool;
  pool: CachedPool;
  why: string[];
  open: (server: TestServer, options?: Partial<CachedPoolOptions>, config?: pg.PoolConfig) => CachedPool;
  opened: pg.Pool[];
}
const test = suite<World>('query-pool');

const SCHEMA = `
  CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, price int DEFAULT 1);
  INSERT INTO products SELECT i, 'p' || i FROM generate_series(1, 20) AS i;
  CREATE TABLE orders (id int PRIMARY KEY, product int REFERENCES products ON DELETE CASCADE ON UPDATE CASCADE);
  CREATE VIEW priced AS SELECT id, price FROM products;
  CREATE MATERIALIZED VIEW stored AS SELECT count(*)::int AS n FROM products;
  CREATE TABLE events (id int, at date, n int) PARTITION BY RANGE (at);
  CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
  CREATE TABLE kinds (i8 int8, n numeric, t timestamptz, d date, b bytea, j jsonb, a int[], u uuid, f float8, o bool, e text, nul int);
  INSERT INTO kinds VALUES (9007199254740993, 1.50, '2026-01-02 03:04:05.678901Z', '2026-01-02', '\\x00ff', '{"a":[1,null]}', '{1,NULL,3}',
    '0123abcd-0000-4000-8000-00000000000a', 'NaN', true, 'Ünïcödé', NULL);`;

test.before(async (context) => {
  context.db = await testDatabase();
  await runSql(context.db.url, SCHEMA);
  context.a = await testServer(context.db.url, { namespaces: { lone: { tiers: 'memory' } } });
  context.b = await testServer(context.db.url, {});
  context.why = [];
  context.opened = [];
  context.open = (server, options = {}, config = {}) => {
    const raw = new pg.Pool({ connectionString: context.db.url, max: 4, ...config });
    raw.on('error', () => {});
    const tables = Object.fromEntries(['products', 'orders', 'kinds', 'stored', 'events'].map((name) => [name, {}]));
    const cache = options.cache ?? server.client();
    const pool = cachedPool(raw, { tables, onBypass: ({ reason }) => context.why.push(reason), ...options, cache });
    context.opened.push(pool);
    return pool;
  };
  context.pool = context.open(context.a);
});

test.after(async ({ opened, a, b, db }) => {
  for (const pool of opened ?? []) if (!pool.ended) await pool.end();
  await a?.close();
  await b?.close();
  await db?.close();
});

/** Whether the call was answered from the cache. */
async function isHit(pool: CachedPool, call: () => unknown): Promise<boolean> {
  const before = pool.cacheStats.hits;
  await call();
  return pool.cacheStats.hits > before;
}
const nameOf = async (pool: CachedPool, id: number) =>
  (await pool.query<{ name: string }>('SELECT name FROM products WHERE id = $1', [id])).rows[0]?.name;

test('a cached result is what the driver gives, in each of its forms', async ({ pool, db }) => {
  const raw = new pg.Pool({ connectionString: db.url });
  const texts = [
    'SELECT * FROM kinds',
    'SELECT i8 AS x, n AS x, e FROM kinds',
    'SELECT e, u, t FROM kinds WHERE false',
    'SELECT FROM kinds',
  ];
  for (const text of texts) {
    for (const extra of [{}, { rowMode: 'array' }, { types: { getTypeParser: () => (value: string) => [value] } }]) {
      const query = { text, ...extra } as pg.QueryConfig;
      const expected = await raw.query(query);
      for (const turn of ['filled', 'found']) {
        const result = await pool.query(query);
        for (const part of ['rows', 'rowCount', 'command', 'oid'] as const)
          assert.equal(result[part], expected[part], `${turn} ${part} of ${text}`);
        assert.equal(
          result.fields.map((one) => ({ ...one })),
          expected.fields.map((one) => ({ ...one })),
          turn,
        );
        assert.equal(Object.keys(result.rows[0] ?? {}), Object.keys(expected.rows[0] ?? {}));
      }
      assert.ok(await isHit(pool, () => pool.query(query)), 'and it was found');
    }
  }
  await raw.end();
});

test('all forms of the call are the same query', async ({ pool }) => {
  const text = 'SELECT name FROM products WHERE id = $1';
  await pool.query(text, [1]);
  const byCallback = (...args: unknown[]) =>
    new Promise((resolve, reject) => {
      const done = (error: Error | undefined, result: unknown) => (error ? reject(error) : resolve(result));
      assert.is((pool.query as (...all: unknown[]) => unknown)(...args, done), undefined);
    });
  const forms = [
    () => pool.query(text, ['1']),
    () => pool.query({ text, values: [1] }),
    () => pool.query({ text } as pg.QueryConfig, [1]),
    () => pool.query({ text, values: [1], name: 'named' }),
    () => byCallback(text, [1]),
    () => byCallback({ text, values: [1] }),
  ];
  for (const form of forms) {
    assert.ok(await isHit(pool, form), form.toString());
    assert.equal(((await form()) as pg.QueryResult).rows, [{ name: 'p1' }]);
  }
  assert.not(await isHit(pool, () => pool.query(text, [2])), 'another value is another query');
});

test('what is done to a result reaches nobody else', async ({ pool }) => {
  const query = 'SELECT id, name FROM products WHERE id = 3';
  for (let turn = 0; turn < 3; turn++) {
    const result = await pool.query(query);
    assert.equal(result.rows, [{ id: 3, name: 'p3' }]);
    result.rows[0].name = 'spoilt';
    result.rows.push({ id: 4 });
    result.fields.length = 0;
  }
});

test('a query that asks for it is cached whatever it reads; one that asks not to be is not', async ({ pool, why }) => {
  await runSql(pool.options.connectionString as string, 'CREATE TABLE other (x int)');
  assert.not(await isHit(pool, () => pool.query('SELECT * FROM other')));
  assert.match(why.at(-1)!, /cacheTtl/);
  const query = { text: 'SELECT x FROM other', cache: { ttl: '1m' } };
  await pool.query(query);
  assert.ok(await isHit(pool, () => pool.query(query)));
  assert.ok(await isHit(pool, () => pool.cache(9).query('SELECT x FROM other')));
  await nameOf(pool, 5);
  const text = 'SELECT name FROM products WHERE id = 5';
  assert.not(await isHit(pool, () => pool.query({ text, cache: false })));
});

test('what can’t be asked of the cache is refused, not left out', async ({ pool }) => {
  const ask = (cache: object) => pool.query({ text: 'SELECT name FROM products WHERE id = 6', cache });
  await rejectsCode('ERR_INVALID_TTL', () => ask({ ttl: -1 }));
  await rejectsCode('ERR_INVALID_ARGUMENT', () => ask({ ttl: 5, tag: ['x'] }));
  await rejectsCode('ERR_INVALID_TAG', () => ask({ tags: [''] }));
});

test('a connection is the same object each time it is given out, as the driver’s are', async ({ open, a }) => {
  const pool = open(a, {}, { max: 1 });
  const first = await pool.connect();
  first.release();
  const again = await pool.connect();
  assert.is(again, first);
  again.release();
});

test('errors are those of the driver', async ({ pool }) => {
  const error = await pool.query('SELECT nothing FROM products').catch((reason: unknown) => reason as pg.DatabaseError);
  assert.instance(error, pg.DatabaseError);
  assert.is((error as pg.DatabaseError).code, '42703');
  const divided = await pool.query('SELECT 1 / (price - 1) FROM products').catch((reason: unknown) => reason);
  assert.is((divided as pg.DatabaseError).code, '22012');
});

test('read your writes: the next read after each kind of write is not older', async ({ pool, open, b }) => {
  const other = open(b);
  const count = async (of: CachedPool) =>
    (await of.query<{ n: number }>('SELECT count(*)::int AS n FROM products')).rows[0]!.n;
  const writes: [string, number][] = [
    ["INSERT INTO products VALUES (100, 'x')", 1],
    ["WITH i AS (INSERT INTO products VALUES (101, 'x') RETURNING *) SELECT * FROM i", 1],
    ['INSERT INTO priced VALUES (102, 3)', 0],
    ["INSERT INTO products VALUES (103, 'x'); INSERT INTO products VALUES (104, 'y')", 2],
    ['DELETE FROM products WHERE id IN (103, 104)', -2],
    [
      "MERGE INTO products AS p USING (VALUES (105)) AS v (id) ON p.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'm')",
      1,
    ],
    ['DELETE FROM products WHERE id > 99', -3],
  ];
  let expected = await count(pool);
  for (const [write, change] of writes) {
    assert.ok(await isHit(pool, () => count(pool)), 'warm');
    await count(other);
    await pool.query(write).catch((error: pg.DatabaseError) => assert.is(error.code, '23502'));
    expected += change;
    assert.is(await count(pool), expected, write);
    await eventually('seen elsewhere', async () => (await count(other)) === expected, 3000);
  }
});

test('a write inside a transaction counts at its commit, and not when it is rolled back', async ({ pool, open, b }) => {
  const other = open(b);
  for (const end of ['COMMIT', 'ROLLBACK']) {
    const before = await nameOf(pool, 7);
    const client = await pool.connect();
    await client.query('BEGIN');
    await client.query('UPDATE products SET name = name || $1 WHERE id = 7', ['!']);
    assert.is(
      (await client.query('SELECT name FROM products WHERE id = $1', [7])).rows[0].name,
      `${before}!`,
      'its own view',
    );
    assert.ok(await isHit(pool, () => nameOf(pool, 7)), 'nothing before the end');
    assert.is(await nameOf(pool, 7), before);
    assert.is(await nameOf(other, 7), before);
    await client.query(end);
    client.release();
    if (end === 'ROLLBACK') {
      assert.ok(await isHit(pool, () => nameOf(pool, 7)), 'nothing was invalidated');
      continue;
    }
    assert.is(await nameOf(pool, 7), `${before}!`);
    await eventually('seen elsewhere', async () => (await nameOf(other, 7)) === `${before}!`, 3000);
  }
});

test('a write that fails is not half done, and the connection goes on', async ({ pool }) => {
  await nameOf(pool, 8);
  const client = await pool.connect();
  const error = await client
    .query("INSERT INTO products VALUES (8, 'again')")
    .catch((reason: unknown) => reason as pg.DatabaseError);
  assert.is((error as pg.DatabaseError).code, '23505');
  assert.is(client.getTransactionStatus(), 'I');
  await client.query('UPDATE products SET price = 5 WHERE id = 8');
  assert.is(client.getTransactionStatus(), 'I');
  client.release();
  assert.is((await pool.query('SELECT price FROM products WHERE id = 8')).rows[0].price, 5);
});

test('a write that can not be logged is not done', async ({ pool, db }) => {
  await pool.query("UPDATE products SET name = 'logged' WHERE id = 18");
  const fn = 'FUNCTION hyper_cache_ns_tables_invalidate';
  await runSql(db.url, `ALTER ${fn} RENAME TO elsewhere`);
  const client = await pool.connect();
  try {
    for (const one of [pool, client]) {
      const write = one.query("UPDATE products SET name = 'lost' WHERE id = 18") as Promise<unknown>;
      assert.is(((await write.catch((error: unknown) => error)) as pg.DatabaseError).code, '42883');
    }
    assert.is(client.getTransactionStatus(), 'I');
  } finally {
    client.release();
    await runSql(db.url, 'ALTER FUNCTION elsewhere RENAME TO hyper_cache_ns_tables_invalidate');
  }
  assert.is(await nameOf(pool, 18), 'logged');
});

test('cascades of foreign keys, TRUNCATE and refreshed views count as written', async ({ pool }) => {
  await pool.query('INSERT INTO orders VALUES (1, 9), (2, 10), (3, 11)');
  const orders = async () =>
    (await pool.query<{ product: number }>('SELECT product FROM orders ORDER BY id')).rows.map((row) => row.product);
  assert.equal(await orders(), [9, 10, 11]);
  await pool.query('DELETE FROM products WHERE id = 9');
  assert.equal(await orders(), [10, 11]);
  await pool.query('UPDATE products SET id = 910 WHERE id = 10');
  assert.equal(await orders(), [910, 11]);
  const n = async () => (await pool.query<{ n: number }>('SELECT n FROM stored')).rows[0]!.n;
  const before = await n();
  await pool.query('REFRESH MATERIALIZED VIEW stored');
  assert.is(await n(), before - 1);
  await pool.query('TRUNCATE orders');
  assert.equal(await orders(), []);
});

test('a partition and what it is of are one', async ({ pool }) => {
  const whole = async () =>
    (await pool.query('SELECT n FROM events ORDER BY n')).rows.map((row: { n: number }) => row.n);
  assert.equal(await whole(), []);
  await pool.query("INSERT INTO events_old VALUES (1, '2019-01-01', 5)");
  assert.equal(await whole(), [5]);
  await pool.query('UPDATE events SET n = 6');
  assert.equal((await pool.cache(60).query('SELECT n FROM events_old')).rows, [{ n: 6 }]);
  await pool.query('DELETE FROM events');
  assert.equal((await pool.cache(60).query('SELECT n FROM events_old')).rows, []);
});

test('definitions that change', async ({ pool }) => {
  const ask = () => pool.query('SELECT * FROM priced WHERE id = 12');
  assert.equal(Object.keys((await ask()).rows[0]), ['id', 'price']);
  await pool.query('CREATE OR REPLACE VIEW priced AS SELECT id, price, name FROM products');
  assert.equal(Object.keys((await ask()).rows[0]), ['id', 'price', 'name']);
  await pool.query('ALTER TABLE products RENAME COLUMN price TO cost');
  assert.equal(Object.keys((await pool.query('SELECT * FROM products WHERE id = 12')).rows[0]), ['id', 'name', 'cost']);
});

test('functions made of queries, three deep: a commit drops exactly what was made of what it changed', async ({
  pool,
  open,
  a,
  b,
}) => {
  const made: string[] = [];
  const chain = (server: TestServer, of: CachedPool) => {
    const cache = server.client({ namespace: 'made', near: true });
    const product = cached(
      async (id: number) => {
        made.push(`product ${id}`);
        return (await nameOf(of, id)) ?? 'none';
      },
      {
        cache,
        keyPrefix: 'product',
      },
    );
    const list = cached(
      async (ids: number[]) => {
        made.push(`list ${ids}`);
        return Promise.all(ids.map((id) => product(id)));
      },
      { cache, keyPrefix: 'list' },
    );
    return cached(
      async (ids: number[]) => {
        made.push(`page ${ids}`);
        return (await list(ids)).join('+');
      },
      {
        cache,
        keyPrefix: 'page',
      },
    );
  };
  const [here, there] = [chain(a, pool), chain(b, open(b))];
  for (const page of [here, there]) assert.equal([await page([1, 2]), await page([13, 14])], ['p1+p2', 'p13+p14']);
  // Triggers would name the row; the wrapper alone names the table, so a row is named by hand here.
  const before = made.length;
  await runSql(
    pool.options.connectionString as string,
    `
    BEGIN; UPDATE products SET name = 'new' WHERE id = 2;
    SELECT hyper_cache_ns_tables_invalidate('tag', 'public.products', 'public.products/=2'); COMMIT`,
  );
  for (const page of [here, there]) {
    await eventually('dropped', async () => (await page([1, 2])) === 'p1+new', 3000);
    assert.is(await page([13, 14]), 'p13+p14');
  }
  const again = made.slice(before);
  assert.not(
    again.some((one) => /1[34]/.test(one) || one === 'product 1'),
    again.join(),
  );
  assert.ok(
    ['page 1,2', 'list 1,2', 'product 2'].every((one) => again.includes(one)),
    again.join(),
  );
});

test('what is made of a query that is not cached dies with its tables, or is not kept', async ({ pool, a, db }) => {
  const id = 16;
  const cache = a.client({ namespace: 'made' });
  let runs = 0;
  const make = (keyPrefix: string, read: (text: string) => Promise<pg.QueryResult>, more = '') =>
    cached(
      async () => {
        runs += 1;
        return (await read(`SELECT name${more} FROM products WHERE id = ${id}`)).rows[0].name as string;
      },
      { cache, keyPrefix },
    );
  const onConnection = async (text: string) => {
    const client = await pool.connect();
    try {
      return await client.query(text);
    } finally {
      client.release();
    }
  };
  const change = (name: string) =>
    runSql(
      db.url,
      `BEGIN; UPDATE products SET name = '${name}' WHERE id = ${id};
      SELECT hyper_cache_ns_tables_invalidate('tag', 'public.products', 'public.products/=${id}'); COMMIT`,
    );
  const followed = make('asked-not-to', (text) => pool.query({ text, cache: false }));
  await change('one');
  assert.equal([await followed(), await followed(), runs], ['one', 'one', 1]);
  await change('two');
  await eventually('dropped', async () => (await followed()) === 'two', 3000);
  const locked = (text: string) => `${text} FOR UPDATE`;
  const unknown = [
    make('volatile', (text) => pool.query(text), ', random()'),
    make('volatile-connection', onConnection, ', random()'),
    make('locking', (text) => pool.query(locked(text))),
    make('locking-connection', (text) => onConnection(locked(text))),
  ];
  for (const name of ['three', 'four']) {
    await change(name);
    for (const read of unknown) assert.is(await read(), name);
  }
});

test('a query that began before a commit and ends after it is not kept', async ({ pool, a, db }) => {
  const slow = 'SELECT name, (SELECT count(*) FROM generate_series(1, 4000000)) AS n FROM products WHERE id = 15';
  const early = pool.query(slow);
  await eventually(
    'it runs',
    async () =>
      (
        await runSql(
          db.url,
          "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%4000000)) AS n%' AND pid <> pg_backend_pid()",
        )
      ).length > 0,
  );
  await runSql(
    db.url,
    `BEGIN; UPDATE products SET name = 'late' WHERE id = 15;
    SELECT hyper_cache_ns_tables_invalidate('tag', 'public.products', 'public.products/=15'); COMMIT`,
  );
  await early;
  await eventually('the commit is seen', async () => (await pool.query(slow)).rows[0].name === 'late', 3000);
  assert.ok(a.daemon !== undefined);
});

test('a session that is not like the others does not fill, and its settings are part of the key', async ({
  open,
  a,
  why,
}) => {
  const pool = open(a, {}, { max: 1 });
  const types = { getTypeParser: () => String } as unknown as pg.CustomTypesConfig;
  const at = async (text: string) => (await pool.query({ text, types })).rows[0].t as string;
  assert.match(await at('SELECT t FROM kinds'), /^2026-01-02 03:04:05.678901\+00/);
  await pool.query("SELECT set_config('TimeZone', 'Asia/Tokyo', false)");
  for (let turn = 0; turn < 3; turn++) assert.match(await at('SELECT t FROM kinds AS k'), /12:04:05.678901\+09/);
  const utc = open(a);
  const { rows } = await utc.query({ text: 'SELECT t FROM kinds AS k', types });
  assert.match(rows[0].t, /\+00$/, 'nobody else is given that');
  await pool.query('RESET TimeZone');
  await pool.query('CREATE TEMP TABLE products (id int, name text)');
  await pool.query("INSERT INTO products VALUES (1, 'mine')");
  const found = await pool.query('SELECT name FROM products WHERE id = 1 AND true');
  assert.is(found.rows[0].name, 'mine');
  assert.ok(why.length > 0);
  const other = open(a);
  assert.is(
    (await other.query('SELECT name FROM products WHERE id = 1 AND true')).rows[0].name,
    'p1',
    'and fills nothing',
  );
});

test('nothing is cached for another database, or in a namespace that has no log', async ({ open, a, why }) => {
  const elsewhere = await testDatabase();
  await runSql(
    elsewhere.url,
    "CREATE TABLE products (id int PRIMARY KEY, name text); INSERT INTO products VALUES (1, 'elsewhere')",
  );
  const pool = open(a, {}, { connectionString: elsewhere.url });
  for (let turn = 0; turn < 2; turn++) assert.is(await nameOf(pool, 1), 'elsewhere');
  assert.match(why.at(-1)!, "it is not the one that the cache's daemon follows");
  assert.is(pool.cacheStats.hits, 0);
  await pool.end();
  await elsewhere.close();
  const lone = open(a, { cache: a.client({ namespace: 'lone' }) });
  await nameOf(lone, 1);
  assert.match(why.at(-1)!, /whole on one database/);
  throwsCode('ERR_INVALID_ARGUMENT', () => open(a, { cache: {} as never }));
});

test('while the daemon is away queries run, each by itself', async ({ open, db }) => {
  const server = await testServer(db.url);
  const pool = open(server, { cache: server.client({ timeoutMs: 500 }) });
  await nameOf(pool, 17);
  assert.ok(await isHit(pool, () => nameOf(pool, 17)));
  await server.daemon.close();
  await pool.query("UPDATE products SET name = 'alone' WHERE id = 17");
  assert.is(await nameOf(pool, 17), 'alone');
  await pool.end();
  await server.close();
});

test('queries outlive their cache', async ({ a, open }) => {
  const cache = a.client();
  const pool = open(a, { cache });
  await nameOf(pool, 18);
  assert.ok(await isHit(pool, () => nameOf(pool, 18)));
  await cache.close();
  const name = await nameOf(pool, 18);
  assert.ok(name);
  assert.is(await isHit(pool, () => nameOf(pool, 18)), false);
  await pool.end();
});

test.run();
