/**
 * One measurement of one contender, in a process of its own, so that no other's garbage or types are in the way:
 * `node --expose-gc lru-round.js speed|memory|expiry <contender> <entries>`. Prints a JSON object.
 */
import { LRUCache } from 'lru-cache';
import { Lru } from '../../shared/lru.js';
import { CONTENDERS } from './lru-contenders.js';

const OPERATIONS_MIN = 1_000_000;
const EXPIRED_PER_CALL = 1000;
const LIFE_MS_MAX = 3_600_000;

const [mode, name = '', size = '0'] = process.argv.slice(2);
const entries = Number(size);
const collect = globalThis.gc ?? (() => {});

function keysOf(count: number): string[] {
  const keys = Array.from({ length: count }, (_, each) => `user:${each}:profile`);
  // Looked up once, the keys are flat and have their hash.
  const seen = new Set(keys);
  if (seen.size !== count) throw new Error('keys meet');
  return keys;
}

/** Marsaglia's xorshift32, for the same order in every run. */
function randomOrder(count: number, below: number): Uint32Array {
  let state = 0x9e3779b9;
  return Uint32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  });
}

function nanosecondsEach(count: number, work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start) / count;
}

function speed(): Record<string, number> {
  const keys = keysOf(2 * entries);
  const operations = Math.max(OPERATIONS_MIN, entries);
  const order = randomOrder(operations, entries);
  const value = { name: 'value' };
  const cache = CONTENDERS[name]!(entries);
  for (let i = 0; i < entries; i++) cache.set(keys[i]!, value);
  for (let i = 0; i < operations / 2; i++) cache.get(keys[order[i]!]!);
  collect();
  let hits = 0;
  const get = nanosecondsEach(operations, () => {
    for (let i = 0; i < operations; i++) if (cache.get(keys[order[i]!]!) !== undefined) hits++;
  });
  if (hits !== operations) throw new Error(`${name}: ${operations - hits} misses`);
  const replace = nanosecondsEach(operations, () => {
    for (let i = 0; i < operations; i++) cache.set(keys[order[i]!]!, value);
  });
  const insert = nanosecondsEach(operations, () => {
    for (let i = 0; i < operations; i++) cache.set(keys[(entries + i) % (2 * entries)]!, value);
  });
  let removal = 0;
  const passes = Math.ceil(OPERATIONS_MIN / entries);
  for (let pass = 0; pass < passes; pass++) {
    for (let i = 0; i < entries; i++) cache.set(keys[i]!, value);
    removal += nanosecondsEach(entries, () => {
      for (let i = 0; i < entries; i++) cache.delete(keys[i]!);
    });
  }
  return { 'get hit': get, 'set over': replace, 'set new, evicting': insert, delete: removal / passes };
}

function memory(): Record<string, number> {
  const keys = keysOf(entries);
  const value = { name: 'value' };
  const used = () => {
    collect();
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = used();
  const cache = CONTENDERS[name]!(entries);
  for (let i = 0; i < entries; i++) cache.set(keys[i]!, value);
  const bytes = (used() - before) / entries;
  if (cache.get(keys[entries - 1]!) !== value) throw new Error('the cache was collected');
  return { 'bytes an entry': bytes };
}

function expiry(): Record<string, number> {
  // Once for the compiler.
  for (let each = 0; each < 20; each++) expire(10 * EXPIRED_PER_CALL);
  return expire(entries);
}

/** Entries that live up to an hour; the clock goes on to where the next thousand have expired, until all have. */
function expire(count: number): Record<string, number> {
  const lives = [...randomOrder(count, LIFE_MS_MAX)].map((each) => each + 1);
  const sorted = lives.toSorted((a, b) => a - b);
  const lru = new Lru<number>();
  let nowMs = 1;
  const lruCache = new LRUCache<string, number>({ max: count, ttl: 1, ttlResolution: 0, perf: { now: () => nowMs } });
  for (const [index, life] of lives.entries()) {
    lru.set(`user:${index}`, index, 0, nowMs + life, nowMs);
    lruCache.set(`user:${index}`, index, { ttl: life });
  }
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let at = EXPIRED_PER_CALL - 1; at < count; at += EXPIRED_PER_CALL) {
    nowMs = 1 + sorted[at]!;
    ours.push(nanosecondsEach(1000, () => lru.expire(nowMs)));
    // Its whole list is walked each time: enough to see that.
    if (theirs.length < 5) theirs.push(nanosecondsEach(1000, () => lruCache.purgeStale()));
  }
  if (lru.size !== 0) throw new Error(`${lru.size} were left`);
  const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
  return {
    'median µs': median(ours),
    'mean µs': ours.reduce((sum, each) => sum + each, 0) / ours.length,
    'worst µs': Math.max(...ours),
    'lru-cache purgeStale µs': median(theirs),
  };
}

const modes: Record<string, () => Record<string, number>> = { speed, memory, expiry };
process.stdout.write(JSON.stringify(modes[mode ?? '']!()));
