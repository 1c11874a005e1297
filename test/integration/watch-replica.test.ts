// gate: cost=2 timeout=120

import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { watchTables } from '../../client/query/watch.js';
import { eventually } from '../support/daemon.js';
import { runSql, type TestCluster, testCluster, urlOfDatabase } from '../support/postgres.js';

/** A table that a subscription fills: what is applied there is no statement, and counts all the same. */
const test = suite<{ cluster: TestCluster }>('watch-replica');

test.before(async (context) => {
  context.cluster = await testCluster();
  await runSql(context.cluster.url, "ALTER SYSTEM SET wal_level = 'logical'");
  await context.cluster.restart('fast');
});
test.after((context) => context.cluster?.close());

test('rows that logical replication copies, applies and truncates are logged', async ({ cluster }) => {
  const [source, copy] = ['source', 'copy'].map((name) => urlOfDatabase(cluster.url, name)) as [string, string];
  for (const name of ['source', 'copy']) await runSql(cluster.url, `CREATE DATABASE ${name}`);
  for (const url of [source, copy]) await runSql(url, 'CREATE TABLE items (id int PRIMARY KEY, n int)');
  await runSql(source, 'INSERT INTO items VALUES (1, 1)');
  await runSql(source, 'CREATE PUBLICATION p FOR TABLE items');
  await runSql(source, "SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
  const pool = new pg.Pool({ connectionString: copy });
  pool.on('error', () => {});
  const tags = async () =>
    (
      await runSql<{ name: string }>(copy, "SELECT DISTINCT name FROM hyper_cache_log WHERE name LIKE 't:%' ORDER BY 1")
    ).map(({ name }) => name.slice('t:tables:public.'.length));
  const rows = async () =>
    JSON.stringify((await runSql(copy, 'SELECT id, n FROM items ORDER BY id')).map(({ id, n }) => [id, n]));
  const apply = async (sql: string, becomes: string) => {
    await runSql(copy, 'TRUNCATE hyper_cache_log');
    await runSql(source, sql);
    await eventually(`applied: ${sql}`, async () => (await rows()) === becomes, 20_000);
    return tags();
  };
  try {
    await watchTables(pool, ['items']);
    await runSql(copy, 'TRUNCATE hyper_cache_log');
    const { host, port, user, password } = new pg.Client({ connectionString: source });
    const secret = password === null || password === undefined ? '' : ` password=${password}`;
    await runSql(
      copy,
      `CREATE SUBSCRIPTION sub CONNECTION 'host=${host} port=${port} user=${user}${secret} dbname=source' PUBLICATION p
        WITH (create_slot = false, slot_name = 's')`,
    );
    await eventually('copied', async () => (await rows()) === '[[1,1]]', 20_000);
    const all = ['items', 'items/*'];
    assert.equal(await tags(), all, 'the copy at the start');
    assert.equal(await apply('INSERT INTO items VALUES (2, 2)', '[[1,1],[2,2]]'), all);
    assert.equal(await apply('UPDATE items SET n = 3', '[[1,3],[2,3]]'), all);
    assert.equal(await apply('DELETE FROM items WHERE id = 1', '[[2,3]]'), all);
    assert.equal(await apply('TRUNCATE items', '[]'), all);
    await runSql(copy, 'ALTER SUBSCRIPTION sub DISABLE; ALTER SUBSCRIPTION sub SET (slot_name = NONE)').catch(() => {});
  } finally {
    await pool.end();
  }
});

test.run();
