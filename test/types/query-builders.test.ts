/** Checked when it is compiled: each `expectType` and each @ts-expect-error that does not hold fails the build. */
import type { Dialect, Generated, Kysely, sql } from 'kysely';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
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
  assert.type(withCache({ tll: 5 }), 'function');
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

test.run();
