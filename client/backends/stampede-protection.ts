import type {
  Cache,
  CacheAdapter,
  CacheStatistics,
  Entries,
  GetOrSetOptions,
  Load,
  LoadContext,
  SetOptions,
  Ttl,
} from '../../shared/cache.js';
import { setOptions, ttlToMs } from '../../shared/duration.js';
import { CacheError } from '../../shared/errors.js';
import { checkTags } from '../../shared/key.js';
import { checkOptionNames } from '../../shared/option-names.js';
import { DEFAULT_TTL_SECONDS } from '../../shared/protocol.js';
import { checkLoad, checkReference, entryPairs, storedKeys } from './arguments.js';
import { Flight } from './flight.js';
import { Refreshes } from './refreshes.js';
import { checkAdapter } from './registry.js';
import { type Envelope, isEarly, leadMs, seal, unseal } from './xfetch.js';

export interface StampedeProtectionOptions {
  /** Where the values are kept, each in an envelope with its cost and expiry. Synchronous or not. */
  backend: CacheAdapter;
  /** How eagerly values are computed again before they expire: 0 never, 1 the usual, more is earlier. Default 1. */
  beta?: number;
  /** How long values live that are stored without a ttl. Default 300 s. */
  defaultTtl?: Ttl;
  /** Milliseconds since the epoch. Default `Date.now`. */
  clock?: () => number;
  /** Uniform in [0, 1). Default `Math.random`. */
  random?: () => number;
}

const OPTIONS = Object.keys({ backend: true, beta: true, defaultTtl: true, clock: true, random: true } satisfies Record<
  keyof StampedeProtectionOptions,
  true
>);

export interface StampedeSetOptions extends SetOptions {
  /** How long the value took to compute, in milliseconds from 0. `getOrSet` measures it by itself. */
  computeTimeMs?: number;
}

const MISS = Symbol('miss');

/**
 * Computes popular values again shortly before they expire, once, instead of many times just after. `getOrSet` answers
 * everyone with the current value, and the caller that is picked refreshes it in the background, one refresh a key at
 * a time. `get` (and `getMany`) answers the caller that is picked as if the value were gone, for those who compute and
 * `set` by themselves; `has` tells the plain truth. When it is time: see xfetch.ts.
 *
 * A refresh that fails leaves the value as it is, for the next one that is picked. Entries of the backend that others
 * have written are served as they are, without early refreshes.
 */
export class StampedeProtection implements Cache {
  // Of a synchronous backend `await` makes what the type says.
  readonly #backend: Cache;
  readonly #beta: number;
  readonly #defaultTtlMs: number;
  readonly #now: () => number;
  readonly #stopwatch: () => number;
  readonly #random: () => number;
  readonly #refreshes = new Refreshes();
  #earlyMisses = 0;

  /** @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL */
  constructor(options: StampedeProtectionOptions) {
    checkOptionNames(options, OPTIONS, 'StampedeProtection');
    const { backend, beta = 1, defaultTtl = DEFAULT_TTL_SECONDS, clock, random } = options;
    this.#backend = checkAdapter(backend, 'the backend') as Cache;
    this.#beta = checkBeta(beta);
    this.#defaultTtlMs = ttlToMs(defaultTtl, 'defaultTtl');
    this.#now = clock ?? Date.now;
    this.#stopwatch = clock ?? (() => performance.now());
    this.#random = random ?? Math.random;
  }

  /** How many early refreshes have stored a value, and how many have failed. */
  get refreshes(): { readonly completed: number; readonly failed: number } {
    return { completed: this.#refreshes.completed, failed: this.#refreshes.failed };
  }

  async get<T = unknown>(key: string): Promise<T | undefined>;
  async get<T, D>(key: string, defaultValue: D): Promise<T | D>;
  async get(key: string, defaultValue?: unknown): Promise<unknown> {
    const held: unknown = await this.#backend.get<unknown, unknown>(key, MISS);
    if (held === MISS || (await this.#isPicked(key, held))) return defaultValue;
    return unseal(held);
  }

  async set(key: string, value: unknown, options?: Ttl | StampedeSetOptions): Promise<void> {
    const { ttlMs, rest, deltaMs } = this.#setting(options);
    const sealed = this.#seal(value, deltaMs, ttlMs);
    await this.#refreshes.holding([key], () => this.#backend.set(key, sealed, rest));
  }

  async add(key: string, value: unknown, options?: Ttl | StampedeSetOptions): Promise<boolean> {
    const { ttlMs, rest, deltaMs } = this.#setting(options);
    const sealed = this.#seal(value, deltaMs, ttlMs);
    return await this.#refreshes.holding([key], () => this.#backend.add(key, sealed, rest));
  }

  async delete(key: string): Promise<boolean> {
    return await this.#refreshes.holding([key], () => this.#backend.delete(key));
  }

  async has(key: string): Promise<boolean> {
    return await this.#backend.has(key);
  }

  async clear(): Promise<void> {
    await this.#refreshes.holdingAll(undefined, () => this.#backend.clear());
  }

  async count(): Promise<number> {
    return await this.#backend.count();
  }

  /** @param options `beta` takes the place of this cache's own; what else the backend knows is handed to it */
  async getOrSet<T>(key: string, load: Load<T>, options?: Ttl | GetOrSetOptions): Promise<T> {
    checkLoad(load);
    const { ttlMs, rest } = this.#setting(options);
    const beta = checkBeta(typeof options === 'object' ? (options.beta ?? this.#beta) : this.#beta);
    let isLoaded = false;
    const sealing: Load<Envelope | undefined> = (context) => {
      isLoaded = true;
      return this.#compute(load, context, ttlMs);
    };
    const held: unknown = await this.#backend.getOrSet(key, sealing, rest);
    const lead = leadMs(held, beta, isLoaded ? 0 : this.#random());
    if (isEarly(held, lead, this.#now())) this.#refresh(key, held, lead, load, rest);
    return unseal(held) as T;
  }

  async getMany<T = unknown>(keys: Iterable<string>): Promise<Map<string, T>> {
    const held = await this.#backend.getMany(storedKeys(keys).keys());
    const picked = await Promise.all([...held].map(([key, value]) => this.#isPicked(key, value)));
    const found = [...held].filter((_entry, i) => !picked[i]);
    return new Map(found.map(([key, value]) => [key, unseal(value) as T]));
  }

  async setMany(entries: Entries, options?: Ttl | StampedeSetOptions): Promise<void> {
    const { ttlMs, rest, deltaMs } = this.#setting(options);
    const sealed = new Map(entryPairs(entries).map(([key, value]) => [key, this.#seal(value, deltaMs, ttlMs)]));
    await this.#refreshes.holding([...sealed.keys()], () => this.#backend.setMany(sealed, rest));
  }

  async deleteMany(keys: Iterable<string>): Promise<number> {
    const named = [...storedKeys(keys).keys()];
    return await this.#refreshes.holding(named, () => this.#backend.deleteMany(named));
  }

  /** Counters are the backend's, and have no envelope. */
  async incr(key: string, delta?: number, ttl: Ttl = this.#defaultTtlMs / 1000): Promise<number> {
    return await this.#refreshes.holding([key], () => this.#backend.incr(key, delta, ttl));
  }

  async decr(key: string, delta?: number, ttl: Ttl = this.#defaultTtlMs / 1000): Promise<number> {
    return await this.#refreshes.holding([key], () => this.#backend.decr(key, delta, ttl));
  }

  async ttl(key: string): Promise<number | undefined> {
    return await this.#backend.ttl(key);
  }

  /** The envelope keeps the former expiry; a read that is picked by it asks the backend for the new one. */
  async expire(key: string, ttl: Ttl): Promise<boolean> {
    return await this.#refreshes.holding([key], () => this.#backend.expire(key, ttl));
  }

  async invalidateTags(tags: Iterable<string>): Promise<void> {
    const checked = checkTags(tags, Number.POSITIVE_INFINITY);
    await this.#refreshes.holdingAll(checked, () => this.#backend.invalidateTags(checked));
  }

  async cleanup(): Promise<number> {
    return await this.#backend.cleanup();
  }

  /** The backend's, where a `get` that was picked counts as the miss that it was to its caller. */
  async stats(): Promise<CacheStatistics> {
    const stats = await this.#backend.stats();
    const hits = Math.max(0, stats.hits - this.#earlyMisses);
    const misses = stats.misses + this.#earlyMisses;
    return { ...stats, hits, misses, hitRate: hits + misses === 0 ? 0 : hits / (hits + misses) };
  }

  async close(): Promise<void> {
    await this.#refreshes.close();
    await this.#backend.close();
  }

  #setting(options: Ttl | (StampedeSetOptions & GetOrSetOptions) | undefined) {
    const ttlMs = setOptions(options, 'any').ttlMs ?? this.#defaultTtlMs;
    const { computeTimeMs = 0, beta: _ours, ...others } = typeof options === 'object' ? options : {};
    if (!(Number.isFinite(computeTimeMs) && computeTimeMs >= 0)) {
      throw new CacheError('ERR_INVALID_ARGUMENT', `computeTimeMs is a number from 0, not ${computeTimeMs}`);
    }
    return { ttlMs, deltaMs: computeTimeMs, rest: { ...others, ttl: ttlMs / 1000 } };
  }

  #seal(value: unknown, deltaMs: number, ttlMs: number): Envelope {
    return seal(checkReference(value), deltaMs, ttlMs, this.#now());
  }

  async #compute(load: Load<unknown>, context: LoadContext, ttlMs: number): Promise<Envelope | undefined> {
    let livesMs = ttlMs;
    const seen: LoadContext = {
      get signal() {
        return context.signal;
      },
      stale: unseal(context.stale),
      setTtl(ttl) {
        livesMs = ttlToMs(ttl);
        context.setTtl(ttl);
      },
      setTags: (tags) => context.setTags(tags),
      skip: () => context.skip(),
    };
    const startedAtMs = this.#stopwatch();
    const value = await load(seen);
    return value === undefined ? undefined : this.#seal(value, this.#stopwatch() - startedAtMs, livesMs);
  }

  #refresh(key: string, held: unknown, lead: number, load: Load<unknown>, rest: SetOptions & { ttl: number }): void {
    const flight = new Flight(checkTags(rest.tags), rest.ttl * 1000, held);
    this.#refreshes.begin(key, flight, async () => {
      if (!(await this.#isSoonGone(key, lead))) return undefined;
      const sealed = await this.#compute(load, flight, rest.ttl * 1000);
      if (sealed === undefined) return undefined;
      const { grace } = rest;
      const options = { ttl: flight.ttlMs! / 1000, tags: flight.tags, ...(grace !== undefined && { grace }) };
      return () => this.#backend.set(key, sealed, options);
    });
  }

  async #isPicked(key: string, held: unknown): Promise<boolean> {
    const lead = leadMs(held, this.#beta, this.#random());
    const isPicked = isEarly(held, lead, this.#now()) && (await this.#isSoonGone(key, lead));
    if (isPicked) this.#earlyMisses++;
    return isPicked;
  }

  /**
   * What the envelope says is confirmed by the backend, for the few reads that it picks: `expire` may have moved the
   * end, and the clock of the host that wrote it may have been another.
   */
  async #isSoonGone(key: string, lead: number): Promise<boolean> {
    const leftSeconds = await this.#backend.ttl(key);
    return leftSeconds === undefined || leftSeconds * 1000 <= lead;
  }
}

function checkBeta(beta: number): number {
  if (Number.isFinite(beta) && beta >= 0) return beta;
  throw new CacheError('ERR_INVALID_ARGUMENT', `beta is a number from 0, not ${beta}`);
}
