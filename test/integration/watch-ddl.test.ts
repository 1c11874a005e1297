/** Definitions that others change: heard of by event triggers, and gone without a trace. */
// gate: cost=2 timeout=120
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CachedPool, cachedPool, unwatchTables, watchedTables, watchTables } from '../../client/query/index.js';
import { eventually, type TestServer, testServer } from '../support/daemon.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';

const test = suite<{ db: TestDatabase; server: TestServer; pool: CachedPool }>('watch-ddl');

test.before(async (context) => {
  context.db = await testDatabase();
  await runSql(
    context.db.url,
    `CREATE TABLE items (id int PRIMARY KEY, name text); INSERT INTO items VALUES (1, 'a');
     CREATE TABLE others (id int PRIMARY KEY, name text); INSERT INTO others VALUES (1, 'other');
     CREATE VIEW seen AS SELECT id, name FROM items; CREATE MATERIALIZED VIEW kept AS SELECT count(*)::int AS n FROM items`,
  );
  context.server = await testServer(context.db.url);
  const raw = new pg.Pool({ connectionString: context.db.url });
  raw.on('error', () => {});
  context.pool = cachedPool(raw, { cache: context.server.client(), tables: { items: {}, others: {}, kept: {} } });
  await watchTables(raw, ['items', 'others'], { ddl: true });
});
test.after(async ({ pool, server, db }) => {
  await pool?.end();
  await server?.close();
  await db?.close();
});

const logged = async (db: TestDatabase, sql: string) => {
  await runSql(db.url, 'DELETE FROM hyper_cache_log');
  await runSql(db.url, sql);
  return (await runSql(db.url, "SELECT FROM hyper_cache_log WHERE name = 'n:tables'")).length > 0;
};

test('views, renamed tables and refreshes from psql are heard of', async ({ db, pool }) => {
  const ask = async (text: string) => JSON.stringify((await pool.query(text)).rows);
  const steps: [string, string, string][] = [
    ['SELECT name FROM seen', 'CREATE OR REPLACE VIEW seen AS SELECT id, name FROM others', '[{"name":"other"}]'],
    ['SELECT name FROM seen', "UPDATE others SET name = 'changed'", '[{"name":"changed"}]'],
    ['SELECT * FROM items', "ALTER TABLE items ADD COLUMN more text DEFAULT 'x'", '[{"id":1,"name":"a","more":"x"}]'],
    [
      'SELECT name FROM items',
      'ALTER TABLE items RENAME TO former; ALTER TABLE others RENAME TO items',
      '[{"name":"changed"}]',
    ],
    ['SELECT n FROM kept', "INSERT INTO former VALUES (2, 'b'); REFRESH MATERIALIZED VIEW kept", '[{"n":2}]'],
  ];
  for (const [text, change, expected] of steps) {
    assert.not.equal(await ask(text), expected);
    await eventually(
      'cached',
      async () => {
        const before = pool.cacheStats.hits;
        await ask(text);
        return pool.cacheStats.hits > before;
      },
      3000,
    );
    await runSql(db.url, change);
    await eventually(change, async () => (await ask(text)) === expected, 3000);
  }
});

test('temporary tables, indexes and what is rolled back do not count', async ({ db }) => {
  const quiet = [
    'CREATE TEMP TABLE t (x int); ALTER TABLE t ADD y int; DROP TABLE t',
    'CREATE INDEX i ON former (name); DROP INDEX i',
    'BEGIN; DROP VIEW seen; ROLLBACK',
  ];
  for (const sql of quiet) assert.not(await logged(db, sql), sql);
  assert.ok(await logged(db, 'DROP VIEW seen'));
});

test('partitions and children that come later are watched as their table is, whoever makes them', async ({
  db,
  pool,
}) => {
  const sql = (text: string) => runSql(db.url, text);
  await sql(`CREATE TABLE days (id int PRIMARY KEY, n text) PARTITION BY RANGE (id);
    CREATE TABLE plain (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE early PARTITION OF days FOR VALUES FROM (0) TO (10); CREATE TABLE parent (x int, "odd ""'key" text PRIMARY KEY)`);
  // The event triggers are there already: they are not to get in the way.
  await watchTables(pool, ['days'], { rowsMax: 7 });
  await watchTables(pool, ['parent']);
  await sql('CREATE TABLE made PARTITION OF days FOR VALUES FROM (10) TO (20)');
  await sql(
    'CREATE TABLE later (n text, id int PRIMARY KEY); ALTER TABLE later DROP COLUMN n; ALTER TABLE later ADD n text',
  );
  await sql('ALTER TABLE days ATTACH PARTITION later FOR VALUES FROM (20) TO (30)');
  await sql(`CREATE TABLE tree (id int PRIMARY KEY, n text) PARTITION BY RANGE (id); CREATE TABLE branch PARTITION OF tree FOR VALUES FROM (30) TO (35) PARTITION BY RANGE (id);
    CREATE TABLE leaf PARTITION OF branch FOR VALUES FROM (30) TO (32); ALTER TABLE days ATTACH PARTITION tree FOR VALUES FROM (30) TO (40)`);
  await sql(
    'CREATE TABLE child (PRIMARY KEY ("odd ""\'key")) INHERITS (parent); CREATE TABLE other PARTITION OF plain FOR VALUES FROM (0) TO (1)',
  );
  await sql('BEGIN; CREATE TABLE undone PARTITION OF days FOR VALUES FROM (90) TO (99); ROLLBACK');
  const watched = new Map((await watchedTables(pool)).map((one) => [one.table, one]));
  for (const name of ['days', 'early', 'made', 'later', 'tree', 'branch', 'leaf']) {
    const { rowsMax, namesRows, problems } = watched.get(name) ?? {};
    assert.equal({ rowsMax, namesRows, problems }, { rowsMax: 7, namesRows: true, problems: [] }, name);
  }
  assert.equal(watched.get('child')?.problems, []);
  assert.is(watched.get('child')?.rowsMax, 100);
  assert.not(watched.has('other'), 'nor what shares rows with no watched table');
  const names = async (text: string) => {
    await sql('DELETE FROM hyper_cache_log');
    await sql(text);
    const rows = await runSql<{ name: string }>(
      db.url,
      "SELECT DISTINCT name FROM hyper_cache_log WHERE name LIKE 't:tables:public%'",
    );
    return rows.map(({ name }) => name.slice('t:tables:public.'.length)).sort();
  };
  assert.equal(await names("INSERT INTO made VALUES (11, 'x')"), ['made', 'made/=11']);
  assert.equal(await names('INSERT INTO later (id) VALUES (21)'), ['later', 'later/=21']);
  assert.equal(await names('INSERT INTO leaf VALUES (31)'), ['leaf', 'leaf/=31']);
  assert.equal(await names("INSERT INTO child VALUES (1, 'k')"), ['child', 'child/=k']);
  // As if it had been watched by the command: nothing is left to do.
  assert.equal(await names('SELECT'), []);
  const before = await runSql(db.url, 'SELECT oid FROM pg_trigger ORDER BY oid');
  await watchTables(pool, ['days'], { rowsMax: 7 });
  assert.equal(await runSql(db.url, 'SELECT oid FROM pg_trigger ORDER BY oid'), before);
});

test('a partition that a role without rights on the cache makes is watched too, in a schema of any name', async ({
  db,
  pool,
}) => {
  const role = `maker_${process.pid}`;
  await runSql(
    db.url,
    `CREATE ROLE ${role}; CREATE SCHEMA "My ""shop" AUTHORIZATION ${role}; SET ROLE ${role}; SET search_path = "My ""shop";
     CREATE TABLE "Days" (id int PRIMARY KEY) PARTITION BY LIST (id)`,
  );
  try {
    await watchTables(pool, ['"My ""shop"."Days"']);
    await runSql(
      db.url,
      `SET ROLE ${role}; CREATE TABLE "My ""shop"."Mon%1$s" PARTITION OF "My ""shop"."Days" FOR VALUES IN (1)`,
    );
    const one = (await watchedTables(pool)).find(({ table }) => table === 'Mon%1$s');
    assert.equal([one?.schema, one?.namesRows, one?.problems], ['My "shop', true, []]);
  } finally {
    await runSql(db.url, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});

test('who may not install it is told; it is idempotent, and unwatched without a trace', async ({ db, pool }) => {
  const user = `plain_${process.pid}`;
  await runSql(db.url, `CREATE ROLE ${user} LOGIN; GRANT CREATE ON SCHEMA public TO ${user}`);
  const plain = new pg.Pool({ connectionString: db.url.replace(/\/\/[^@]*@/, `//${user}@`) });
  try {
    await plain.query('CREATE TABLE mine (id int PRIMARY KEY)');
    const refused = await watchTables(plain, ['mine'], { ddl: true }).catch((error: unknown) => error);
    assert.is((refused as { code?: string }).code, 'ERR_DATABASE');
  } finally {
    await plain.end();
    await runSql(db.url, `DROP OWNED BY ${user}; DROP ROLE ${user}`);
  }
  await watchTables(pool, ['former'], { ddl: true });
  await unwatchTables(pool, ['former'], { ddl: true });
  assert.equal(await runSql(db.url, 'SELECT evtname FROM pg_event_trigger'), []);
  assert.equal(await runSql(db.url, "SELECT FROM pg_proc WHERE proname LIKE '%definition_changed'"), []);
});

test.run();
