import type { Cache, CacheStatistics, Entries, GetOrSetOptions, Load, SetOptions, Ttl } from '../shared/cache.js';
import { pack } from '../shared/codec.js';
import { ttlToMs } from '../shared/duration.js';
import { CacheError, type ErrorCode } from '../shared/errors.js';
import { checkTags, storedKey } from '../shared/key.js';
import { FLAG, LIMIT } from '../shared/protocol.js';
import type { ClientOp } from './call.js';
import { Channel } from './channel.js';
import type { Connection } from './connection.js';
import { acquireConnection, releaseConnection } from './connections.js';
import { Doubt } from './doubt.js';
import { Loader, type LoaderHost } from './loader.js';
import * as ops from './ops.js';
import {
  type CheckedConnectOptions,
  type ConnectOptions,
  checkConnectOptions,
  checkLoadOptions,
  checkSetOptions,
} from './options.js';
import { OwedDeletes } from './owed.js';

/** What `onUnavailable: 'degrade'` hides from reads and sets. */
const DEGRADABLE: ReadonlySet<ErrorCode> = new Set([
  'ERR_UNAVAILABLE',
  'ERR_DATABASE',
  'ERR_TIMEOUT',
  'ERR_UNKNOWN_OUTCOME',
  'ERR_OVERLOADED',
]);

const ALL = Symbol('all keys');

/** A client of the daemon for one namespace; made by {@link connect}. Every call has a deadline of `timeoutMs`. */
export class PgCachedClient implements Cache, LoaderHost {
  readonly channel: Channel;
  readonly doubt = new Doubt(() => performance.now());
  readonly #options: CheckedConnectOptions;
  readonly #connection: Connection;
  readonly #owed: OwedDeletes;
  readonly #loader: Loader;
  #dropped = 0;
  #closing: Promise<void> | undefined;

  constructor(options: CheckedConnectOptions) {
    this.#options = options;
    this.#owed = new OwedDeletes(
      {
        deleteKeys: (keys) => this.#deleteStored(keys),
        clear: () => this.#write(ops.CLEAR, [], ALL),
      },
      Math.random,
    );
    this.#loader = new Loader(this);
    this.#connection = acquireConnection(options.socket);
    this.channel = new Channel(this.#connection, options.namespace, options.timeoutMs, () => {
      if (this.#owed.any) this.#owed.settle().catch(() => {});
    });
  }

  /** Entries that `set` and `setMany` were given and dropped, the daemon or Postgres being away. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Resolves when the daemon answers and the namespace is open; waits for a daemon that is not there yet.
   * @throws CacheError ERR_UNAVAILABLE after `timeoutMs`, ERR_PROTOCOL if client and daemon do not match, ERR_CLOSED
   */
  ready(): Promise<void> {
    return this.channel.ready(this.#options.timeoutMs);
  }

  get<T = unknown>(key: string): Promise<T | undefined>;
  get<T, D>(key: string, defaultValue: D): Promise<T | D>;
  async get(key: string, defaultValue?: unknown): Promise<unknown> {
    const value = await this.#read(ops.GET, storedKey(key), undefined);
    return value === undefined ? defaultValue : value;
  }

  async has(key: string): Promise<boolean> {
    return this.#read(ops.HAS, storedKey(key), false);
  }

  async getMany<T = unknown>(keys: Iterable<string>): Promise<Map<string, T>> {
    const asked = [...keys];
    const stored = asked.map(storedKey);
    const found = new Map<string, T>();
    for (let from = 0; from < asked.length; from += LIMIT.keysPerCallMax) {
      const part = stored.slice(from, from + LIMIT.keysPerCallMax);
      const values = await this.#readMany(part);
      for (const [i, value] of values.entries()) if (value !== undefined) found.set(asked[from + i]!, value as T);
    }
    return found;
  }

  async set(key: string, value: unknown, options?: Ttl | SetOptions): Promise<void> {
    const stored = storedKey(key);
    const { ttlMs, tags } = checkSetOptions(options);
    const bytes = this.#pack(value);
    await this.#store([stored], () => this.#write(ops.SET, [stored, bytes, ttlMs, tags], [stored]));
  }

  async setMany(entries: Entries, options?: Ttl | SetOptions): Promise<void> {
    const { ttlMs, tags } = checkSetOptions(options);
    const packed = new Map<string, Uint8Array>();
    for (const [key, value] of pairs(entries)) packed.set(storedKey(key), this.#pack(value));
    const keys = [...packed.keys()];
    const values = [...packed.values()];
    for (const [from, to] of parts(values)) {
      const some = keys.slice(from, to);
      await this.#store(some, () => this.#write(ops.SET_MANY, [some, values.slice(from, to), ttlMs, tags], some));
    }
  }

  async add(key: string, value: unknown, options?: Ttl | SetOptions): Promise<boolean> {
    const stored = storedKey(key);
    const { ttlMs, tags } = checkSetOptions(options);
    const bytes = this.#pack(value);
    await this.settled(stored);
    return this.#write(ops.ADD, [stored, bytes, ttlMs, tags], [stored]);
  }

  async delete(key: string): Promise<boolean> {
    const stored = storedKey(key);
    const existed = await this.#write(ops.DELETE, [stored], [stored]);
    this.#owed.forget([stored]);
    return existed;
  }

  async deleteMany(keys: Iterable<string>): Promise<number> {
    const stored = [...new Set([...keys].map(storedKey))];
    const count = await this.#deleteStored(stored);
    this.#owed.forget(stored);
    return count;
  }

  async clear(): Promise<void> {
    await this.#write(ops.CLEAR, [], ALL);
  }

  async count(): Promise<number> {
    return this.channel.call(ops.COUNT, []);
  }

  getOrSet<T>(key: string, load: Load<T>, options?: Ttl | GetOrSetOptions): Promise<T>;
  async getOrSet(key: string, load: Load<unknown>, options?: Ttl | GetOrSetOptions): Promise<unknown> {
    if (typeof load !== 'function')
      throw new CacheError('ERR_INVALID_ARGUMENT', 'getOrSet needs a function to load with');
    return this.#loader.getOrSet(storedKey(key), load, checkLoadOptions(options));
  }

  async incr(key: string, delta = 1, ttl?: Ttl): Promise<number> {
    const stored = storedKey(key);
    if (!Number.isSafeInteger(delta)) {
      throw new CacheError(
        'ERR_INVALID_ARGUMENT',
        `a counter moves by whole numbers within ±(2^53−1), not by ${delta}`,
      );
    }
    const ttlMs = ttl === undefined ? undefined : ttlToMs(ttl);
    await this.settled(stored);
    return this.#write(ops.INCR, [stored, delta, ttlMs], [stored]);
  }

  async decr(key: string, delta = 1, ttl?: Ttl): Promise<number> {
    return this.incr(key, -delta, ttl);
  }

  async ttl(key: string): Promise<number | undefined> {
    const stored = storedKey(key);
    try {
      await this.settled(stored);
      const ms = await this.channel.call(ops.TTL, [stored]);
      return ms === undefined ? undefined : ms / 1000;
    } catch (error) {
      if (this.degrades(error)) return undefined;
      throw error;
    }
  }

  async expire(key: string, ttl: Ttl): Promise<boolean> {
    const stored = storedKey(key);
    const ttlMs = ttlToMs(ttl);
    await this.settled(stored);
    return this.#write(ops.EXPIRE, [stored, ttlMs], [stored]);
  }

  async invalidateTags(tags: Iterable<string>): Promise<void> {
    const checked = checkTags(tags, LIMIT.keysPerCallMax);
    if (checked.length > 0) await this.#write(ops.INVALIDATE_TAGS, [checked], ALL);
  }

  async cleanup(): Promise<number> {
    return this.channel.call(ops.CLEANUP, []);
  }

  async stats(): Promise<CacheStatistics> {
    return this.channel.call(ops.STATS, []);
  }

  /** The state of the daemon, as `pgcached status` shows it. */
  async status(): Promise<Record<string, unknown>> {
    return this.channel.call(ops.STATUS_OF_DAEMON, []);
  }

  /** Fails what is under way with ERR_CLOSED; the connection is closed with the last client that uses it. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  degrades(error: unknown): boolean {
    return this.#options.onUnavailable === 'degrade' && error instanceof CacheError && DEGRADABLE.has(error.code);
  }

  settled(key: string): Promise<void> | undefined {
    return this.#owed.has(key) ? this.#owed.settle() : undefined;
  }

  checkSize(value: Uint8Array): void {
    const limit = this.channel.maxValueBytes;
    if (value.length > limit) {
      const problem = `the value takes ${value.length} bytes, the limit of namespace ${this.#options.namespace} is ${limit}`;
      throw new CacheError('ERR_VALUE_TOO_LARGE', problem);
    }
  }

  async #close(): Promise<void> {
    const reason = new CacheError('ERR_CLOSED', 'the client was closed');
    this.#loader.stop(reason);
    this.#owed.stop();
    this.channel.close();
    await releaseConnection(this.#connection);
  }

  #pack(value: unknown): Uint8Array {
    const bytes = pack(value);
    this.checkSize(bytes);
    return bytes;
  }

  async #read<R>(op: ClientOp<readonly [number, string], R>, key: string, absent: R): Promise<R> {
    try {
      if (this.#owed.has(key)) await this.#owed.settle();
      const mark = this.doubt.mark(key);
      if (mark === 0) return await this.channel.call(op, [0, key]);
      const result = await this.channel.call(op, [FLAG.fromTable, key]);
      this.doubt.settle(key, mark);
      return result;
    } catch (error) {
      if (this.degrades(error)) return absent;
      throw error;
    }
  }

  async #readMany(keys: readonly string[]): Promise<readonly unknown[]> {
    try {
      if (this.#owed.any && keys.some((key) => this.#owed.has(key))) await this.#owed.settle();
      const marks = keys.map((key) => this.doubt.mark(key));
      const flags = marks.some((mark) => mark !== 0) ? FLAG.fromTable : 0;
      const values = await this.channel.call(ops.GET_MANY, [flags, keys]);
      for (const [i, key] of keys.entries()) if (marks[i] !== 0) this.doubt.settle(key, marks[i]!);
      return values;
    } catch (error) {
      if (this.degrades(error)) return [];
      throw error;
    }
  }

  /** What may or may not have happened to these keys is looked up in the table when they are next read. */
  async #write<A extends readonly unknown[], R>(
    op: ClientOp<A, R>,
    args: A,
    keys: readonly string[] | typeof ALL,
  ): Promise<R> {
    try {
      return await this.channel.call(op, args);
    } catch (error) {
      if (error instanceof CacheError && error.code === 'ERR_UNKNOWN_OUTCOME') {
        if (keys === ALL) this.doubt.addAll();
        else this.doubt.add(keys);
      }
      throw error;
    }
  }

  /** A set that cannot be done is dropped under 'degrade', and its keys are to leave every tier. */
  async #store(keys: readonly string[], write: () => Promise<void>): Promise<void> {
    try {
      await write();
      this.#owed.forget(keys);
    } catch (error) {
      if (!this.degrades(error)) throw error;
      this.#dropped += keys.length;
      this.#owed.add(keys);
    }
  }

  async #deleteStored(keys: readonly string[]): Promise<number> {
    let count = 0;
    for (let from = 0; from < keys.length; from += LIMIT.keysPerCallMax) {
      const part = keys.slice(from, from + LIMIT.keysPerCallMax);
      count += await this.#write(ops.DELETE_MANY, [part], part);
    }
    return count;
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

function pairs(entries: Entries): Iterable<readonly [string, unknown]> {
  return entries instanceof Map ? entries : Object.entries(entries);
}

/** Ranges of values that fit into one frame and one call each. */
function* parts(values: readonly Uint8Array[]): Generator<readonly [from: number, to: number]> {
  let from = 0;
  let bytes = 0;
  for (const [i, value] of values.entries()) {
    const full = i - from >= LIMIT.keysPerCallMax || bytes + value.length > LIMIT.frameBytesMax / 2;
    if (i > from && full) {
      yield [from, i];
      from = i;
      bytes = 0;
    }
    bytes += value.length;
  }
  if (from < values.length) yield [from, values.length];
}
