/** Writes through a wrapped pool: what is logged of them, by whom, and what happens where it can't be. */
// gate: cost=2 timeout=240
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CachedPool, cachedPool, unwatchTables, watchTables } from '../../client/query/index.js';
import type { ConfigInput } from '../../daemon/config.js';
import { eventually, type TestServer, testServer } from '../support/daemon.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';
import { postgresProxy } from '../support/postgres-proxy.js';

interface World {
  db: TestDatabase;
  server: TestServer;
  pool: CachedPool;
  open: (server: TestServer, config?: pg.PoolConfig, tables?: readonly string[]) => CachedPool;
  closing: (() => Promise<unknown>)[];
}
const test = suite<World>('query-writes');
const TABLES = ['products', 'notes', 'tidy'] as const;

test.before(async (context) => {
  context.closing = [];
  context.db = await testDatabase();
  await runSql(
    context.db.url,
    `CREATE TABLE products (id int PRIMARY KEY, name text); CREATE TABLE notes (id int PRIMARY KEY, name text);
     CREATE TABLE tidy (id int PRIMARY KEY, name text); CREATE TABLE source (id int PRIMARY KEY, name text);
     INSERT INTO products VALUES (1, 'a'); INSERT INTO notes VALUES (1, 'a'); INSERT INTO tidy VALUES (1, 'a'); INSERT INTO source VALUES (1, 'a');
     CREATE FUNCTION rename(text) RETURNS void LANGUAGE plpgsql AS 'BEGIN UPDATE products SET name = $1; END';
     CREATE FUNCTION reads() RETURNS text STABLE LANGUAGE sql AS 'SELECT name FROM products WHERE id = 1';
     CREATE PROCEDURE rename_by_call(text) LANGUAGE plpgsql AS 'BEGIN UPDATE products SET name = $1; COMMIT; END';
     CREATE FUNCTION copy_name() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE products SET name = NEW.name; RETURN NULL; END';
     CREATE TRIGGER copy_name AFTER UPDATE ON source FOR EACH ROW EXECUTE FUNCTION copy_name();`,
  );
  context.server = await testServer(context.db.url);
  context.open = (server, config = {}, tables = TABLES) => {
    const raw = new pg.Pool({ connectionString: context.db.url, max: 4, ...config });
    raw.on('error', () => {});
    const options = { cache: server.client(), tables: Object.fromEntries(tables.map((name) => [name, {}])) };
    const pool = cachedPool(raw, options);
    context.closing.unshift(async () => pool.ended || (await pool.end()));
    return pool;
  };
  context.pool = context.open(context.server);
  await watchTables(context.pool, ['tidy']);
});

test.after(async ({ closing, server, db }) => {
  for (const close of closing ?? []) await close();
  await server?.close();
  await db?.close();
});

const name = async (pool: CachedPool, table: string = 'products') =>
  (await pool.query<{ name: string }>(`SELECT name FROM ${table} WHERE id = 1`)).rows[0]?.name;
async function isHit(pool: CachedPool, call: () => unknown): Promise<boolean> {
  const before = pool.cacheStats.hits;
  await call();
  return pool.cacheStats.hits > before;
}
const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: Error & { code?: string }) => error,
  );

/** A role of its own that may write the tables, and a way to be rid of it. */
async function role(db: TestDatabase, closing: World['closing'], more: string): Promise<pg.PoolConfig> {
  const user = `limited_${process.pid}_${closing.length}`;
  await runSql(db.url, `CREATE ROLE ${user} LOGIN; GRANT ALL ON products, notes, tidy, source TO ${user}; ${more}`);
  closing.push(() => runSql(db.url, `DROP OWNED BY ${user}; DROP ROLE ${user}`));
  return { connectionString: db.url.replace(/\/\/[^@]*@/, `//${user}@`) };
}

test('a role that may not log what it writes is told so, and has written nothing', async ({
  db,
  server,
  pool,
  open,
  closing,
}) => {
  await name(pool);
  const fn = 'hyper_cache_ns_tables_invalidate(text, text[])';
  const limited = open(server, await role(db, closing, `REVOKE EXECUTE ON FUNCTION ${fn} FROM PUBLIC`));
  const client = await limited.connect();
  try {
    for (const one of [limited, client]) {
      const error = await failure(one.query("UPDATE products SET name = 'unheard'") as Promise<unknown>);
      assert.is(error?.code, 'ERR_DATABASE');
      assert.match(error!.message, /GRANT EXECUTE ON FUNCTION "public"."hyper_cache_ns_tables_invalidate"/);
    }
    await client.query('BEGIN');
    assert.is((await failure(client.query("UPDATE products SET name = 'unheard'")))?.code, 'ERR_DATABASE');
    await client.query('ROLLBACK');
    assert.is((await failure(client.query('ALTER TABLE products ADD x int')))?.code, 'ERR_DATABASE');
    assert.is(await name(pool), 'a');
    // What triggers log needs no right.
    await client.query("UPDATE tidy SET name = 'heard'");
    await eventually('heard', async () => (await name(pool, 'tidy')) === 'heard', 3000);
    await client.query('BEGIN READ ONLY');
    assert.is((await client.query('SELECT reads()')).rows[0].reads, 'a');
    await client.query('COMMIT');
  } finally {
    client.release();
    await runSql(db.url, `GRANT EXECUTE ON FUNCTION ${fn} TO PUBLIC`);
  }
  await limited.query("UPDATE products SET name = 'a'");
});

test('what functions, procedures, blocks, prepared statements and triggers write is heard of', async ({ pool }) => {
  const client = await pool.connect();
  await client.query('PREPARE again AS SELECT rename($1)');
  const writes: [string, (value: string) => Promise<unknown>][] = [
    ['function', (value) => pool.query('SELECT rename($1)', [value])],
    ['function in a write', (value) => pool.query('UPDATE tidy SET name = rename($1)::text', [value])],
    ['function in a transaction', (value) => client.query(`BEGIN; SELECT rename('${value}'); COMMIT`)],
    ['DO', (value) => pool.query(`DO $$ BEGIN UPDATE products SET name = '${value}'; END $$`)],
    ['CALL', (value) => pool.query(`CALL rename_by_call('${value}')`)],
    ['EXECUTE', (value) => client.query(`EXECUTE again('${value}')`)],
    ['trigger', (value) => pool.query('UPDATE source SET name = $1', [value])],
  ];
  try {
    for (const [kind, write] of writes) {
      for (let turn = 0; turn < 2; turn++) {
        await name(pool);
        assert.ok(await isHit(pool, () => name(pool)), 'warm');
        await name(pool, 'tidy');
        await write(`${kind} ${turn}`);
        assert.is(await name(pool), `${kind} ${turn}`);
        if (kind !== 'function in a write') assert.ok(await isHit(pool, () => name(pool, 'tidy')), 'watched, it stays');
      }
    }
    for (const [end, expected] of [
      ['ROLLBACK', 'trigger 1'],
      ['COMMIT', 'done'],
    ] as const) {
      await name(pool);
      await client.query('BEGIN');
      await client.query("SELECT rename('done')");
      await client.query(end);
      assert.is(await name(pool), expected);
    }
    // STABLE says that it writes nothing.
    await pool.query('SELECT reads()');
    assert.ok(await isHit(pool, () => name(pool)));
  } finally {
    client.release();
  }
});

/** Counts what is sent. */
class CountingClient extends pg.Client {
  static sent: unknown[] = [];
  // biome-ignore lint/suspicious/noExplicitAny: the driver's own overloads
  override query(...args: any[]): any {
    CountingClient.sent.push(args[0]);
    return (super.query as (...all: unknown[]) => unknown)(...args);
  }
}

test('a write of watched tables takes one round trip, until they are watched no more', async ({
  db,
  server,
  open,
  pool,
}) => {
  const counted = open(server, { max: 1, Client: CountingClient } as pg.PoolConfig);
  const write = async (value: string) => {
    CountingClient.sent = [];
    await counted.query('UPDATE tidy SET name = $1', [value]);
    return CountingClient.sent.length;
  };
  // What is known of a table is trusted for half a second, which a stall may take.
  await eventually('one round trip', async () => {
    await write('first');
    return (await write('second')) === 1;
  });
  assert.is(await name(pool, 'tidy'), 'second');
  const unwatched = unwatchTables(open(server), ['tidy']);
  await eventually(
    'the triggers are gone',
    async () =>
      (await runSql(db.url, "SELECT FROM pg_trigger WHERE tgrelid = 'tidy'::regclass AND NOT tgisinternal")).length ===
      0,
  );
  // Here what was known is out of date: the second invalidation is for that.
  await name(pool, 'tidy');
  await write('between');
  await unwatched;
  await eventually('seen', async () => (await name(pool, 'tidy')) === 'between', 3000);
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.ok((await write('after')) > 3);
  assert.is(await name(counted, 'tidy'), 'after');
  await watchTables(open(server), ['tidy']);
});

test('a commit that is cut off half-way: what is read after the error is what came of it', async ({
  db,
  server,
  pool,
  open,
}) => {
  await runSql(
    db.url,
    `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.7); RETURN NULL; END';
     CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON notes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()`,
  );
  const proxy = await postgresProxy(db.url);
  const cut = open(server, { connectionString: proxy.url, max: 2 });
  try {
    for (const kind of ['alone', 'transaction']) {
      for (const one of [pool, cut]) await name(one, 'notes');
      const client = await cut.connect();
      client.on('error', () => {});
      const write = async () => {
        if (kind === 'alone') return client.query('UPDATE notes SET name = $1', [kind]);
        await client.query('BEGIN');
        await client.query('UPDATE notes SET name = $1', [kind]);
        return client.query('COMMIT');
      };
      const writing = failure(write());
      await eventually(
        'it commits',
        async () =>
          (await runSql(db.url, "SELECT FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'")).length > 0,
      );
      proxy.cut();
      assert.ok((await writing) !== undefined, 'the writer is told');
      client.release(true);
      assert.is(await name(cut, 'notes'), kind, 'and what he reads next is not older');
      await eventually('seen by others', async () => (await name(pool, 'notes')) === kind, 3000);
    }
  } finally {
    await cut.end();
    await proxy.close();
    await runSql(db.url, 'DROP TRIGGER slow ON notes');
  }
});

test('a namespace whose table has a name of its own, and a table that is watched for another cache alone', async ({
  db,
  closing,
}) => {
  const own: ConfigInput = { table: 'other', namespaces: { tables: { table: 'elsewhere' } } };
  const server = await testServer(db.url, own);
  closing.unshift(() => server.close());
  const open = () => {
    const raw = new pg.Pool({ connectionString: db.url });
    return cachedPool(raw, { cache: server.client(), tables: { products: {}, tidy: {} } });
  };
  const pool = open();
  closing.unshift(() => pool.end());
  for (const table of ['products', 'tidy']) {
    const before = await name(pool, table);
    assert.ok(await isHit(pool, () => name(pool, table)), `${table} is cached`);
    for (const text of [`${before}2`, before]) {
      await pool.query(`UPDATE ${table} SET name = $1`, [text]);
      assert.is(await name(pool, table), text, table);
    }
  }
});

test.run();
