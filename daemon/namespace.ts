import type { CacheStatistics } from '../shared/cache.js';
import type { NearSource } from './near-source.js';

/** A packed value: opaque to everything between the codec of one process and the codec of another. */
export type Bytes = Uint8Array;

export type Awaitable<T> = T | Promise<T>;

/** Who may hold a load: a session. Compared by identity. */
export interface Holder {
  readonly name: string;
}

/** How a load request ends. */
export type LoadOutcome =
  | { readonly kind: 'value'; readonly bytes: Bytes }
  /** The caller is to compute the value and to come back with this token, a number from 1 to 2^53−1. */
  | { readonly kind: 'load'; readonly token: number }
  /** The load returned undefined. */
  | { readonly kind: 'nothing' }
  /** The load threw; `error` is the packed error. */
  | { readonly kind: 'failed'; readonly error: Bytes };

/**
 * One namespace as the sessions see it. Keys have been checked and shortened; `ttlMs` is a positive number or Infinity,
 * undefined for the namespace's default. Everything rejects (or throws) with a CacheError.
 * A memory hit is returned as it is, not as a promise, so that it can be answered in the same turn.
 */
export interface Namespace {
  readonly name: string;
  readonly maxValueBytes: number;
  /** The SQL function by which a transaction invalidates here, as it is called; undefined where there is none. */
  readonly invalidateFunction: string | undefined;
  /** What near tiers may keep of it; missing where that is nothing. */
  readonly near?: NearSource | undefined;
  get(key: string, fromTable: boolean): Awaitable<Bytes | undefined>;
  /** @param partial keys that can't be read, where others can, are misses; without it the whole call fails */
  getMany(keys: readonly string[], fromTable: boolean, partial: boolean): Awaitable<(Bytes | undefined)[]>;
  has(key: string, fromTable: boolean): Awaitable<boolean>;
  set(key: string, value: Bytes, ttlMs: number | undefined, tags: readonly string[]): Promise<void>;
  setMany(
    keys: readonly string[],
    values: readonly Bytes[],
    ttlMs: number | undefined,
    tags: readonly string[],
  ): Promise<void>;
  add(key: string, value: Bytes, ttlMs: number | undefined, tags: readonly string[]): Promise<boolean>;
  delete(key: string): Promise<boolean>;
  deleteMany(keys: readonly string[]): Promise<number>;
  incr(key: string, delta: number, ttlMs: number | undefined): Promise<number>;
  /** Milliseconds left, Infinity for none, undefined for an absent key. */
  ttl(key: string): Promise<number | undefined>;
  expire(key: string, ttlMs: number): Promise<boolean>;
  clear(): Promise<void>;
  invalidateTags(tags: readonly string[]): Promise<void>;
  /** Resolves when every commit before this call has been seen here. */
  sync(): Promise<void>;
  count(): Promise<number>;
  cleanup(): Promise<number>;
  stats(): CacheStatistics;
  load(key: string, holder: Holder, fromTable: boolean): Awaitable<LoadOutcome>;
  fill(
    token: number,
    holder: Holder,
    value: Bytes,
    ttlMs: number | undefined,
    tags: readonly string[],
  ): Promise<LoadOutcome>;
  /** The load threw (the packed error), or returned undefined. */
  abandon(token: number, holder: Holder, error: Bytes | undefined): void;
  /** The holder's connection is gone: its loads pass to the next who wait. */
  release(holder: Holder): void;
}
