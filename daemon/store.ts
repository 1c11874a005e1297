import type { CacheStatistics } from '../shared/cache.js';
import { CacheError } from '../shared/errors.js';
import type { LogRow } from '../shared/snapshot.js';
import { namespaceName, tagName } from '../shared/table/names.js';
import type { WriteItem } from '../shared/table/write.js';
import type { Clock } from './clock.js';
import { asCacheError, type Database } from './database.js';
import type { Follower } from './follower.js';
import type { Identity } from './identity.js';
import { Leases } from './leases.js';
import { Loads } from './loads.js';
import { Memory } from './memory.js';
import type { Awaitable, Bytes, Holder, LoadOutcome, Namespace } from './namespace.js';
import { MemoryNear } from './near-source.js';
import { Reads } from './reads.js';
import { StoreStats } from './store-stats.js';
import { Writer } from './writer.js';

export interface StoreOptions {
  readonly name: string;
  readonly defaultTtlMs: number;
  readonly maxBytes: number;
  readonly maxEntries: number;
  readonly maxValueBytes: number;
  readonly invalidateFunction: string;
  /** False for a namespace whose every read goes to the table. */
  readonly hasMemory: boolean;
  readonly loadTimeoutMs: number;
  readonly settleTimeoutMs: number;
  readonly database: Database;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly follower: Follower;
  /** Tells every namespace of a row that was written. */
  learn(row: LogRow): void;
  onWritten(): void;
  onSuperseded(): void;
  readonly defer: (run: () => void) => void;
}

/**
 * One namespace through its tiers, memory before the table. The invariant: only the end of a lease fills memory, and a
 * lease ends in a fill or a drop (leases.ts).
 */
export class Store implements Namespace {
  readonly name: string;
  readonly maxValueBytes: number;
  readonly invalidateFunction: string;
  readonly near: MemoryNear;
  readonly #options: StoreOptions;
  readonly #memory: Memory;
  readonly #leases: Leases;
  readonly #reads: Reads;
  readonly #loads: Loads;
  readonly #writer: Writer;
  readonly #stats = new StoreStats();

  constructor(options: StoreOptions) {
    const { name, clock, database, follower } = options;
    this.name = name;
    this.maxValueBytes = options.maxValueBytes;
    this.invalidateFunction = options.invalidateFunction;
    this.#options = options;
    // No entry is as small as one byte.
    const maxBytes = options.hasMemory ? options.maxBytes : 1;
    const onDrop = (key: string | undefined) => this.near.drop(key);
    this.#memory = new Memory({ namespace: name, clock, maxEntries: options.maxEntries, maxBytes, onDrop });
    this.near = new MemoryNear({ clock, follower, memory: this.#memory });
    this.#leases = new Leases(name, this.#memory);
    const parts = { namespace: name, clock, database, follower, leases: this.#leases };
    this.#reads = new Reads({ ...parts, defer: options.defer });
    this.#writer = new Writer({ ...options, ...parts });
    this.#loads = new Loads({
      ...parts,
      loadTimeoutMs: options.loadTimeoutMs,
      lastWrite: () => this.#writer.lastWrite,
    });
  }

  get(key: string, fromTable: boolean): Awaitable<Bytes | undefined> {
    return fromTable ? this.#fromTable(key, false) : (this.#fromMemory(key) ?? this.#fromTable(key, true));
  }

  getMany(keys: readonly string[], fromTable: boolean): Awaitable<(Bytes | undefined)[]> {
    const values = keys.map((key) => this.get(key, fromTable));
    return values.some((value) => value instanceof Promise) ? Promise.all(values) : (values as (Bytes | undefined)[]);
  }

  has(key: string, fromTable: boolean): Awaitable<boolean> {
    const { follower, clock } = this.#options;
    if (!fromTable && follower.isFresh(clock.now()) && this.#memory.peek(key) !== undefined) return true;
    return this.ttl(key).then((left) => left !== undefined);
  }

  async set(key: string, value: Bytes, ttlMs: number | undefined, tags: readonly string[]): Promise<void> {
    await this.#put('set', key, value, ttlMs, tags);
  }

  async setMany(
    keys: readonly string[],
    values: readonly Bytes[],
    ttlMs: number | undefined,
    tags: readonly string[],
  ): Promise<void> {
    await all(keys.map((key, index) => this.#put('set', key, values[index] as Bytes, ttlMs, tags)));
  }

  add(key: string, value: Bytes, ttlMs: number | undefined, tags: readonly string[]): Promise<boolean> {
    return this.#put('add', key, value, ttlMs, tags);
  }

  delete(key: string): Promise<boolean> {
    return this.#write({ key, op: 'delete', ttlMs: 0 });
  }

  async deleteMany(keys: readonly string[]): Promise<number> {
    const deleted = await all([...new Set(keys)].map((key) => this.delete(key)));
    return deleted.filter(Boolean).length;
  }

  async incr(key: string, delta: number, ttlMs: number | undefined): Promise<number> {
    const { counter } = await this.#writer.write({
      key,
      op: 'incr',
      delta,
      ttlMs: ttlMs ?? this.#options.defaultTtlMs,
    });
    return counter as number;
  }

  async ttl(key: string): Promise<number | undefined> {
    try {
      return (await this.#options.database.ttls(this.name, [key])).get(key);
    } catch (error) {
      throw asCacheError(error);
    }
  }

  expire(key: string, ttlMs: number): Promise<boolean> {
    return this.#write({ key, op: 'expire', ttlMs });
  }

  async clear(): Promise<void> {
    await this.#writer.invalidate([namespaceName(this.name)]);
    this.#stats.invalidations += 1;
  }

  async invalidateTags(tags: readonly string[]): Promise<void> {
    if (tags.length === 0) return;
    await this.#writer.invalidate(tags.map((tag) => tagName(this.name, tag)));
    this.#stats.invalidations += 1;
  }

  async sync(): Promise<void> {
    const { follower, clock } = this.#options;
    const askedMs = clock.now();
    await follower.look();
    if (follower.lastLookMs < askedMs) throw new CacheError('ERR_DATABASE', 'the log can not be looked at');
  }

  count(): Promise<number> {
    return this.#options.database.count(this.name).catch((error) => Promise.reject(asCacheError(error)));
  }

  cleanup(): Promise<number> {
    this.#memory.sweep();
    return this.#options.database.cleanup(this.name).catch((error) => Promise.reject(asCacheError(error)));
  }

  load(key: string, holder: Holder, fromTable: boolean): Awaitable<LoadOutcome> {
    const bytes = fromTable ? undefined : this.#fromMemory(key);
    return bytes === undefined ? this.#load(key, holder, 0, !fromTable) : { kind: 'value', bytes };
  }

  async fill(
    token: number,
    holder: Holder,
    value: Bytes,
    ttlMs: number | undefined,
    tags: readonly string[],
  ): Promise<LoadOutcome> {
    const key = this.#loads.keyOf(token, holder);
    const names = tags.map((tag) => tagName(this.name, tag));
    const outcome = await this.#loads.fill(token, holder, value, ttlMs ?? this.#options.defaultTtlMs, names);
    if (typeof outcome === 'number') return this.#load(key, holder, outcome, true);
    this.#stats.sets += 1;
    return outcome;
  }

  abandon(token: number, holder: Holder, error: Bytes | undefined): void {
    this.#loads.abandon(token, holder, error);
  }

  release(holder: Holder): void {
    this.#loads.release(holder);
  }

  /** A row of the log, from the follower or from a writer of this host. */
  learnRow(row: LogRow): void {
    this.#leases.learn(row);
  }

  /** Everything is in doubt: memory is emptied, and nothing that is under way may fill it. */
  reset(): void {
    this.#memory.clear();
    this.#leases.voidAll();
  }

  /** Removes what has expired from memory, a bounded number at a time. */
  sweep(): void {
    this.#memory.sweep();
  }

  /** Resolves when no write waits or is out. */
  drained(): Promise<void> {
    return this.#writer.drained();
  }

  stats(): CacheStatistics {
    return this.#stats.describe(this.#memory.figures);
  }

  /** Memory answers only before the bound: past it, it might hold what was invalidated long ago. */
  #fromMemory(key: string): Bytes | undefined {
    const { follower, clock } = this.#options;
    const entry = follower.isFresh(clock.now()) ? this.#memory.get(key) : undefined;
    if (entry === undefined) {
      this.#stats.memoryMisses += 1;
      return undefined;
    }
    this.#stats.memoryHits += 1;
    return entry.bytes;
  }

  async #fromTable(key: string, tryMemory: boolean): Promise<Bytes | undefined> {
    const landed = tryMemory ? this.#reads.landed(key) : undefined;
    if (landed !== undefined) {
      await landed;
      const bytes = this.#fromMemory(key);
      if (bytes !== undefined) return bytes;
    }
    const { entry } = await this.#reads.ask(key);
    this.#stats.countTable(entry !== undefined);
    return entry?.bytes;
  }

  async #load(key: string, holder: Holder, refusals: number, tryMemory: boolean): Promise<LoadOutcome> {
    const askedAt = this.#loads.askNumber();
    const remembered = () => (tryMemory ? this.#fromMemory(key) : undefined);
    for (;;) {
      const flight = this.#loads.flight(key);
      if (flight !== undefined) {
        const outcome = await flight.done;
        const isMine = outcome.kind !== 'passed' && (outcome.kind !== 'value' || askedAt < flight.beganAt);
        if (isMine) return outcome;
        const bytes = remembered();
        if (bytes !== undefined) return { kind: 'value', bytes };
        continue;
      }
      const landed = tryMemory ? this.#reads.landed(key) : undefined;
      if (landed !== undefined) {
        await landed;
        const bytes = remembered();
        if (bytes !== undefined) return { kind: 'value', bytes };
      }
      const answer = await this.#reads.ask(key);
      this.#stats.countTable(answer.entry !== undefined);
      if (answer.entry !== undefined) return { kind: 'value', bytes: answer.entry.bytes };
      if (this.#loads.flight(key) === undefined) return this.#loads.begin(key, holder, answer, refusals);
    }
  }

  async #put(
    op: 'set' | 'add',
    key: string,
    bytes: Bytes,
    ttlMs: number | undefined,
    tags: readonly string[],
  ): Promise<boolean> {
    this.#stats.sets += 1;
    const names = tags.map((tag) => tagName(this.name, tag));
    return this.#write({ key, op, bytes, ttlMs: ttlMs ?? this.#options.defaultTtlMs, names });
  }

  async #write(item: WriteItem): Promise<boolean> {
    return (await this.#writer.write(item)).done;
  }
}

/** Waits for all, also when one fails: the callers of a batch are told when all of it is settled. */
async function all<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  const failed = settled.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return settled.map((result) => (result as PromiseFulfilledResult<T>).value);
}
