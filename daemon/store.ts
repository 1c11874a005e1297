import type { CacheStatistics } from '../shared/cache.js';
import { CacheError } from '../shared/errors.js';
import type { LogRow } from '../shared/snapshot.js';
import { namespaceName, tagName } from '../shared/table/names.js';
import type { WriteItem } from '../shared/table/write.js';
import { all } from './all.js';
import type { Clock } from './clock.js';
import { ClusterLeases } from './cluster-leases.js';
import { asCacheError, type Database } from './database.js';
import type { Follower } from './follower.js';
import type { Identity } from './identity.js';
import { Leases } from './leases.js';
import { Loading } from './loading.js';
import { type HostWrite, Loads } from './loads.js';
import { Lookups, together } from './lookups.js';
import { Memory } from './memory.js';
import type { Awaitable, Bytes, FillTerms, Holder, LoadAsk, LoadOutcome, NamedValue, Namespace } from './namespace.js';
import { MemoryNear } from './near-source.js';
import type { Packed } from './packed.js';
import { Reads } from './reads.js';
import { StoreStats } from './store-stats.js';
import type { WriteOutcome } from './write-queue.js';
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
  /** The name of the database; without one nothing is inherited. */
  readonly place?: string;
  readonly loadTimeoutMs: number;
  readonly settleTimeoutMs: number;
  readonly database: Database;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly follower: Follower;
  /** Tells every namespace of a row that was written. */
  learn(row: LogRow): void;
  /** The last acknowledged writes of all namespaces on this database. */
  lastWrites?(): readonly HostWrite[];
  onWritten(): void;
  onSuperseded(): void;
  readonly defer: (run: () => void) => void;
  /** A number from 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** A new uuid. */
  readonly newId: () => string;
}

/**
 * One namespace through its tiers, memory before the table. The invariant: only the end of a lease fills memory, and a
 * lease ends in a fill or a drop (leases.ts).
 */
export class Store implements Namespace {
  readonly name: string;
  readonly maxValueBytes: number;
  readonly invalidateFunction: string;
  readonly place: string | undefined;
  readonly near: MemoryNear;
  readonly #options: StoreOptions;
  readonly #memory: Memory;
  readonly #leases: Leases;
  readonly #reads: Reads;
  readonly #lookups: Lookups;
  readonly #loads: Loads;
  readonly #clusterLeases: ClusterLeases;
  readonly #loading: Loading;
  readonly #writer: Writer;
  readonly #stats = new StoreStats();

  constructor(options: StoreOptions) {
    const { name, clock, database, follower } = options;
    this.name = name;
    this.maxValueBytes = options.maxValueBytes;
    this.invalidateFunction = options.invalidateFunction;
    this.place = options.place;
    this.#options = options;
    // No entry is as small as one byte.
    const maxBytes = options.hasMemory ? options.maxBytes : 1;
    const onDrop = (key: string | undefined) => this.near.drop(key);
    this.#memory = new Memory({ namespace: name, clock, maxEntries: options.maxEntries, maxBytes, onDrop });
    this.near = new MemoryNear({ clock, follower, memory: this.#memory });
    this.#leases = new Leases(name, this.#memory);
    const parts = { namespace: name, clock, database, follower, leases: this.#leases };
    this.#reads = new Reads({ ...parts, defer: options.defer });
    this.#lookups = new Lookups({ clock, follower, memory: this.#memory, reads: this.#reads, stats: this.#stats });
    this.#writer = new Writer({ ...options, ...parts });
    this.#loads = new Loads({
      ...parts,
      loadTimeoutMs: options.loadTimeoutMs,
      defer: options.defer,
      lastWrite: () => this.#writer.lastWrite,
      lastWrites: options.lastWrites,
    });
    this.#clusterLeases = new ClusterLeases({ ...options, ...parts, onReleased: options.onWritten });
    this.#loading = new Loading({
      ...options,
      namespace: name,
      memory: this.#memory,
      reads: this.#reads,
      loads: this.#loads,
      clusterLeases: this.#clusterLeases,
      stats: this.#stats,
      fromMemory: (key) => this.#lookups.fromMemory(key),
    });
  }

  get(key: string, fromTable: boolean): Awaitable<Packed | undefined> {
    return this.#lookups.get(key, fromTable);
  }

  getMany(keys: readonly string[], fromTable: boolean): Awaitable<(Packed | undefined)[]> {
    return this.#lookups.getMany(keys, fromTable);
  }

  named(keys: readonly string[], fromTable: boolean): Awaitable<(NamedValue | undefined)[]> {
    return together(keys.map((key) => this.#lookups.find(key, fromTable)));
  }

  has(key: string, fromTable: boolean): Awaitable<boolean> {
    const { follower, clock } = this.#options;
    if (!fromTable && follower.isFresh(clock.now()) && this.#memory.peek(key) !== undefined) return true;
    return this.ttl(key).then((left) => left !== undefined);
  }

  set(key: string, value: Bytes, ttlMs: number | undefined, tags: readonly string[], graceMs: number): Promise<void> {
    return this.#writer.write(this.#itemOf('set', key, value, ttlMs, tags, graceMs), nothing);
  }

  async setMany(
    keys: readonly string[],
    values: readonly Bytes[],
    ttlMs: number | undefined,
    tags: readonly string[],
    graceMs: number,
  ): Promise<void> {
    await all(keys.map((key, index) => this.set(key, values[index] as Bytes, ttlMs, tags, graceMs)));
  }

  add(
    key: string,
    value: Bytes,
    ttlMs: number | undefined,
    tags: readonly string[],
    graceMs: number,
  ): Promise<boolean> {
    return this.#writer.write(this.#itemOf('add', key, value, ttlMs, tags, graceMs), isDone);
  }

  delete(key: string): Promise<boolean> {
    return this.#writer.write({ key, op: 'delete', ttlMs: 0 }, isDone);
  }

  async deleteMany(keys: readonly string[]): Promise<number> {
    const deleted = await all([...new Set(keys)].map((key) => this.delete(key)));
    return deleted.filter(Boolean).length;
  }

  incr(key: string, delta: number, ttlMs: number | undefined): Promise<number> {
    return this.#writer.write({ key, op: 'incr', delta, ttlMs: ttlMs ?? this.#options.defaultTtlMs }, counterOf);
  }

  /**
   * Who is told that an entry is gone is given it no more. The interleaving: another server deletes the key; this one has not
   * heard of it; the table says that there is none; a get finds it in memory, or a read that is out brings it there.
   */
  async ttl(key: string): Promise<number | undefined> {
    const found = await this.#options.database.ttls(this.name, [key]).catch((e) => Promise.reject(asCacheError(e)));
    if (!found.has(key)) this.#leases.fail(this.#leases.grant(key));
    return found.get(key);
  }

  expire(key: string, ttlMs: number): Promise<boolean> {
    return this.#writer.write({ key, op: 'expire', ttlMs }, isDone);
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

  load(key: string, holder: Holder, ask: LoadAsk): Awaitable<LoadOutcome> {
    return this.#loading.load(key, holder, ask);
  }

  fill(token: number, holder: Holder, value: Bytes, terms: FillTerms): Promise<LoadOutcome> {
    return this.#loading.fill(token, holder, value, terms);
  }

  stale(key: string, graceMs: number): Awaitable<LoadOutcome> {
    return this.#loading.stale(key, graceMs);
  }

  abandon(token: number, holder: Holder, end: Bytes | undefined | 'passed'): void {
    this.#loads.abandon(token, holder, end);
  }

  release(holder: Holder): void {
    this.#loads.release(holder);
  }

  get lastWrite(): HostWrite | undefined {
    return this.#writer.lastWrite;
  }

  /** Nothing is under way, and the log that is followed has all that was written. */
  get isIdle(): boolean {
    const write = this.#writer.lastWrite;
    const isSeen = write === undefined || this.#options.follower.saw(write.xid);
    return isSeen && this.#writer.isIdle && this.#leases.isIdle && this.#loads.isIdle;
  }

  /** A row of the log, from the follower or from a writer of this host. */
  learnRow(row: LogRow): void {
    this.#leases.learn(row);
  }

  /** Another server says that something has happened. */
  wake(): void {
    this.#clusterLeases.wake();
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

  #itemOf(
    op: 'set' | 'add',
    key: string,
    bytes: Bytes,
    ttlMs: number | undefined,
    tags: readonly string[],
    graceMs: number,
  ): WriteItem {
    this.#stats.sets += 1;
    const names = tags.length === 0 ? NO_NAMES : tags.map((tag) => tagName(this.name, tag));
    const life = ttlMs ?? this.#options.defaultTtlMs;
    return { key, op, bytes, ttlMs: life, names, graceMs: graceMs > 0 ? graceMs : undefined };
  }
}

const NO_NAMES: readonly string[] = [];

// What callers are told of the outcome of a write.
const nothing = () => {};
const isDone = ({ done }: WriteOutcome) => done;
const counterOf = ({ counter }: WriteOutcome) => counter as number;
