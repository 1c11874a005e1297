import assert from 'node:assert/strict';
import type { Ttl } from '../../../shared/cache.js';
import type { CacheTest, Capabilities } from '../cache-suite.js';
import { BAD_TTLS } from '../values.js';
import { rejects } from './rejects.js';

/** Real clocks run on while a test does, and expiry may be rounded up to a millisecond: this much is forgiven. */
const SLACK_S = 30;
const ROUNDING_S = 0.002;

function assertNear(actual: number | undefined, expected: number): void {
  assert.ok(
    actual !== undefined && actual <= expected + ROUNDING_S && actual > expected - SLACK_S,
    `${actual} is not ${expected}`,
  );
}

export function registerExpiry(test: CacheTest, { eternalByDefault = false }: Capabilities): void {
  test('an expired entry is gone for every call', async ({ cache, wait, shortTtl, shortOverMs }) => {
    const keys = ['get', 'has', 'delete', 'ttl', 'expire', 'load', 'add'];
    for (const key of keys) await cache.set(key, 'old', shortTtl);
    await cache.set('lasting', 'old', 3600);
    await wait(shortOverMs);
    assert.equal(await cache.get('get', 'default'), 'default');
    assert.equal(await cache.has('has'), false);
    assert.equal(await cache.delete('delete'), false);
    assert.equal(await cache.ttl('ttl'), undefined);
    assert.equal(await cache.expire('expire', 60), false);
    assert.equal(await cache.getOrSet('load', () => 'new', 60), 'new');
    assert.equal(await cache.add('add', 'new', 60), true);
    assert.deepEqual([...(await cache.getMany(['lasting', ...keys])).keys()], ['lasting', 'load', 'add']);
  });

  test('every way to store takes a TTL', async ({ cache, wait, shortTtl, shortOverMs }) => {
    const text = `${shortTtl * 1000}ms`;
    await cache.set('set', 1, text);
    await cache.set('options', 1, { ttl: text });
    await cache.add('add', 1, shortTtl);
    await cache.setMany({ many: 1 }, { ttl: shortTtl });
    await cache.getOrSet('load', () => 1, shortTtl);
    await cache.getOrSet('said by the load', (context) => {
      context.setTtl(shortTtl);
      return 1;
    });
    await cache.incr('incr', 1, shortTtl);
    await wait(shortOverMs);
    assert.equal(await cache.count(), 0);
  });

  test('ttl tells the seconds left', async ({ cache }) => {
    for (const [ttl, seconds] of [
      [100, 100],
      ['5m', 300],
      [{ ttl: '1.5h' }, 5400],
    ] as const) {
      await cache.set('k', 1, ttl);
      assertNear(await cache.ttl('k'), seconds);
    }
    await cache.set('k', 1, Number.POSITIVE_INFINITY);
    assert.equal(await cache.ttl('k'), Number.POSITIVE_INFINITY);
    assert.equal(await cache.ttl('absent'), undefined);
    await cache.set('default', 1);
    if (eternalByDefault) assert.equal(await cache.ttl('default'), Number.POSITIVE_INFINITY);
    else assert.ok(((await cache.ttl('default')) ?? 0) < Number.POSITIVE_INFINITY);
  });

  test('expire gives another TTL, and keeps the value', async ({ cache, wait, shortTtl, shortOverMs }) => {
    assert.equal(await cache.expire('absent', 60), false);
    await cache.set('shorter', 'd', 3600);
    await cache.incr('n', 5, 3600);
    // Long enough for the calls that follow, on a machine that has much else to do.
    const brief = shortTtl * 5;
    await cache.setMany({ longer: 'a', forever: 'b', counter: 'c' }, brief);
    assert.equal(await cache.expire('longer', 3600), true);
    assert.equal(await cache.expire('forever', Number.POSITIVE_INFINITY), true);
    assert.equal(await cache.expire('shorter', shortTtl), true);
    assert.equal(await cache.expire('n', '2h'), true);
    await wait(shortOverMs * 5);
    assert.equal(await cache.get('longer'), 'a');
    assert.equal(await cache.get('forever'), 'b');
    assert.equal(await cache.ttl('forever'), Number.POSITIVE_INFINITY);
    assert.equal(await cache.get('shorter'), undefined);
    assert.equal(await cache.incr('n'), 6);
  });

  test('set starts a new life', async ({ cache, wait, shortTtl, shortOverMs }) => {
    await cache.set('k', 'brief', shortTtl);
    await cache.set('k', 'lasting', 3600);
    await wait(shortOverMs);
    assert.equal(await cache.get('k'), 'lasting');
  });

  for (const [name, given] of Object.entries(BAD_TTLS)) {
    test(`a bad TTL is refused by every call that takes one: ${name}`, async ({ cache }) => {
      const ttl = given as Ttl;
      await cache.set('k', 'old', 3600);
      await cache.incr('n', 1, 3600);
      const calls: Record<string, () => unknown> = {
        set: () => cache.set('k', 1, { ttl }),
        add: () => cache.add('new', 1, { ttl }),
        setMany: () => cache.setMany({ k: 1 }, { ttl }),
        getOrSet: () => cache.getOrSet('new', () => assert.fail('load was called'), { ttl }),
        'load context': () => cache.getOrSet('new', (context) => context.setTtl(ttl)),
        incr: () => cache.incr('n', 1, ttl),
        decr: () => cache.decr('n', 1, ttl),
        expire: () => cache.expire('k', ttl),
      };
      for (const [call, run] of Object.entries(calls)) await rejects('ERR_INVALID_TTL', run, call);
      assert.equal(await cache.get('k'), 'old');
      assert.equal(await cache.get('n'), 1);
      assert.equal(await cache.has('new'), false);
    });
  }
}
