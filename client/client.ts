import { checkDelta, checkLoad, entryPairs, storedKeys } from '../shared/arguments.js';
import type {
  Cache,
  CacheStatistics,
  Entries,
  GetOrSetOptions,
  Load,
  SetOptions,
  TierStats,
  Ttl,
} from '../shared/cache.js';
import { setOptions, ttlToMs } from '../shared/duration.js';
import { CacheError } from '../shared/errors.js';
import { checkTags, isStoredAsItIs, storedKey } from '../shared/key.js';
import { checkLoadOptions, checkSharing } from '../shared/load-options.js';
import { LIMIT } from '../shared/protocol.js';
import { ALL, Caller } from './caller.js';
import type { Connection } from './connection.js';
import { acquireConnection, releaseConnection } from './connections.js';
import { setInternals } from './internals.js';
import { askLease, type Leased, type LeaseOptions } from './lease.js';
import { Loader } from './loader.js';
import { parts, readAll } from './many.js';
import type { NearTier } from './near.js';
import * as ops from './ops.js';
import { type CheckedConnectOptions, type ConnectOptions, checkConnectOptions } from './options.js';
import { isInheriting } from './parts.js';
import { type CacheTransaction, refuseInTransaction, runTransaction, type TransactionClient } from './transaction.js';

/** A client of the daemon for one namespace; made by {@link connect}. Every call has a deadline of `timeoutMs`. */
export class PgCachedClient implements Cache {
  readonly #timeoutMs: number;
  readonly #connection: Connection;
  readonly #caller: Caller;
  readonly #loader: Loader;
  #closing: Promise<void> | undefined;

  constructor(options: CheckedConnectOptions) {
    this.#timeoutMs = options.timeoutMs;
    this.#connection = acquireConnection(options.socket);
    this.#caller = new Caller(options, this.#connection);
    this.#loader = new Loader(this.#caller);
    setInternals(this, { caller: this.#caller, options });
  }

  /** Entries that `set` and `setMany` were given and dropped, the daemon or Postgres being away. */
  get dropped(): number {
    return this.#caller.dropped;
  }

  /**
   * Resolves when the daemon answers and the namespace is open; waits for a daemon that is not there yet.
   * @throws CacheError ERR_UNAVAILABLE after `timeoutMs`, ERR_PROTOCOL if client and daemon do not match, ERR_CLOSED
   */
  ready(): Promise<void> {
    return this.#caller.channel.ready(this.#timeoutMs);
  }

  get<T = unknown>(key: string): Promise<T | undefined>;
  get<T, D>(key: string, defaultValue: D): Promise<T | D>;
  get(key: string, defaultValue?: unknown): Promise<unknown> {
    return this.#nearForShort(key)?.promised(key) ?? this.#get(key, defaultValue);
  }

  /** Not async: on a hit that would be a promise, and a turn of the microtasks, for nothing. */
  #get(key: string, defaultValue: unknown): Promise<unknown> {
    try {
      const stored = storedKey(key);
      const near = this.#caller.nearFor(stored)?.get(stored);
      return near === undefined ? this.#caller.read(ops.GET, stored, defaultValue) : Promise.resolve(near);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async has(key: string): Promise<boolean> {
    const stored = storedKey(key);
    // What is there now is a part like any other: its names are told with its value.
    if (isInheriting()) return (await this.#caller.read(ops.GET, stored, undefined)) !== undefined;
    return this.#caller.nearFor(stored)?.has(stored) || this.#caller.read(ops.HAS, stored, false);
  }

  /**
   * Reads the near tier alone, at once. For the places that cannot wait, such as rendering.
   * @returns the value, perhaps frozen (docs/near.md); undefined where the near tier does not hold it, or is off,
   *   and in a load that inherits from what it reads
   * @throws CacheError ERR_INVALID_KEY
   */
  peek<T = unknown>(key: string): T | undefined {
    const found = this.#nearForShort(key)?.peek(key);
    if (found !== undefined) return found as T;
    const stored = storedKey(key);
    return this.#caller.nearFor(stored)?.peek(stored) as T | undefined;
  }

  /** The near tier, for a short key. To check the key takes as long as all the rest; one that is found needs none. */
  #nearForShort(key: unknown): NearTier | undefined {
    return isStoredAsItIs(key) ? this.#caller.nearFor(key) : undefined;
  }

  async getMany<T = unknown>(keys: Iterable<string>): Promise<Map<string, T>> {
    const storedByKey = storedKeys(keys);
    const stored = [...storedByKey.values()];
    const values = await readAll(this.#caller, stored);
    // The map of the keys becomes that of the values: its places are made already.
    const found = storedByKey as Map<string, unknown>;
    let at = 0;
    for (const key of found.keys()) {
      const value = values[at++];
      if (value === undefined) found.delete(key);
      else found.set(key, value);
    }
    return found as Map<string, T>;
  }

  set(key: string, value: unknown, options?: Ttl | SetOptions): Promise<void> {
    try {
      const stored = storedKey(key);
      const { ttlMs, tags, graceMs = 0 } = setOptions(options);
      const bytes = this.#caller.pack(value);
      return this.#caller.store(ops.SET, [stored, bytes, ttlMs, tags, graceMs], [stored]);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async setMany(entries: Entries, options?: Ttl | SetOptions): Promise<void> {
    const { ttlMs, tags, graceMs = 0 } = setOptions(options);
    const packed = new Map<string, Uint8Array>();
    for (const [key, value] of entryPairs(entries)) packed.set(storedKey(key), this.#caller.pack(value));
    const keys = [...packed.keys()];
    const values = [...packed.values()];
    for (const [from, to] of parts(values)) {
      const some = keys.slice(from, to);
      await this.#caller.store(ops.SET_MANY, [some, values.slice(from, to), ttlMs, tags, graceMs], some);
    }
  }

  async add(key: string, value: unknown, options?: Ttl | SetOptions): Promise<boolean> {
    const stored = storedKey(key);
    const { ttlMs, tags, graceMs = 0 } = setOptions(options);
    const bytes = this.#caller.pack(value);
    await this.#caller.settled(stored);
    return this.#caller.write(ops.ADD, [stored, bytes, ttlMs, tags, graceMs], [stored]);
  }

  async delete(key: string): Promise<boolean> {
    const stored = storedKey(key);
    return this.#caller.write(ops.DELETE, [stored], [stored]);
  }

  async deleteMany(keys: Iterable<string>): Promise<number> {
    return this.#caller.deleteMany([...new Set(storedKeys(keys).values())]);
  }

  async clear(): Promise<void> {
    await this.#caller.write(ops.CLEAR, [], ALL);
  }

  async count(): Promise<number> {
    return this.#caller.channel.call(ops.COUNT, []);
  }

  getOrSet<T>(key: string, load: Load<T>, options?: Ttl | GetOrSetOptions): Promise<T>;
  /** Not async, as `get` is not. What the near tier has is looked up first, but given only to a call that is right. */
  getOrSet(key: string, load: Load<unknown>, options?: Ttl | GetOrSetOptions): Promise<unknown> {
    try {
      const isShort = isStoredAsItIs(key);
      const held = isShort ? this.#caller.nearFor(key)?.get(key) : undefined;
      const stored = held === undefined ? storedKey(key) : key;
      checkLoad(load);
      const checked = checkLoadOptions(options);
      refuseInTransaction();
      const found = isShort ? held : this.#caller.nearFor(stored)?.get(stored);
      return found === undefined ? this.#loader.getOrSet(stored, load, checked) : Promise.resolve(found);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The parts of `getOrSet`, for callers that look up in one place and store in another: the value, or the right to compute
   * it, which nobody else on this host has meanwhile. Waits while somebody else has it.
   * @param options `beta` and `coalesce` as for `getOrSet`; with `beta` a value may come with a lease to refresh it
   * @throws CacheError what the load of somebody else threw, as `getOrSet` does; ERR_INVALID_KEY, ERR_INVALID_ARGUMENT
   */
  async lease<T = unknown>(key: string, options: LeaseOptions = {}): Promise<Leased<T>> {
    return (await askLease(this.#caller, storedKey(key), checkSharing(options))) as Leased<T>;
  }

  async incr(key: string, delta = 1, ttl?: Ttl): Promise<number> {
    const stored = storedKey(key);
    const by = checkDelta(delta);
    const ttlMs = ttl === undefined ? undefined : ttlToMs(ttl);
    await this.#caller.settled(stored);
    return this.#caller.write(ops.INCR, [stored, by, ttlMs], [stored]);
  }

  async decr(key: string, delta = 1, ttl?: Ttl): Promise<number> {
    return this.incr(key, -checkDelta(delta), ttl);
  }

  async ttl(key: string): Promise<number | undefined> {
    const stored = storedKey(key);
    try {
      if (isInheriting()) await this.#caller.read(ops.GET, stored, undefined);
      await this.#caller.settled(stored);
      const ms = await this.#caller.channel.call(ops.TTL, [stored]);
      return ms === undefined ? undefined : ms / 1000;
    } catch (error) {
      if (this.#caller.degrades(error)) return undefined;
      throw error;
    }
  }

  async expire(key: string, ttl: Ttl): Promise<boolean> {
    const stored = storedKey(key);
    const ttlMs = ttlToMs(ttl);
    await this.#caller.settled(stored);
    return this.#caller.write(ops.EXPIRE, [stored, ttlMs], [stored]);
  }

  async invalidateTags(tags: Iterable<string>): Promise<void> {
    const checked = checkTags(tags, LIMIT.keysPerCallMax);
    if (checked.length > 0) await this.#caller.write(ops.INVALIDATE_TAGS, [checked], ALL);
  }

  async cleanup(): Promise<number> {
    return this.#caller.channel.call(ops.CLEANUP, []);
  }

  async stats(): Promise<CacheStatistics> {
    return withNear(await this.#caller.channel.call(ops.STATS, []), this.#caller.near?.stats());
  }

  /**
   * Runs `work` in a transaction on a connection of the application's own. Invalidations made through its argument take
   * effect if and when it commits; once this resolves, every read through this client sees them.
   * @param client a pg Client, or what `pool.connect()` gave; not a Pool
   * @param work may run any SQL on the client; a cache write inside is refused with ERR_INVALID_ARGUMENT
   * @returns what `work` returns, after COMMIT; what it throws is thrown after ROLLBACK
   * @throws CacheError ERR_INVALID_ARGUMENT, ERR_UNAVAILABLE before anything was begun
   */
  async withTransaction<T>(client: TransactionClient, work: (transaction: CacheTransaction) => Promise<T>): Promise<T> {
    await this.ready();
    const invalidate = this.#caller.channel.invalidateFunction;
    if (invalidate === undefined) {
      throw new CacheError('ERR_INVALID_ARGUMENT', 'this namespace has no table whose log a transaction could write');
    }
    const result = await runTransaction(client, invalidate, work);
    await this.#caller.seeCommits();
    return result;
  }

  /** @returns the state of the daemon, as `pgcached status --json` prints it; the names in it may change with a release */
  async status(): Promise<Record<string, unknown>> {
    return this.#caller.channel.call(ops.STATUS_OF_DAEMON, []);
  }

  /** Fails what is under way with ERR_CLOSED; the connection is closed with the last client that uses it. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const reason = new CacheError('ERR_CLOSED', 'the client was closed');
    this.#loader.stop(reason);
    this.#caller.close();
    await releaseConnection(this.#connection);
  }
}

/**
 * Returns a client at once and connects in the background; see {@link PgCachedClient.ready}. All clients of a process
 * that use one socket share one connection. It does not keep the process alive; calls under way do.
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_NAMESPACE, ERR_SOCKET for options that cannot be
 */
export function connect(options: ConnectOptions = {}): PgCachedClient {
  return new PgCachedClient(checkConnectOptions(options, process.env));
}

/** Hits of the near tier are hits of the cache; its misses are asked of the daemon, and counted there. */
function withNear(stats: CacheStatistics, near: TierStats | undefined): CacheStatistics {
  if (near === undefined) return stats;
  const hits = stats.hits + near.hits;
  const asked = hits + stats.misses;
  return { ...stats, hits, hitRate: asked === 0 ? 0 : hits / asked, tiers: { near, ...stats.tiers } };
}
