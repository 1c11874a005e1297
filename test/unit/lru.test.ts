import assert from 'node:assert/strict';
import { test } from 'uvu';
import { ENTRY_OVERHEAD_BYTES, entryCostBytes } from '../../shared/entry-cost.js';
import { CacheError } from '../../shared/errors.js';
import { ENTRIES_MAX, Lru } from '../../shared/lru.js';

const NEVER = Number.POSITIVE_INFINITY;

test('a byte limit counts values, keys and an overhead', () => {
  assert.equal(entryCostBytes('äb', 10), 10 + 4 + ENTRY_OVERHEAD_BYTES);
  const lru = new Lru<number>({ maxBytes: 2 * entryCostBytes('k1', 100) });
  lru.set('k1', 1, 100, NEVER, 0);
  lru.set('k2', 2, 100, NEVER, 0);
  assert.equal(lru.bytes, lru.maxBytes);
  lru.set('k3', 3, 1, NEVER, 0);
  assert.deepEqual([...lru.keys()], ['k3', 'k2']);
});

test('an entry over the byte limit is not kept, nor the older value of its key', () => {
  const lru = new Lru<number>({ maxBytes: 1000 });
  assert.equal(lru.set('k', 1, 10, NEVER, 0), true);
  assert.equal(lru.set('other', 2, 10, NEVER, 0), true);
  assert.equal(lru.set('k', 3, 1001, NEVER, 0), false);
  assert.deepEqual([...lru.keys()], ['other']);
});

test('NaN as size or expiry keeps nothing', () => {
  const lru = new Lru<number>();
  assert.equal(lru.set('k', 1, Number.NaN, NEVER, 0), false);
  assert.equal(lru.set('k', 1, 0, Number.NaN, 0), false);
  assert.equal(lru.size, 0);
});

test('what has expired makes room before what lives', () => {
  const lru = new Lru<number>({ maxEntries: 2 });
  lru.set('oldest', 1, 0, NEVER, 0);
  lru.set('brief', 2, 0, 10, 0);
  lru.set('new', 3, 0, NEVER, 10);
  assert.deepEqual([...lru.keys()], ['new', 'oldest']);
  assert.equal(lru.evictions, 0);
  assert.equal(lru.expirations, 1);
});

test('an expired entry can be peeked at, outside time', () => {
  const lru = new Lru<string>();
  lru.set('k', 'stale', 0, 10, 0);
  assert.equal(lru.peek('k', 10), undefined);
  assert.equal(lru.peek('k', Number.NEGATIVE_INFINITY), 'stale');
});

test('a clock that goes back loses nothing', () => {
  const lru = new Lru<number>();
  lru.set('a', 1, 0, 100_000, 90_000);
  lru.set('b', 2, 0, 600, 500);
  assert.equal(lru.get('b', 599), 2);
  assert.equal(lru.expire(100_000), 2);
});

test('limits out of range are refused', () => {
  for (const maxEntries of [0, -1, 1.5, Number.NaN, NEVER, ENTRIES_MAX + 1]) {
    assert.throws(() => new Lru({ maxEntries }), isInvalidArgument);
  }
  for (const maxBytes of [0, -1, Number.NaN, '1']) {
    assert.throws(() => new Lru({ maxBytes: maxBytes as number }), isInvalidArgument);
  }
});

function isInvalidArgument(error: unknown): boolean {
  return error instanceof CacheError && error.code === 'ERR_INVALID_ARGUMENT';
}

test.run();
