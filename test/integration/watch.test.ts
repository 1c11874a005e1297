// gate: cost=2 timeout=120
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tagsOf, WatchedDatabase } from '../support/watched.js';

/** What commits log of a watched table, statement by statement. */
const test = suite<{ db: WatchedDatabase }>('watch');

test.before(async (context) => {
  context.db = await WatchedDatabase.open();
  await context.db.sql('CREATE TABLE products (id int PRIMARY KEY, name text, price int); CREATE TABLE other (id int)');
  await context.db.watch('products');
});
test.after((context) => context.db?.close());

const products = (...keys: string[]) => tagsOf('products', ...keys);

test('each kind of statement logs the table and the rows that it changed', async ({ db }) => {
  const cases: [sql: string, tags: string[]][] = [
    ["INSERT INTO products VALUES (1, 'a', 1), (2, 'b', 2)", products('1', '2')],
    ['UPDATE products SET price = 5 WHERE id = 2', products('2')],
    ['UPDATE products SET id = 3 WHERE id = 2', products('2', '3')],
    ['UPDATE products SET price = 5 WHERE id = 99', []],
    ['DELETE FROM products WHERE id = 99', []],
    ['DELETE FROM products WHERE id = 3', products('3')],
    ["INSERT INTO products VALUES (1, 'x', 1) ON CONFLICT DO NOTHING", []],
    [
      "INSERT INTO products VALUES (1, 'x', 1), (4, 'y', 1) ON CONFLICT (id) DO UPDATE SET price = 9",
      products('1', '4'),
    ],
    ['INSERT INTO products SELECT 1 WHERE false', []],
    [
      'WITH gone AS (DELETE FROM products WHERE id = 4 RETURNING id) INSERT INTO products SELECT id + 10 FROM gone',
      products('4', '14'),
    ],
    ['SELECT FROM products', []],
    ['INSERT INTO other VALUES (1)', []],
    ['TRUNCATE products', products('*')],
  ];
  for (const [sql, tags] of cases) assert.equal(await db.logs(sql), tags, sql);
});

test('MERGE logs what each of its actions changed', async ({ db }) => {
  const [{ version } = { version: 0 }] = await db.sql<{ version: number }>(
    "SELECT current_setting('server_version_num')::int AS version",
  );
  if (version < 150_000) return;
  await db.sql('INSERT INTO products VALUES (1), (2), (3)');
  const merge = `MERGE INTO products AS p USING (VALUES (1), (2), (7)) AS s(id) ON p.id = s.id
    WHEN MATCHED AND s.id = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET price = 1 WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)`;
  assert.equal(await db.logs(merge), products('1', '2', '7'));
});

test('more rows than named ones count as all of the table', async ({ db }) => {
  await db.sql('TRUNCATE products');
  const insert = (from: number, to: number) => `INSERT INTO products SELECT generate_series(${from}, ${to})`;
  const keys = Array.from({ length: 100 }, (_, i) => String(i + 1));
  assert.equal(await db.logs(insert(1, 100)), products(...keys));
  assert.equal(await db.logs(insert(101, 201)), products('*'));
  await db.watch('products', { rowsMax: 2 });
  assert.equal(await db.logs('UPDATE products SET price = 1 WHERE id <= 2'), products('1', '2'));
  assert.equal(await db.logs('UPDATE products SET price = 1 WHERE id <= 3'), products('*'));
  await db.watch('products', { rowsMax: 0 });
  assert.equal(await db.logs('UPDATE products SET price = 1 WHERE id = 1'), products('*'));
  await db.watch('products');
});

test('nothing is logged before the commit, nothing after a rollback, and a savepoint takes back what is its own', async ({
  db,
}) => {
  await db.sql('TRUNCATE products; INSERT INTO products VALUES (1), (2), (3)');
  await db.session(async (client) => {
    const run =
      (...statements: string[]) =>
      async () => {
        for (const statement of statements) await client.query(statement);
      };
    const change = (id: number) => `UPDATE products SET price = 1 WHERE id = ${id}`;
    assert.equal(await db.logs(run('BEGIN', change(1))), [], 'not committed');
    await client.query('COMMIT');
    assert.equal(await db.tags(), products('1'));
    assert.equal(await db.logs(run('BEGIN', change(1), 'ROLLBACK')), []);
    const undone = ['SAVEPOINT s', change(2), 'ROLLBACK TO s'];
    assert.equal(await db.logs(run('BEGIN', ...undone, 'COMMIT')), []);
    assert.equal(await db.logs(run('BEGIN', ...undone, change(3), 'COMMIT')), products('3'), 'what was noted went too');
    assert.equal(await db.logs(run('BEGIN', change(1), ...undone, change(3), 'COMMIT')), products('1', '3'));
    const many = 'TRUNCATE products';
    assert.equal(
      await db.logs(run('BEGIN', 'SAVEPOINT s', many, 'ROLLBACK TO s', change(2), 'COMMIT')),
      products('2'),
      'all rows no longer count as changed',
    );
    assert.equal(
      await db.logs(run('BEGIN', 'SAVEPOINT s', change(1), 'RELEASE s', change(2), 'COMMIT')),
      products('1', '2'),
    );
    const block = `DO $$ BEGIN
      BEGIN UPDATE products SET price = 2 WHERE id = 1; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END;
      UPDATE products SET price = 2 WHERE id = 2; END $$`;
    assert.equal(await db.logs(run(block)), products('2'));
  });
});

test('a transaction of many statements logs the table once, and no rows after all of them', async ({ db }) => {
  await db.sql('TRUNCATE products; INSERT INTO products VALUES (1), (2)');
  const loop = (body: string) => `DO $$ BEGIN FOR i IN 1..20 LOOP ${body}; END LOOP; END $$`;
  const counted = async () => Number((await db.sql('SELECT count(*) FROM hyper_cache_log'))[0]!.count);
  await db.logs(loop('UPDATE products SET price = i WHERE id = 1'));
  assert.is(await counted(), 22);
  await db.logs(`TRUNCATE products; ${loop('INSERT INTO products VALUES (i)')}`);
  assert.is(await counted(), 3);
});

test('COPY logs its rows', async ({ db }) => {
  await db.sql('TRUNCATE products');
  const program = `COPY products FROM PROGRAM 'printf "5\\ta\\t1\\n6\\tb\\t1\\n"'`;
  assert.equal(await db.logs(program), products('5', '6'));
});

test('a foreign key’s cascade logs the rows of the other table, to any depth', async ({ db }) => {
  await db.sql(`CREATE TABLE a (id int PRIMARY KEY);
    CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE c (id int PRIMARY KEY, b int REFERENCES b ON DELETE CASCADE);
    CREATE TABLE d (id int PRIMARY KEY, a int REFERENCES a ON DELETE SET NULL ON UPDATE CASCADE);
    INSERT INTO a VALUES (1), (2), (3); INSERT INTO b VALUES (10, 1), (11, 1), (12, 2); INSERT INTO c VALUES (100, 10), (101, 12);
    INSERT INTO d VALUES (20, 1), (21, 2)`);
  await db.watch(['b', 'c', 'd']);
  assert.equal(await db.logs('UPDATE a SET id = 5 WHERE id = 2'), [...tagsOf('b', '12'), ...tagsOf('d', '21')].sort());
  assert.equal(
    await db.logs('DELETE FROM a WHERE id = 1'),
    [...tagsOf('b', '10', '11'), ...tagsOf('c', '100'), ...tagsOf('d', '20')].sort(),
  );
  assert.equal(await db.logs('DELETE FROM a WHERE id = 3'), [], 'nothing refers to it');
  assert.equal(await db.logs('TRUNCATE a CASCADE'), ['b', 'c', 'd'].flatMap((table) => tagsOf(table, '*')).sort());
});

test('rows are named by keys of all the usual types, composite and long ones too', async ({ db }) => {
  const long = 'ü'.repeat(40);
  const uuid = '8b5a0e7e-0c0f-4bb5-8d2e-1f8f2f6f0a11';
  await db.sql(`CREATE TABLE texts (k text PRIMARY KEY); CREATE TABLE uuids (n int, k uuid PRIMARY KEY);
    CREATE TABLE twos (b text, a bigint, n int, PRIMARY KEY (b, a)); CREATE TABLE turned (a int, b int, PRIMARY KEY (b, a));
    CREATE TABLE threes (n int, a int, "B b" text, c boolean, PRIMARY KEY (c, a, "B b"));
    CREATE DOMAIN code AS varchar(9); CREATE TABLE domains (k code PRIMARY KEY);
    CREATE TABLE generated (n int, k int GENERATED ALWAYS AS (n * 2) STORED PRIMARY KEY);
    CREATE TABLE identities (gone int, k bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY); ALTER TABLE identities DROP COLUMN gone`);
  await db.watch(['texts', 'uuids', 'twos', 'turned', 'threes', 'domains', 'generated', 'identities']);
  const cases: [sql: string, tags: string[]][] = [
    [`INSERT INTO texts VALUES ('a%s''b'), ('${long}'), ('')`, tagsOf('texts', "a%s'b", long, '')],
    [`INSERT INTO uuids VALUES (1, '${uuid.toUpperCase()}')`, tagsOf('uuids', uuid)],
    ["INSERT INTO twos VALUES ('a,1:b', 9007199254740993, 1)", tagsOf('twos', ['a,1:b', '9007199254740993'])],
    [`INSERT INTO twos VALUES ('${long}', 1, 1)`, tagsOf('twos', [long, '1'])],
    ['INSERT INTO turned VALUES (1, 2)', tagsOf('turned', ['2', '1'])],
    ["INSERT INTO threes VALUES (1, 2, 'é', true)", tagsOf('threes', ['true', '2', 'é'])],
    ["INSERT INTO domains VALUES ('x')", tagsOf('domains', 'x')],
    ['INSERT INTO generated VALUES (4)', tagsOf('generated', '8')],
    ['UPDATE generated SET n = 5', tagsOf('generated', '8', '10')],
    ['INSERT INTO identities DEFAULT VALUES', tagsOf('identities', '1')],
  ];
  for (const [sql, tags] of cases) assert.equal(await db.logs(sql), tags, sql);
});

test('rows whose key has equal values of different texts, or none, are not named', async ({ db }) => {
  await db.sql(`CREATE TABLE numerics (k numeric PRIMARY KEY); CREATE TABLE times (k timestamptz PRIMARY KEY); CREATE TABLE chars (k char(3) PRIMARY KEY);
    CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE TABLE blinds (k text COLLATE blind PRIMARY KEY); CREATE TABLE keyless (k int UNIQUE)`);
  const tables = ['numerics', 'times', 'chars', 'blinds', 'keyless'];
  for (const watched of await db.watch(tables)) assert.is(watched.namesRows, false, watched.table);
  const values = ['1.0', "'2020-01-01'", "'a'", "'a'", '1'];
  for (const [n, table] of tables.entries()) {
    assert.equal(await db.logs(`INSERT INTO ${table} VALUES (${values[n]})`), tagsOf(table, '*'), table);
  }
});

test.run();
