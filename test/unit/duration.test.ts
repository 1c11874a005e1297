import assert from 'node:assert/strict';
import { test } from 'uvu';
import type { SetOptions, Ttl } from '../../shared/cache.js';
import { setOptions, ttlToMs } from '../../shared/duration.js';
import { CacheError } from '../../shared/errors.js';

function isRefused(run: () => unknown, message: RegExp, code = 'ERR_INVALID_TTL'): void {
  assert.throws(
    run,
    (error: unknown) => error instanceof CacheError && error.code === code && message.test(error.message),
    String(message),
  );
}

test('numbers are seconds', () => {
  assert.equal(ttlToMs(300), 300_000);
  assert.equal(ttlToMs(1.1), 1100);
  assert.equal(ttlToMs(0.0001), 1);
  assert.equal(ttlToMs(Number.MIN_VALUE), 1);
  assert.equal(ttlToMs(Infinity), Infinity);
});

test('durations have one of six units', () => {
  const durations = {
    '250ms': 250,
    '90s': 90_000,
    '5m': 300_000,
    '1.5h': 5_400_000,
    '2d': 172_800_000,
    '1w': 604_800_000,
  };
  for (const [text, ms] of Object.entries(durations)) assert.equal(ttlToMs(text), ms);
  assert.equal(ttlToMs('.5s'), 500);
  assert.equal(ttlToMs('0.2ms'), 1);
});

test('more than a hundred years is for ever', () => {
  assert.equal(ttlToMs(Number.MAX_SAFE_INTEGER), Infinity);
  assert.equal(ttlToMs('36526d'), Infinity);
  assert.equal(ttlToMs('36525d'), 36525 * 86_400_000);
  assert.equal(ttlToMs(`${'9'.repeat(400)}s`), Infinity);
});

test('everything else is refused, and the message says what was given', () => {
  for (const ttl of [0, -0, -1, Number.NaN, -Infinity])
    isRefused(() => ttlToMs(ttl), new RegExp(`ttl is ${Object.is(ttl, -0) ? '-0' : ttl}`));
  isRefused(() => ttlToMs('5 parsecs'), /ttl is '5 parsecs'/);
  isRefused(() => ttlToMs('300'), /ttl is '300' without a unit \('300s' or the number 300 for seconds\)/);
  for (const text of ['', ' ', '0s', '-5m', '5M', '5 m', '1h30m', '1e3s', 'Infinity', 's', '5m\n', '1.s', '١s']) {
    isRefused(() => ttlToMs(text), /ttl is '/);
  }
  for (const other of [undefined, null, true, {}, [5], 5n, new Date(), Symbol('s'), () => 5]) {
    isRefused(() => ttlToMs(other), /ttl is /);
  }
  isRefused(() => ttlToMs('9'.repeat(100_000)), /ttl is .{1,400}$/);
});

test('options: nothing, a TTL, or an object', () => {
  assert.deepEqual(setOptions(), { ttlMs: undefined, tags: [], graceMs: undefined });
  assert.deepEqual(setOptions({}), { ttlMs: undefined, tags: [], graceMs: undefined });
  assert.deepEqual(setOptions('5m'), { ttlMs: 300_000, tags: [], graceMs: undefined });
  assert.deepEqual(setOptions(Infinity), { ttlMs: Infinity, tags: [], graceMs: undefined });
  assert.deepEqual(setOptions({ ttl: 5, tags: ['a', 'a'], grace: '1h' }), {
    ttlMs: 5000,
    tags: ['a'],
    graceMs: 3_600_000,
  });
  assert.equal(setOptions({ grace: 0 }).graceMs, 0);
});

test('bad options are refused', () => {
  for (const options of [null, true, 0, '', [], new Date(), () => 5]) {
    isRefused(() => setOptions(options as Ttl | SetOptions), /ttl is /);
  }
  isRefused(() => setOptions({ ttl: null } as unknown as SetOptions), /ttl is null/);
  isRefused(() => setOptions({ grace: -1 }), /grace is -1/);
  isRefused(() => setOptions({ tags: 'a' as unknown as string[] }), /'a'/, 'ERR_INVALID_TAG');
});

test('an unknown name is refused with the one that was meant', () => {
  const refused = (options: object, message: RegExp) =>
    isRefused(() => setOptions(options as SetOptions), message, 'ERR_INVALID_ARGUMENT');
  refused({ tag: ['x'] }, /^tag is not an option of this call \(did you mean tags\?\)/);
  refused({ TTL: 5 }, /did you mean ttl\?/);
  refused({ expiresIn: 5 }, /^expiresIn is not an option of this call; there are ttl, tags, grace /);
  assert.equal(setOptions({ ttl: 5, tag: undefined } as SetOptions).ttlMs, 5000);
  assert.equal(setOptions({ ttl: 5, region: 'eu' } as SetOptions, 'any').ttlMs, 5000);
});

test.run();
