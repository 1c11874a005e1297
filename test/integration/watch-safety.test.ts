// gate: cost=2 timeout=120
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { unwatchTables, watchedTables, watchTables } from '../../client/query/watch.js';
import { sleep } from '../support/daemon.js';
import { rejectsCode } from '../support/errors.js';
import { tagsOf, WatchedDatabase } from '../support/watched.js';

/** The application's writes are not failed by a watch, whoever makes them and whatever has become of the cache. */
const test = suite<{ db: WatchedDatabase }>('watch-safety');

test.before(async (context) => {
  context.db = await WatchedDatabase.open();
  await context.db.sql('CREATE TABLE items (id int PRIMARY KEY, n int)');
  await context.db.watch('items');
});
test.after((context) => context.db?.close());

/** Roles belong to the whole cluster, which other files use. */
async function withRole(db: WatchedDatabase, work: (role: string) => Promise<void>): Promise<void> {
  const role = `watch_role_${process.pid}`;
  await db.sql(`CREATE ROLE ${role}`);
  try {
    await work(role);
  } finally {
    await db.sql(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
  }
}

test('without a cache a write goes on with a warning, and with a new one it is logged again', async ({ db }) => {
  await db.sql('CREATE SCHEMA gone; CREATE TABLE kept (id int PRIMARY KEY)');
  await db.watch('kept', { table: 'gone.cache' });
  await db.session(async (client) => {
    const warnings: string[] = [];
    client.on('notice', ({ message }) => warnings.push(String(message)));
    const logged = async () =>
      (await client.query("SELECT name FROM gone.cache_log WHERE name LIKE 't:%=%'")).rows.map(({ name }) => name);
    await client.query('INSERT INTO kept VALUES (1)');
    assert.equal(await logged(), ['t:tables:public.kept/=1']);
    assert.equal(warnings, []);
    await db.sql(
      'DROP TABLE gone.cache_log, gone.cache_meta, gone.cache_writers, gone.cache_leases, gone.cache_topology, gone.cache_migrations CASCADE',
    );
    await client.query('INSERT INTO kept VALUES (2)');
    assert.match(warnings.join(), 'kept is watched for a cache that is not there any more');
    await watchTables(db.pool, ['kept'], { table: 'gone.cache' });
    await client.query('INSERT INTO kept VALUES (3)');
    assert.equal(await logged(), ['t:tables:public.kept/=3']);
    await db.sql('DROP TABLE gone.cache_log CASCADE');
    assert.equal((await unwatchTables(db.pool, ['kept'], { table: 'gone.cache' })).length, 1, 'also without its log');
    warnings.length = 0;
    await client.query('INSERT INTO kept VALUES (4)');
    assert.equal(warnings, []);
    await watchTables(db.pool, ['kept'], { table: 'gone.other' });
    await db.sql('DROP SCHEMA gone CASCADE');
    await client.query('INSERT INTO kept VALUES (5)');
    assert.equal(warnings, [], 'the triggers went with their functions');
  });
});

test('who may write the table needs no rights on the cache', async ({ db }) => {
  await withRole(db, async (role) => {
    await db.sql(`GRANT SELECT, INSERT, UPDATE, DELETE ON items TO ${role}`);
    await db.session(async (client) => {
      await client.query(`SET ROLE ${role}; SET search_path = ''`);
      assert.equal(await db.logs(() => client.query('INSERT INTO public.items VALUES (50)')), tagsOf('items', '50'));
    });
    const pool = new pg.Pool({ connectionString: db.database.url, options: `-c role=${role}` });
    try {
      await db.sql(`CREATE SCHEMA mine AUTHORIZATION ${role}`);
      await pool.query('CREATE TABLE mine.own (id int PRIMARY KEY)');
      await watchTables(pool, ['mine.own']);
      assert.equal(await db.logs(() => pool.query('INSERT INTO mine.own VALUES (1)')), ['mine.own', 'mine.own/=1']);
      await unwatchTables(pool, ['mine.own']);
      const error = await rejectsCode('ERR_DATABASE', () => watchTables(pool, ['items'], { rowsMax: 5 }));
      assert.match(error.message, /only the owner of public.items may have it watched/);
      assert.equal(
        (await watchedTables(pool)).map(({ table }) => table),
        ['items'],
      );
    } finally {
      await pool.end();
    }
  });
});

test('where the log is there and may not be written, the write fails: it would go unnoticed', async ({ db }) => {
  await withRole(db, async (role) => {
    await db.sql(`CREATE SCHEMA theirs AUTHORIZATION ${role}`);
    const pool = new pg.Pool({ connectionString: db.database.url, options: `-c role=${role} -c search_path=theirs` });
    try {
      await pool.query('CREATE TABLE stock (id int PRIMARY KEY)');
      await watchTables(pool, ['stock']);
      await pool.query('INSERT INTO stock VALUES (1)');
      await pool.query(`REVOKE INSERT ON hyper_cache_log FROM ${role}`);
      const error = await pool.query('INSERT INTO stock VALUES (2)').catch((caught) => caught);
      assert.is(error.code, '42501', error.message);
    } finally {
      await pool.end();
    }
  });
});

test('transactions can be prepared, and count once they are committed', async ({ db }) => {
  await db.session(async (client) => {
    const prepare = "BEGIN; INSERT INTO items VALUES (60); PREPARE TRANSACTION 'watched'";
    assert.equal(
      await db.logs(async () => {
        for (const sql of prepare.split('; ')) await client.query(sql);
      }),
      [],
    );
    await client.query("COMMIT PREPARED 'watched'");
    assert.equal(await db.tags(), tagsOf('items', '60'));
  });
});

test('a commit wakes listeners where that is asked for', async ({ db }) => {
  await db.session(async (listener) => {
    let count = 0;
    listener.on('notification', () => {
      count += 1;
    });
    await listener.query('LISTEN hyper_cache');
    const write = (notify: string) =>
      db.sql(`BEGIN; SET LOCAL pgcached.notify = ${notify}; UPDATE items SET n = 1; UPDATE items SET n = 2; COMMIT`);
    await write('off');
    await write('on');
    const from = performance.now();
    while (count === 0 && performance.now() - from < 5000) await sleep(5);
    await listener.query('SELECT 1');
    assert.is(count, 1);
  });
});

test('a session that plays the replica counts, and its rows count as all of the table', async ({ db }) => {
  const sql = 'BEGIN; SET LOCAL session_replication_role = replica; INSERT INTO items VALUES (70); COMMIT';
  assert.equal(
    (await db.logs(sql)).filter((tag) => !tag.includes('=')),
    tagsOf('items', '*'),
  );
});

test('serializable transactions on different tables do not fail for each other', async ({ db }) => {
  await db.sql('CREATE TABLE left_side (id int PRIMARY KEY); CREATE TABLE right_side (id int PRIMARY KEY)');
  await db.watch(['left_side', 'right_side']);
  await db.session((one) =>
    db.session(async (two) => {
      for (let round = 0; round < 5; round++) {
        for (const client of [one, two]) await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
        await one.query(`INSERT INTO left_side VALUES (${round})`);
        await two.query(`INSERT INTO right_side VALUES (${round})`);
        await one.query(`DELETE FROM left_side WHERE id = ${round}`);
        await two.query(`DELETE FROM right_side WHERE id = ${round}`);
        await one.query('COMMIT');
        await two.query('COMMIT');
      }
    }),
  );
});

test('a read-only session can read', async ({ db }) => {
  await db.sql('BEGIN READ ONLY; SELECT FROM items; COMMIT');
});

test('changes that no trigger sees are logged by hand, views too', async ({ db }) => {
  await db.sql('CREATE VIEW seen AS SELECT * FROM items');
  assert.equal(await db.logs("SELECT hyper_cache_changed('items', 'public.seen')"), [
    ...tagsOf('items', '*'),
    ...tagsOf('seen', '*'),
  ]);
  assert.equal(await db.logs("BEGIN; SELECT hyper_cache_changed('items'); ROLLBACK"), []);
});

test.run();
