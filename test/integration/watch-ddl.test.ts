/** Definitions that others change: heard of by event triggers, and gone without a trace. */
// gate: cost=2 timeout=120
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CachedPool, cachedPool, unwatchTables, watchTables } from '../../client/query/index.js';
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
