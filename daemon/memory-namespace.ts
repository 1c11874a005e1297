import { getHeapStatistics } from 'node:v8';
import type { CacheStatistics, TierStats } from '../shared/cache.js';
import { packCounter } from '../shared/codec.js';
import { CacheError } from '../shared/errors.js';
import { Lru } from '../shared/lru.js';
import { TagIndex } from '../shared/tag-index.js';
import { leadMs } from '../shared/xfetch.js';
import type { Clock } from './clock.js';
import { endOf, Handouts } from './handouts.js';
import { LateFills } from './late-fills.js';
import type { Awaitable, Bytes, FillTerms, Holder, LoadAsk, LoadOutcome, Namespace } from './namespace.js';
import { compact, HeapRoom, type Packed } from './packed.js';

export interface MemoryNamespaceOptions {
  readonly name: string;
  readonly defaultTtlMs: number;
  readonly maxBytes: number;
  readonly maxEntries: number;
  readonly maxValueBytes: number;
  readonly loadTimeoutMs: number;
  readonly clock: Clock;
  /** A number from 0 (included) to 1 (excluded). */
  readonly random: () => number;
}

interface Kept {
  readonly bytes: Packed;
  /** Undefined for a value that was not made by `incr`. */
  readonly counter: number | undefined;
  /** How long a load took to compute it, in milliseconds. */
  readonly deltaMs?: number | undefined;
}

/**
 * A namespace without a table: one for all processes of this host, known to no other, and gone with the daemon. It asks
 * Postgres nothing, so it works while that is away. What does not fit is evicted: there is nowhere else to find it. Grace
 * is refused: what has expired is gone.
 */
export class MemoryNamespace implements Namespace {
  readonly name: string;
  readonly maxValueBytes: number;
  readonly invalidateFunction = undefined;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #defaultTtlMs: number;
  readonly #lru: Lru<Kept>;
  readonly #tags = new TagIndex();
  readonly #room = new HeapRoom(getHeapStatistics);
  /** The terms of a load: when it began. */
  readonly #handouts: Handouts<number>;
  readonly #lateFills = new LateFills();
  #hits = 0;
  #misses = 0;
  #sets = 0;
  #invalidations = 0;

  constructor(options: MemoryNamespaceOptions) {
    this.name = options.name;
    this.maxValueBytes = options.maxValueBytes;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#defaultTtlMs = options.defaultTtlMs;
    this.#lru = new Lru({
      maxEntries: options.maxEntries,
      maxBytes: options.maxBytes,
      onRemove: (key) => this.#tags.remove(key),
    });
    this.#handouts = new Handouts(options.clock, options.loadTimeoutMs);
  }

  get(key: string): Packed | undefined {
    const bytes = this.#find(key);
    if (bytes === undefined) this.#misses++;
    return bytes;
  }

  getMany(keys: readonly string[]): (Packed | undefined)[] {
    return keys.map((key) => this.get(key));
  }

  has(key: string): boolean {
    return this.#lru.has(key, this.#clock.now());
  }

  set(key: string, value: Bytes, ttlMs: number | undefined, tags: readonly string[], graceMs: number): void {
    this.#refuseGrace(graceMs);
    this.#put(key, value, ttlMs, tags);
  }

  setMany(
    keys: readonly string[],
    values: readonly Bytes[],
    ttlMs: number | undefined,
    tags: readonly string[],
    graceMs: number,
  ): void {
    this.#refuseGrace(graceMs);
    for (const [i, key] of keys.entries()) this.#put(key, values[i] as Bytes, ttlMs, tags);
  }

  add(key: string, value: Bytes, ttlMs: number | undefined, tags: readonly string[], graceMs: number): boolean {
    this.#refuseGrace(graceMs);
    if (this.has(key)) return false;
    this.#put(key, value, ttlMs, tags);
    return true;
  }

  delete(key: string): boolean {
    this.#noteKey(key);
    return this.#lru.delete(key, this.#clock.now());
  }

  deleteMany(keys: readonly string[]): number {
    let deleted = 0;
    for (const key of keys) if (this.delete(key)) deleted++;
    return deleted;
  }

  incr(key: string, delta: number, ttlMs: number | undefined): number {
    const nowMs = this.#clock.now();
    const before = this.#lru.peek(key, nowMs);
    if (before !== undefined && before.counter === undefined) {
      throw new CacheError('ERR_NOT_A_COUNTER', `'${key}' holds a value that was not made by incr`);
    }
    const counter = (before?.counter ?? 0) + delta;
    if (!Number.isSafeInteger(counter)) {
      throw new CacheError('ERR_COUNTER_OVERFLOW', `the counter '${key}' can't go up by ${delta}`);
    }
    const expiresAtMs = this.#lru.expiresAt(key, nowMs) ?? nowMs + (ttlMs ?? this.#defaultTtlMs);
    this.#noteKey(key);
    const bytes = packCounter(counter);
    this.#lru.set(key, { bytes, counter }, bytes.length, expiresAtMs, nowMs);
    return counter;
  }

  ttl(key: string): number | undefined {
    const nowMs = this.#clock.now();
    const expiresAtMs = this.#lru.expiresAt(key, nowMs);
    return expiresAtMs === undefined ? undefined : expiresAtMs - nowMs;
  }

  expire(key: string, ttlMs: number): boolean {
    const nowMs = this.#clock.now();
    return this.#lru.setExpiry(key, nowMs + ttlMs, nowMs);
  }

  clear(): void {
    this.#invalidations += this.#lru.size;
    this.#lru.clear();
    this.#tags.clear();
    this.#lateFills.noteAll();
  }

  invalidateTags(tags: readonly string[]): void {
    const nowMs = this.#clock.now();
    for (const tag of tags) {
      if (this.#handouts.size > 0) this.#lateFills.note(ofTag(tag));
      for (const key of this.#tags.keys(tag)) if (this.#lru.delete(key, nowMs)) this.#invalidations++;
    }
  }

  /** No commit concerns what is kept here. */
  async sync(): Promise<void> {}

  async count(): Promise<number> {
    this.#lru.expire(this.#clock.now());
    return this.#lru.size;
  }

  async cleanup(): Promise<number> {
    return this.#lru.expire(this.#clock.now());
  }

  /** Removes a bounded number of expired entries. */
  sweep(): void {
    this.#lru.expire(this.#clock.now(), 10_000);
  }

  stats(): CacheStatistics {
    const { evictions, expirations, bytes, size: entries } = this.#lru;
    const [hits, misses, sets, invalidations] = [this.#hits, this.#misses, this.#sets, this.#invalidations];
    const memory: TierStats = { hits, misses, sets, evictions, expirations, invalidations, bytes, entries };
    return { ...memory, hitRate: hits === 0 ? 0 : hits / (hits + misses), tiers: { memory } };
  }

  load(key: string, holder: Holder, ask: LoadAsk): Awaitable<LoadOutcome> {
    this.#refuseGrace(ask.graceMs);
    const bytes = this.#find(key);
    if (bytes !== undefined)
      return this.#isPicked(key, holder, ask.beta) ? this.#refresh(key, holder, bytes) : { kind: 'value', bytes };
    return this.#handouts.flight(key) === undefined ? this.#begin(key, holder) : this.#waitAndLoad(key, holder);
  }

  fill(token: number, holder: Holder, value: Bytes, terms: FillTerms): LoadOutcome {
    const { ttlMs, tags, deltaMs } = terms;
    this.#refuseGrace(terms.graceMs);
    const { key, flight, terms: beganAt } = this.#handouts.take(token, holder);
    const isLate = this.#lateFills.anySince(beganAt, [ofKey(key), ...tags.map(ofTag)]);
    if (!isLate) this.#put(key, value, ttlMs, tags, deltaMs);
    this.#forgetNotes();
    const outcome = { kind: 'value', bytes: value } as const;
    flight.end(outcome);
    return isLate && terms.once ? { kind: 'nothing' } : outcome;
  }

  stale(key: string): LoadOutcome {
    const bytes = this.#find(key);
    return bytes === undefined ? { kind: 'nothing' } : { kind: 'value', bytes };
  }

  abandon(token: number, holder: Holder, end: Bytes | undefined | 'passed'): void {
    const { flight } = this.#handouts.take(token, holder);
    this.#forgetNotes();
    flight.end(endOf(end));
  }

  release(holder: Holder): void {
    this.#handouts.release(holder);
    this.#forgetNotes();
  }

  /**
   * Never is a value given to somebody who asked after what made it stale: only those who had asked before a load began
   * have its value from its end; later ones look again, and load again where it was not stored.
   */
  async #waitAndLoad(key: string, holder: Holder): Promise<LoadOutcome> {
    const askedAt = this.#handouts.askNumber();
    for (;;) {
      const flight = this.#handouts.flight(key);
      if (flight === undefined) return this.#begin(key, holder);
      const outcome = await flight.done;
      if (outcome.kind !== 'passed' && (outcome.kind !== 'value' || askedAt < flight.beganAt)) return outcome;
      const bytes = this.#find(key);
      if (bytes !== undefined) return { kind: 'value', bytes };
    }
  }

  #begin(key: string, holder: Holder): LoadOutcome {
    this.#misses++;
    return { kind: 'load', token: this.#handOut(key, holder), stale: undefined };
  }

  #refresh(key: string, holder: Holder, bytes: Packed): LoadOutcome {
    return { kind: 'refresh', token: this.#handOut(key, holder), bytes };
  }

  #handOut(key: string, holder: Holder): number {
    return this.#handouts.handOut(this.#handouts.begin(key, holder), holder, this.#lateFills.now);
  }

  /** Whether this read is to compute the value anew before it expires: see shared/xfetch.ts. One refresh a key at a time. */
  #isPicked(key: string, holder: Holder, beta: number): boolean {
    if (beta === 0 || this.#handouts.flight(key) !== undefined || this.#handouts.isFullFor(holder)) return false;
    const nowMs = this.#clock.now();
    const leftMs = (this.#lru.expiresAt(key, nowMs) ?? 0) - nowMs;
    return leftMs <= leadMs(this.#lru.peek(key, nowMs)?.deltaMs, beta, this.#random());
  }

  #refuseGrace(graceMs: number): void {
    if (graceMs === 0) return;
    throw new CacheError('ERR_INVALID_ARGUMENT', `the namespace ${this.name} is of memory alone and offers no grace`);
  }

  #find(key: string): Packed | undefined {
    const bytes = this.#lru.get(key, this.#clock.now())?.bytes;
    if (bytes !== undefined) this.#hits++;
    return bytes;
  }

  #put(key: string, value: Bytes, ttlMs: number | undefined, tags: readonly string[], deltaMs?: number): void {
    const nowMs = this.#clock.now();
    this.#sets++;
    this.#noteKey(key);
    const kept = { bytes: compact(value, this.#room), counter: undefined, deltaMs };
    const expiresAtMs = nowMs + (ttlMs ?? this.#defaultTtlMs);
    if (this.#lru.set(key, kept, value.length, expiresAtMs, nowMs)) this.#tags.add(key, tags);
  }

  #noteKey(key: string): void {
    if (this.#handouts.isOut(key)) this.#lateFills.note(ofKey(key));
  }

  #forgetNotes(): void {
    if (this.#handouts.size === 0) this.#lateFills.forget();
  }
}

const ofKey = (key: string) => `k:${key}`;
const ofTag = (tag: string) => `t:${tag}`;
