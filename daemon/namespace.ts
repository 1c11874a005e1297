import type { CacheStatistics } from '../shared/cache.js';
import type { NearSource } from './near-source.js';
import type { Packed } from './packed.js';

/** A packed value: opaque to everything between the codec of one process and the codec of another. */
export type Bytes = Uint8Array;

export type Awaitable<T> = T | Promise<T>;

/** Names of the log by which a value can die, beside those of its own key and namespace. */
export type Names = readonly string[];

export interface NamedValue {
  readonly bytes: Packed;
  readonly names: Names;
}

/** Who may hold a load: a session. Compared by identity. */
export interface Holder {
  readonly name: string;
}

/** How a load request ends. */
export type LoadOutcome =
  | { readonly kind: 'value'; readonly bytes: Packed; readonly names?: Names }
  /**
   * The caller is to compute the value and to come back with this token, a number from 1 to 2^53−1. `stale` is the value
   * that has expired, if there is one within its grace.
   */
  | { readonly kind: 'load'; readonly token: number; readonly stale: Packed | undefined }
  /** The value, and the caller is to compute it anew although it has not expired. */
  | { readonly kind: 'refresh'; readonly token: number; readonly bytes: Packed; readonly names?: Names }
  /** A value under grace. `error` is what the load threw, packed; undefined where there was none. */
  | { readonly kind: 'stale'; readonly bytes: Packed; readonly error: Bytes | undefined; readonly names?: Names }
  /** The load returned undefined. */
  | { readonly kind: 'nothing' }
  /** The load threw; `error` is the packed error. */
  | { readonly kind: 'failed'; readonly error: Bytes };

/** How somebody asks for a value or the right to load it. */
export interface LoadAsk {
  readonly fromTable: boolean;
  /** How long past its expiry a value is taken where the load fails; 0 for not at all, Infinity for as long as there is one. */
  readonly graceMs: number;
  /** Eagerness of early refreshes; 0 for none. */
  readonly beta: number;
  /** Whether one server is to load for the cluster. */
  readonly cluster: boolean;
  /** Whether what the load reads, in any namespace, becomes names of its value. */
  readonly inherits?: boolean;
}

/** What a loaded value is given. */
export interface FillTerms {
  readonly ttlMs: number | undefined;
  readonly tags: readonly string[];
  /** Names of its parts. */
  readonly names?: Names;
  readonly graceMs: number;
  /** How long the load took. */
  readonly deltaMs: number;
  /** The caller does not load again: a refused value is answered as `nothing`. */
  readonly once: boolean;
}

/**
 * One namespace as the sessions see it. Keys have been checked and shortened; `ttlMs` is a positive number or Infinity,
 * undefined for the namespace's default. Everything rejects or throws with a CacheError.
 * What memory alone can answer is returned as it is, not as a promise, so that its reply leaves in the same turn.
 */
export interface Namespace {
  readonly name: string;
  readonly maxValueBytes: number;
  /** The SQL function by which a transaction invalidates here, as it is called; undefined where there is none. */
  readonly invalidateFunction: string | undefined;
  /** The database whose log says what dies here; missing where no single one does: then nothing is made of parts here. */
  readonly place?: string | undefined;
  /** What near tiers may keep of it; missing where that is nothing. */
  readonly near?: NearSource | undefined;
  get(key: string, fromTable: boolean): Awaitable<Packed | undefined>;
  /** `get` of many, with the names of each; missing where there is no `place`. */
  named?(keys: readonly string[], fromTable: boolean): Awaitable<(NamedValue | undefined)[]>;
  /** @param partial keys that can't be read, where others can, are misses; without it the whole call fails */
  getMany(keys: readonly string[], fromTable: boolean, partial: boolean): Awaitable<(Packed | undefined)[]>;
  has(key: string, fromTable: boolean): Awaitable<boolean>;
  /** @param graceMs how long past its expiry the value may be served by loads that fail or are slow: 0 to Infinity */
  set(key: string, value: Bytes, ttlMs: number | undefined, tags: readonly string[], graceMs: number): Awaitable<void>;
  setMany(
    keys: readonly string[],
    values: readonly Bytes[],
    ttlMs: number | undefined,
    tags: readonly string[],
    graceMs: number,
  ): Awaitable<void>;
  add(
    key: string,
    value: Bytes,
    ttlMs: number | undefined,
    tags: readonly string[],
    graceMs: number,
  ): Awaitable<boolean>;
  delete(key: string): Awaitable<boolean>;
  deleteMany(keys: readonly string[]): Awaitable<number>;
  incr(key: string, delta: number, ttlMs: number | undefined): Awaitable<number>;
  /** Milliseconds left, Infinity for none, undefined for an absent key. */
  ttl(key: string): Awaitable<number | undefined>;
  expire(key: string, ttlMs: number): Awaitable<boolean>;
  clear(): Awaitable<void>;
  invalidateTags(tags: readonly string[]): Awaitable<void>;
  /** Resolves when every commit before this call has been seen here. */
  sync(): Promise<void>;
  count(): Promise<number>;
  cleanup(): Promise<number>;
  stats(): CacheStatistics;
  load(key: string, holder: Holder, ask: LoadAsk): Awaitable<LoadOutcome>;
  fill(token: number, holder: Holder, value: Bytes, terms: FillTerms): Awaitable<LoadOutcome>;
  /** What there is at once for somebody whose load fails or is slow: `value`, `stale` or `nothing`. */
  stale(key: string, graceMs: number): Awaitable<LoadOutcome>;
  /** The load threw (the packed error), or returned undefined, or passes to the next who waits. */
  abandon(token: number, holder: Holder, end: Bytes | undefined | 'passed'): void;
  /** The holder's connection is gone: its loads pass to the next who wait. */
  release(holder: Holder): void;
}
