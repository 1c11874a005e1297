/** Checked when it is compiled: each `expectType` and each @ts-expect-error that does not hold fails the build. */
import type { drizzle, NodePgDatabase } from 'drizzle-orm/node-postgres';
import { integer, pgTable } from 'drizzle-orm/pg-core';
import type { Dialect, Generated, Kysely, sql } from 'kysely';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cachedDrizzle } from '../../client/query/drizzle.js';
import type { CachedPool } from '../../client/query/index.js';
import { type cachedDialect, withCache } from '../../client/query/kysely.js';
import { expectType, type Same } from '../support/types.js';

interface Tables {
  products: { id: Generated<number>; name: string };
}

test('withCache leaves the types of Kysely as they are', () => {
  expectType<Same<Awaited<ReturnType<typeof rows>>, { id: number; name: string }[]>>();
  expectType<Same<Awaited<ReturnType<typeof first>>, { name: string } | undefined>>();
  expectType<Same<ReturnType<typeof instance>, Kysely<Tables>>>();
  expectType<Same<Awaited<ReturnType<typeof raw>>['rows'], { n: number }[]>>();
  expectType<Same<ReturnType<typeof cachedDialect>, Dialect>>();
  // @ts-expect-error no such option
  assert.throws(() => withCache({ tll: 5 }), /ttl/);
  // @ts-expect-error not a query
  assert.throws(() => withCache(5)({}));

  async function rows(db: Kysely<Tables>) {
    return db.selectFrom('products').selectAll().$call(withCache('5m')).execute();
  }
  async function first(db: Kysely<Tables>) {
    return withCache({ ttl: 5, tags: ['t'] })(db.selectFrom('products').select('name'))
      .limit(1)
      .executeTakeFirst();
  }
  function instance(db: Kysely<Tables>) {
    return withCache(false)(db);
  }
  async function raw(db: Kysely<Tables>, own: typeof sql) {
    return withCache()(own<{ n: number }>`SELECT 1 AS n`).execute(db);
  }
});

test('cachedDrizzle gives the database that it is given', () => {
  const products = pgTable('products', { id: integer().primaryKey() });
  type Schema = { products: typeof products };
  expectType<Same<ReturnType<typeof made>, NodePgDatabase<Schema> & { $client: CachedPool }>>();
  expectType<Same<Awaited<ReturnType<typeof rows>>, { id: number }[]>>();
  // @ts-expect-error not a database
  assert.throws(() => cachedDrizzle({}));

  function made(make: typeof drizzle, pool: CachedPool) {
    return cachedDrizzle(make<Schema, CachedPool>({ client: pool, schema: { products } }));
  }
  async function rows(make: typeof drizzle, pool: CachedPool) {
    return made(make, pool)
      .select()
      .from(products)
      .$withCache({ config: { ex: 5 } });
  }
});

test.run();
