import { isRenewalDue, renewed } from './brief-map.js';
import { entryCostBytes } from './entry-cost.js';
import { CacheError } from './errors.js';
import { ExpiryWheel, NO_SLOT, WHEEL_REACH_MS } from './expiry-wheel.js';

/**
 * The most entries one Lru holds, 2^23. A JavaScript Map holds 2^24, deleted ones that it has not swept yet included,
 * and sweeps instead of growing only when half of them are deleted: above 2^23 it would throw under churn.
 */
export const ENTRIES_MAX = 8_388_608;

const CAPACITY_MIN = 64;

/** Up to so many entries their map is renewed as they come and go (brief-map.ts); to copy more would take too long at a time. */
const RENEWED_ENTRIES_MAX = 4096;

/** Why an entry left: for room, by time, by the caller, or because another value took its key. */
export type RemovalReason = 'evict' | 'expire' | 'delete' | 'replace';

export interface LruOptions<V> {
  /** The most entries, from 1 to {@link ENTRIES_MAX} (the default). */
  maxEntries?: number | undefined;
  /** The most bytes: sizes as given to `set`, plus {@link entryCostBytes} for an empty value. Default: no limit. */
  maxBytes?: number | undefined;
  /** Told of every entry that leaves, except by `clear`. It must not call back into this Lru. */
  onRemove?: ((key: string, value: V, reason: RemovalReason) => void) | undefined;
}

/**
 * An exact LRU with two bounds, entries and bytes, and an expiry index. No timers and no clock: `nowMs` is whatever
 * monotonic clock the caller keeps, in milliseconds, and all times are of that clock. An entry is expired when
 * `nowMs >= expiresAtMs` (rounded up to a whole millisecond); it is never returned, and it makes room before any live
 * entry is evicted. `undefined` is not a value here.
 *
 * Slots of typed arrays stand for list nodes: no object an entry, no write barriers, little for the garbage collector.
 */
export class Lru<V> {
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly #onRemove: LruOptions<V>['onRemove'];
  #slotOf = new Map<string, number>();
  /** Since the map was renewed. */
  #insertions = 0;
  /** Two a slot: the key and the value, side by side because they leave together. */
  #items: unknown[] = [];
  /**
   * A record of 24 bytes a slot: previous (i32), next (i32), expiresAtMs (f64), cost in bytes (f64). Slot 0 is the
   * sentinel of the list: its next is the newest, its previous the oldest.
   */
  #links = new Int32Array(0);
  /** The same buffer: #numbers[3 * slot + 1] is when the slot expires. */
  #numbers = new Float64Array(0);
  #capacity = 0;
  /** Slots 1 … #used have been used; those free again are chained by `next` from #free. */
  #used = 0;
  #free = 0;
  #wheel: ExpiryWheel | undefined;
  #bytes = 0;
  #evictions = 0;
  #expirations = 0;

  /** @throws CacheError ERR_INVALID_ARGUMENT for a limit that is out of range */
  constructor({ maxEntries = ENTRIES_MAX, maxBytes = Number.POSITIVE_INFINITY, onRemove }: LruOptions<V> = {}) {
    if (!Number.isInteger(maxEntries) || maxEntries < 1 || maxEntries > ENTRIES_MAX) {
      throw new CacheError('ERR_INVALID_ARGUMENT', `maxEntries must be a whole number from 1 to ${ENTRIES_MAX}`);
    }
    if (typeof maxBytes !== 'number' || !(maxBytes > 0)) {
      throw new CacheError('ERR_INVALID_ARGUMENT', 'maxBytes must be a positive number');
    }
    this.maxEntries = maxEntries;
    this.maxBytes = maxBytes;
    this.#onRemove = onRemove;
    this.#resize(Math.min(CAPACITY_MIN, maxEntries + 1));
  }

  /** Entries, expired ones included until they are met or `expire` runs. */
  get size(): number {
    return this.#slotOf.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get evictions(): number {
    return this.#evictions;
  }

  get expirations(): number {
    return this.#expirations;
  }

  /** The value, which becomes the most recent one; undefined where absent or expired (which removes it). */
  get(key: string, nowMs: number): V | undefined {
    const slot = this.#slotOf.get(key);
    if (slot === undefined) return undefined;
    if (this.#numbers[3 * slot + 1]! <= nowMs) {
      this.#remove(slot, 'expire');
      return undefined;
    }
    this.#toFront(slot);
    return this.#items[2 * slot + 1] as V;
  }

  /** The value; changes nothing. With −Infinity as the time, also an expired one that is still there. */
  peek(key: string, nowMs: number): V | undefined {
    const slot = this.#slotOf.get(key);
    return slot === undefined || this.#numbers[3 * slot + 1]! <= nowMs ? undefined : (this.#items[2 * slot + 1] as V);
  }

  /** Changes nothing. */
  has(key: string, nowMs: number): boolean {
    const slot = this.#slotOf.get(key);
    return slot !== undefined && this.#numbers[3 * slot + 1]! > nowMs;
  }

  /** When the entry expires, Infinity for never; undefined where absent or expired. Changes nothing. */
  expiresAt(key: string, nowMs: number): number | undefined {
    const slot = this.#slotOf.get(key);
    if (slot === undefined) return undefined;
    const expiresAtMs = this.#numbers[3 * slot + 1]!;
    return expiresAtMs > nowMs ? expiresAtMs : undefined;
  }

  /**
   * Stores a value as the most recent one. Where that takes more than a limit, what has expired goes first, then what
   * was used least recently. An entry that is larger than maxBytes, or expired already, is not kept, nor is the older
   * value of its key.
   * @param sizeBytes the size of the value, 0 or more
   * @param expiresAtMs Infinity for never
   * @returns whether the entry is kept
   */
  set(key: string, value: V, sizeBytes: number, expiresAtMs: number, nowMs: number): boolean {
    const costBytes = entryCostBytes(key, sizeBytes);
    const slot = this.#slotOf.get(key);
    // Negated, so that NaN is not kept either.
    if (!(costBytes <= this.maxBytes) || !(expiresAtMs > nowMs)) {
      if (slot !== undefined) this.#remove(slot, this.#numbers[3 * slot + 1]! <= nowMs ? 'expire' : 'replace');
      return false;
    }
    if (slot === undefined) this.#insert(key, value, costBytes, expiresAtMs, nowMs);
    else this.#replace(slot, key, value, costBytes, expiresAtMs, nowMs);
    return true;
  }

  /** Gives a live entry another expiry; its recency stays. @returns whether there is one */
  setExpiry(key: string, expiresAtMs: number, nowMs: number): boolean {
    const slot = this.#slotOf.get(key);
    if (slot === undefined || this.#numbers[3 * slot + 1]! <= nowMs) return false;
    if (expiresAtMs <= nowMs) this.#remove(slot, 'delete');
    else this.#reschedule(slot, expiresAtMs, nowMs);
    return true;
  }

  /** @returns whether there was such an entry, not expired */
  delete(key: string, nowMs: number): boolean {
    const slot = this.#slotOf.get(key);
    if (slot === undefined) return false;
    const expired = this.#numbers[3 * slot + 1]! <= nowMs;
    this.#remove(slot, expired ? 'expire' : 'delete');
    return !expired;
  }

  /** Removes up to `limit` of the entries that have expired, earliest first. @returns how many */
  expire(nowMs: number, limit = Number.POSITIVE_INFINITY): number {
    let count = 0;
    while (count < limit && this.#expireOne(nowMs)) count++;
    return count;
  }

  /** Forgets everything at once, without a word to onRemove. Counters stay. */
  clear(): void {
    this.#slotOf = new Map();
    this.#items = [];
    this.#links = new Int32Array(0);
    this.#wheel = undefined;
    this.#capacity = this.#used = this.#free = this.#bytes = 0;
    this.#resize(Math.min(CAPACITY_MIN, this.maxEntries + 1));
  }

  /** From the most to the least recent, expired ones that are still there included. */
  *keys(): IterableIterator<string> {
    for (let slot = this.#links[1]!; slot !== 0; slot = this.#links[6 * slot + 1]!)
      yield this.#items[2 * slot] as string;
  }

  #insert(key: string, value: V, costBytes: number, expiresAtMs: number, nowMs: number): void {
    while (this.#slotOf.size >= this.maxEntries || this.#bytes + costBytes > this.maxBytes) this.#makeRoom(nowMs);
    let slot = this.#free;
    if (slot !== 0) {
      this.#free = this.#links[6 * slot + 1]!;
    } else {
      slot = ++this.#used;
      if (slot === this.#capacity) this.#resize(Math.min(2 * this.#capacity, this.maxEntries + 1));
    }
    this.#insertions++;
    if (this.#slotOf.size <= RENEWED_ENTRIES_MAX && isRenewalDue(this.#insertions, this.#slotOf.size)) {
      this.#slotOf = renewed(this.#slotOf);
      this.#insertions = 0;
    }
    this.#slotOf.set(key, slot);
    this.#items[2 * slot] = key;
    this.#items[2 * slot + 1] = value;
    this.#numbers[3 * slot + 2] = costBytes;
    this.#bytes += costBytes;
    this.#numbers[3 * slot + 1] = Number.POSITIVE_INFINITY;
    if (expiresAtMs !== Number.POSITIVE_INFINITY) this.#reschedule(slot, expiresAtMs, nowMs);
    this.#linkFirst(slot);
  }

  #replace(slot: number, key: string, value: V, costBytes: number, expiresAtMs: number, nowMs: number): void {
    const reason = this.#numbers[3 * slot + 1]! <= nowMs ? 'expire' : 'replace';
    if (reason === 'expire') this.#expirations++;
    const old = this.#items[2 * slot + 1] as V;
    this.#items[2 * slot + 1] = value;
    this.#bytes += costBytes - this.#numbers[3 * slot + 2]!;
    this.#numbers[3 * slot + 2] = costBytes;
    this.#reschedule(slot, expiresAtMs, nowMs);
    this.#toFront(slot);
    this.#onRemove?.(key, old, reason);
    // This entry is the newest and within maxBytes by itself, so others go.
    while (this.#bytes > this.maxBytes) this.#makeRoom(nowMs);
  }

  #makeRoom(nowMs: number): void {
    if (!this.#expireOne(nowMs)) this.#remove(this.#links[0]!, 'evict');
  }

  #expireOne(nowMs: number): boolean {
    if (this.#wheel?.mayHaveExpired(nowMs) !== true) return false;
    const slot = this.#wheel.nextExpired(nowMs);
    if (slot === NO_SLOT) return false;
    this.#remove(slot, 'expire');
    return true;
  }

  #remove(slot: number, reason: RemovalReason): void {
    const links = this.#links;
    const previous = links[6 * slot]!;
    const next = links[6 * slot + 1]!;
    links[6 * previous + 1] = next;
    links[6 * next] = previous;
    if (this.#numbers[3 * slot + 1] !== Number.POSITIVE_INFINITY) this.#wheel!.remove(slot);
    links[6 * slot + 1] = this.#free;
    this.#free = slot;

    const key = this.#items[2 * slot] as string;
    const value = this.#items[2 * slot + 1] as V;
    this.#slotOf.delete(key);
    this.#items[2 * slot] = undefined;
    this.#items[2 * slot + 1] = undefined;
    this.#bytes -= this.#numbers[3 * slot + 2]!;
    if (reason === 'evict') this.#evictions++;
    else if (reason === 'expire') this.#expirations++;
    this.#onRemove?.(key, value, reason);
  }

  #reschedule(slot: number, expiresAtMs: number, nowMs: number): void {
    const timeMs = expiresAtMs >= WHEEL_REACH_MS ? Number.POSITIVE_INFINITY : Math.ceil(expiresAtMs);
    const oldTimeMs = this.#numbers[3 * slot + 1]!;
    if (timeMs === oldTimeMs) return;
    if (oldTimeMs !== Number.POSITIVE_INFINITY) this.#wheel!.remove(slot);
    this.#numbers[3 * slot + 1] = timeMs;
    if (timeMs === Number.POSITIVE_INFINITY) return;
    this.#wheel ??= new ExpiryWheel(this.#capacity, (each) => this.#numbers[3 * each + 1]!);
    this.#wheel.add(slot, timeMs, nowMs);
  }

  #toFront(slot: number): void {
    const links = this.#links;
    const previous = links[6 * slot]!;
    if (previous === 0) return;
    const next = links[6 * slot + 1]!;
    links[6 * previous + 1] = next;
    links[6 * next] = previous;
    this.#linkFirst(slot);
  }

  #linkFirst(slot: number): void {
    const links = this.#links;
    const first = links[1]!;
    links[6 * slot] = 0;
    links[6 * slot + 1] = first;
    links[6 * first] = slot;
    links[1] = slot;
  }

  #resize(capacity: number): void {
    const links = new Int32Array(6 * capacity);
    links.set(this.#links);
    this.#links = links;
    this.#numbers = new Float64Array(links.buffer);
    this.#capacity = capacity;
    this.#wheel?.grow(capacity);
    // Slot 0 is the sentinel; keeping its place here too keeps the array packed.
    if (this.#items.length === 0) this.#items.push(undefined, undefined);
  }
}
