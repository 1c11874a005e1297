import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'uvu';
import { entryCostBytes } from '../../shared/entry-cost.js';
import { WHEEL_REACH_MS } from '../../shared/expiry-wheel.js';
import { Lru, type RemovalReason } from '../../shared/lru.js';

/** Expiry is rounded up to a millisecond, and beyond the reach of the index there is none. */
function rounded(expiresAtMs: number): number {
  return expiresAtMs >= WHEEL_REACH_MS ? Number.POSITIVE_INFINITY : Math.ceil(expiresAtMs);
}

/** What the Lru promises, in the plainest way: an array from the most to the least recent, searched from end to end. */
class NaiveLru {
  entries: { key: string; value: number; costBytes: number; expiresAtMs: number }[] = [];
  removed: [string, number, RemovalReason][] = [];
  readonly maxEntries: number;
  readonly maxBytes: number;

  constructor(maxEntries: number, maxBytes: number) {
    this.maxEntries = maxEntries;
    this.maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.entries.reduce((sum, { costBytes }) => sum + costBytes, 0);
  }

  find(key: string, nowMs: number) {
    return this.entries.find((each) => each.key === key && each.expiresAtMs > nowMs);
  }

  remove(key: string, reason: RemovalReason, nowMs: number): boolean {
    const entry = this.entries.find((each) => each.key === key);
    if (entry === undefined) return false;
    this.entries = this.entries.filter((each) => each !== entry);
    const expired = entry.expiresAtMs <= nowMs;
    this.removed.push([key, entry.value, expired ? 'expire' : reason]);
    return !expired;
  }

  get(key: string, nowMs: number): number | undefined {
    const entry = this.find(key, nowMs);
    if (entry === undefined) {
      this.remove(key, 'expire', nowMs);
      return undefined;
    }
    this.entries = [entry, ...this.entries.filter((each) => each !== entry)];
    return entry.value;
  }

  set(key: string, value: number, sizeBytes: number, expiresAtMs: number, nowMs: number): boolean {
    const costBytes = entryCostBytes(key, sizeBytes);
    if (costBytes > this.maxBytes || expiresAtMs <= nowMs) {
      this.remove(key, 'replace', nowMs);
      return false;
    }
    this.remove(key, 'replace', nowMs);
    while (this.entries.length >= this.maxEntries || this.bytes + costBytes > this.maxBytes) {
      const earliest = this.expired(nowMs)[0];
      if (earliest !== undefined) this.remove(earliest.key, 'expire', nowMs);
      else this.remove(this.entries.at(-1)!.key, 'evict', nowMs);
    }
    this.entries.unshift({ key, value, costBytes, expiresAtMs: rounded(expiresAtMs) });
    return true;
  }

  setExpiry(key: string, expiresAtMs: number, nowMs: number): boolean {
    const entry = this.find(key, nowMs);
    if (entry === undefined) return false;
    if (expiresAtMs <= nowMs) this.remove(key, 'delete', nowMs);
    else entry.expiresAtMs = rounded(expiresAtMs);
    return true;
  }

  expired(nowMs: number) {
    const expired = this.entries.filter((each) => each.expiresAtMs <= nowMs);
    return expired.toSorted((a, b) => a.expiresAtMs - b.expiresAtMs);
  }

  expire(nowMs: number, limit: number): number {
    const expired = this.expired(nowMs).slice(0, limit);
    for (const { key } of expired) this.remove(key, 'expire', nowMs);
    return expired.length;
  }
}

interface State {
  model: NaiveLru;
  lru: Lru<number>;
  removed: [string, number, RemovalReason][];
  nowMs: number;
  lives: Set<number>;
  nextValue: number;
}

type Step = (state: State) => void;

const key = fc.integer({ min: 0, max: 15 }).map((each) => `key${'y'.repeat(each % 3)}${each}`);
/** Lives of every scale that the expiry index tells apart, and of none. */
const lifeMs = fc.oneof(
  fc.constant(Number.POSITIVE_INFINITY),
  fc.integer({ min: -2, max: 20 }),
  fc.double({ min: 0, max: 600, noNaN: true }),
  fc.integer({ min: 0, max: 200_000 }),
  fc.integer({ min: 0, max: 40_000_000 }),
  fc.integer({ min: 0, max: 10 ** 14 }),
);
const sizeBytes = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 3000 }));

/**
 * Two entries that expire in the same millisecond have no promised order; so that the model can tell it, an expiry that
 * is taken already is moved to the next free millisecond.
 */
function uniqueExpiry(state: State, life: number): number {
  let expiresAtMs = state.nowMs + life;
  if (life === Number.POSITIVE_INFINITY) return expiresAtMs;
  while (state.lives.has(Math.ceil(expiresAtMs))) expiresAtMs++;
  state.lives.add(Math.ceil(expiresAtMs));
  return expiresAtMs;
}

function both(state: State, call: (each: NaiveLru | Lru<number>) => unknown): void {
  assert.equal(call(state.lru), call(state.model));
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(key, sizeBytes, lifeMs).map(([k, size, life]) => (state: State) => {
      const expiresAtMs = uniqueExpiry(state, life);
      const value = state.nextValue++;
      both(state, (each) => each.set(k, value, size, expiresAtMs, state.nowMs));
    }),
  },
  { weight: 4, arbitrary: key.map((k) => (state: State) => both(state, (each) => each.get(k, state.nowMs))) },
  {
    weight: 1,
    arbitrary: key.map((k) => (state: State) => {
      const entry = state.model.find(k, state.nowMs);
      assert.equal(state.lru.peek(k, state.nowMs), entry?.value);
      assert.equal(state.lru.has(k, state.nowMs), entry !== undefined);
      assert.equal(state.lru.expiresAt(k, state.nowMs), entry?.expiresAtMs);
    }),
  },
  {
    weight: 1,
    arbitrary: key.map((k) => (state: State) => {
      assert.equal(state.lru.delete(k, state.nowMs), state.model.remove(k, 'delete', state.nowMs));
    }),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(key, lifeMs).map(([k, life]) => (state: State) => {
      const expiresAtMs = uniqueExpiry(state, life);
      both(state, (each) => each.setExpiry(k, expiresAtMs, state.nowMs));
    }),
  },
  {
    weight: 1,
    arbitrary: fc
      .oneof(fc.integer({ min: 0, max: 3 }), fc.constant(Number.POSITIVE_INFINITY))
      .map((limit) => (state: State) => both(state, (each) => each.expire(state.nowMs, limit))),
  },
  {
    weight: 3,
    arbitrary: lifeMs
      .filter((ms) => ms >= 0 && ms < Number.POSITIVE_INFINITY)
      .map((ms) => (state: State) => {
        state.nowMs += ms;
      }),
  },
  {
    weight: 1,
    arbitrary: fc.constant((state: State) => {
      // To the very millisecond at which the next entry expires, or just before it.
      const next = state.model.entries.map((each) => each.expiresAtMs).filter((ms) => ms > state.nowMs && ms < 1e300);
      if (next.length > 0) state.nowMs = Math.max(state.nowMs, Math.min(...next) - (state.nextValue % 2));
    }),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 0, max: 20 }).map((each) => (state: State) => {
      if (each > 0) return;
      state.lru.clear();
      state.model.entries = [];
    }),
  },
);

const limits = fc.record({
  maxEntries: fc.integer({ min: 1, max: 12 }),
  maxBytes: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 100, max: 4000 })),
  startMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e6, noNaN: true }), fc.constant(1_700_000_000_123)),
});

function run(
  steps: Step[],
  { maxEntries, maxBytes, startMs }: typeof limits extends fc.Arbitrary<infer L> ? L : never,
) {
  const removed: State['removed'] = [];
  const lru = new Lru<number>({ maxEntries, maxBytes, onRemove: (...what) => removed.push(what) });
  const model = new NaiveLru(maxEntries, maxBytes);
  const state: State = { model, lru, removed, nowMs: startMs, lives: new Set(), nextValue: 1 };
  let evictions = 0;
  let expirations = 0;
  for (const each of steps) {
    each(state);
    assert.deepEqual(removed.splice(0), model.removed.slice());
    for (const [, , reason] of model.removed.splice(0)) {
      if (reason === 'evict') evictions++;
      if (reason === 'expire') expirations++;
    }
    assert.deepEqual(
      [...lru.keys()],
      model.entries.map((entry) => entry.key),
    );
    assert.equal(lru.size, model.entries.length);
    assert.equal(lru.bytes, model.bytes);
  }
  assert.equal(lru.evictions, evictions);
  assert.equal(lru.expirations, expirations);
}

test('the Lru does what a naive model does, removals and their order included', () => {
  const steps = fc.array(step, { minLength: 1, maxLength: 400, size: 'max' });
  fc.assert(fc.property(steps, limits, run), { numRuns: 300 });
});

/** Whole numbers below a bound, from a seed (Marsaglia's xorshift32). */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

test('among thousands, expire takes just those whose time has come, earliest first', () => {
  // One number makes all lives and moves: there is nothing to shrink in thousands of them.
  const check = (seed: number) => {
    const random = randomNumbers(seed);
    const livesMs = Array.from({ length: 5000 }, (_, each) => 1 + random(each % 2 === 0 ? 5000 : 10 ** 8));
    const movesMs = Array.from({ length: 50 }, () => random([300, 100_000, 10 ** 7][random(3)]!));
    const expired: number[] = [];
    const lru = new Lru<number>({ onRemove: (_key, value) => expired.push(value) });
    for (const [index, ms] of livesMs.entries()) lru.set(`k${index}`, ms, 0, ms, 0);
    const left = livesMs.toSorted((a, b) => b - a);
    let nowMs = 0;
    for (const ms of [...movesMs, 10 ** 8]) {
      nowMs += ms;
      const due: number[] = [];
      while (left.length > 0 && left.at(-1)! <= nowMs) due.push(left.pop()!);
      assert.equal(lru.expire(nowMs), due.length);
      assert.deepEqual(expired.splice(0), due);
      assert.equal(lru.size, left.length);
      // Slots that became free are used again.
      if (left.length > 0) lru.set(`again${nowMs}`, 0, 0, Number.POSITIVE_INFINITY, nowMs);
      lru.delete(`again${nowMs}`, nowMs);
      expired.length = 0;
    }
    assert.equal(lru.bytes, 0);
  };
  fc.assert(fc.property(fc.nat(), check), { numRuns: 20 });
});

test.run();
