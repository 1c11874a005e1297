import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_VERSION, SPACE_VERSION } from '../../shared/table/migrate.js';
import { eventually, type TestServer, testServer } from '../support/daemon.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';
import { projectRoot } from '../support/source.js';

/** A cache that an earlier release made, with values in it, is opened by this release: by several daemons at once. */
const test = suite<{ db: TestDatabase; servers: TestServer[] }>('upgrade');

/** What was there: a value of the table's own columns, one with a tag, a counter, one that is over, an invalidated one. */
const ROWS = `
  INSERT INTO hyper_cache_migrations (object, namespace, version, logged)
    VALUES ('', '', 1, false), ('hyper_cache', 'default', 1, false);
  SELECT hyper_cache_incarnate();
  INSERT INTO hyper_cache (key, value, expires_at) VALUES ('plain', '{"a": [1]}', now() + interval '1 hour');
  INSERT INTO hyper_cache (key, value, expires_at, names)
    VALUES ('tagged', '"v"', now() + interval '1 hour', '{t:default:kept}'),
           ('dropped', '"v"', now() + interval '1 hour', '{t:default:gone}');
  INSERT INTO hyper_cache (key, counter, expires_at) VALUES ('n', 41, now() + interval '1 hour');
  INSERT INTO hyper_cache (key, value, expires_at) VALUES ('over', '1', now() - interval '1 hour')`;

test.before.each(async (context) => {
  context.servers = [];
  context.db = await testDatabase();
  await runSql(context.db.url, readFileSync(join(projectRoot, 'test', 'fixtures', 'tables-1.sql'), 'utf8'));
  await runSql(context.db.url, ROWS);
  await runSql(context.db.url, `SELECT hyper_cache_invalidate('tag', 'gone')`);
});

test.after.each(async ({ db, servers }) => {
  for (const server of servers) await server.close();
  await db.close();
});

const VERSIONS = 'SELECT object, version FROM hyper_cache_migrations ORDER BY object';
const UPGRADED = [
  { object: '', version: CORE_VERSION },
  { object: 'hyper_cache', version: SPACE_VERSION },
];
const bodies = `SELECT proname, prosrc FROM pg_proc WHERE proname ~ '^hyper_cache_(foreign|write|invalidate)' ORDER BY proname`;

test('two daemons at once: values, tags and counters are as they were, and what is new works', async ({
  db,
  servers,
}) => {
  const before = await runSql(db.url, bodies);
  servers.push(...(await Promise.all([testServer(db.url), testServer(db.url)])));
  const [a, b] = servers.map((server) => server.client({ onUnavailable: 'throw' }));
  const both = [a!, b!] as const;
  const answers = await Promise.all(both.map((client) => client.getMany(['plain', 'tagged', 'dropped', 'n', 'over'])));
  const expected = new Map<string, unknown>(Object.entries({ plain: { a: [1] }, tagged: 'v', n: 41 }));
  for (const answer of answers) assert.equal(answer, expected);
  assert.equal(await runSql(db.url, VERSIONS), UPGRADED);
  assert.not.equal(await runSql(db.url, bodies), before, 'the functions are those of this release');
  assert.is(await a!.incr('n'), 42);
  await a!.invalidateTags(['kept']);
  for (const client of both) await eventually('the tag', async () => (await client.get('tagged')) === undefined);
  // A deletion logs the name by which a whole that was made of many parts carries its namespace: no earlier function did.
  const named = `SELECT FROM hyper_cache_log WHERE name = 'a:default'`;
  const { length } = await runSql(db.url, named);
  await runSql(db.url, `DELETE FROM hyper_cache WHERE key = 'plain'`);
  assert.is((await runSql(db.url, named)).length, length + 1);
});

test('an upgrade waits for who reads and writes the table meanwhile, and holds up nobody for long', async ({
  db,
  servers,
}) => {
  const writer = new pg.Client({ connectionString: db.url });
  await writer.connect();
  try {
    await writer.query('BEGIN');
    await writer.query(`UPDATE hyper_cache SET value = '"mine"' WHERE key = 'plain'`);
    const starting = Promise.all([testServer(db.url), testServer(db.url)]);
    starting.then((started) => servers.push(...started));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await writer.query('COMMIT');
    const [server] = await starting;
    const client = server!.client({ onUnavailable: 'throw' });
    await eventually('the value', async () => (await client.get('plain').catch(() => undefined)) === 'mine');
    assert.equal(await runSql(db.url, VERSIONS), UPGRADED);
  } finally {
    await writer.end();
  }
});

const indexes = `SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indrelid = 'hyper_cache'::regclass ORDER BY name`;

test('the index that made each set dear goes, updates stay within their page, and what is over is still trimmed', async ({
  db,
  servers,
}) => {
  assert.equal(await runSql(db.url, indexes), [{ name: 'hyper_cache_expires' }, { name: 'hyper_cache_pkey' }]);
  servers.push(await testServer(db.url));
  const client = servers[0]!.client({ onUnavailable: 'throw' });
  for (let n = 0; n < 20; n++) await client.set('plain', n);
  assert.equal(await runSql(db.url, indexes), [{ name: 'hyper_cache_pkey' }]);
  const hot = `SELECT n_tup_upd AS updates, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relname = 'hyper_cache'`;
  await eventually('figures of the updates', async () => {
    await client.set('plain', 'so that they are told');
    const [row] = await runSql<{ updates: string; hot: string }>(db.url, hot);
    return Number(row?.updates) >= 20 && row?.hot === row?.updates;
  });
  await client.cleanup();
  const keys = await runSql<{ key: string }>(db.url, 'SELECT key FROM hyper_cache ORDER BY key');
  assert.equal(
    keys.map(({ key }) => key),
    ['n', 'plain', 'tagged'],
  );
});

test('indexes and settings of somebody else stay', async ({ db, servers }) => {
  await runSql(db.url, 'DROP INDEX hyper_cache_expires');
  await runSql(db.url, 'CREATE INDEX mine ON hyper_cache (expires_at)');
  await runSql(db.url, `CREATE INDEX hyper_cache_expires ON hyper_cache (expires_at) WHERE counter IS NULL`);
  await runSql(db.url, 'ALTER TABLE hyper_cache SET (fillfactor = 70)');
  const before = await runSql(db.url, indexes);
  servers.push(await testServer(db.url));
  assert.is(await servers[0]!.client({ onUnavailable: 'throw' }).get('n'), 41);
  assert.equal(await runSql(db.url, VERSIONS), UPGRADED);
  assert.equal(await runSql(db.url, indexes), before);
  const options = `SELECT reloptions FROM pg_class WHERE oid = 'hyper_cache'::regclass`;
  assert.equal(await runSql(db.url, options), [{ reloptions: ['fillfactor=70'] }]);
});

test('a table of a later release is left as it is', async ({ db, servers }) => {
  await runSql(db.url, `UPDATE hyper_cache_migrations SET version = 99`);
  const before = await runSql(db.url, bodies);
  servers.push(await testServer(db.url));
  assert.equal(await servers[0]!.client().get('plain'), { a: [1] });
  assert.equal(await runSql(db.url, bodies), before);
});

test.run();
