// gate: cost=2 timeout=120
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { unwatchTables, watchedTables, watchTables } from '../../client/query/watch.js';
import { migrate } from '../../shared/table/migrate.js';
import { rejectsCode } from '../support/errors.js';
import { tagsOf, WatchedDatabase } from '../support/watched.js';

/** What can be watched, how it is installed and removed, and what it outlives. */
const test = suite<{ db: WatchedDatabase }>('watch-tables');

test.before(async (context) => {
  context.db = await WatchedDatabase.open();
});
test.after((context) => context.db?.close());

/** All that a table has of the cache. */
const triggersOn = async (db: WatchedDatabase, table: string) =>
  (
    await db.sql<{ tgname: string; oid: number }>(
      `SELECT oid, tgname FROM pg_trigger WHERE tgrelid = '${table}'::regclass AND NOT tgisinternal ORDER BY 2`,
    )
  ).map(({ tgname, oid }) => `${tgname} ${oid}`);

const problemsOf = async (db: WatchedDatabase, table: string) =>
  (await watchedTables(db.pool)).find((one) => one.table === table)?.problems;

test('names are found as SQL finds them', async ({ db }) => {
  await db.sql(`CREATE SCHEMA shop; CREATE TABLE shop.goods (id int PRIMARY KEY); CREATE TABLE "Order Items" ("Id" int PRIMARY KEY);
    CREATE TABLE "with.dot" (id int PRIMARY KEY); CREATE TABLE "12" (id int PRIMARY KEY)`);
  const named = async (...names: string[]) => (await db.watch(names)).map(({ schema, table }) => `${schema}/${table}`);
  assert.equal(await named('shop.goods', '"Order Items"', '"with.dot"', '"12"'), [
    'shop/goods',
    'public/Order Items',
    'public/with.dot',
    'public/12',
  ]);
  assert.equal(await named('SHOP.Goods', 'public."Order Items"'), ['shop/goods', 'public/Order Items']);
  assert.equal(await db.logs('INSERT INTO "Order Items" VALUES (1)'), tagsOf('Order Items', '1'));
  assert.equal(await db.logs('INSERT INTO shop.goods VALUES (1)'), ['shop.goods', 'shop.goods/=1']);
  await unwatchTables(db.pool, ['shop.goods', '"Order Items"', '"with.dot"', '"12"']);
});

test('columns may be called whatever the triggers call things', async ({ db }) => {
  const more = [
    'k',
    'a',
    'b',
    'r',
    'n',
    'id',
    'names',
    'xid',
    'name',
    'v_max',
    'v_ids',
    'v_key',
    'v_count',
    'v_xid',
    'counted',
    'fn',
  ]
    .map((name) => `${name} int`)
    .join(', ');
  await db.sql(`CREATE TABLE one_key (of int PRIMARY KEY, ${more}); CREATE TABLE two_keys (of int, at int, ${more}, PRIMARY KEY (of, at));
    CREATE TABLE late_key (${more}, of int PRIMARY KEY)`);
  await db.watch(['one_key', 'two_keys', 'late_key']);
  for (const table of ['one_key', 'late_key']) {
    assert.equal(await db.logs(`INSERT INTO ${table} (of) VALUES (7)`), tagsOf(table, '7'));
    assert.equal(await db.logs(`UPDATE ${table} SET k = 1, v_max = 2 WHERE of = 7`), tagsOf(table, '7'));
    assert.equal(await db.logs(`DELETE FROM ${table}`), tagsOf(table, '7'));
  }
  assert.equal(await db.logs('INSERT INTO two_keys (of, at) VALUES (7, 8)'), tagsOf('two_keys', ['7', '8']));
  assert.equal(await db.logs('UPDATE two_keys SET a = 1, b = 2'), tagsOf('two_keys', ['7', '8']));
  assert.equal(await db.logs('TRUNCATE one_key'), tagsOf('one_key', '*'));
  await db.sql('DROP TABLE one_key, two_keys, late_key');
});

test('what can’t be watched is refused with what to do instead', async ({ db }) => {
  await db.sql(`CREATE TABLE base (id int PRIMARY KEY); CREATE VIEW looked AS SELECT * FROM base;
    CREATE MATERIALIZED VIEW kept AS SELECT * FROM base; CREATE SEQUENCE numbers;
    CREATE EXTENSION IF NOT EXISTS file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
    CREATE FOREIGN TABLE far (id int) SERVER files OPTIONS (filename '/dev/null')`);
  await migrate(db.pool, { table: 'hyper_cache', logged: false });
  const cases: [name: string, text: RegExp][] = [
    ['nowhere', /there is no table nowhere/],
    ['shop.nowhere', /there is no table/],
    ['a.b.c.d', /there is no table|can't be the name/],
    ['two words', /can't be the name of a table/],
    ['base; DROP TABLE base', /can't be the name/],
    ['', /must be named by a text/],
    ['1259', /can't be the name/],
    ['looked', /is a view: watch the tables that it reads \(base\)/],
    ['kept', /materialized view.*hyper_cache_changed.*REFRESH/],
    ['far', /is a foreign table/],
    ['numbers', /is not a table/],
    ['hyper_cache', /cache's own tables/],
    ['hyper_cache_log', /cache's own tables/],
    ['pg_class', /belongs to Postgres/],
  ];
  for (const [name, text] of cases) {
    const error = await rejectsCode('ERR_INVALID_ARGUMENT', () => db.watch(['base', name]));
    assert.match(error.message, text, name);
  }
  await rejectsCode('ERR_INVALID_ARGUMENT', () => db.watch([]));
  await rejectsCode('ERR_INVALID_ARGUMENT', () => db.watch('base', { rowsMax: -1 }));
  await rejectsCode('ERR_INVALID_ARGUMENT', () => db.watch('base', { rowMax: 1 } as never));
  await rejectsCode('ERR_INVALID_CONFIG', () => db.watch('base', { table: 'No Table' }));
  assert.equal(await watchedTables(db.pool), [], 'all or none');
});

test('a temporary table is refused', async ({ db }) => {
  const pool = new pg.Pool({ connectionString: db.database.url, max: 1 });
  try {
    await pool.query('CREATE TEMP TABLE mine (id int)');
    const error = await rejectsCode('ERR_INVALID_ARGUMENT', () => watchTables(pool, ['mine']));
    assert.match(error.message, /temporary/);
  } finally {
    await pool.end();
  }
});

test('installing again changes nothing, also many at once; uninstalling leaves nothing', async ({ db }) => {
  await db.sql('CREATE TABLE many (id int PRIMARY KEY); CREATE TABLE more (id int PRIMARY KEY)');
  const before = await triggersOn(db, 'many');
  await Promise.all(Array.from({ length: 8 }, (_, n) => db.watch(n % 2 === 0 ? ['many', 'more'] : ['more', 'many'])));
  const installed = await triggersOn(db, 'many');
  assert.is(installed.length, 5);
  assert.equal(await db.logs(() => db.watch(['many', 'more'])), [], 'and drops nothing that is cached');
  assert.equal(await triggersOn(db, 'many'), installed);
  assert.equal(await db.logs(() => db.watch('many', { invalidate: true })), tagsOf('many', '*'));
  assert.equal(await db.logs(() => unwatchTables(db.pool, ['many', 'more'])), [
    ...tagsOf('many', '*'),
    ...tagsOf('more', '*'),
  ]);
  assert.equal(await triggersOn(db, 'many'), before);
  assert.equal(await watchedTables(db.pool), []);
  assert.equal(await unwatchTables(db.pool, ['many']), []);
});

test('what was cached before the triggers were there is dropped, after all who wrote without them', async ({ db }) => {
  await db.sql('CREATE TABLE early (id int PRIMARY KEY)');
  await db.session(async (writer) => {
    await writer.query('BEGIN; INSERT INTO early VALUES (1)');
    const { rows } = await writer.query('SELECT pg_current_xact_id()::text AS xid');
    let isDone = false;
    const watched = db.watch('early').then(() => {
      isDone = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.is(isDone, false, 'waits for the writer');
    await writer.query('COMMIT');
    await watched;
    assert.equal(
      (await db.tags()).filter((tag) => tag.startsWith('public.early')),
      tagsOf('early', '*'),
    );
    const [log] = await db.sql(
      "SELECT min(xid::text::bigint)::text AS xid FROM hyper_cache_log WHERE name = 't:tables:public.early'",
    );
    assert.ok(BigInt(log!.xid) > BigInt(rows[0].xid));
  });
});

test('ALTER TABLE leaves a watched table watched', async ({ db }) => {
  await db.sql('CREATE TABLE alters (gone int, id int PRIMARY KEY, other int NOT NULL DEFAULT 7)');
  await db.watch('alters');
  const insert = 'INSERT INTO alters (id) VALUES (1)';
  await db.session(async (client) => {
    // One session throughout: its plans were made before the changes.
    const logs = (sql: string) => db.logs(() => client.query(sql));
    assert.equal(await logs(insert), tagsOf('alters', '1'));
    await db.sql('ALTER TABLE alters ADD COLUMN more text');
    assert.equal(await logs('UPDATE alters SET more = 1'), tagsOf('alters', '1'));
    await db.sql('ALTER TABLE alters DROP COLUMN gone');
    assert.equal(await logs('UPDATE alters SET more = 2'), tagsOf('alters', '1'));
    await db.sql('ALTER TABLE alters ALTER COLUMN id TYPE text');
    assert.equal(await logs("UPDATE alters SET id = 'x'"), tagsOf('alters', '1', 'x'));
    await db.sql('ALTER TABLE alters ALTER COLUMN id TYPE bytea USING id::bytea');
    assert.equal(await logs('UPDATE alters SET more = 3'), tagsOf('alters', '*'));
    await db.sql('ALTER TABLE alters ALTER COLUMN id TYPE int USING 1');
    assert.equal(await logs('UPDATE alters SET more = 4'), tagsOf('alters', '1'));
    await db.sql('ALTER TABLE alters RENAME COLUMN id TO key');
    assert.equal(await logs('UPDATE alters SET more = 5'), tagsOf('alters', '*'), 'another key: all rows');
    assert.equal(await problemsOf(db, 'alters'), ['key-changed']);
    await db.watch('alters');
    assert.equal(await logs('UPDATE alters SET more = 6'), tagsOf('alters', '1'));
    await db.sql('ALTER TABLE alters DROP CONSTRAINT alters_pkey, ADD PRIMARY KEY (other)');
    assert.equal(await logs('UPDATE alters SET more = 7'), tagsOf('alters', '*'), 'values name rows by the former key');
    assert.equal(await db.logs(() => db.watch('alters')), tagsOf('alters', '*'));
    assert.equal(await logs('UPDATE alters SET more = 8'), tagsOf('alters', '7'));
    await db.sql('ALTER TABLE alters DROP CONSTRAINT alters_pkey');
    assert.equal(await logs('UPDATE alters SET more = 9'), tagsOf('alters', '*'));
    await db.sql('ALTER TABLE alters ADD PRIMARY KEY (key)');
    await db.watch('alters');
    await db.sql('ALTER TABLE alters RENAME TO renamed');
    assert.equal(await logs('UPDATE renamed SET more = 10'), tagsOf('renamed', '1'));
    await db.sql('CREATE SCHEMA elsewhere; ALTER TABLE renamed SET SCHEMA elsewhere');
    assert.equal(await logs('UPDATE elsewhere.renamed SET more = 11'), ['elsewhere.renamed', 'elsewhere.renamed/=1']);
    await db.sql('ALTER SCHEMA elsewhere RENAME TO away');
    assert.equal(await logs('UPDATE away.renamed SET more = 12'), ['away.renamed', 'away.renamed/=1']);
    const inOne =
      'BEGIN; UPDATE away.renamed SET more = 1; ALTER TABLE away.renamed RENAME TO again; UPDATE away.again SET more = 2; COMMIT';
    assert.equal(await logs(inOne), ['away.again', 'away.again/=1', 'away.renamed', 'away.renamed/=1']);
  });
  await unwatchTables(db.pool, ['away.again']);
});

test('a key that is the first column is told from another one without looking for its columns', async ({ db }) => {
  await db.sql('CREATE TABLE quick (id int PRIMARY KEY, other int NOT NULL DEFAULT 7, n int)');
  await db.watch('quick');
  await db.session(async (client) => {
    const logs = (sql: string) => db.logs(() => client.query(sql));
    assert.equal(await logs('INSERT INTO quick VALUES (1)'), tagsOf('quick', '1'));
    await db.sql('ALTER TABLE quick RENAME COLUMN id TO key');
    assert.equal(await logs('UPDATE quick SET n = 1'), tagsOf('quick', '1'), 'the same key by another name');
    await db.sql('REINDEX INDEX CONCURRENTLY quick_pkey');
    await db.sql('ALTER TABLE quick RENAME COLUMN key TO id');
    assert.equal(await logs('UPDATE quick SET n = 2'), tagsOf('quick', '1'));
    await db.sql('ALTER TABLE quick ALTER COLUMN id TYPE bigint');
    assert.equal(await logs('UPDATE quick SET n = 3'), tagsOf('quick', '1'));
    await db.watch('quick');
    await db.sql('ALTER TABLE quick ALTER COLUMN id TYPE numeric');
    assert.equal(await logs('UPDATE quick SET n = 4'), tagsOf('quick', '*'), 'equal values of different texts');
    await db.sql('ALTER TABLE quick ALTER COLUMN id TYPE int');
    await db.watch('quick');
    await db.sql('ALTER TABLE quick DROP CONSTRAINT quick_pkey, ADD PRIMARY KEY (other)');
    assert.equal(await logs('UPDATE quick SET n = 5'), tagsOf('quick', '*'), 'another column');
    await db.sql('ALTER TABLE quick DROP CONSTRAINT quick_pkey, ADD PRIMARY KEY (id, other)');
    assert.equal(await logs('UPDATE quick SET n = 6'), tagsOf('quick', '*'));
    await db.watch('quick');
    assert.equal(await logs('UPDATE quick SET n = 7'), tagsOf('quick', ['1', '7']));
    await db.sql('ALTER TABLE quick DROP CONSTRAINT quick_pkey');
    assert.equal(await logs('UPDATE quick SET n = 8'), tagsOf('quick', '*'));
  });
  await unwatchTables(db.pool, ['quick']);
});

test('missing and disabled triggers are told of, and installed again', async ({ db }) => {
  await db.sql('CREATE TABLE hurt (id int PRIMARY KEY)');
  await db.watch('hurt');
  assert.equal(await problemsOf(db, 'hurt'), []);
  await db.sql('ALTER TABLE hurt DISABLE TRIGGER hyper_cache_watch_update');
  assert.equal(await problemsOf(db, 'hurt'), ['disabled-trigger']);
  await db.sql('DROP TRIGGER hyper_cache_watch_insert ON hurt');
  assert.equal(await problemsOf(db, 'hurt'), ['missing-trigger', 'disabled-trigger']);
  assert.equal(await db.logs(() => db.watch('hurt')), tagsOf('hurt', '*'));
  assert.equal(await problemsOf(db, 'hurt'), []);
  await db.sql('ALTER TABLE hurt ENABLE TRIGGER ALL');
  assert.equal(await problemsOf(db, 'hurt'), ['disabled-trigger'], 'as replicas do not fire');
  await unwatchTables(db.pool, ['hurt']);
});

test('partitions are watched with their table, to any depth, and each logs its own tags', async ({ db }) => {
  await db.sql(`CREATE TABLE parts (id int, n int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE high PARTITION OF parts FOR VALUES FROM (10) TO (100) PARTITION BY RANGE (id);
    CREATE TABLE higher PARTITION OF high FOR VALUES FROM (50) TO (100);
    CREATE TABLE high1 PARTITION OF high FOR VALUES FROM (10) TO (50)`);
  const watched = await db.watch('higher');
  assert.equal(watched.map(({ table }) => table).sort(), ['high', 'high1', 'higher', 'low', 'parts']);
  assert.equal(await db.logs('INSERT INTO parts VALUES (1), (60)'), tagsOf('parts', '1', '60'));
  assert.equal(
    await db.logs('UPDATE parts SET id = 61 WHERE id = 1'),
    tagsOf('parts', '1', '61'),
    'to another partition',
  );
  assert.equal(await db.logs('UPDATE higher SET n = 1 WHERE id = 60'), tagsOf('higher', '60'));
  assert.equal(await db.logs('UPDATE high SET id = 12 WHERE id = 60'), tagsOf('high', '60', '12'));
  assert.equal(await db.logs("COPY high FROM PROGRAM 'echo 13,1' (FORMAT csv)"), tagsOf('high', '13'));
  assert.equal(
    await db.logs('TRUNCATE high'),
    ['high', 'high1', 'higher'].flatMap((table) => tagsOf(table, '*')).sort(),
  );
  await db.sql(
    'CREATE TABLE late (id int PRIMARY KEY, n int); ALTER TABLE parts ATTACH PARTITION late FOR VALUES FROM (100) TO (200)',
  );
  assert.equal(await problemsOf(db, 'parts'), ['unwatched-relative']);
  assert.equal(await problemsOf(db, 'low'), ['unwatched-relative']);
  const all = ['high', 'high1', 'higher', 'late', 'low', 'parts'].flatMap((table) => tagsOf(table, '*')).sort();
  assert.equal(await db.logs(() => db.watch('parts')), all);
  assert.equal(await problemsOf(db, 'parts'), []);
  await db.sql('ALTER TABLE parts DETACH PARTITION late');
  assert.equal(await db.logs('INSERT INTO late VALUES (1)'), tagsOf('late', '1'));
  await unwatchTables(db.pool, ['low']);
  assert.equal(
    (await watchedTables(db.pool)).map(({ table }) => table).filter((table) => table !== 'early'),
    ['late'],
  );
});

test('inheritance children are watched with their parent', async ({ db }) => {
  await db.sql('CREATE TABLE parent (id int PRIMARY KEY, n int); CREATE TABLE child (x int) INHERITS (parent)');
  await db.watch('parent');
  assert.equal(await db.logs('INSERT INTO child VALUES (1)'), tagsOf('child', '*'), 'it has no key of its own');
  assert.equal(await db.logs('UPDATE parent SET n = 1'), tagsOf('parent', '1'));
});

test.run();
