// gate: cost=1 timeout=120
/** Trims of tables that take many chunks: what they remove, when they leave the log, how long they rest. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { migrate, migrateSpace, SPACE_VERSION } from '../../shared/table/migrate.js';
import type { PoolLike, Statement } from '../../shared/table/queryable.js';
import { trim, trimState } from '../../shared/table/trim.js';
import { sleep } from '../support/daemon.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';
import { TestTable } from '../support/table.js';

interface Context {
  database: TestDatabase;
  table: TestTable;
}

const test = suite<Context>('table-trim');
const TAG = 't:default:tag';

test.before.each(async (context) => {
  context.database = await testDatabase();
  context.table = await TestTable.open(context.database.url);
});
test.after.each(async ({ table, database }) => {
  await table?.close();
  await database?.close();
});

/** Rows of about 1 kB, seven a page: of 4,000 a chunk of the first size holds a quarter. */
const fill = (table: TestTable, rows: number, columns: string) =>
  table.sql(`INSERT INTO hyper_cache (key, value, expires_at, names)
    SELECT 'key ' || i, to_jsonb(repeat(md5(i::text), 32)), ${columns} FROM generate_series(0, ${rows - 1}) AS i`);

async function trimNow(table: TestTable, db: PoolLike = table.db, clock?: () => number): Promise<number> {
  // Transactions of other databases of the cluster hold the floor back as well: those that run now are given time to end.
  const xmax = (await table.sql<{ xmax: string }>('SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xmax'))[0]
    ?.xmax;
  const isPast = 'SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8 AS yes';
  for (let tries = 0; tries < 1500 && !(await table.sql(isPast, [xmax]))[0]?.yes; tries++) await sleep(10);
  const state = await trimState(table.db, table.schema);
  const { incarnation = '', snapshot = '' } = state ?? {};
  return trim(db, table.schema, { floor: snapshot.split(':')[0] as string, incarnation }, clock);
}

const count = async (table: TestTable, from: string) =>
  (await table.sql<{ count: number }>(`SELECT count(*)::int AS count FROM ${from}`))[0]?.count;
const msAgo = async (table: TestTable) => (await trimState(table.db, table.schema))?.ms_ago as number;

/** The same statements, with something else done after the first chunk of a sweep. */
function between(table: TestTable, then: () => Promise<unknown>): PoolLike & { chunks: number } {
  const db = {
    chunks: 0,
    connect: () => table.db.connect(),
    async query(statement: Statement) {
      const result = await table.db.query(statement);
      if (/_sweep"\(/.test(statement.text) && ++db.chunks === 1) await then();
      return result;
    },
  };
  return db;
}

async function allGoes(table: TestTable): Promise<void> {
  const kinds = `CASE WHEN i % 4 = 0 THEN now() - interval '1 second' WHEN i % 4 = 1 THEN '-infinity' ELSE 'infinity' END,
    CASE WHEN i % 4 = 2 THEN ARRAY['t:default:other', '${TAG}'] WHEN i % 8 = 3 THEN ARRAY['t:default:other'] END`;
  await fill(table, 4000, kinds);
  await table.sql(`UPDATE hyper_cache SET grace = '1 hour', names = '{t:default:other}' WHERE key = 'key 0'`);
  await table.invalidate(TAG);
  const db = between(table, async () => {});
  assert.is(await trimNow(table, db), 2999);
  assert.ok(db.chunks > 2, `${db.chunks} chunks`);
  const left = `SELECT key FROM hyper_cache WHERE expires_at < now() OR names @> '{${TAG}}'`;
  assert.equal(await table.sql(left), [{ key: 'key 0' }]);
  assert.is(await count(table, 'hyper_cache'), 1001);
  assert.is(await count(table, 'hyper_cache_log'), 0);
}

test('what is over or killed goes, wherever it lies, and the rest stays', ({ table }) => allGoes(table));

test('…also on servers that cannot read a range of row addresses', async ({ table }) => {
  const [made] = await table.sql<{ sql: string }>(`SELECT pg_get_functiondef('hyper_cache_sweep'::regproc) AS sql`);
  const older = made?.sql.replace('>= 140000', '>= 999999');
  assert.is.not(older, made?.sql);
  await table.sql(older as string);
  await allGoes(table);
});

test('a chunk removes so many rows at most, and goes on where it was', async ({ table }) => {
  await table.sql(
    `INSERT INTO hyper_cache (key, expires_at) SELECT i::text, '-infinity' FROM generate_series(1, 9000) AS i`,
  );
  const db = between(table, async () => assert.is(await count(table, 'hyper_cache'), 7000));
  assert.is(await trimNow(table, db), 9000);
  assert.is(await count(table, 'hyper_cache_log'), 0);
});

test('a long log of what concerns nobody takes no time', async ({ table }) => {
  await table.sql(`INSERT INTO hyper_cache (key, expires_at, names)
    SELECT i::text, 'infinity', ARRAY['t:default:a', 't:default:b'] FROM generate_series(1, 5000) AS i`);
  await table.sql(`INSERT INTO hyper_cache_log (name) SELECT 't:default:' || i FROM generate_series(1, 20000) AS i`);
  await table.sql('ANALYZE');
  const db = await table.pool.connect();
  try {
    await db.query(`SET statement_timeout = '5s'`); // as the daemon does; a log that is read for each row takes longer
    assert.is(
      await trimNow(table, { query: (statement) => db.query(statement), connect: () => table.db.connect() }),
      0,
    );
  } finally {
    db.release(true);
  }
  assert.is(await count(table, 'hyper_cache_log'), 0);
});

test('a dead row that somebody moves to where the sweep has been keeps the log', async ({ table }) => {
  // The first pages have room, and those of the end are full: an update moves a row.
  await fill(table, 4000, `CASE WHEN i < 100 THEN '-infinity' ELSE now() + interval '1 hour' END, '{${TAG}}'`);
  await trimNow(table);
  await table.sql('VACUUM hyper_cache');
  const [{ key } = { key: '' }] = await table.sql<{ key: string }>(
    'SELECT key FROM hyper_cache ORDER BY ctid DESC OFFSET 20 LIMIT 1',
  );
  const block = async () => {
    const where = 'SELECT (ctid::text::point)[0] AS block FROM hyper_cache WHERE key = $1';
    return (await table.sql<{ block: number }>(where, [key]))[0]?.block as number;
  };
  const before = await block();
  await table.invalidate(TAG);
  const db = between(table, async () => {
    await table.sql(`UPDATE hyper_cache SET expires_at = 'infinity' WHERE key = $1`, [key]);
    const after = await block();
    assert.ok(after < 100 && before > 400, `from ${before} to ${after}`);
  });
  await trimNow(table, db);
  assert.ok(db.chunks > 1);
  assert.is(await count(table, 'hyper_cache'), 1);
  assert.is((await table.read(key)).value, undefined);
  assert.ok(((await count(table, 'hyper_cache_log')) ?? 0) > 0, 'the log stays as long as the row');
  await trimNow(table);
  assert.is(await count(table, 'hyper_cache'), 0);
  assert.is(await count(table, 'hyper_cache_log'), 0);
});

test('a table that is written anew under the sweep keeps the log', async ({ table }) => {
  await fill(table, 4000, `'infinity', CASE WHEN i > 3900 THEN '{${TAG}}'::text[] END`);
  await table.sql(`DELETE FROM hyper_cache WHERE substr(key, 5)::int < 3800`);
  await table.sql('TRUNCATE hyper_cache_log');
  await table.invalidate(TAG);
  await trimNow(
    table,
    between(table, () => table.sql('VACUUM FULL hyper_cache')),
  );
  const killed = `hyper_cache WHERE names = '{${TAG}}'`;
  assert.ok(((await count(table, killed)) ?? 0) > 0, 'they lie where the sweep had been');
  assert.is(await count(table, `hyper_cache_log WHERE name = '${TAG}'`), 1);
  await trimNow(table);
  assert.is(await count(table, killed), 0);
  assert.is(await count(table, 'hyper_cache_log'), 0);
});

test('a sweep of many chunks rests, the less the more it removed; others leave it alone while it goes on', async ({
  table,
}) => {
  await fill(table, 4000, `(CASE WHEN i % 100 = 0 THEN '-' ELSE '' END || 'infinity')::timestamptz, NULL`);
  let nowMs = 0;
  const slow = () => {
    nowMs += 700;
    return nowMs;
  };
  let during = Number.NaN;
  await table.sql(`UPDATE hyper_cache_meta SET trimmed_at = 'epoch'`);
  let chunks = 0;
  const db: PoolLike = {
    connect: () => table.db.connect(),
    async query(statement) {
      if (/_sweep"\(/.test(statement.text) && ++chunks === 3) {
        await table.sql(`UPDATE hyper_cache_meta SET trimmed_at = now() - interval '1 hour'`);
      }
      if (chunks === 5) during = await msAgo(table);
      return table.db.query(statement);
    },
  };
  assert.is(await trimNow(table, db, slow), 40);
  assert.ok(during < 60_000, `${during} ms ago`);
  const restMs = -(await msAgo(table));
  assert.ok(restMs > 80 * nowMs && restMs < 100 * nowMs, `${nowMs} ms, rests ${restMs}`);
  await table.sql('TRUNCATE hyper_cache');
  await fill(table, 4000, `'-infinity'::timestamptz, NULL`);
  assert.is(await trimNow(table, table.db, slow), 4000);
  assert.ok((await msAgo(table)) >= 0, 'there was enough to do');
});

test('what fits into a chunk does not rest', async ({ table }) => {
  await fill(table, 100, `'infinity', NULL`);
  let nowMs = 0;
  await trimNow(table, table.db, () => {
    nowMs += 700;
    return nowMs;
  });
  assert.ok((await msAgo(table)) >= 0);
});

test('namespaces of an earlier version are upgraded, and long names are no hindrance', async ({ table }) => {
  const long = 'n'.repeat(32);
  for (const namespace of ['old', long]) await migrateSpace(table.db, table.schema, namespace);
  await table.sql(`UPDATE hyper_cache_migrations SET version = 4 WHERE namespace = 'old'`);
  await table.sql('DROP FUNCTION hyper_cache_ns_old_sweep');
  for (const namespace of ['old', long]) {
    await table.sql(`INSERT INTO hyper_cache_ns_${namespace} (key, expires_at) VALUES ('over', '-infinity')`);
  }
  assert.is(await trimNow(table), 2);
  const versions = await table.sql('SELECT DISTINCT version FROM hyper_cache_migrations WHERE namespace <> $1', ['']);
  assert.equal(versions, [{ version: SPACE_VERSION }]);
});

test('a namespace that cannot be upgraded keeps the log, and nothing else', async ({ table }) => {
  await migrateSpace(table.db, table.schema, 'old');
  await table.sql(`UPDATE hyper_cache_migrations SET version = 4 WHERE namespace = 'old'`);
  await table.sql(`INSERT INTO hyper_cache (key, expires_at) VALUES ('over', '-infinity')`);
  await table.invalidate(TAG);
  const role = `without_rights_${process.pid}`;
  await table.sql(`CREATE ROLE ${role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
  const client = await table.pool.connect();
  try {
    await client.query(`SET ROLE ${role}`);
    const query = (statement: Statement) => client.query(statement);
    assert.is(await trimNow(table, { query, connect: async () => ({ query, release() {} }) }), 1);
    assert.ok(((await count(table, 'hyper_cache_log')) ?? 0) > 0, 'the log stays');
  } finally {
    await client.query('ROLLBACK; RESET ROLE').catch(() => {});
    client.release(true);
    await table.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
  await migrate(table.db, { table: 'hyper_cache', logged: false });
  const versions = await table.sql('SELECT DISTINCT version FROM hyper_cache_migrations WHERE namespace <> $1', ['']);
  assert.equal(versions, [{ version: SPACE_VERSION }], 'the command does it for all');
  await trimNow(table);
  assert.is(await count(table, 'hyper_cache_log'), 0);
});

test.run();
