import type {
  Cache,
  CacheAdapter,
  CacheStatistics,
  Entries,
  GetOrSetOptions,
  Load,
  SetOptions,
  Ttl,
} from '../../shared/cache.js';
import { setOptions, ttlToMs } from '../../shared/duration.js';
import { CacheError, type ErrorCode } from '../../shared/errors.js';
import { checkOptionNames } from '../../shared/option-names.js';
import { checkLoad, entryPairs, storedKeys } from './arguments.js';
import { Flight } from './flight.js';
import { type Fate, type Flights, MISS, NearCopies } from './near-copies.js';
import { checkAdapter } from './registry.js';
import { type TierCount, tierStats } from './two-tier-stats.js';

export interface TwoTierCacheOptions {
  /** The near tier, such as a LocMemCache. It belongs to this cache alone: `clear` and `invalidateTags` empty it. */
  l1: CacheAdapter;
  /** The far tier, such as a DatabaseCache, shared with others. */
  l2: CacheAdapter;
  /** The longest that l1 keeps a value: how stale a read may be when another process writes to l2. Default 10 s. */
  l1Ttl?: Ttl;
  /** Whether reads and `set` answer without l2 while it is away, in place of rejecting. Default false. */
  failSilently?: boolean;
  /** Milliseconds of a monotonic clock. Default `performance.now`. */
  clock?: () => number;
}

const OPTIONS = Object.keys({ l1: true, l2: true, l1Ttl: true, failSilently: true, clock: true } satisfies Record<
  keyof TwoTierCacheOptions,
  true
>);

/** Errors that tell of the caller or of the load, not of an l2 that is away: `failSilently` does not hide them. */
const OPEN_CODES: ReadonlySet<ErrorCode> = new Set([
  ...(['ERR_INVALID_KEY', 'ERR_INVALID_TTL', 'ERR_INVALID_VALUE', 'ERR_INVALID_TAG', 'ERR_INVALID_ARGUMENT'] as const),
  ...(['ERR_VALUE_TOO_LARGE', 'ERR_NOT_A_COUNTER', 'ERR_COUNTER_OVERFLOW', 'ERR_LOAD_FAILED'] as const),
]);

/**
 * A near tier in front of a far one, each synchronous or not. Reads try l1, then l2, and fill l1; writes go to l2 first,
 * then to l1. Within the process a read never returns what an earlier write or invalidation replaced; what other
 * processes write to l2 is seen within `l1Ttl`.
 *
 * l1 never keeps a value past its life in l2. For a value that comes from l2 that takes a second question, `l2.ttl`, once
 * a key and `l1Ttl`. Where it would cost a statement a key (`getMany`), or the life is the default of l2 (`set` without a
 * ttl), l1 is not filled: the next `get` does it.
 *
 * With `failSilently` an l2 that is away is a miss, `getOrSet` calls `load`, and a `set` is dropped, from l1 too.
 * `delete`, `expire`, `clear`, `invalidateTags`, `add` and `incr` reject all the same, after l1 has dropped what they
 * name: an invalidation that is lost in silence is worse than an error. `l2Failures` counts what was hidden.
 */
export class TwoTierCache implements Cache {
  // Of a synchronous tier `await` makes what the type says.
  readonly #l1: Cache;
  readonly #l2: Cache;
  readonly #near: NearCopies;
  readonly #failSilently: boolean;
  readonly #reads: Flights = new Map();
  readonly #loads: Flights = new Map();
  readonly #counts: Record<'l1' | 'l2', TierCount> = { l1: { hits: 0, misses: 0 }, l2: { hits: 0, misses: 0 } };
  #failures = 0;

  /** @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL */
  constructor(options: TwoTierCacheOptions) {
    checkOptionNames(options, OPTIONS, 'TwoTierCache');
    const { l1, l2, l1Ttl = 10, failSilently = false, clock } = options;
    this.#l1 = checkAdapter(l1, 'l1') as Cache;
    this.#l2 = checkAdapter(l2, 'l2') as Cache;
    this.#near = new NearCopies(this.#l1, this.#l2, ttlToMs(l1Ttl, 'l1Ttl'), clock ?? (() => performance.now()));
    this.#failSilently = failSilently;
  }

  /** How many failures of l2 were hidden by `failSilently`. */
  get l2Failures(): number {
    return this.#failures;
  }

  async get<T = unknown>(key: string): Promise<T | undefined>;
  async get<T, D>(key: string, defaultValue: D): Promise<T | D>;
  async get(key: string, defaultValue?: unknown): Promise<unknown> {
    const held = await this.#getNear(key);
    if (held !== MISS) return held;
    const ask = async (): Promise<unknown> => this.#l2.get(key, MISS);
    const far = await this.#unlessAway(
      () => this.#near.read(this.#reads, key, ask),
      () => MISS,
    );
    this.#count('l2', far !== MISS);
    return far === MISS ? defaultValue : far;
  }

  async set(key: string, value: unknown, options?: Ttl | SetOptions): Promise<void> {
    const { ttlMs } = setOptions(options, 'any');
    const act = () =>
      this.#near.write(
        [key],
        () => this.#l2.set(key, value, options),
        () => ({ value, ttlMs }),
      );
    await this.#unlessAway<void>(act, () => {});
  }

  async add(key: string, value: unknown, options?: Ttl | SetOptions): Promise<boolean> {
    const { ttlMs } = setOptions(options, 'any');
    return await this.#near.write(
      [key],
      () => this.#l2.add(key, value, options),
      (_key, stored) => (stored ? { value, ttlMs } : undefined),
    );
  }

  async delete(key: string): Promise<boolean> {
    return await this.#near.write([key], () => this.#l2.delete(key));
  }

  async has(key: string): Promise<boolean> {
    return (
      (await this.#l1.has(key)) ||
      (await this.#unlessAway(
        () => this.#l2.has(key),
        () => false,
      ))
    );
  }

  async clear(): Promise<void> {
    await this.#near.invalidate(() => this.#l2.clear());
  }

  async count(): Promise<number> {
    return await this.#unlessAway(
      () => this.#l2.count(),
      () => this.#l1.count(),
    );
  }

  async getOrSet<T>(key: string, load: Load<T>, options?: Ttl | GetOrSetOptions): Promise<T> {
    checkLoad(load);
    const held = await this.#getNear(key);
    if (held !== MISS) return held as T;
    const ask = (fate: Fate) => this.#load(key, load, options, fate);
    return (await this.#near.read(this.#loads, key, ask)) as T;
  }

  async getMany<T = unknown>(keys: Iterable<string>): Promise<Map<string, T>> {
    const asked = [...storedKeys(keys).keys()];
    const near = await this.#l1.getMany<T>(asked);
    const rest = asked.filter((key) => !near.has(key));
    this.#counts.l1.hits += near.size;
    this.#counts.l1.misses += rest.length;
    if (rest.length === 0) return near;
    const far = await this.#unlessAway(
      () => this.#l2.getMany<T>(rest),
      () => new Map<string, T>(),
    );
    this.#counts.l2.hits += far.size;
    this.#counts.l2.misses += rest.length - far.size;
    const found = asked.filter((key) => near.has(key) || far.has(key));
    return new Map(found.map((key) => [key, (near.has(key) ? near : far).get(key) as T]));
  }

  async setMany(entries: Entries, options?: Ttl | SetOptions): Promise<void> {
    const { ttlMs } = setOptions(options, 'any');
    const values = new Map(entryPairs(entries));
    const stored = (key: string) => ({ value: values.get(key), ttlMs });
    const act = () => this.#near.write([...values.keys()], () => this.#l2.setMany(values, options), stored);
    await this.#unlessAway<void>(act, () => {});
  }

  async deleteMany(keys: Iterable<string>): Promise<number> {
    const named = [...storedKeys(keys).keys()];
    return await this.#near.write(named, () => this.#l2.deleteMany(named));
  }

  async incr(key: string, delta?: number, ttl?: Ttl): Promise<number> {
    return await this.#near.write([key], () => this.#l2.incr(key, delta, ttl));
  }

  async decr(key: string, delta?: number, ttl?: Ttl): Promise<number> {
    return await this.#near.write([key], () => this.#l2.decr(key, delta, ttl));
  }

  async ttl(key: string): Promise<number | undefined> {
    return await this.#unlessAway(
      () => this.#l2.ttl(key),
      () => this.#l1.ttl(key),
    );
  }

  async expire(key: string, ttl: Ttl): Promise<boolean> {
    return await this.#near.write([key], () => this.#l2.expire(key, ttl));
  }

  /** Empties l1: it does not know the tags of what it was filled with. */
  async invalidateTags(tags: Iterable<string>): Promise<void> {
    await this.#near.invalidate(() => this.#l2.invalidateTags(tags));
  }

  /** @returns what l2 removed */
  async cleanup(): Promise<number> {
    await this.#l1.cleanup();
    return await this.#l2.cleanup();
  }

  /** Hits and misses of this cache by tier; the other counters are those that l1 and l2 keep themselves. */
  async stats(): Promise<CacheStatistics> {
    const l2 = await this.#unlessAway<CacheStatistics | undefined>(
      () => this.#l2.stats(),
      () => undefined,
    );
    return tierStats(await this.#l1.stats(), l2, this.#counts);
  }

  /** Closes both tiers. */
  async close(): Promise<void> {
    await this.#l1.close();
    await this.#l2.close();
  }

  async #getNear(key: string): Promise<unknown> {
    const near: unknown = await this.#l1.get<unknown, unknown>(key, MISS);
    this.#count('l1', near !== MISS);
    return near;
  }

  #count(tier: 'l1' | 'l2', isHit: boolean): void {
    this.#counts[tier][isHit ? 'hits' : 'misses']++;
  }

  async #load(
    key: string,
    load: Load<unknown>,
    options: Ttl | GetOrSetOptions | undefined,
    fate: Fate,
  ): Promise<unknown> {
    let running: Promise<unknown> | undefined;
    const watched: Load<unknown> = (context) => {
      running = (async () => load(context))();
      return running;
    };
    try {
      const value = await this.#l2.getOrSet(key, watched, options);
      this.#count('l2', running === undefined);
      return value;
    } catch (error) {
      if (!this.#isHidden(error)) throw error;
      // A load that has run decides: its value or its error is the answer, whatever became of it in l2.
      fate.isStored = false;
      const value = await (running ?? load(new Flight([], undefined, undefined)));
      this.#count('l2', false);
      this.#failures++;
      return value;
    }
  }

  async #unlessAway<R>(ask: () => R | Promise<R>, fallback: () => R | Promise<R>): Promise<R> {
    try {
      return await ask();
    } catch (error) {
      if (!this.#isHidden(error)) throw error;
      this.#failures++;
      return await fallback();
    }
  }

  #isHidden(error: unknown): boolean {
    return this.#failSilently && !(error instanceof CacheError && OPEN_CODES.has(error.code));
  }
}
