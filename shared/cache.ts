/** Seconds (a positive number or Infinity), or a duration such as '90s', '5m', '1.5h', '2d'. */
export type Ttl = number | string;

export interface SetOptions {
  /** How long the value lives; the default of the backend or namespace where it is missing. */
  ttl?: Ttl;
  /** Names by which `invalidateTags` finds the value. */
  tags?: readonly string[];
  /** How long past its expiry the value may be served while a load fails or is slow. */
  grace?: Ttl;
}

export interface GetOrSetOptions extends SetOptions {
  /** What the value was made of becomes names of the value: see docs. */
  inherit?: boolean;
  /** XFetch: how eagerly to refresh before expiry; 0 is off, 1 the usual. */
  beta?: number;
  softTimeout?: Ttl;
  hardTimeout?: Ttl;
  /** Where one load at a time is enforced: the processes of this host, or every server. */
  coalesce?: 'host' | 'cluster';
}

/** What a running load can see and say. */
export interface LoadContext {
  readonly signal: AbortSignal;
  setTtl(ttl: Ttl): void;
  setTags(tags: readonly string[]): void;
  /** The value is returned but not stored. */
  skip(): void;
  /** The expired value, if there is one that may still be looked at. */
  readonly stale: unknown;
}

export type Load<T> = (context: LoadContext) => T | Promise<T>;
export type SyncLoad<T> = (context: LoadContext) => T;
export type Entries = ReadonlyMap<string, unknown> | Readonly<Record<string, unknown>>;

/** Counters of one tier, or of all together. */
export interface TierStats {
  hits: number;
  misses: number;
  sets: number;
  evictions: number;
  expirations: number;
  invalidations: number;
  bytes: number;
  entries: number;
}

export interface CacheStatistics extends TierStats {
  /** hits ÷ (hits + misses), 0 where nothing was asked. */
  hitRate: number;
  tiers: Readonly<Record<string, TierStats>>;
}

/** The interface of every asynchronous backend and of the client; rules in docs/cache.md. */
export interface Cache {
  get<T = unknown>(key: string): Promise<T | undefined>;
  get<T, D>(key: string, defaultValue: D): Promise<T | D>;
  set(key: string, value: unknown, options?: Ttl | SetOptions): Promise<void>;
  add(key: string, value: unknown, options?: Ttl | SetOptions): Promise<boolean>;
  delete(key: string): Promise<boolean>;
  has(key: string): Promise<boolean>;
  clear(): Promise<void>;
  count(): Promise<number>;
  getOrSet<T>(key: string, load: Load<T>, options?: Ttl | GetOrSetOptions): Promise<T>;
  getMany<T = unknown>(keys: Iterable<string>): Promise<Map<string, T>>;
  setMany(entries: Entries, options?: Ttl | SetOptions): Promise<void>;
  deleteMany(keys: Iterable<string>): Promise<number>;
  incr(key: string, delta?: number, ttl?: Ttl): Promise<number>;
  decr(key: string, delta?: number, ttl?: Ttl): Promise<number>;
  /** Seconds left, Infinity for an entry without expiry, undefined for an absent one. */
  ttl(key: string): Promise<number | undefined>;
  expire(key: string, ttl: Ttl): Promise<boolean>;
  invalidateTags(tags: Iterable<string>): Promise<void>;
  cleanup(): Promise<number>;
  stats(): Promise<CacheStatistics>;
  close(): Promise<void>;
}

type Settled<T> = T extends Promise<infer V> ? V : T;

/** The same interface with values in place of promises. */
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
