import assert from 'node:assert/strict';
import type { CacheTest, Capabilities } from '../cache-suite.js';
import { rejects } from './rejects.js';

export function registerBasics(test: CacheTest, { inexactCleanup = false }: Capabilities): void {
  test('get of an absent key is undefined, or the default', async ({ cache }) => {
    assert.equal(await cache.get('absent'), undefined);
    assert.equal(await cache.get('absent', 'default'), 'default');
    assert.equal(await cache.get('absent', null), null);
  });

  test('set stores, and stores over', async ({ cache }) => {
    assert.equal(await cache.set('k', 'one'), undefined);
    assert.equal(await cache.get('k'), 'one');
    await cache.set('k', 'two', 60);
    assert.equal(await cache.get('k', 'default'), 'two');
  });

  test('add stores only where nothing is', async ({ cache }) => {
    assert.equal(await cache.add('k', 'one', 60), true);
    assert.equal(await cache.add('k', 'two', 60), false);
    assert.equal(await cache.get('k'), 'one');
    await cache.delete('k');
    assert.equal(await cache.add('k', 'three', { ttl: '1m' }), true);
    assert.equal(await cache.get('k'), 'three');
  });

  test('delete says whether there was something', async ({ cache }) => {
    await cache.set('k', 1);
    assert.equal(await cache.delete('k'), true);
    assert.equal(await cache.get('k'), undefined);
    assert.equal(await cache.delete('k'), false);
  });

  test('has', async ({ cache }) => {
    assert.equal(await cache.has('k'), false);
    await cache.set('k', 0);
    assert.equal(await cache.has('k'), true);
    await cache.delete('k');
    assert.equal(await cache.has('k'), false);
  });

  test('null is a value everywhere', async ({ cache }) => {
    await cache.set('k', null);
    assert.equal(await cache.get('k'), null);
    assert.equal(await cache.get('k', 'default'), null);
    assert.equal(await cache.has('k'), true);
    assert.equal(await cache.add('k', 1), false);
    assert.equal(await cache.getOrSet('k', () => assert.fail('null was taken for a miss')), null);
    assert.deepEqual(await cache.getMany(['k', 'absent']), new Map([['k', null]]));
    assert.equal(await cache.count(), 1);
    assert.equal(await cache.delete('k'), true);
    await cache.setMany({ a: null, b: null });
    assert.equal(await cache.get('a'), null);
    assert.equal(await cache.add('c', null), true);
    assert.equal(await cache.getOrSet('d', () => null), null);
    assert.equal(await cache.has('d'), true);
    assert.equal(await cache.deleteMany(['a', 'b', 'c', 'd']), 4);
  });

  test('clear empties the cache, and only it', async ({ cache, other }) => {
    await other?.set('k', 'other');
    await cache.setMany({ a: 1, b: 2 });
    await cache.incr('n');
    await cache.clear();
    for (const key of ['a', 'b', 'n']) assert.equal(await cache.get(key), undefined, key);
    assert.equal(await cache.count(), 0);
    await cache.set('a', 3);
    assert.equal(await cache.get('a'), 3);
    if (other !== undefined) assert.equal(await other.get('k'), 'other');
  });

  test('count is of the live entries', async ({ cache, wait, shortTtl, shortOverMs }) => {
    assert.equal(await cache.count(), 0);
    await cache.setMany({ a: 1, b: 2, c: 3 }, 3600);
    await cache.incr('n', 1, 3600);
    await cache.set('brief', 4, shortTtl);
    await cache.delete('c');
    await wait(shortOverMs);
    assert.equal(await cache.count(), 3);
  });

  test('cleanup removes what has expired, and nothing else', async ({ cache, wait, shortTtl, shortOverMs }) => {
    await cache.setMany({ a: 1, b: 2, c: 3 }, shortTtl);
    await cache.set('lasting', 4, 3600);
    await wait(shortOverMs);
    const removed = await cache.cleanup();
    if (inexactCleanup) assert.ok(Number.isInteger(removed) && removed >= 0);
    else assert.equal(removed, 3);
    assert.equal(await cache.get('lasting'), 4);
    assert.equal(await cache.count(), 1);
    if (!inexactCleanup) assert.equal(await cache.cleanup(), 0);
  });

  test('an option that is not known is refused, and nothing is stored', async ({ cache }) => {
    const misspelt = { ttl: 60, tag: ['x'] };
    await rejects('ERR_INVALID_ARGUMENT', () => cache.set('a', 1, misspelt), 'set');
    await rejects('ERR_INVALID_ARGUMENT', () => cache.add('a', 1, misspelt), 'add');
    await rejects('ERR_INVALID_ARGUMENT', () => cache.setMany({ a: 1 }, misspelt), 'setMany');
    await rejects('ERR_INVALID_ARGUMENT', () => cache.getOrSet('a', () => 1, misspelt), 'getOrSet');
    const forLoads = { ttl: 60, coalesce: 'host' } as const;
    await rejects('ERR_INVALID_ARGUMENT', () => cache.set('a', 1, forLoads), 'set with an option of getOrSet');
    assert.equal(await cache.has('a'), false);
    assert.equal(await cache.getOrSet('a', () => 1, forLoads), 1);
  });
}
