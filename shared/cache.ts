/**
 * How long something lives: seconds above 0 (fractions too) or Infinity; or a number with a unit of ms, s, m, h, d, w: '250ms',
 * '5m', '1.5h'. More than a hundred years counts as Infinity.
 */
export type Ttl = number | string;

export interface SetOptions {
  /** How long the value lives; the default of the backend or namespace where it is missing. */
  ttl?: Ttl;
  /** Names by which `invalidateTags` finds the value: up to 64, each of 1 to 255 bytes of UTF-8 without NUL. None by default. */
  tags?: readonly string[];
  /**
   * How long past its expiry the value is kept for loads that fail or are slow; 0 (as where it is missing) for not at all.
   * See docs/get-or-set.md.
   */
  grace?: Ttl;
}

/** Of these, `ttl` and `tags` work everywhere, `beta` in StampedeProtection and the client, the others in the client. What a
 * backend does not offer it refuses. docs/get-or-set.md tells all of it. */
export interface GetOrSetOptions extends SetOptions {
  /**
   * Whether what is read through the daemon's caches while `load` runs becomes names of the value, so that what drops a part drops
   * the whole. 'auto': where the namespace lies whole on one database, which `true` needs. Not where it is missing.
   */
  inherit?: boolean | 'auto';
  /**
   * How long past its expiry the value is kept for loads that fail or are slow, and how old a one this call takes in place
   * of an error; 0 (as where it is missing) for not at all.
   */
  grace?: Ttl;
  /** XFetch: how eagerly to refresh before expiry, from 0; 0 (as where it is missing) is off, 1 the usual. */
  beta?: number;
  /** After this time the call takes a value under grace, if there is one, and the load goes on; 0: at once. Needs `grace`. */
  softTimeout?: Ttl;
  /** After this time the call rejects with ERR_TIMEOUT, and the load goes on. */
  hardTimeout?: Ttl;
  /** Where one load at a time is enforced: the processes of this host ('host', as where it is missing), or every server. */
  coalesce?: 'host' | 'cluster';
  /**
   * Told where the answer is a value under grace, before it is returned.
   * @param reason what the load threw, or a CacheError: ERR_TIMEOUT after softTimeout, ERR_DATABASE
   */
  onStale?: (reason: unknown) => void;
}

/** What a running load can see and say. */
export interface LoadContext {
  /** Fires when the cache is closed while the load runs; not after a timeout, since the value is stored for the next. */
  readonly signal: AbortSignal;
  /** Takes the place of the ttl given. @throws CacheError ERR_INVALID_TTL */
  setTtl(ttl: Ttl): void;
  /** Adds tags to those given. @throws CacheError ERR_INVALID_TAG, also for more than 64 together */
  setTags(tags: readonly string[]): void;
  /** The value is returned but not stored; others who wait for it load for themselves. */
  skip(): void;
  /** The value that has expired, if there is one that is still kept (see `grace`); undefined else. */
  readonly stale: unknown;
}

/** Computes a value: anything that can be cached; or undefined, which is returned and not stored. */
export type Load<T> = (context: LoadContext) => T | Promise<T>;
export type SyncLoad<T> = (context: LoadContext) => T;
export type Entries = ReadonlyMap<string, unknown> | Readonly<Record<string, unknown>>;

/** Counters of one tier, or of all together. */
export interface TierStats {
  /** Reads that were answered with a value. */
  hits: number;
  /** Reads that were not. */
  misses: number;
  /** Values given to be stored, those of loads included. */
  sets: number;
  /** Entries dropped for room. */
  evictions: number;
  /** Entries dropped because their time was up. */
  expirations: number;
  /** Entries dropped because they were replaced or invalidated elsewhere, and calls that invalidate. */
  invalidations: number;
  /** What is held now, in bytes. */
  bytes: number;
  entries: number;
}

export interface CacheStatistics extends TierStats {
  /** hits ÷ (hits + misses), 0 where nothing was asked. */
  hitRate: number;
  /** Answers of `getOrSet` under `grace`; missing where a backend has none. */
  stale?: number;
  /** By the tier's name: 'memory' and 'table' for the client, 'l1' and 'l2' for TwoTierCache. */
  tiers: Readonly<Record<string, TierStats>>;
}

/**
 * The interface of every asynchronous backend and of the client; docs/cache.md has rules and examples of each call.
 *
 * Keys are strings of 1 to 65,536 bytes of UTF-8 without NUL; all calls with keys reject with ERR_INVALID_KEY for others.
 * Values are data: all that structured clone keeps, null included. Calls of the client and of DatabaseCache can reject with
 * ERR_DATABASE and ERR_CLOSED, their writes with ERR_UNKNOWN_OUTCOME, and all of the client's with ERR_UNAVAILABLE, ERR_TIMEOUT
 * and ERR_OVERLOADED; `onUnavailable` says which of these the client hides.
 */
export interface Cache {
  /** @returns the value; else the default, else undefined. null is a value. */
  get<T = unknown>(key: string): Promise<T | undefined>;
  get<T, D>(key: string, defaultValue: D): Promise<T | D>;
  /**
   * Stores a value in place of what the key holds, tags and all.
   * @param options a ttl, or `{ ttl, tags }`
   * @throws CacheError ERR_INVALID_VALUE (undefined, a function, …), ERR_VALUE_TOO_LARGE, ERR_INVALID_TTL, ERR_INVALID_TAG
   */
  set(key: string, value: unknown, options?: Ttl | SetOptions): Promise<void>;
  /** Stores a value where the key holds none. @returns whether it did. @throws CacheError as `set` */
  add(key: string, value: unknown, options?: Ttl | SetOptions): Promise<boolean>;
  /** @returns whether there was an entry */
  delete(key: string): Promise<boolean>;
  /** @returns whether there is an entry; changes nothing, not even the order of eviction */
  has(key: string): Promise<boolean>;
  /** Drops every entry of the namespace. */
  clear(): Promise<void>;
  /** @returns how many entries are alive in the namespace */
  count(): Promise<number>;
  /**
   * Returns the value, or loads, stores and returns it. One load a key at a time on a host; who comes meanwhile waits for it.
   * @param load its error reaches all who wait, and nothing is stored; undefined is returned and not stored
   * @param options a ttl, or options
   * @throws CacheError as `set`, ERR_INVALID_ARGUMENT for options that are not offered, ERR_LOAD_FAILED (with the cause)
   *   where the load failed in another process; and whatever `load` throws
   */
  getOrSet<T>(key: string, load: Load<T>, options?: Ttl | GetOrSetOptions): Promise<T>;
  /**
   * @param keys an array, a set or another iterable, but no string
   * @returns what was found by the keys as they were given, in their order
   * @throws CacheError ERR_INVALID_ARGUMENT for what is no list
   */
  getMany<T = unknown>(keys: Iterable<string>): Promise<Map<string, T>>;
  /** Stores a Map or an object of entries. @throws CacheError as `set`, ERR_INVALID_ARGUMENT for anything else */
  setMany(entries: Entries, options?: Ttl | SetOptions): Promise<void>;
  /** @param keys as for `getMany` @returns how many of them there were */
  deleteMany(keys: Iterable<string>): Promise<number>;
  /**
   * Adds to a counter, atomically; one that is not there, or has expired, starts at 0.
   * @param delta a whole number within ±(2^53−1); 1 where it is missing
   * @param ttl counts only when the counter starts
   * @returns the new value
   * @throws CacheError ERR_NOT_A_COUNTER, ERR_COUNTER_OVERFLOW (in both cases the key stays as it was), ERR_INVALID_ARGUMENT,
   *   ERR_INVALID_TTL
   */
  incr(key: string, delta?: number, ttl?: Ttl): Promise<number>;
  /** Subtracts from a counter; otherwise `incr`. */
  decr(key: string, delta?: number, ttl?: Ttl): Promise<number>;
  /** @returns seconds left, with a fraction; Infinity for an entry without expiry, undefined for an absent one */
  ttl(key: string): Promise<number | undefined>;
  /** Gives an entry another life, from now on. @returns whether there was one. @throws CacheError ERR_INVALID_TTL */
  expire(key: string, ttl: Ttl): Promise<boolean>;
  /**
   * Drops every entry of the namespace that has any of the tags.
   * @param tags an array or another iterable, up to 10,000
   * @throws CacheError ERR_INVALID_TAG
   */
  invalidateTags(tags: Iterable<string>): Promise<void>;
  /** Removes what has expired or is dead. @returns how many entries or rows */
  cleanup(): Promise<number>;
  /** @returns the counters, altogether and by tier */
  stats(): Promise<CacheStatistics>;
  /** Ends the use of the cache: what is under way rejects with ERR_CLOSED, and so does every later call. */
  close(): Promise<void>;
}

type Settled<T> = T extends Promise<infer V> ? V : T;

/** The same interface with values in place of promises, and throws in place of rejections; see {@link Cache} for each call. */
export interface SyncCache {
  get<T = unknown>(key: string): T | undefined;
  get<T, D>(key: string, defaultValue: D): T | D;
  set(key: string, value: unknown, options?: Ttl | SetOptions): void;
  add(key: string, value: unknown, options?: Ttl | SetOptions): boolean;
  delete(key: string): boolean;
  has(key: string): boolean;
  clear(): void;
  count(): number;
  /** An asynchronous load makes the call asynchronous: the promise of the value is returned, the value is stored. */
  getOrSet<T>(key: string, load: Load<T>, options?: Ttl | GetOrSetOptions): T | Promise<Settled<T>>;
  getMany<T = unknown>(keys: Iterable<string>): Map<string, T>;
  setMany(entries: Entries, options?: Ttl | SetOptions): void;
  deleteMany(keys: Iterable<string>): number;
  incr(key: string, delta?: number, ttl?: Ttl): number;
  decr(key: string, delta?: number, ttl?: Ttl): number;
  ttl(key: string): number | undefined;
  expire(key: string, ttl: Ttl): boolean;
  invalidateTags(tags: Iterable<string>): void;
  cleanup(): number;
  stats(): CacheStatistics;
  close(): void;
}

/** Whatever can stand behind `cached`, the adapters and the registry. */
export type CacheAdapter = Cache | SyncCache;
