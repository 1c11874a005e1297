/** The query cache by hand, over caches of several kinds. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LocMemCache, TwoTierCache } from '../../client/index.js';
import {
  CacheStats,
  configureQueryCache,
  DependencyTracker,
  getQueryCache,
  QueryCacheManager,
  setQueryCache,
} from '../../client/query/index.js';
import { rejectsCode, throwsCode } from '../support/errors.js';

const test = suite('query-manager');
const make = () => new QueryCacheManager({ backend: new LocMemCache() });

test('keys tell queries, values and tables apart, and not the order of tables', () => {
  const cache = make();
  const values = [
    1,
    '1',
    1n,
    true,
    null,
    undefined,
    0,
    -0,
    Number.NaN,
    [1],
    ['1'],
    { a: 1 },
    { a: '1' },
    new Date(1),
    Buffer.from('1'),
  ];
  const keys = values.map((value) => cache.makeKey('t', 'SELECT $1', [value]));
  assert.is(new Set(keys).size, values.length);
  assert.is(cache.makeKey('t', 'q', [1]), cache.makeKey('public.t', 'q', [1]));
  assert.is.not(cache.makeKey('t', 'q'), cache.makeKey('u', 'q'));
  assert.is(cache.makeMultiTableKey(['a', 'b'], 'q'), cache.makeMultiTableKey(['b', 'a', 'a'], 'q'));
  assert.is.not(cache.makeMultiTableKey(['a', 'b'], 'q'), cache.makeMultiTableKey(['a,b'], 'q'));
});

for (const [name, backend] of Object.entries({
  LocMemCache: () => new LocMemCache(),
  TwoTierCache: () => new TwoTierCache({ l1: new LocMemCache(), l2: new LocMemCache() }),
})) {
  test(`tables and rows are dropped, and nothing else, over ${name}`, async () => {
    const cache = new QueryCacheManager({ backend: backend() });
    const all = cache.makeKey('users', 'SELECT *');
    const [first, second] = [1, 2].map((id) => cache.makeKey('users', 'SELECT * WHERE id = $1', [id])) as [
      string,
      string,
    ];
    const other = cache.makeKey('orders', 'SELECT *');
    const fill = async () => {
      await cache.set(all, ['all']);
      await cache.set(first, ['one'], { rows: { users: [1] } });
      await cache.set(second, ['two'], { rows: { users: [2] } });
      await cache.set(other, null);
    };
    const there = async () =>
      Promise.all([all, first, second, other].map(async (key) => (await cache.get(key)) !== undefined));
    await fill();
    assert.equal(await there(), [true, true, true, true], 'null is a value');
    await cache.invalidateRow('users', 1);
    assert.equal(await there(), [false, false, true, true]);
    await fill();
    await cache.invalidateTable('users');
    assert.equal(await there(), [false, false, false, true]);
    await fill();
    cache.dependencies.registerDependency('orders', 'users');
    await cache.invalidateRow('users', 2);
    assert.equal(await there(), [false, true, false, false]);
    await fill();
    await cache.invalidateAll();
    assert.equal(await there(), [false, false, false, false]);
  });
}

test('what was read before an invalidation is not stored after it', async () => {
  const cache = make();
  const key = cache.makeKey('users', 'q');
  const versions = cache.getTableVersions(['users']);
  assert.ok(await cache.set(key, 1, { versions }));
  for (const drop of [
    () => cache.invalidateTable('users'),
    () => cache.invalidateRow('users', 1),
    () => cache.invalidateAll(),
  ]) {
    const before = cache.getTableVersions(['users']);
    await drop();
    assert.not(await cache.set(key, 1, { versions: before }));
    assert.is(await cache.get(key), undefined);
  }
});

test('warm loads what is missing, and a cache that is off holds nothing', async () => {
  const cache = make();
  const key = cache.makeKey('t', 'q');
  const load = async () => 5;
  assert.is(
    await cache.warm([
      { key, load },
      { key, load },
    ]),
    1,
  );
  assert.is(await cache.get(key), 5);
  cache.enabled = false;
  assert.is(await cache.get(key), undefined);
  assert.not(await cache.set(key, 6));
  assert.is(await cache.warm([{ key, load }]), 0);
  cache.enabled = true;
  assert.is(await cache.get(key), 5);
  await rejectsCode('ERR_INVALID_ARGUMENT', async () => void (await cache.set('a key of no tables', 1)));
  assert.ok(await cache.set('a key of no tables', 1, { tables: ['t'] }));
});

test('statistics', async () => {
  const cache = make();
  const key = cache.makeKey('t', 'q');
  assert.is(cache.stats.hitRate, 0);
  await cache.get(key);
  await cache.set(key, 1);
  for (let i = 0; i < 3; i++) await cache.get(key);
  await cache.invalidateTable('t');
  await cache.invalidateRow('t', 1);
  await cache.invalidateAll();
  const { hits, misses, sets, hitRate, invalidations, tableInvalidations, rowInvalidations } = cache.stats;
  assert.equal([hits, misses, sets, hitRate], [3, 1, 1, 0.75]);
  assert.equal([invalidations, tableInvalidations, rowInvalidations], [3, 1, 1]);
  cache.stats.reset();
  assert.equal({ ...cache.stats }, { ...new CacheStats() });
});

test('dependencies reach any depth, and circles end', () => {
  const tracker = new DependencyTracker();
  tracker.registerDependency('b', 'a');
  tracker.registerDependency('c', 'b');
  tracker.registerDependency('a', 'c');
  tracker.registerDependency('shop.x', 'c');
  assert.equal([...tracker.getDependents('a')].sort(), ['public.b', 'public.c', 'shop.x']);
  assert.ok(tracker.removeDependency('c', 'b'));
  assert.equal([...tracker.getDependents('a')], ['public.b']);
  throwsCode('ERR_INVALID_ARGUMENT', () => tracker.registerDependency('', 'a'));
});

test('the query cache of the process', () => {
  const first = getQueryCache();
  assert.is(getQueryCache(), first);
  const second = configureQueryCache({ backend: new LocMemCache({ maxSize: 10 }), defaultTtl: 60 });
  assert.is(getQueryCache(), second);
  setQueryCache(first);
  assert.is(getQueryCache(), first);
  throwsCode('ERR_INVALID_ARGUMENT', () => setQueryCache({} as never));
  throwsCode('ERR_INVALID_ARGUMENT', () => configureQueryCache({ backend: {} as never }));
});

test.run();
