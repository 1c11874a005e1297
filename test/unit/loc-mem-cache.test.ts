import assert from 'node:assert/strict';
import { test } from 'uvu';
import { coarseClock } from '../../client/backends/coarse-clock.js';
import { LocMemCache } from '../../client/backends/loc-mem-cache.js';
import { sizeOf } from '../../client/backends/size-of.js';
import { CacheError } from '../../shared/errors.js';
import { throwsCode } from '../support/errors.js';

test('calls return values, not promises; only an async load makes a promise', async () => {
  const cache = new LocMemCache();
  assert.equal(cache.set('k', 1), undefined);
  assert.equal(cache.get('k'), 1);
  assert.equal(cache.incr('n'), 1);
  assert.equal(
    cache.getOrSet('sync', () => 2),
    2,
  );
  const missed = cache.getOrSet('async', async () => 3);
  assert.ok(missed instanceof Promise);
  assert.equal(await missed, 3);
  assert.equal(
    cache.getOrSet('async', async () => 4),
    3,
    'a hit is a value',
  );
});

test('maxSize evicts what was used least recently; has and ttl are no use', () => {
  const cache = new LocMemCache({ maxSize: 3 });
  cache.setMany({ a: 1, b: 2, c: 3 });
  cache.get('a');
  cache.has('b');
  cache.ttl('b');
  cache.set('d', 4);
  assert.deepEqual([...cache.getMany(['a', 'b', 'c', 'd']).keys()], ['a', 'c', 'd']);
  assert.equal(cache.stats().evictions, 1);
});

test('maxBytes bounds bytes, not entries', () => {
  const cache = new LocMemCache({ maxBytes: 100_000 });
  for (let each = 0; each < 100; each++) cache.set(`k${each}`, Buffer.alloc(10_000));
  assert.ok(cache.count() >= 8 && cache.count() <= 10, String(cache.count()));
  assert.ok(cache.stats().bytes <= 100_000);
  cache.set('k99', Buffer.alloc(200_000));
  assert.equal(cache.has('k99'), false, 'neither the large value nor the older one');
});

test('an evicted entry leaves the index of tags', () => {
  const cache = new LocMemCache({ maxSize: 1 });
  cache.set('a', 1, { tags: ['t'] });
  cache.set('b', 2);
  cache.set('a', 3);
  cache.invalidateTags(['t']);
  assert.equal(cache.get('a'), 3);
});

test('expired entries do not pile up under set and forget', () => {
  let nowMs = 0;
  const cache = new LocMemCache({ maxSize: 100_000, clock: () => nowMs });
  for (let each = 0; each < 10_000; each++, nowMs++) cache.set(`k${each}`, each, 0.1);
  assert.ok(cache.stats().entries <= 102, String(cache.stats().entries));
});

test('defaultTtl is for what has no TTL', () => {
  let nowMs = 0;
  const cache = new LocMemCache({ defaultTtl: '10s', clock: () => nowMs });
  cache.set('default', 1);
  cache.set('own', 1, 20);
  cache.incr('n');
  nowMs = 10_000;
  assert.equal(cache.has('default'), false);
  assert.equal(cache.has('n'), false);
  assert.equal(cache.ttl('own'), 10);
});

test('the load sees the expired value', () => {
  let nowMs = 0;
  const cache = new LocMemCache({ clock: () => nowMs });
  cache.set('k', 'old', 1);
  nowMs = 1000;
  assert.equal(
    cache.getOrSet('k', ({ stale }) => `${stale} and new`),
    'old and new',
  );
  assert.equal(
    cache.getOrSet('absent', ({ stale }) => stale),
    undefined,
  );
});

test('a sync load that writes its own key has the last word there', () => {
  const cache = new LocMemCache();
  const load = () => {
    cache.set('k', 'written');
    return 'loaded';
  };
  assert.equal(cache.getOrSet('k', load), 'loaded');
  assert.equal(cache.get('k'), 'written');
});

test('a value whose sync load took longer than its TTL still lives its time', async () => {
  const cache = new LocMemCache();
  cache.get('the clock is read now');
  cache.getOrSet('k', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300), 60);
  const loadedMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const left = cache.ttl('k')!;
  assert.ok(left + (performance.now() - loadedMs) / 1000 > 59.9, `${left} s are left`);
});

test('close tells the loads that are out', async () => {
  const cache = new LocMemCache();
  let signal: AbortSignal | undefined;
  let release = () => {};
  const load = cache.getOrSet('k', async (context) => {
    signal = context.signal;
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    return 1;
  });
  cache.close();
  assert.equal(signal?.aborted, true);
  assert.ok(signal.reason instanceof CacheError && signal.reason.code === 'ERR_CLOSED');
  release();
  assert.equal(await load, 1);
  assert.equal(cache.count(), 0);
});

test('options that it does not offer are refused, their off values are not', () => {
  const cache = new LocMemCache();
  const refused = {
    grace: 5,
    inherit: true,
    beta: 1,
    softTimeout: 1,
    hardTimeout: 1,
    coalesce: 'cluster',
    onStale() {},
  };
  for (const [option, value] of Object.entries(refused)) {
    throwsCode('ERR_INVALID_ARGUMENT', () => cache.getOrSet('k', () => 1, { [option]: value }));
  }
  throwsCode('ERR_INVALID_ARGUMENT', () => cache.set('k', 1, { grace: '5m' }));
  assert.equal(cache.has('k'), false);
  const off = { grace: 0, inherit: false, beta: 0, coalesce: 'host' } as const;
  assert.equal(
    cache.getOrSet('k', () => 1, off),
    1,
  );
});

test('the coarse clock goes on with the turns of the loop', async () => {
  const clock = coarseClock();
  const first = clock.read();
  assert.equal(clock.read(), first);
  assert.ok(clock.tick() >= first);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(clock.read() - first >= 10);
});

test('sizeOf follows values, cycles included', () => {
  const cycle: unknown[] = ['x'.repeat(1000)];
  cycle.push(cycle, cycle);
  assert.ok(sizeOf(cycle) >= 2000 && sizeOf(cycle) < 2200);
  assert.ok(sizeOf(Buffer.alloc(5000)) >= 5000);
  assert.ok(sizeOf(new Map([['k', 'v'.repeat(500)]])) >= 1000);
  assert.ok(sizeOf(null) > 0);
});

test.run();
