/** Kysely over a wrapped pool, on two servers with real daemons: its own types, no answer older than a commit of anybody. */
// gate: cost=2 timeout=240
import {
  CamelCasePlugin,
  type Generated,
  Kysely,
  Migrator,
  ParseJSONResultsPlugin,
  PostgresDialect,
  sql,
} from 'kysely';
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cached } from '../../client/index.js';
import { type CachedPool, cachedPool, watchTables } from '../../client/query/index.js';
import { type CachedDialectConfig, cachedDialect, withCache } from '../../client/query/kysely.js';
import { eventually, type TestServer, testServer } from '../support/daemon.js';
import { throwsCode } from '../support/errors.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';

interface Tables {
  products: { id: number; name: string; price: Generated<number> };
  orders: { id: number; product: number };
  other: { id: number };
  kinds: Record<'i8' | 'n', string> & { t: Date; d: Date; b: Buffer; j: unknown; a: number[]; nul: null };
}
interface Site {
  readonly pool: CachedPool;
  readonly db: Kysely<Tables>;
}
interface World {
  database: TestDatabase;
  servers: TestServer[];
  why: string[];
  here: Site;
  there: Site;
  open: (server: TestServer, config?: CachedDialectConfig, poolConfig?: pg.PoolConfig) => Site;
  opened: Kysely<Tables>[];
  /** A commit that knows nothing of the cache. */
  psql: (text: string) => Promise<unknown>;
}
const test = suite<World>('query-kysely');

const SCHEMA = `
  CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, price int NOT NULL DEFAULT 1);
  INSERT INTO products SELECT i, 'p' || i FROM generate_series(1, 20) AS i;
  CREATE TABLE orders (id int PRIMARY KEY, product int REFERENCES products ON DELETE CASCADE);
  CREATE TABLE other (id int PRIMARY KEY);
  CREATE TABLE kinds (i8 int8, n numeric, t timestamptz, d date, b bytea, j jsonb, a int[], nul int);
  INSERT INTO kinds VALUES (9007199254740993, 1.50, '2026-01-02 03:04:05.678Z', '2026-01-02', '\\x00ff', '{"a":[1,null]}', '{1,2,3}', NULL);`;

test.before(async (context) => {
  context.database = await testDatabase();
  const { url } = context.database;
  context.psql = (text) => runSql(url, text);
  await context.psql(SCHEMA);
  context.servers = [await testServer(url), await testServer(url)];
  for (const server of context.servers) await server.client().count();
  const raw = new pg.Pool({ connectionString: url });
  await watchTables(raw, ['products', 'orders', 'other', 'kinds']);
  await raw.end();
  context.why = [];
  context.opened = [];
  context.open = (server, config = {}, poolConfig = {}) => {
    const own = new pg.Pool({ connectionString: url, max: 4, ...poolConfig });
    own.on('error', () => {});
    const onBypass = ({ reason }: { reason: string }) => context.why.push(reason);
    const tables = { products: {}, orders: {}, kinds: {} };
    const pool = cachedPool(own, { cache: server.client(), tables, onBypass });
    const db = new Kysely<Tables>({
      dialect: cachedDialect(pool, PostgresDialect, config),
    });
    context.opened.push(db);
    return { pool, db };
  };
  context.here = context.open(context.servers[0]!);
  context.there = context.open(context.servers[1]!);
});

test.after(async ({ opened, servers, database }) => {
  for (const db of opened ?? []) await db.destroy();
  for (const server of servers ?? []) await server.close();
  await database?.close();
});

async function isHit({ pool }: Site, call: () => unknown): Promise<boolean> {
  const before = pool.cacheStats.hits;
  await call();
  return pool.cacheStats.hits > before;
}
const product = ({ db }: Site, id: number) =>
  db.selectFrom('products').select(['name', 'price']).where('id', '=', id).executeTakeFirst();

test('a commit from anywhere drops what it changed on every server, a rollback nothing', async ({
  here,
  there,
  psql,
}) => {
  for (const site of [here, there]) {
    assert.equal(await product(site, 1), { name: 'p1', price: 1 });
    assert.ok(await isHit(site, () => product(site, 1)));
    await product(site, 2);
  }
  await psql("BEGIN; UPDATE products SET name = 'never' WHERE id = 1; ROLLBACK");
  await psql("UPDATE products SET name = 'new' WHERE id = 1");
  for (const site of [here, there]) {
    await eventually('seen', async () => (await product(site, 1))?.name === 'new', 3000);
    assert.ok(await isHit(site, () => product(site, 2)), 'the other row stayed');
  }
});

test('rows are those of the driver, and are nobody else’s', async ({ here, database }) => {
  const plain = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: database.url }) }),
  });
  const expected = await plain.selectFrom('kinds').selectAll().executeTakeFirstOrThrow();
  await plain.destroy();
  assert.ok(expected.t instanceof Date && Buffer.isBuffer(expected.b) && expected.i8 === '9007199254740993');
  for (let turn = 0; turn < 3; turn++) {
    const rows = await here.db.selectFrom('kinds').selectAll().execute();
    assert.equal(rows, [expected]);
    rows[0]!.t.setTime(0);
    rows[0]!.a.push(4);
    (rows[0]!.j as { a: unknown }).a = 'spoilt';
    rows.length = 0;
  }
  assert.ok(await isHit(here, () => here.db.selectFrom('kinds').selectAll().execute()));
});

test('withCache: by query, by instance, what is said last; and the query it was made from is not asked for', async ({
  here,
  why,
}) => {
  const base = here.db.selectFrom('other').select('id');
  const asking = base.$call(withCache('5m'));
  await asking.execute();
  assert.ok(await isHit(here, () => asking.execute()));
  assert.ok(await isHit(here, () => asking.executeTakeFirst()));
  assert.ok(await isHit(here, () => here.db.executeQuery(asking.compile())));
  assert.ok(await isHit(here, () => asking.withPlugin(new ParseJSONResultsPlugin()).execute()));
  assert.not(await isHit(here, () => base.execute()), 'shares all but what was asked');
  assert.match(why.at(-1)!, /cacheTtl/);
  assert.not(await isHit(here, () => asking.$call(withCache(false)).execute()));
  assert.match(why.at(-1)!, /asked not to be/);

  const all = withCache({ ttl: 60 })(here.db);
  assert.ok(await isHit(here, () => all.selectFrom('other').select('id').execute()));
  assert.not(await isHit(here, () => withCache(false)(all).selectFrom('other').select('id').execute()));
  await product(here, 3);
  assert.not(await isHit(here, () => product({ ...here, db: withCache(false)(here.db) }, 3)));

  const camel = withCache()(here.db.withPlugin(new CamelCasePlugin()));
  const raw = () => sql<{ theId: number }>`SELECT id AS the_id FROM other`.$castTo<{ theId: number }>().execute(camel);
  await raw();
  assert.ok(await isHit(here, raw), 'sql of one’s own');
});

test('subqueries, CTEs, joins: each commit to any of their tables is seen', async ({ here, psql }) => {
  const { db } = here;
  await psql('INSERT INTO orders VALUES (1, 4), (2, 5)');
  const queries = [
    () =>
      db
        .with('o', (qb) => qb.selectFrom('orders').select('product'))
        .selectFrom('products')
        .select('id')
        .where('id', 'in', (qb) => qb.selectFrom('o').select('product'))
        .orderBy('id')
        .execute(),
    () =>
      db
        .selectFrom('products as p')
        .select('p.id')
        .where(({ exists, selectFrom }) =>
          exists(selectFrom('orders').select('orders.id').whereRef('orders.product', '=', 'p.id')),
        )
        .orderBy('p.id')
        .execute(),
    () =>
      db
        .selectFrom('products')
        .innerJoin('orders', 'orders.product', 'products.id')
        .select('products.id')
        .orderBy('products.id')
        .execute(),
  ];
  const ids = async (query: () => Promise<{ id: number }[]>) => (await query()).map(({ id }) => id).join();
  for (const query of queries) {
    await eventually('as it is', async () => (await ids(query)) === '4,5', 3000);
    assert.ok(await isHit(here, query));
  }
  await psql('DELETE FROM products WHERE id = 4'); // and its order with it
  for (const query of queries) await eventually('as it is now', async () => (await ids(query)) === '5', 3000);
});

test('a transaction reads for itself, and what it writes counts at its commit', async ({ here, there }) => {
  for (const isRolledBack of [true, false]) {
    for (const site of [here, there]) await product(site, 7);
    const before = await product(here, 7);
    const run = here.db.transaction().execute(async (transaction) => {
      await transaction.updateTable('products').set({ name: 'mine' }).where('id', '=', 7).execute();
      assert.is((await product({ ...here, db: transaction }, 7))?.name, 'mine', 'its own view');
      assert.ok(await isHit(here, () => product(here, 7)));
      for (const site of [here, there]) assert.equal(await product(site, 7), before, 'nobody else’s');
      if (isRolledBack) throw new Error('rolled back');
    });
    if (!isRolledBack) await run;
    else assert.match(String(await run.catch(String)), /rolled back/);
    if (isRolledBack) assert.ok(await isHit(here, () => product(here, 7)));
    assert.is((await product(here, 7))?.name, isRolledBack ? 'p7' : 'mine', 'at once where it was written');
  }
  await eventually('seen there', async () => (await product(there, 7))?.name === 'mine', 3000);
});

test('savepoints of a controlled transaction: what was taken back was never seen', async ({ here, there }) => {
  for (const site of [here, there]) for (const id of [8, 9]) await product(site, id);
  const transaction = await here.db.startTransaction().execute();
  await transaction.updateTable('products').set({ price: 2 }).where('id', '=', 8).execute();
  const after = await transaction.savepoint('one').execute();
  await after.updateTable('products').set({ price: 2 }).where('id', '=', 9).execute();
  assert.is((await product({ ...here, db: after }, 9))?.price, 2);
  await after.rollbackToSavepoint('one').execute();
  assert.is((await product({ ...here, db: transaction }, 9))?.price, 1);
  const released = await transaction.savepoint('two').execute();
  await released.releaseSavepoint('two').execute();
  assert.is((await product(here, 8))?.price, 1);
  await transaction.commit().execute();
  assert.is((await product(here, 8))?.price, 2);
  assert.is((await product(here, 9))?.price, 1);
  await eventually('seen there', async () => (await product(there, 8))?.price === 2, 3000);
  assert.is((await product(there, 9))?.price, 1);
});

test('read your writes, and the count of rows that a write changed', async ({ here }) => {
  const { db } = here;
  await product(here, 100);
  const inserted = await db.insertInto('products').values({ id: 100, name: 'a' }).executeTakeFirstOrThrow();
  assert.is(inserted.numInsertedOrUpdatedRows, 1n);
  assert.is((await product(here, 100))?.name, 'a');
  const returned = await db
    .updateTable('products')
    .set({ name: 'b' })
    .where('id', '=', 100)
    .returning('name')
    .execute();
  assert.equal(returned, [{ name: 'b' }]);
  assert.is((await product(here, 100))?.name, 'b');
  const asked = db.deleteFrom('products').where('id', '=', 100).$call(withCache(60));
  assert.is((await asked.executeTakeFirstOrThrow()).numDeletedRows, 1n, 'a write that asks for the cache is a write');
  assert.is(await product(here, 100), undefined);
});

test('a connection of one’s own keeps its session from the first statement that needs one', async ({ here }) => {
  await product(here, 10);
  const pid = sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`;
  await here.db.connection().execute(async (db) => {
    const site = { ...here, db: db as Kysely<Tables> };
    assert.ok(await isHit(here, () => product(site, 10)), 'nothing that counts was done in it yet');
    const [first] = (await pid.execute(db)).rows;
    await sql`SET search_path = nowhere`.execute(db);
    assert.equal((await pid.execute(db)).rows[0], first);
    const error = await product(site, 10).catch((reason: pg.DatabaseError) => reason);
    assert.is((error as pg.DatabaseError).code, '42P01', 'read in the session, where the table is not');
    await sql`RESET search_path`.execute(db);
    assert.not(await isHit(here, () => product(site, 10)));
  });
  await here.db.connection().execute(async (db) => {
    // In the order of the calls, as on a connection of the driver's.
    const [, found] = await Promise.all([
      withCache()(sql`SELECT set_config('search_path', 'nowhere', false)`).execute(db), // the catalog is asked what it is
      product({ ...here, db: db as Kysely<Tables> }, 10).catch(() => 'not there'),
    ]);
    assert.is(found, 'not there');
    await sql`RESET search_path`.execute(db);
  });
  assert.ok(await isHit(here, () => product(here, 10)));
});

/** pg's own Query, read in pieces: enough of a cursor. */
class Cursor extends pg.Query {
  readonly #rows: unknown[] = [];
  readonly #ended: Promise<void>;
  constructor(text: string, values: unknown[]) {
    super({ text, values });
    this.on('row', (row: unknown) => void this.#rows.push(row));
    this.#ended = new Promise((resolve, reject) => {
      this.on('end', () => resolve());
      this.on('error', reject);
    });
  }
  async read(count: number): Promise<unknown[]> {
    await this.#ended;
    return this.#rows.splice(0, count);
  }
  async close(): Promise<void> {}
}

test('streams pass the cache by', async ({ open, servers }) => {
  const site = open(servers[0]!, { cursor: Cursor as unknown as NonNullable<CachedDialectConfig['cursor']> });
  const query = site.db.selectFrom('products').select('name').where('id', '=', 11).$call(withCache());
  await query.execute();
  const names: string[] = [];
  const hit = await isHit(site, async () => {
    for await (const { name } of query.stream(1)) names.push(name);
  });
  assert.not(hit);
  assert.equal(names, ['p11']);
});

test('hooks for connections are refused: what is read for the cache would miss what they set', ({ here }) => {
  const hooked = { onReserveConnection: async () => {} };
  throwsCode('ERR_INVALID_ARGUMENT', () => cachedDialect(here.pool, PostgresDialect, hooked as CachedDialectConfig));
});

test('a cached function that asks through Kysely is dropped by commits of what it read', async ({
  here,
  servers,
  psql,
}) => {
  let made = 0;
  const label = cached(
    async (id: number) => {
      made += 1;
      return `${(await product(here, id))?.name} in ${(await here.db.selectFrom('other').selectAll().execute()).length}`;
    },
    { cache: servers[0]!.client({ namespace: 'made' }), keyPrefix: 'label' },
  );
  assert.equal([await label(18), await label(18), made], ['p18 in 0', 'p18 in 0', 1]);
  await psql("UPDATE products SET name = 'eighteen' WHERE id = 18");
  await eventually('the row', async () => (await label(18)) === 'eighteen in 0', 3000);
  await psql('INSERT INTO other VALUES (1)'); // a table without a cacheTtl counts as well
  await eventually('the other table', async () => (await label(18)) === 'eighteen in 1', 3000);
});

test('migrations run as with the plain dialect', async ({ here, database }) => {
  const provider = {
    getMigrations: async () => ({
      one: { up: (db: Kysely<unknown>) => db.schema.createTable('made').addColumn('id', 'integer').execute() },
    }),
  };
  const migrator = new Migrator({ db: here.db, provider });
  assert.equal((await migrator.migrateToLatest()).error, undefined);
  assert.equal((await migrator.migrateToLatest()).results, []);
  assert.equal(await runSql(database.url, 'SELECT count(*)::int AS n FROM made'), [{ n: 0 }]);
  assert.ok((await here.db.introspection.getTables()).some(({ name }) => name === 'made'));
});

test('one connection is enough, and an error leaves it usable', async ({ open, servers }) => {
  const site = open(servers[0]!, {}, { max: 1 });
  const error = await sql`SELECT nothing FROM products`.execute(site.db).catch((reason: unknown) => reason);
  assert.is((error as pg.DatabaseError).code, '42703');
  const all = await Promise.all([...Array(8).keys()].map((id) => product(site, 13 + (id % 4))));
  assert.is(all.length, 8);
  const failing = site.db.transaction().execute((of) => sql`SELECT 1 / 0`.execute(of));
  assert.match(String(await failing.catch(String)), /division by zero/);
  assert.ok(await isHit(site, () => product(site, 13)));
  assert.equal(site.pool.waitingCount, 0);
});

test('what is no cached pool is refused, and what can’t be asked of the cache', ({ database }) => {
  throwsCode('ERR_INVALID_TTL', () => withCache(-1));
  const raw = new pg.Pool({ connectionString: database.url });
  throwsCode('ERR_INVALID_ARGUMENT', () => cachedDialect(raw as CachedPool, PostgresDialect));
});

test.run();
