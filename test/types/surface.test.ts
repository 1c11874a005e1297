/** Checked when it is compiled: each `expectType` and each @ts-expect-error that does not hold fails the build. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DatabaseCache } from '../../client/database.js';
import {
  type Cache,
  type CacheAdapter,
  CacheError,
  ConsistentHashRing,
  type ErrorCode,
  type getCache,
  LocMemCache,
  type PgCachedClient,
  type StampedeProtection,
  type SyncCache,
  type TwoTierCache,
} from '../../client/index.js';
import type { RunningDaemon, startDaemon } from '../../daemon/index.js';
import { expectType, type Same } from '../support/types.js';

const local = new LocMemCache();

test('every backend is an adapter, and says whether it is synchronous', () => {
  expectType<PgCachedClient extends Cache ? true : false>();
  expectType<DatabaseCache extends Cache ? true : false>();
  expectType<TwoTierCache extends Cache ? true : false>();
  expectType<StampedeProtection extends Cache ? true : false>();
  expectType<LocMemCache extends SyncCache ? true : false>();
  expectType<LocMemCache extends Cache ? false : true>();
  expectType<Same<ReturnType<typeof getCache>, CacheAdapter>>();
  assert.type(DatabaseCache, 'function');
});

test('get gives what its caller expects, undefined where there may be nothing', () => {
  expectType<Same<Awaited<ReturnType<typeof read>>, { name: string } | undefined>>();
  expectType<Same<Awaited<ReturnType<typeof readOr>>, number | null>>();
  const untyped: unknown = local.get('nothing');
  assert.is(untyped, undefined);
  async function read(cache: Cache) {
    return cache.get<{ name: string }>('user');
  }
  async function readOr(cache: Cache) {
    return cache.get<number, null>('user', null);
  }
});

test('getOrSet has the type of its load', () => {
  expectType<Same<Awaited<ReturnType<typeof load>>, { id: number }>>();
  async function load(cache: Cache) {
    return cache.getOrSet('user', async () => ({ id: 1 }), { ttl: '5m', tags: ['users'] });
  }
  assert.is(
    local.getOrSet('one', () => 1),
    1,
  );
});

test('options are checked by name and type', () => {
  // @ts-expect-error there is no such option
  assert.throws(() => local.set('a', 1, { tag: ['x'] }));
  // @ts-expect-error tags are several
  assert.throws(() => local.set('a', 1, { tags: 'x' }));
  // @ts-expect-error coalesce is one of two words
  assert.throws(() => local.getOrSet('a', () => 1, { coalesce: 'planet' }));
});

test('errors have codes of one table', () => {
  expectType<Same<CacheError['code'], ErrorCode>>();
  // @ts-expect-error no such code
  assert.ok(new CacheError('ERR_NO_SUCH_CODE', 'what') instanceof Error);
});

test('a ring answers with what its nodes are', () => {
  const ring = new ConsistentHashRing({ nodes: { one: local, two: new LocMemCache() } });
  const node = ring.getNode('user:42');
  expectType<typeof node extends LocMemCache | undefined ? true : false>();
  assert.instance(node, LocMemCache);
});

test('a daemon is started with options, and closed', () => {
  expectType<Same<Awaited<ReturnType<typeof startDaemon>>, RunningDaemon>>();
  expectType<RunningDaemon extends { readonly socketPath: string; close(): Promise<void> } ? true : false>();
  assert.ok(true);
});

test.run();
