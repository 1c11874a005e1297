/**
 * Drizzle over a wrapped pool, on two servers with real daemons. Where Drizzle's own contract for caches has a hole, the same
 * steps are taken with a cache that follows it by the letter, which gives a stale answer, and with ours, which does not.
 */
// gate: cost=2 timeout=240
import { eq, exists, inArray, relations, sql } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import * as t from 'drizzle-orm/pg-core';
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cached } from '../../client/index.js';
import { cachedDrizzle } from '../../client/query/drizzle.js';
import { type CachedPool, cachedPool, watchTables } from '../../client/query/index.js';
import { eventually, type TestServer, testServer } from '../support/daemon.js';
import { throwsCode } from '../support/errors.js';
import { MapCache } from '../support/map-cache.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';

const products = t.pgTable('products', {
  id: t.integer().primaryKey(),
  name: t.text().notNull(),
  price: t.integer().notNull().default(1),
});
const orders = t.pgTable('orders', { id: t.integer().primaryKey(), product: t.integer() });
const other = t.pgTable('other', { id: t.integer().primaryKey() });
const kinds = t.pgTable('kinds', {
  i8: t.bigint({ mode: 'bigint' }),
  n: t.numeric(),
  at: t.timestamp({ withTimezone: true }),
  d: t.date({ mode: 'date' }),
  j: t.jsonb(),
  a: t.integer().array(),
  times: t.timestamp({ mode: 'string' }).array(),
  nul: t.integer(),
});
const schema = {
  products,
  orders,
  other,
  kinds,
  ordersOf: relations(orders, ({ one }) => ({
    item: one(products, { fields: [orders.product], references: [products.id] }),
  })),
};
const SCHEMA = `
  CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, price int NOT NULL DEFAULT 1);
  CREATE TABLE orders (id int PRIMARY KEY, product int REFERENCES products ON DELETE CASCADE);
  CREATE TABLE other (id int PRIMARY KEY);
  CREATE TABLE kinds (i8 int8, n numeric, at timestamptz, d date, j jsonb, a int[], times timestamp[], nul int);
  INSERT INTO kinds VALUES (9007199254740993, 1.50, '2026-01-02 03:04:05.678Z', '2026-01-02', '{"a":[1,null]}', '{1,2,3}', '{"2026-01-02 03:04:05"}', NULL);`;
const ROWS = `
  TRUNCATE products, orders, other; INSERT INTO products SELECT i, 'p' || i FROM generate_series(1, 20) AS i;
  INSERT INTO orders VALUES (1, 1), (2, 2); INSERT INTO other VALUES (1);`;

type Database = NodePgDatabase<typeof schema>;
interface Site {
  readonly pool: CachedPool;
  readonly db: Database;
}
interface World {
  database: TestDatabase;
  servers: TestServer[];
  raw: pg.Pool;
  here: Site;
  there: Site;
  open: (server: TestServer) => Site & { db: ReturnType<typeof overPool> };
  opened: pg.Pool[];
  psql: (text: string) => Promise<unknown>;
}
const test = suite<World>('query-drizzle');
const overPool = (pool: CachedPool) => cachedDrizzle(drizzle({ client: pool, schema }));

test.before(async (context) => {
  context.database = await testDatabase();
  const { url } = context.database;
  context.psql = (text) => runSql(url, text);
  await context.psql(SCHEMA);
  context.servers = [await testServer(url), await testServer(url)];
  for (const server of context.servers) await server.client().count();
  context.raw = new pg.Pool({ connectionString: url });
  await watchTables(context.raw, ['products', 'orders', 'other', 'kinds']);
  context.opened = [context.raw];
  context.open = (server) => {
    const own = new pg.Pool({ connectionString: url, max: 4 });
    own.on('error', () => {});
    const pool = cachedPool(own, { cache: server.client(), tables: { products: {}, orders: {}, kinds: {} } });
    context.opened.push(pool);
    return { pool, db: overPool(pool) };
  };
  context.here = context.open(context.servers[0]!);
  context.there = context.open(context.servers[1]!);
});

test.before.each(async ({ psql, here, there }) => {
  await psql(ROWS);
  for (const site of [here, there]) await site.pool.invalidateAll();
});

test.after(async ({ opened, servers, database }) => {
  for (const pool of opened ?? []) await pool.end();
  for (const server of servers ?? []) await server.close();
  await database?.close();
});

async function isHit({ pool }: Site, call: () => unknown): Promise<boolean> {
  const before = pool.cacheStats.hits;
  await call();
  return pool.cacheStats.hits > before;
}
type Connected = Database | Parameters<Parameters<Database['transaction']>[0]>[0];
const nameOf = async (db: Connected, id: number) =>
  (await db.select({ name: products.name }).from(products).where(eq(products.id, id)))[0]?.name;

/** Steps after which the contract's letter gives a stale answer, and what is asked. */
interface Hole {
  readonly ask: (db: Database) => Promise<unknown>;
  readonly steps: (db: Database) => Promise<unknown>;
  /** What a cache by the letter then says, where it is not what it said before. */
  readonly wrong?: unknown;
}

function hole(name: string, { ask, steps, wrong }: Hole): void {
  test(`a hole of Drizzle's own contract that is none here: ${name}`, async ({ psql, raw, here }) => {
    const stock = drizzle({ client: raw, schema, cache: new MapCache() }) as Database;
    const truth = drizzle({ client: raw, schema }) as Database;
    for (const db of [stock, here.db]) {
      await psql(ROWS);
      await here.pool.invalidateAll();
      const before = await ask(db);
      if (db === here.db) assert.ok(await isHit(here, () => ask(db)), 'it is cached at all');
      await steps(db);
      const [said, now] = [await ask(db), await ask(truth)];
      if (db === here.db) assert.equal(said, now);
      else assert.equal(said, wrong ?? before, 'by the letter');
      if (db === stock) assert.not.equal(said, now);
    }
  });
}

const update = (db: Connected) => db.update(products).set({ name: 'new' }).where(eq(products.id, 1));
const cte = (db: Connected) => {
  const cheap = db.$with('cheap').as(db.select({ name: products.name }).from(products).where(eq(products.id, 1)));
  return db.with(cheap).select().from(cheap);
};

hole('the tables of a CTE are not named', { ask: cte, steps: update });
hole('tables of subqueries in WHERE are not named', {
  ask: (db) =>
    db
      .select({ id: products.id })
      .from(products)
      .where(inArray(products.id, db.select({ id: orders.product }).from(orders))),
  steps: (db) => db.insert(orders).values({ id: 3, product: 3 }),
});
hole('nor those of EXISTS', {
  ask: (db) =>
    db
      .select({ id: products.id })
      .from(products)
      .where(exists(db.select().from(orders).where(eq(orders.product, products.id)))),
  steps: (db) => db.delete(orders).where(eq(orders.id, 2)),
});
hole('a cascade names the parent alone', {
  ask: (db) => db.select().from(orders),
  steps: (db) => db.delete(products).where(eq(products.id, 1)),
});
hole('a write by execute names nothing', {
  ask: (db) => nameOf(db, 1),
  steps: (db) => db.execute(sql`UPDATE products SET name = 'new' WHERE id = 1`),
});
hole('onMutate comes with the write, before its commit', {
  ask: (db) => nameOf(db, 1),
  steps: (db) =>
    db.transaction(async (transaction) => {
      await update(transaction);
      assert.is(await nameOf(db, 1), 'p1', 'elsewhere nothing has happened yet; kept, it would stay');
    }),
});
hole('a read in a transaction that is rolled back is kept', {
  ask: (db) => nameOf(db, 1),
  steps: async (db) => {
    const run = db.transaction(async (transaction) => {
      await update(transaction);
      assert.is(await nameOf(transaction, 1), 'new');
      transaction.rollback();
    });
    assert.match(String(await run.catch(String)), /Rollback/);
  },
  wrong: 'new',
});
hole('and one after a savepoint that is rolled back', {
  ask: (db) => nameOf(db, 1),
  steps: (db) =>
    db.transaction(async (transaction) => {
      const nested = transaction.transaction(async (inner) => {
        await update(inner);
        assert.is(await nameOf(inner, 1), 'new');
        inner.rollback();
      });
      await nested.catch(() => {});
      assert.is(
        await transaction
          .select()
          .from(products)
          .where(eq(products.id, 1))
          .then(([row]) => row?.name),
        'p1',
      );
    }),
  wrong: 'new',
});

test("a hole of Drizzle's own contract that is none here: db.query, execute and $count are not cached", async ({
  raw,
  here,
}) => {
  const calls: ((db: Database) => Promise<unknown>)[] = [
    (db) => db.query.orders.findMany({ with: { item: true }, orderBy: orders.id }),
    (db) => db.execute(sql`SELECT name FROM products WHERE id = ${2}`).then(({ rows }) => rows),
    async (db) => db.$count(orders),
    (db) => db.$count(orders, eq(orders.id, 1)).then(Number),
  ];
  const cache = new MapCache();
  const stock = drizzle({ client: raw, schema, cache }) as Database;
  for (const call of calls) {
    const expected = await call(stock);
    assert.is(cache.asked, 0, 'never asked');
    assert.equal(await call(here.db), expected);
    assert.ok(await isHit(here, async () => assert.equal(await call(here.db), expected)));
  }
  await here.db.delete(products).where(eq(products.id, 1));
  for (const call of calls) assert.equal(await call(here.db), await call(stock), 'as it is now');
});

test('what others commit is seen on every server, row by row; what they roll back is not', async ({
  here,
  there,
  psql,
}) => {
  for (const { db } of [here, there]) for (const id of [1, 2]) await nameOf(db, id);
  await psql("BEGIN; UPDATE products SET name = 'never' WHERE id = 1; ROLLBACK");
  await psql("UPDATE products SET name = 'psql' WHERE id = 1");
  for (const site of [here, there]) {
    await eventually('seen', async () => (await nameOf(site.db, 1)) === 'psql', 3000);
    assert.ok(await isHit(site, () => nameOf(site.db, 2)));
  }
  const asked = () => here.db.select().from(other).$withCache();
  assert.equal([await asked(), await asked()], [[{ id: 1 }], [{ id: 1 }]]);
  await psql('INSERT INTO other VALUES (2)');
  await eventually('seen', async () => (await asked()).length === 2, 3000);
});

test('a transaction: nothing before its commit, on both servers; nothing of a savepoint taken back', async ({
  here,
  there,
}) => {
  for (const { db } of [here, there]) for (const id of [1, 2]) await nameOf(db, id);
  await here.db.transaction(async (transaction) => {
    await update(transaction);
    const nested = transaction.transaction(async (inner) => {
      await inner.update(products).set({ name: 'never' }).where(eq(products.id, 2));
      inner.rollback();
    });
    await nested.catch(() => {});
    for (const site of [here, there]) {
      assert.ok(await isHit(site, async () => assert.is(await nameOf(site.db, 1), 'p1')));
    }
  });
  assert.is(await nameOf(here.db, 1), 'new', 'at once where it was written');
  await eventually('seen there', async () => (await nameOf(there.db, 1)) === 'new', 3000);
  for (const { db } of [here, there]) assert.is(await nameOf(db, 2), 'p2');
});

test('rows are those of Drizzle, and nobody else’s', async ({ raw, here }) => {
  const [expected] = await drizzle({ client: raw, schema }).select().from(kinds);
  assert.ok(expected?.at instanceof Date && expected.i8 === 9007199254740993n && expected.n === '1.50');
  assert.ok(expected.d instanceof Date && Array.isArray(expected.times));
  for (let turn = 0; turn < 3; turn++) {
    const [row] = await here.db.select().from(kinds);
    assert.equal(row, expected);
    row!.at!.setTime(0);
    row!.a!.push(4);
    (row!.j as { a: unknown }).a = 'spoilt';
  }
  assert.ok(await isHit(here, () => here.db.select().from(kinds)));
  const plain = await drizzle({ client: raw, schema }).execute(sql`SELECT * FROM kinds`);
  for (let turn = 0; turn < 2; turn++) {
    assert.equal((await here.db.execute(sql`SELECT * FROM kinds`)).rows, plain.rows);
  }
});

test('$withCache asks for one query, $withCache(false) against; tags and tables are invalidated by hand', async ({
  here,
  open,
  servers,
}) => {
  const { db } = here;
  const all = () => db.select().from(other);
  await all();
  assert.not(await isHit(here, all), 'no cacheTtl');
  const tagged = () => all().$withCache({ config: { ex: 60 }, tag: 'others' });
  await tagged();
  assert.ok(await isHit(here, tagged));
  await db.$cache.invalidate({ tags: 'others' });
  assert.not(await isHit(here, tagged));
  for (const tables of [other, 'other', [products, other], ['public.other']]) {
    assert.ok(await isHit(here, tagged));
    await db.$cache.invalidate({ tables });
    assert.not(await isHit(here, tagged), String(tables));
  }
  await nameOf(db, 1);
  const never = () => db.select({ name: products.name }).from(products).where(eq(products.id, 1)).$withCache(false);
  assert.not(await isHit(here, never));
  const prepared = all()
    .$withCache({ config: { px: 60_000 } })
    .prepare('others');
  await prepared.execute();
  assert.ok(await isHit(here, () => prepared.execute()));
  const brief = open(servers[0]!);
  const short = () =>
    brief.db
      .select()
      .from(other)
      .limit(5)
      .$withCache({ config: { px: 50 } });
  await short();
  await eventually('it expires', async () => !(await isHit(brief, short)));
  await db.transaction(async (transaction) => {
    assert.not(await isHit(here, () => transaction.select().from(other).$withCache()), 'of no effect inside');
  });
});

test('a cached function that asks through Drizzle is dropped by commits of what it read', async ({
  here,
  servers,
  psql,
}) => {
  let made = 0;
  const label = cached(
    async (id: number) => {
      made += 1;
      return `${await nameOf(here.db, id)} in ${await here.db.$count(other)}`;
    },
    { cache: servers[0]!.client({ namespace: 'made' }), keyPrefix: 'label' },
  );
  assert.equal([await label(5), await label(5), made], ['p5 in 1', 'p5 in 1', 1]);
  await psql("UPDATE products SET name = 'five' WHERE id = 5");
  await eventually('the row', async () => (await label(5)) === 'five in 1', 3000);
  await psql('INSERT INTO other VALUES (2)'); // a table without a cacheTtl counts as well
  await eventually('the other table', async () => (await label(5)) === 'five in 2', 3000);
});

test('what it can’t keep to is refused', async ({ raw, here }) => {
  throwsCode('ERR_INVALID_ARGUMENT', () => cachedDrizzle(drizzle({ client: raw as CachedPool })));
  throwsCode('ERR_INVALID_ARGUMENT', () => cachedDrizzle(drizzle({ client: here.pool, cache: new MapCache() })));
  throwsCode('ERR_INVALID_ARGUMENT', () =>
    here.db
      .select()
      .from(other)
      .$withCache({ config: { exat: 5 } })
      .prepare('x'),
  );
  const brief = here.db
    .select()
    .from(other)
    .$withCache({ config: { ex: 0 } });
  throwsCode('ERR_INVALID_TTL', () => brief.prepare('x'));
});

test.run();
