// gate: cost=2 timeout=120
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runCommand } from '../support/command.js';
import { eventually, type TestServer, testServer } from '../support/daemon.js';
import { tagsOf, WatchedDatabase } from '../support/watched.js';

/** The command, and what a daemon does with what the triggers log. */
const test = suite<{ db: WatchedDatabase; server: TestServer; other: TestServer }>('watch by command and daemon');

test.before(async (context) => {
  context.db = await WatchedDatabase.open();
  context.server = await testServer(context.db.database.url);
  context.other = await testServer(context.db.database.url);
  await context.db.sql(
    'CREATE TABLE products (id int PRIMARY KEY, price int); INSERT INTO products VALUES (1, 10), (2, 20)',
  );
});
test.after(async (context) => {
  await context.server?.close();
  await context.other?.close();
  await context.db?.close();
});

test('watch and unwatch, by a person and by a program', async ({ db }) => {
  const run = (...args: string[]) => runCommand([...args, '--database-url', db.database.url]);
  const { code, stdout, stderr } = await run('watch');
  assert.equal([code, stdout, stderr], [0, 'no table is watched\n', '']);
  const line = 'public.products  by row (id), up to 100 a statement\n';
  assert.equal((await run('watch', 'products')).stdout, line);
  assert.equal((await run('watch')).stdout, line);
  const again = await run('watch', 'products', '--rows-max', '5', '--json');
  const wanted = { schema: 'public', table: 'products', key: ['id'], namesRows: true, rowsMax: 5, problems: [] };
  assert.equal(JSON.parse(again.stdout), [wanted]);
  const doctor = async () => {
    const report = JSON.parse((await run('doctor', '--json')).stdout) as {
      findings: { check: string; result: string; found: string }[];
    };
    return report.findings
      .filter(({ check }) => check === 'watched tables')
      .map(({ result, found }) => `${result} ${found}`);
  };
  assert.equal(await doctor(), ['ok public.products']);
  await db.sql('ALTER TABLE products DISABLE TRIGGER ALL');
  assert.match((await doctor()).join(), /^warn public.products: a trigger is disabled/);
  const wrong = await run('watch', 'nowhere');
  assert.is(wrong.code, 2);
  assert.match(wrong.stderr, 'there is no table nowhere');
  assert.is((await run('watch', 'products', '--rows-max', 'all')).code, 2);
  assert.is((await run('watch', 'products', '--rows-max', '10001')).code, 2);
  assert.equal((await run('unwatch', 'products')).stdout, 'public.products is not watched any more\n');
  assert.equal(JSON.parse((await run('unwatch', 'products', '--json')).stdout), []);
  assert.equal(await doctor(), ['ok none']);
});

test('doctor names the partition that came later, and the command', async ({ db }) => {
  const run = (...args: string[]) => runCommand([...args, '--database-url', db.database.url]);
  await db.sql(`CREATE TABLE days (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE monday PARTITION OF days FOR VALUES FROM (0) TO (1)`);
  await db.watch('days');
  await db.sql('CREATE TABLE tuesday PARTITION OF days FOR VALUES FROM (1) TO (2)');
  const { stdout } = await run('doctor', '--json');
  const { findings } = JSON.parse(stdout) as { findings: { result: string; found: string; advice?: string }[] };
  const found = findings.find(({ found }) => found.startsWith('public.days:'));
  assert.match(found?.found ?? 'nothing', /is not watched: .* \(public\.tuesday\)$/);
  assert.match(JSON.stringify(found), 'run pgcached watch public.days');
  assert.match((await run('watch')).stdout, /^public\.days {2}.*: unwatched-relative \(public\.tuesday\)$/m);
  await db.sql('DROP TABLE days');
});

test('a commit drops what was made of the rows it changed, on every server, and nothing else', async ({
  db,
  server,
  other,
}) => {
  await db.watch('products');
  const [tables, here, there] = [
    server.client({ namespace: 'tables' }),
    server.client({ near: true }),
    other.client({ near: true }),
  ];
  /** As the query cache will: the tags of what was read lie in the namespace of the tables, and the page inherits them. */
  const page = (name: string, tags: string[]) =>
    here.getOrSet(
      name,
      async () => {
        await tables.getOrSet(`rows of ${name}`, () => 1, { tags });
        return name;
      },
      { inherit: true },
    );
  // A server that has not seen the last commit yet answers with what that will drop: asked again until all are stored.
  const fill = () =>
    eventually('stored', async () => {
      await page('one', tagsOf('products', '1', '*').slice(1));
      await page('two', tagsOf('products', '2', '*').slice(1));
      await page('all', tagsOf('products'));
      return (await there.getMany(['one', 'two', 'all'])).size === 3;
    });
  const left = async () => [...(await there.getMany(['one', 'two', 'all'])).keys()];
  const cases: [sql: string, left: string[]][] = [
    ['UPDATE products SET price = 11 WHERE id = 1', ['two']],
    ['UPDATE products SET price = 11 WHERE id = 1; UPDATE products SET price = 11 WHERE id = 2', []],
    ['INSERT INTO products VALUES (3, 30)', ['one', 'two']],
    ['BEGIN; DELETE FROM products; ROLLBACK', ['one', 'two', 'all']],
    ['DELETE FROM products WHERE id = 2', ['one']],
    ['TRUNCATE products', []],
  ];
  for (const [sql, kept] of cases) {
    await fill();
    await db.sql(sql);
    await eventually(sql, async () => (await left()).length <= kept.length, 3000);
    assert.equal(await left(), kept, sql);
  }
});

test.run();
