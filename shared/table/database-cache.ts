import { checkDelta, checkLoad, entryPairs, storedKeys } from '../arguments.js';
import type { Cache, CacheStatistics, Entries, GetOrSetOptions, Load, SetOptions, Ttl } from '../cache.js';
import { pack, unpack } from '../codec.js';
import { ttlToMs } from '../duration.js';
import { CacheError } from '../errors.js';
import { checkTags, given, storedKey } from '../key.js';
import { checkPlainOptions } from '../load-options.js';
import { LOAD_OPTIONS } from '../option-names.js';
import { LIMIT } from '../protocol.js';
import {
  type CheckedDatabaseCacheOptions,
  checkDatabaseCacheOptions,
  type DatabaseCacheOptions,
} from './database-cache-options.js';
import type { Fill } from './fill.js';
import { namespaceName, tagName } from './names.js';
import type { PoolLike } from './queryable.js';
import type { ReadResult } from './read.js';
import { TableAccess } from './table-access.js';
import { TableLoads } from './table-loads.js';
import { TableStatements, type WriteDone } from './table-statements.js';
import { TableUpkeep } from './table-upkeep.js';
import type { WriteItem } from './write.js';

/** How the tables were made. */
export interface TableKind {
  /** Regular tables, which survive a crash and are replicated, instead of UNLOGGED ones. */
  readonly logged: boolean;
  /** Why they are regular ones although UNLOGGED ones were asked for; told by the call that made them. */
  readonly loggedBecause?: string;
}

/**
 * A cache in a table of Postgres, without any daemon: every call is one statement. Daemons and other instances on the same
 * table stay coherent with it, because all use the same statements and the same log.
 *
 * Every call but the constructor rejects with a CacheError: ERR_DATABASE where Postgres refuses or cannot be reached,
 * ERR_UNKNOWN_OUTCOME where the connection broke with a write under way, ERR_CLOSED after `close`, and the codes of bad
 * arguments (ERR_INVALID_KEY, ERR_INVALID_TTL, …).
 */
export class DatabaseCache implements Cache {
  readonly #options: CheckedDatabaseCacheOptions;
  readonly #table: TableStatements;
  readonly #loads: TableLoads;
  readonly #upkeep: TableUpkeep;
  readonly #counts = { hits: 0, misses: 0, sets: 0, invalidations: 0, cleaned: 0 };
  #closing: Promise<void> | undefined;

  /**
   * @param pool a `pg` Pool, or anything with its `query` and `connect`; it stays the caller's, who closes it and listens
   *   to its 'error' event
   * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL, ERR_INVALID_CONFIG (table), ERR_INVALID_NAMESPACE
   */
  constructor(pool: PoolLike, options: DatabaseCacheOptions = {}) {
    this.#options = checkDatabaseCacheOptions(pool, options);
    const access = new TableAccess({ ...this.#options, pool });
    this.#table = new TableStatements(access, this.#options);
    this.#upkeep = new TableUpkeep({ ...this.#options, access });
    this.#loads = new TableLoads({
      read: (key) => this.#read([key]),
      offer: (fill) => this.#offer(fill),
      pack: (value) => this.#pack(value),
      defaultTtlMs: this.#options.defaultTtlMs,
      namesOf: (tags) => this.#names(tags),
      onRead: (isHit) => this.#countReads(isHit ? 1 : 0, isHit ? 0 : 1),
      onStored: () => {
        this.#counts.sets += 1;
      },
    });
  }

  /**
   * Makes the table and what belongs to it, or brings them up to date; safe when many start at once. Other calls do it
   * on first use.
   * @returns how the tables were made
   */
  async ensureTable(): Promise<TableKind> {
    this.#checkOpen();
    const { logged, loggedBecause } = await this.#table.ensure();
    return loggedBecause === undefined ? { logged } : { logged, loggedBecause };
  }

  get<T = unknown>(key: string): Promise<T | undefined>;
  get<T, D>(key: string, defaultValue: D): Promise<T | D>;
  async get(key: string, defaultValue?: unknown): Promise<unknown> {
    const { found } = await this.#read([storedKey(key)]);
    this.#countReads(found.length, 1 - found.length);
    return found[0] === undefined ? defaultValue : unpack(found[0].bytes);
  }

  async has(key: string): Promise<boolean> {
    return (await this.#msLeft(storedKey(key))) !== undefined;
  }

  async getMany<T = unknown>(keys: Iterable<string>): Promise<Map<string, T>> {
    const asked = storedKeys(keys);
    const values = new Map<string, T>();
    if (asked.size === 0) return values;
    const { found } = await this.#read([...new Set(asked.values())]);
    const bytes = new Map(found.map((entry) => [entry.key, entry.bytes]));
    for (const [key, stored] of asked) {
      const packed = bytes.get(stored);
      if (packed !== undefined) values.set(key, unpack(packed) as T);
    }
    this.#countReads(values.size, asked.size - values.size);
    return values;
  }

  async set(key: string, value: unknown, options?: Ttl | SetOptions): Promise<void> {
    await this.#write([this.#item('set', key, value, options)]);
    this.#counts.sets += 1;
  }

  async setMany(entries: Entries, options?: Ttl | SetOptions): Promise<void> {
    const items = new Map<string, WriteItem>();
    for (const [key, value] of entryPairs(entries)) {
      const item = this.#item('set', key, value, options);
      items.set(item.key, item);
    }
    if (items.size === 0) return void checkPlainOptions(options, 'DatabaseCache');
    await this.#write([...items.values()]);
    this.#counts.sets += items.size;
  }

  async add(key: string, value: unknown, options?: Ttl | SetOptions): Promise<boolean> {
    const { results } = await this.#write([this.#item('add', key, value, options)]);
    this.#counts.sets += results.length;
    return results.length > 0;
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#delete([storedKey(key)])) > 0;
  }

  async deleteMany(keys: Iterable<string>): Promise<number> {
    const stored = new Set(storedKeys(keys).values());
    return stored.size === 0 ? 0 : this.#delete([...stored]);
  }

  /** Logs that all that is in the namespace now is dead: one row, however much it is. `cleanup` and trims remove it. */
  async clear(): Promise<void> {
    await this.#invalidate([namespaceName(this.#options.namespace)]);
  }

  async invalidateTags(tags: Iterable<string>): Promise<void> {
    const checked = checkTags(tags, LIMIT.keysPerCallMax);
    if (checked.length > 0) await this.#invalidate(this.#names(checked));
  }

  async count(): Promise<number> {
    this.#checkOpen();
    return this.#table.count();
  }

  getOrSet<T>(key: string, load: Load<T>, options?: Ttl | GetOrSetOptions): Promise<T>;
  async getOrSet(key: string, load: Load<unknown>, options?: Ttl | GetOrSetOptions): Promise<unknown> {
    const stored = storedKey(key);
    checkLoad(load);
    const checked = checkPlainOptions(options, 'DatabaseCache', LOAD_OPTIONS);
    this.#checkOpen();
    return this.#loads.getOrSet(stored, load, checked);
  }

  async incr(key: string, delta = 1, ttl?: Ttl): Promise<number> {
    const stored = storedKey(key);
    const by = checkDelta(delta);
    const ttlMs = ttl === undefined ? this.#options.defaultTtlMs : ttlToMs(ttl);
    const { results, refused } = await this.#write([{ key: stored, op: 'incr', delta: by, ttlMs }]);
    const counter = results[0]?.counter;
    if (counter !== undefined) return counter;
    if (refused[stored] === 'overflow') {
      throw new CacheError('ERR_COUNTER_OVERFLOW', `the counter ${given(key)} cannot go on by ${by}`);
    }
    throw new CacheError('ERR_NOT_A_COUNTER', `${given(key)} holds a value that was not made by incr`);
  }

  async decr(key: string, delta = 1, ttl?: Ttl): Promise<number> {
    return this.incr(key, -checkDelta(delta), ttl);
  }

  async ttl(key: string): Promise<number | undefined> {
    const ms = await this.#msLeft(storedKey(key));
    return ms === undefined ? undefined : ms / 1000;
  }

  async expire(key: string, ttl: Ttl): Promise<boolean> {
    const item: WriteItem = { key: storedKey(key), op: 'expire', ttlMs: ttlToMs(ttl) };
    return (await this.#write([item])).results.length > 0;
  }

  /** Removes what has expired or was invalidated, in chunks that skip locked rows. */
  async cleanup(): Promise<number> {
    this.#checkOpen();
    const removed = await this.#table.cleanup();
    this.#counts.cleaned += removed;
    return removed;
  }

  /**
   * Hits, misses, sets, invalidations: of this instance since it was made. Expirations: rows that it removed. Bytes: the
   * size of the table on disk; entries: how many are live; both asked of the database, for all who use the table.
   */
  async stats(): Promise<CacheStatistics> {
    this.#checkOpen();
    const { entries, bytes } = await this.#table.size();
    const { hits, misses, sets, invalidations, cleaned } = this.#counts;
    const expirations = cleaned + this.#upkeep.removed;
    const table = { hits, misses, sets, evictions: 0, expirations, invalidations, bytes, entries };
    return { ...table, hitRate: hits + misses === 0 ? 0 : hits / (hits + misses), tiers: { table } };
  }

  /** Waits for what goes on in the background, aborts the signals of loads, refuses further calls. The pool stays open. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#loads.stop(new CacheError('ERR_CLOSED', 'the cache was closed'));
      this.#closing = this.#upkeep.stop();
    }
    return this.#closing;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new CacheError('ERR_CLOSED', 'the cache was closed');
  }

  async #delete(keys: readonly string[]): Promise<number> {
    const { results } = await this.#write(keys.map((key) => ({ key, op: 'delete', ttlMs: 0 })));
    this.#counts.invalidations += keys.length;
    return results.filter((result) => result.existed).length;
  }

  async #invalidate(names: readonly string[]): Promise<void> {
    await this.#write([], names);
    this.#counts.invalidations += names.length;
  }

  #read(keys: readonly string[]): Promise<ReadResult> {
    this.#checkOpen();
    return this.#table.read(keys);
  }

  async #msLeft(key: string): Promise<number | undefined> {
    this.#checkOpen();
    return this.#table.msLeft(key);
  }

  async #write(items: readonly WriteItem[], invalidated: readonly string[] = []): Promise<WriteDone> {
    this.#checkOpen();
    const result = await this.#table.write(items, invalidated);
    this.#upkeep.wrote(items.length + invalidated.length);
    return result;
  }

  /** A value that cannot be offered is answered all the same: the caller has waited for it, and it is right. */
  async #offer(fill: Fill): Promise<boolean> {
    const isStored = await this.#table.offer(fill).catch(() => undefined);
    if (isStored === true) this.#upkeep.wrote(1);
    return isStored ?? true;
  }

  #item(op: 'set' | 'add', key: string, value: unknown, options: Ttl | SetOptions | undefined): WriteItem {
    const stored = storedKey(key);
    const { ttlMs, tags } = checkPlainOptions(options, 'DatabaseCache');
    const bytes = this.#pack(value);
    return { key: stored, op, bytes, ttlMs: ttlMs ?? this.#options.defaultTtlMs, names: this.#names(tags) };
  }

  #pack(value: unknown): Uint8Array {
    const bytes = pack(value);
    const { maxValueBytes } = this.#options;
    if (bytes.length <= maxValueBytes) return bytes;
    throw new CacheError('ERR_VALUE_TOO_LARGE', `the value takes ${bytes.length} bytes, the limit is ${maxValueBytes}`);
  }

  #names(tags: readonly string[]): string[] {
    return tags.map((tag) => tagName(this.#options.namespace, tag));
  }

  #countReads(hits: number, misses: number): void {
    this.#counts.hits += hits;
    this.#counts.misses += misses;
  }
}
