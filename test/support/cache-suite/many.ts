import assert from 'node:assert/strict';
import type { Entries } from '../../../shared/cache.js';
import type { CacheTest } from '../cache-suite.js';
import { rejects } from './rejects.js';

export function registerMany(test: CacheTest): void {
  test('getMany gives the found ones in the order asked, each once', async ({ cache }) => {
    await cache.setMany({ a: 1, b: 2, c: 3 });
    const found = await cache.getMany(['c', 'absent', 'a', 'c', 'b']);
    assert.ok(found instanceof Map);
    assert.deepEqual(
      [...found],
      [
        ['c', 3],
        ['a', 1],
        ['b', 2],
      ],
    );
    assert.equal((await cache.getMany([])).size, 0);
    assert.equal((await cache.getMany(['absent'])).size, 0);
  });

  test('lists of keys may be any iterable', async ({ cache }) => {
    await cache.setMany({ a: 1, b: 2 });
    function* keys() {
      yield 'a';
      yield 'b';
    }
    assert.equal((await cache.getMany(new Set(['a', 'b']))).size, 2);
    assert.equal((await cache.getMany(keys())).size, 2);
    assert.equal(await cache.deleteMany(keys()), 2);
  });

  test('setMany takes a Map or an object', async ({ cache }) => {
    await cache.setMany(
      new Map<string, unknown>([
        ['a', 1],
        ['b', { deep: [2] }],
      ]),
    );
    await cache.setMany({ c: 3, a: 'over' }, { ttl: 60 });
    await cache.setMany({});
    await cache.setMany(new Map());
    assert.deepEqual([...(await cache.getMany(['a', 'b', 'c'])).values()], ['over', { deep: [2] }, 3]);
  });

  test('deleteMany counts what was there', async ({ cache }) => {
    await cache.setMany({ a: 1, b: 2, c: 3 });
    assert.equal(await cache.deleteMany(['a', 'b', 'absent', 'a']), 2);
    assert.equal(await cache.deleteMany(['a', 'b']), 0);
    assert.equal(await cache.deleteMany([]), 0);
    assert.equal(await cache.count(), 1);
  });

  test('a thousand at once', async ({ cache }) => {
    const entries = new Map(Array.from({ length: 1000 }, (_, each) => [`k${each}`, each]));
    await cache.setMany(entries);
    assert.deepEqual(await cache.getMany(entries.keys()), entries);
    assert.equal(await cache.count(), 1000);
    assert.equal(await cache.deleteMany(entries.keys()), 1000);
  });

  test('what is no list of keys or entries is refused', async ({ cache }) => {
    for (const keys of ['abc', null, undefined, 1, {}]) {
      await rejects('ERR_INVALID_ARGUMENT', () => cache.getMany(keys as string[]), String(keys));
      await rejects('ERR_INVALID_ARGUMENT', () => cache.deleteMany(keys as string[]), String(keys));
    }
    for (const entries of ['abc', null, undefined, 1, ['a', 'b'], new Set(['a'])]) {
      await rejects('ERR_INVALID_ARGUMENT', () => cache.setMany(entries as unknown as Entries), String(entries));
    }
    assert.equal(await cache.count(), 0);
  });
}
