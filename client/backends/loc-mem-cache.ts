import type {
  CacheStatistics,
  Entries,
  GetOrSetOptions,
  Load,
  SetOptions,
  SyncCache,
  TierStats,
  Ttl,
} from '../../shared/cache.js';
import { ttlToMs } from '../../shared/duration.js';
import { CacheError } from '../../shared/errors.js';
import { checkTags, given, storedKey } from '../../shared/key.js';
import { checkPlainOptions } from '../../shared/load-options.js';
import { ENTRIES_MAX, Lru } from '../../shared/lru.js';
import { checkOptionNames, LOAD_OPTIONS } from '../../shared/option-names.js';
import { TagIndex } from '../../shared/tag-index.js';
import { checkReference, entryPairs, isThenable, storedKeys } from './arguments.js';
import { coarseClock } from './coarse-clock.js';
import { Counter, checkDelta } from './counter.js';
import { Flight } from './flight.js';
import { LOC_MEM_OPTIONS, type LocMemCacheOptions } from './loc-mem-options.js';
import { sizeOf } from './size-of.js';

export type { LocMemCacheOptions } from './loc-mem-options.js';

type Settled<T> = T extends Promise<infer V> ? V : T;

export const LOC_MEM_MAX_SIZE = 10_000;

/** Expired entries that a write takes along, so that those nobody asks for again do not pile up. */
const EXPIRED_PER_WRITE = 2;

/**
 * A cache inside the process: an exact LRU, synchronous. The rules of the calls are those of every backend.
 *
 * Values are kept by reference, not copied: what comes out is the very object that went in, and whoever changes it
 * changes it for all. That is the price of a hit in nanoseconds; freeze what is shared, or use another backend.
 *
 * `getOrSet` with a synchronous load is synchronous; with an asynchronous one it returns a promise on a miss, and
 * concurrent calls for a key share one load. Of its options it follows `ttl` and `tags`.
 * `bytes` of the statistics holds the values only where maxBytes is given; they are not measured otherwise.
 */
export class LocMemCache implements SyncCache {
  readonly #lru: Lru<unknown>;
  readonly #tags = new TagIndex();
  readonly #flights = new Map<string, Flight>();
  readonly #now: () => number;
  readonly #tick: () => number;
  readonly #defaultTtlMs: number;
  readonly #measured: boolean;
  #hits = 0;
  #misses = 0;
  #sets = 0;
  #invalidations = 0;

  /** @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL */
  constructor(options: LocMemCacheOptions = {}) {
    checkOptionNames(options, LOC_MEM_OPTIONS, 'LocMemCache');
    const { maxSize = LOC_MEM_MAX_SIZE, maxBytes, defaultTtl, clock } = options;
    if (!Number.isInteger(maxSize) || maxSize < 1 || maxSize > ENTRIES_MAX) {
      const problem = `maxSize is ${given(maxSize)}, not a whole number from 1 to ${ENTRIES_MAX}`;
      throw new CacheError('ERR_INVALID_ARGUMENT', problem);
    }
    const onRemove = (key: string) => this.#tags.remove(key);
    this.#lru = new Lru({ maxEntries: maxSize, maxBytes, onRemove });
    this.#measured = maxBytes !== undefined;
    this.#defaultTtlMs = defaultTtl === undefined ? Number.POSITIVE_INFINITY : ttlToMs(defaultTtl, 'defaultTtl');
    const coarse = coarseClock();
    this.#now = clock ?? coarse.read;
    this.#tick = clock ?? coarse.tick;
  }

  get<T = unknown>(key: string): T | undefined;
  get<T, D>(key: string, defaultValue: D): T | D;
  get(key: string, defaultValue?: unknown): unknown {
    const held = this.#read(storedKey(key));
    return held === undefined ? defaultValue : held;
  }

  set(key: string, value: unknown, options?: Ttl | SetOptions): void {
    const { ttlMs, tags } = checkPlainOptions(options, 'LocMemCache');
    this.#store(storedKey(key), checkReference(value), ttlMs, tags, this.#now());
  }

  add(key: string, value: unknown, options?: Ttl | SetOptions): boolean {
    const { ttlMs, tags } = checkPlainOptions(options, 'LocMemCache');
    const stored = storedKey(key);
    checkReference(value);
    const nowMs = this.#now();
    if (this.#lru.has(stored, nowMs)) return false;
    this.#store(stored, value, ttlMs, tags, nowMs);
    return true;
  }

  delete(key: string): boolean {
    return this.#drop(storedKey(key), this.#now());
  }

  has(key: string): boolean {
    return this.#lru.has(storedKey(key), this.#now());
  }

  clear(): void {
    this.#invalidations += this.count();
    this.#lru.clear();
    this.#tags.clear();
    for (const flight of this.#flights.values()) flight.voided = true;
    this.#flights.clear();
  }

  count(): number {
    this.cleanup();
    return this.#lru.size;
  }

  getOrSet<T>(key: string, load: Load<T>, options?: Ttl | GetOrSetOptions): T | Promise<Settled<T>> {
    const stored = storedKey(key);
    if (typeof load !== 'function') throw new CacheError('ERR_INVALID_ARGUMENT', `load is ${given(load)}`);
    const stale = this.#lru.peek(stored, Number.NEGATIVE_INFINITY);
    const held = this.#read(stored);
    if (held !== undefined) return held as T;

    const flight = this.#flights.get(stored);
    if (flight?.promise !== undefined) return this.#join(flight, key, load, options) as Promise<Settled<T>>;
    return this.#load(stored, load, options, stale) as T | Promise<Settled<T>>;
  }

  getMany<T = unknown>(keys: Iterable<string>): Map<string, T> {
    const found = new Map<string, T>();
    for (const [key, stored] of storedKeys(keys)) {
      const held = this.#read(stored);
      if (held !== undefined) found.set(key, held as T);
    }
    return found;
  }

  setMany(entries: Entries, options?: Ttl | SetOptions): void {
    const { ttlMs, tags } = checkPlainOptions(options, 'LocMemCache');
    // All are checked before any is stored.
    const checked = entryPairs(entries).map(([key, value]) => [storedKey(key), checkReference(value)] as const);
    for (const [stored, value] of checked) this.#store(stored, value, ttlMs, tags, this.#now());
  }

  deleteMany(keys: Iterable<string>): number {
    let deleted = 0;
    for (const stored of storedKeys(keys).values()) if (this.#drop(stored, this.#now())) deleted++;
    return deleted;
  }

  incr(key: string, delta = 1, ttl?: Ttl): number {
    const stored = storedKey(key);
    const step = checkDelta(delta);
    const ttlMs = ttl === undefined ? undefined : ttlToMs(ttl);
    const nowMs = this.#now();
    const held = this.#lru.get(stored, nowMs);
    if (held === undefined) {
      this.#store(stored, new Counter(step), ttlMs, [], nowMs);
      return step;
    }
    if (!(held instanceof Counter)) throw new CacheError('ERR_NOT_A_COUNTER', `${given(key)} holds another value`);
    const count = held.add(step);
    this.#sets++;
    return count;
  }

  decr(key: string, delta = 1, ttl?: Ttl): number {
    return this.incr(key, -checkDelta(delta), ttl);
  }

  ttl(key: string): number | undefined {
    const nowMs = this.#now();
    const expiresAtMs = this.#lru.expiresAt(storedKey(key), nowMs);
    return expiresAtMs === undefined ? undefined : (expiresAtMs - nowMs) / 1000;
  }

  expire(key: string, ttl: Ttl): boolean {
    const stored = storedKey(key);
    const ttlMs = ttlToMs(ttl);
    const nowMs = this.#now();
    return this.#lru.setExpiry(stored, nowMs + ttlMs, nowMs);
  }

  invalidateTags(tags: Iterable<string>): void {
    const checked = checkTags(tags, Number.POSITIVE_INFINITY);
    const nowMs = this.#now();
    for (const tag of checked) {
      for (const stored of this.#tags.keys(tag)) if (this.#lru.delete(stored, nowMs)) this.#invalidations++;
    }
    for (const flight of this.#flights.values()) flight.invalidate(checked);
  }

  cleanup(): number {
    return this.#lru.expire(this.#now());
  }

  stats(): CacheStatistics {
    const memory: TierStats = {
      hits: this.#hits,
      misses: this.#misses,
      sets: this.#sets,
      evictions: this.#lru.evictions,
      expirations: this.#lru.expirations,
      invalidations: this.#invalidations,
      bytes: this.#lru.bytes,
      entries: this.#lru.size,
    };
    const asked = this.#hits + this.#misses;
    return { ...memory, hitRate: asked === 0 ? 0 : this.#hits / asked, tiers: { memory } };
  }

  /** Forgets everything, and tells the loads that are out through their signal. */
  close(): void {
    for (const flight of this.#flights.values()) flight.abort(new CacheError('ERR_CLOSED', 'the cache was closed'));
    this.clear();
  }

  #read(stored: string): unknown {
    const held = this.#lru.get(stored, this.#now());
    if (held === undefined) {
      this.#misses++;
      return undefined;
    }
    this.#hits++;
    return held instanceof Counter ? held.count : held;
  }

  #store(stored: string, value: unknown, ttlMs: number | undefined, tags: readonly string[], nowMs: number): void {
    this.#void(stored);
    this.#lru.expire(nowMs, EXPIRED_PER_WRITE);
    const expiresAtMs = nowMs + (ttlMs ?? this.#defaultTtlMs);
    const kept = this.#lru.set(stored, value, this.#measured ? sizeOf(value) : 0, expiresAtMs, nowMs);
    if (kept && tags.length > 0) this.#tags.add(stored, tags);
    this.#sets++;
  }

  #drop(stored: string, nowMs: number): boolean {
    this.#void(stored);
    const existed = this.#lru.delete(stored, nowMs);
    if (existed) this.#invalidations++;
    return existed;
  }

  /** The key is written or dropped: a load of it that is out comes too late, and is no longer joined. */
  #void(stored: string): void {
    if (this.#flights.size === 0) return;
    const flight = this.#flights.get(stored);
    if (flight === undefined) return;
    flight.voided = true;
    this.#flights.delete(stored);
  }

  #load(stored: string, load: Load<unknown>, options: Ttl | GetOrSetOptions | undefined, stale: unknown): unknown {
    const { ttlMs, tags } = checkPlainOptions(options, 'LocMemCache', LOAD_OPTIONS);
    const flight = new Flight(tags, ttlMs, stale instanceof Counter ? stale.count : stale);
    this.#void(stored);
    this.#flights.set(stored, flight);
    let result: unknown;
    try {
      result = load(flight);
    } catch (error) {
      this.#land(stored, flight);
      throw error;
    }
    if (!isThenable(result)) return this.#fill(stored, flight, result);
    flight.promise = Promise.resolve(result).then(
      (value) => this.#fill(stored, flight, value),
      (error) => {
        this.#land(stored, flight);
        throw error;
      },
    );
    return flight.promise;
  }

  #fill(stored: string, flight: Flight, value: unknown): unknown {
    this.#land(stored, flight);
    if (value === undefined) return undefined;
    checkReference(value);
    // The load may have taken long without a turn of the loop: the entry's life begins now, not when the load did.
    if (flight.storable) this.#store(stored, value, flight.ttlMs, flight.tags, this.#tick());
    return value;
  }

  #land(stored: string, flight: Flight): void {
    if (this.#flights.get(stored) === flight) this.#flights.delete(stored);
  }

  async #join(flight: Flight, key: string, load: Load<unknown>, options?: Ttl | GetOrSetOptions): Promise<unknown> {
    const joinedAt = flight.invalidations;
    const value = await flight.promise;
    return flight.invalidatedWithin(joinedAt) ? await this.getOrSet(key, load, options) : value;
  }
}
