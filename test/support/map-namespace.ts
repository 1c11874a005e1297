import type { Awaitable, Bytes, FillTerms, Holder, LoadAsk, LoadOutcome, Namespace } from '../../daemon/namespace.js';
import type { CacheStatistics, TierStats } from '../../shared/cache.js';
import { pack, unpack } from '../../shared/codec.js';
import { CacheError } from '../../shared/errors.js';

interface Entry {
  readonly bytes: Bytes;
  readonly expiresAt: number;
  readonly tags: readonly string[];
}

interface Lease {
  readonly token: number;
  readonly key: string;
  holder: Holder;
  readonly waiting: { holder: Holder; resolve: (outcome: LoadOutcome) => void }[];
}

const TTL_MS = 300_000;

/**
 * A namespace on a Map, without Postgres: everything a session can ask, done in memory. Reads with `fromTable` answer
 * a turn later, as a table would. `fromTableReads` counts them; `failure` is thrown by everything while it is set.
 */
export class MapNamespace implements Namespace {
  readonly name: string;
  readonly maxValueBytes: number;
  readonly invalidateFunction = undefined;
  readonly entries = new Map<string, Entry>();
  fromTableReads = 0;
  failure: CacheError | undefined;
  /** Writes wait for it. */
  gate: Promise<void> | undefined;
  readonly #leases = new Map<string, Lease>();
  #token = 0;

  constructor(name = 'default', maxValueBytes = 8 * 1024 * 1024) {
    this.name = name;
    this.maxValueBytes = maxValueBytes;
  }

  get(key: string, fromTable: boolean): Awaitable<Bytes | undefined> {
    return this.#tiered(fromTable, () => this.#live(key)?.bytes);
  }

  getMany(keys: readonly string[], fromTable: boolean): Awaitable<(Bytes | undefined)[]> {
    return this.#tiered(fromTable, () => keys.map((key) => this.#live(key)?.bytes));
  }

  has(key: string, fromTable: boolean): Awaitable<boolean> {
    return this.#tiered(fromTable, () => this.#live(key) !== undefined);
  }

  async set(key: string, value: Bytes, ttlMs: number | undefined, tags: readonly string[]): Promise<void> {
    await this.#write();
    this.#put(key, value, ttlMs, tags);
  }

  async setMany(
    keys: readonly string[],
    values: readonly Bytes[],
    ttlMs: number | undefined,
    tags: readonly string[],
  ): Promise<void> {
    await this.#write();
    for (const [i, key] of keys.entries()) this.#put(key, values[i]!, ttlMs, tags);
  }

  async add(key: string, value: Bytes, ttlMs: number | undefined, tags: readonly string[]): Promise<boolean> {
    await this.#write();
    if (this.#live(key) !== undefined) return false;
    this.#put(key, value, ttlMs, tags);
    return true;
  }

  async delete(key: string): Promise<boolean> {
    return (await this.deleteMany([key])) > 0;
  }

  async deleteMany(keys: readonly string[]): Promise<number> {
    await this.#write();
    return keys.filter((key) => this.#live(key) !== undefined && this.entries.delete(key)).length;
  }

  async incr(key: string, delta: number, ttlMs: number | undefined): Promise<number> {
    await this.#write();
    const entry = this.#live(key);
    const before = entry === undefined ? 0 : unpack(entry.bytes);
    if (typeof before !== 'number') throw new CacheError('ERR_NOT_A_COUNTER', `${key} holds no counter`);
    const after = before + delta;
    if (!Number.isSafeInteger(after)) throw new CacheError('ERR_COUNTER_OVERFLOW', `${before} + ${delta}`);
    this.#put(key, pack(after), ttlMs, []);
    return after;
  }

  async ttl(key: string): Promise<number | undefined> {
    const entry = this.#live(key);
    return entry === undefined ? undefined : entry.expiresAt - performance.now();
  }

  async expire(key: string, ttlMs: number): Promise<boolean> {
    await this.#write();
    const entry = this.#live(key);
    if (entry !== undefined) this.#put(key, entry.bytes, ttlMs, entry.tags);
    return entry !== undefined;
  }

  async clear(): Promise<void> {
    await this.#write();
    this.entries.clear();
  }

  async invalidateTags(tags: readonly string[]): Promise<void> {
    await this.#write();
    for (const [key, entry] of this.entries) if (entry.tags.some((tag) => tags.includes(tag))) this.entries.delete(key);
  }

  async sync(): Promise<void> {}

  async count(): Promise<number> {
    if (this.failure !== undefined) throw this.failure;
    return [...this.entries.keys()].filter((key) => this.#live(key) !== undefined).length;
  }

  async cleanup(): Promise<number> {
    return 0;
  }

  stats(): CacheStatistics {
    const none: TierStats = {
      hits: 0,
      misses: 0,
      sets: 0,
      evictions: 0,
      expirations: 0,
      invalidations: 0,
      bytes: 0,
      entries: this.entries.size,
    };
    return { ...none, hitRate: 0, tiers: { memory: none } };
  }

  load(key: string, holder: Holder, ask: LoadAsk): Awaitable<LoadOutcome> {
    if (this.failure !== undefined) throw this.failure;
    if (ask.fromTable) this.fromTableReads++;
    const entry = this.#live(key);
    if (entry !== undefined) return { kind: 'value', bytes: entry.bytes };
    const lease = this.#leases.get(key);
    if (lease !== undefined) return new Promise((resolve) => lease.waiting.push({ holder, resolve }));
    const granted: Lease = { token: ++this.#token, key, holder, waiting: [] };
    this.#leases.set(key, granted);
    return { kind: 'load', token: granted.token, stale: undefined };
  }

  async fill(token: number, holder: Holder, value: Bytes, { ttlMs, tags }: FillTerms): Promise<LoadOutcome> {
    const lease = this.#leaseOf(token, holder);
    if (this.failure !== undefined) throw this.failure;
    this.#put(lease.key, value, ttlMs, tags);
    return this.#end(lease, { kind: 'value', bytes: this.entries.get(lease.key)!.bytes });
  }

  stale(): LoadOutcome {
    return { kind: 'nothing' };
  }

  abandon(token: number, holder: Holder, error: Bytes | undefined | 'passed'): void {
    const lease = this.#leaseOf(token, holder);
    if (error === 'passed') throw new Error('not offered here');
    this.#end(lease, error === undefined ? { kind: 'nothing' } : { kind: 'failed', error: Buffer.from(error) });
  }

  release(holder: Holder): void {
    for (const lease of [...this.#leases.values()]) {
      const others = lease.waiting.filter((waiter) => waiter.holder !== holder);
      lease.waiting.splice(0, lease.waiting.length, ...others);
      if (lease.holder !== holder) continue;
      this.#leases.delete(lease.key);
      const next = others.shift();
      if (next === undefined) continue;
      const passed: Lease = { token: ++this.#token, key: lease.key, holder: next.holder, waiting: others };
      this.#leases.set(lease.key, passed);
      next.resolve({ kind: 'load', token: passed.token, stale: undefined });
    }
  }

  #leaseOf(token: number, holder: Holder): Lease {
    for (const lease of this.#leases.values()) if (lease.token === token && lease.holder === holder) return lease;
    throw new CacheError('ERR_INVALID_TOKEN', `${token} is not a load of ${holder.name}`);
  }

  #end(lease: Lease, outcome: LoadOutcome): LoadOutcome {
    this.#leases.delete(lease.key);
    for (const waiter of lease.waiting) waiter.resolve(outcome);
    return outcome;
  }

  #tiered<T>(fromTable: boolean, read: () => T): Awaitable<T> {
    if (this.failure !== undefined) throw this.failure;
    if (!fromTable) return read();
    this.fromTableReads++;
    return Promise.resolve().then(read);
  }

  async #write(): Promise<void> {
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
  }

  #put(key: string, bytes: Bytes, ttlMs: number | undefined, tags: readonly string[]): void {
    // The bytes lie in the frame: what is kept is a copy.
    this.entries.set(key, { bytes: Buffer.from(bytes), expiresAt: performance.now() + (ttlMs ?? TTL_MS), tags });
  }

  #live(key: string): Entry | undefined {
    const entry = this.entries.get(key);
    return entry !== undefined && entry.expiresAt > performance.now() ? entry : undefined;
  }
}
