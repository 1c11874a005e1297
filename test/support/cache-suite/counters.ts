import assert from 'node:assert/strict';
import type { CacheTest } from '../cache-suite.js';
import { rejects } from './rejects.js';

export function registerCounters(test: CacheTest): void {
  test('incr and decr count from nothing', async ({ cache }) => {
    assert.equal(await cache.incr('n'), 1);
    assert.equal(await cache.incr('n', 10), 11);
    assert.equal(await cache.decr('n'), 10);
    assert.equal(await cache.decr('n', 15), -5);
    assert.equal(await cache.incr('n', 0), -5);
    assert.equal(await cache.decr('m', 2), -2);
    assert.ok(Object.is(await cache.incr('zero', -0), 0));
  });

  test('a counter is a number to every other call', async ({ cache }) => {
    await cache.incr('n', 7);
    assert.equal(await cache.get('n'), 7);
    assert.equal(await cache.has('n'), true);
    assert.equal(await cache.add('n', 1), false);
    assert.equal(await cache.getOrSet('n', () => assert.fail('load was called')), 7);
    assert.deepEqual([...(await cache.getMany(['n']))], [['n', 7]]);
    assert.equal(await cache.delete('n'), true);
    assert.equal(await cache.incr('n'), 1);
  });

  test('nothing is lost among concurrent increments', async ({ cache }) => {
    const counts = await Promise.all(Array.from({ length: 100 }, () => cache.incr('n')));
    assert.deepEqual(
      counts.toSorted((a, b) => a - b),
      Array.from({ length: 100 }, (_, each) => each + 1),
    );
    assert.equal(await cache.get('n'), 100);
  });

  test('the TTL of a counter counts from its start', async ({ cache, wait, shortTtl, shortOverMs }) => {
    await cache.incr('n', 1, shortTtl);
    assert.equal(await cache.incr('n', 1, 3600), 2);
    await wait(shortOverMs);
    assert.equal(await cache.get('n'), undefined);
    assert.equal(await cache.incr('n', 1, 3600), 1, 'an expired counter starts over');
    await wait(shortOverMs);
    assert.equal(await cache.get('n'), 1, 'with its new TTL');
  });

  test('incr over an expired value starts a counter', async ({ cache, wait, shortTtl, shortOverMs }) => {
    await cache.set('k', { a: 1 }, shortTtl);
    await wait(shortOverMs);
    assert.equal(await cache.incr('k', 3), 3);
  });

  for (const value of [5, '5', null, { a: 1 }, true]) {
    test(`a value that was set is no counter, and stays: ${JSON.stringify(value)}`, async ({ cache }) => {
      await cache.set('k', value);
      await rejects('ERR_NOT_A_COUNTER', () => cache.incr('k'));
      await rejects('ERR_NOT_A_COUNTER', () => cache.decr('k'));
      assert.deepEqual(await cache.get('k'), value);
    });
  }

  test('set over a counter makes it a value', async ({ cache }) => {
    await cache.incr('n', 3);
    await cache.set('n', 3);
    assert.equal(await cache.get('n'), 3);
    await rejects('ERR_NOT_A_COUNTER', () => cache.incr('n'));
  });

  test('a counter stays within the safe integers', async ({ cache }) => {
    const max = Number.MAX_SAFE_INTEGER;
    assert.equal(await cache.incr('n', max), max);
    await rejects('ERR_COUNTER_OVERFLOW', () => cache.incr('n'));
    await rejects('ERR_COUNTER_OVERFLOW', () => cache.incr('n', max));
    assert.equal(await cache.get('n'), max);
    assert.equal(await cache.decr('n'), max - 1);
    assert.equal(await cache.decr('m', max), -max);
    await rejects('ERR_COUNTER_OVERFLOW', () => cache.decr('m', 1));
    assert.equal(await cache.get('m'), -max);
  });

  test('a delta that is no safe integer is refused', async ({ cache }) => {
    await cache.incr('n');
    for (const delta of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1', null, 1n]) {
      await rejects('ERR_INVALID_ARGUMENT', () => cache.incr('n', delta as number), String(delta));
      await rejects('ERR_INVALID_ARGUMENT', () => cache.decr('n', delta as number), String(delta));
    }
    assert.equal(await cache.get('n'), 1);
  });
}
