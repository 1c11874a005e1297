import assert from 'node:assert/strict';
import type { CacheTest } from '../cache-suite.js';
import { BAD_KEYS, STRANGE_KEYS } from '../values.js';
import { rejects } from './rejects.js';

export function registerKeys(test: CacheTest): void {
  test('strange and long keys are keys like any other, each its own', async ({ cache }) => {
    for (const [index, key] of STRANGE_KEYS.entries()) await cache.set(key, index);
    for (const [index, key] of STRANGE_KEYS.entries()) assert.equal(await cache.get(key), index, key);
    const all = await cache.getMany(STRANGE_KEYS);
    assert.deepEqual(
      [...all],
      [...STRANGE_KEYS.entries()].map(([index, key]) => [key, index]),
    );
    assert.equal(await cache.count(), STRANGE_KEYS.length);
    assert.equal(await cache.delete('__proto__'), true);
    assert.equal(await cache.get('__proto__'), undefined);
    assert.equal(await cache.deleteMany(STRANGE_KEYS), STRANGE_KEYS.length - 1);
  });

  test('keys of many entries may be strange too', async ({ cache }) => {
    await cache.setMany(JSON.parse('{"__proto__":1,"constructor":2}'));
    assert.equal(await cache.get('__proto__'), 1);
    assert.equal(await cache.get('constructor'), 2);
    const long = ['1', '2'].map((end) => 'k'.repeat(299) + end);
    await cache.setMany(new Map(long.map((key, index) => [key, index])));
    assert.deepEqual([...(await cache.getMany(long)).values()], [0, 1]);
    assert.equal(await cache.incr(`n${long[0]}`), 1);
    assert.equal(await cache.incr(`n${long[1]}`), 1);
  });

  for (const [name, given] of Object.entries(BAD_KEYS)) {
    test(`a bad key is refused by every call: ${name}`, async ({ cache }) => {
      const key = given as string;
      const calls: Record<string, () => unknown> = {
        get: () => cache.get(key),
        set: () => cache.set(key, 1),
        add: () => cache.add(key, 1),
        delete: () => cache.delete(key),
        has: () => cache.has(key),
        getOrSet: () => cache.getOrSet(key, () => assert.fail('load was called')),
        getMany: () => cache.getMany(['good', key]),
        setMany: () =>
          cache.setMany(
            new Map([
              ['good', 1],
              [key, 1],
            ]),
          ),
        deleteMany: () => cache.deleteMany(['good', key]),
        incr: () => cache.incr(key),
        decr: () => cache.decr(key),
        ttl: () => cache.ttl(key),
        expire: () => cache.expire(key, 1),
      };
      for (const [call, run] of Object.entries(calls)) await rejects('ERR_INVALID_KEY', run, call);
      assert.equal(await cache.count(), 0);
    });
  }
}
