import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import type { Cache, Load } from '../../../shared/cache.js';
import type { CacheTest } from '../cache-suite.js';
import { rejects } from './rejects.js';

/** A load that waits to be let go, and says when it has begun. */
function gatedLoad<T>(value: (call: number) => T) {
  let release = () => {};
  let begin = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let calls = 0;
  const load = async () => {
    const call = ++calls;
    begin();
    await gate;
    return value(call);
  };
  return { load, release, begun, calls: () => calls };
}

export function registerGetOrSet(test: CacheTest): void {
  test('getOrSet loads once, with a sync or an async load', async ({ cache }) => {
    let loads = 0;
    assert.equal(await cache.getOrSet('sync', () => ++loads), 1);
    assert.equal(await cache.getOrSet('sync', () => ++loads), 1);
    assert.equal(await cache.getOrSet('async', async () => ++loads, { ttl: 60 }), 2);
    assert.equal(await cache.getOrSet('async', async () => ++loads, 60), 2);
    assert.equal(await cache.get('async'), 2, 'the value was stored, not its promise');
  });

  test('undefined is returned and not stored', async ({ cache }) => {
    let loads = 0;
    const load = () => void loads++;
    assert.equal(await cache.getOrSet('k', load), undefined);
    assert.equal(await cache.getOrSet('k', async () => load()), undefined);
    assert.equal(loads, 2);
    assert.equal(await cache.has('k'), false);
  });

  test('a failing load reaches the caller, and is not remembered', async ({ cache }) => {
    const failures: Load<unknown>[] = [
      () => {
        throw new TypeError('no luck');
      },
      () => Promise.reject(new TypeError('no luck')),
    ];
    for (const load of failures) {
      await assert.rejects(async () => cache.getOrSet('k', load), { name: 'TypeError', message: 'no luck' });
      assert.equal(await cache.has('k'), false);
    }
    assert.equal(await cache.getOrSet('k', () => 'luck'), 'luck');
  });

  test('100 callers, one load', async ({ cache }) => {
    const { load, release, begun, calls } = gatedLoad((call) => ({ call }));
    const callers = Array.from({ length: 100 }, () => cache.getOrSet('k', load));
    await begun;
    await turn();
    release();
    for (const value of await Promise.all(callers)) assert.deepEqual(value, { call: 1 });
    assert.equal(calls(), 1);
  });

  test('100 callers, one failure', async ({ cache }) => {
    const { load, release, begun } = gatedLoad((call) => {
      throw new Error(`failure ${call}`);
    });
    const callers = Array.from({ length: 100 }, () => cache.getOrSet('k', load));
    const settled = Promise.allSettled(callers);
    await begun;
    await turn();
    release();
    for (const each of await settled) assert.equal(each.status, 'rejected');
    assert.equal(await cache.getOrSet('k', () => 'next'), 'next');
  });

  test('loads of different keys do not wait for each other', async ({ cache }) => {
    const slow = gatedLoad(() => 'slow');
    const waiting = cache.getOrSet('slow', slow.load);
    await slow.begun;
    assert.equal(await cache.getOrSet('quick', async () => 'quick'), 'quick');
    slow.release();
    assert.equal(await waiting, 'slow');
  });

  const writes: Record<string, { write: (cache: Cache) => unknown; left: unknown }> = {
    set: { write: (cache) => cache.set('k', 'written'), left: 'written' },
    add: { write: (cache) => cache.add('k', 'written'), left: 'written' },
    setMany: { write: (cache) => cache.setMany({ k: 'written' }), left: 'written' },
    incr: { write: (cache) => cache.incr('k', 4), left: 4 },
    delete: { write: (cache) => cache.delete('k'), left: undefined },
    deleteMany: { write: (cache) => cache.deleteMany(['k']), left: undefined },
    clear: { write: (cache) => cache.clear(), left: undefined },
  };
  for (const [name, { write, left }] of Object.entries(writes)) {
    test(`a late fill does not undo ${name}`, async ({ cache }) => {
      // The first load saw the world before the write; an implementation may load again, and keep what that brings.
      const { load, release, begun } = gatedLoad((call) => (call === 1 ? 'late' : 'loaded again'));
      const late = cache.getOrSet('k', load);
      await begun;
      await write(cache);
      release();
      assert.notEqual(await late, undefined);
      const found = await cache.get('k');
      if (left === undefined) assert.ok(found === undefined || found === 'loaded again', String(found));
      else assert.equal(found, left);
    });
  }

  test('who asks after a delete does not get what was loaded before it', async ({ cache }) => {
    const { load, release, begun } = gatedLoad((call) => (call === 1 ? 'late' : 'loaded again'));
    const early = cache.getOrSet('k', load);
    await begun;
    await cache.delete('k');
    const after = cache.getOrSet('k', async () => 'fresh');
    await turn();
    release();
    await early;
    assert.ok(['fresh', 'loaded again'].includes(await after), await after);
    assert.notEqual(await cache.get('k'), 'late');
  });

  test('the load may skip storing', async ({ cache }) => {
    const load: Load<string> = (context) => {
      context.skip();
      return 'not kept';
    };
    assert.equal(await cache.getOrSet('k', load), 'not kept');
    assert.equal(await cache.has('k'), false);
  });

  test('the load has a signal', async ({ cache }) => {
    let signal: AbortSignal | undefined;
    await cache.getOrSet('k', (context) => {
      signal = context.signal;
      return 1;
    });
    assert.ok(signal instanceof AbortSignal);
    assert.equal(signal.aborted, false);
  });

  test('a load that is no function is refused', async ({ cache }) => {
    for (const load of [undefined, null, 1, 'x', {}]) {
      await rejects('ERR_INVALID_ARGUMENT', () => cache.getOrSet('k', load as unknown as Load<unknown>));
    }
    assert.equal(await cache.has('k'), false);
  });
}
