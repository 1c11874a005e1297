import type { TierStats } from '../shared/cache.js';
import { Lru } from '../shared/lru.js';
import { type NearValue, nearValue, promiseFrom, valueFrom } from './near-value.js';

/** Limits of the near tier of one process and namespace. */
export interface NearLimits {
  readonly maxEntries: number;
  /** Of packed values and their keys; the objects that they are unpacked to take a few times as much. */
  readonly maxBytes: number;
}

/**
 * The near tier of one process and namespace: copies of what the daemon's memory holds, filled by its replies and
 * dropped by its pushes, which come in order on one socket.
 *
 *     off ── the daemon agrees ──▶ on ── connection lost, goodbye ──▶ off, and empty
 *
 * It answers only before `freshUntil`, the instant at which memory itself would stop. That is of the daemon's clock.
 * Both clocks run alike, as they count the same machine's time, but from origins of their own, so the daemon is asked
 * for the time: it said `now` not before it was asked, hence
 *
 *     instant here ≥ instant there − now + when it was asked
 *
 * and taking that bound for the instant makes us early by the way of one message, never late.
 */
export class NearTier {
  readonly #now: () => number;
  readonly #lru: Lru<NearValue>;
  /** What an instant of the daemon's clock is here, at the earliest: add this. */
  #offsetMs = Number.NEGATIVE_INFINITY;
  #freshUntilMs = Number.NEGATIVE_INFINITY;
  #hits = 0;
  #misses = 0;
  #sets = 0;
  #invalidations = 0;

  /** @param now milliseconds of a monotonic clock that runs as the daemon's does */
  constructor({ maxEntries, maxBytes }: NearLimits, now: () => number) {
    this.#now = now;
    this.#lru = new Lru<NearValue>({ maxEntries, maxBytes });
  }

  /** Milliseconds of the clock that `turnOn` is told the time of asking by. */
  now(): number {
    return this.#now();
  }

  /** @param askedMs when the daemon was asked, on our clock; the other two are instants of its own */
  turnOn(askedMs: number, nowMs: number, freshUntilMs: number): void {
    this.#offsetMs = Math.max(this.#offsetMs, askedMs - nowMs);
    this.fresh(freshUntilMs);
  }

  /** Forgets everything, and answers nothing until it is turned on again. */
  turnOff(): void {
    this.#offsetMs = Number.NEGATIVE_INFINITY;
    this.#freshUntilMs = Number.NEGATIVE_INFINITY;
    this.#lru.clear();
  }

  fresh(untilMs: number): void {
    this.#freshUntilMs = untilMs + this.#offsetMs;
  }

  /** The value, or undefined where the daemon is to be asked. */
  get(key: string): unknown {
    const found = this.#find(key);
    if (found === undefined) {
      this.#misses += 1;
      return undefined;
    }
    this.#hits += 1;
    return valueFrom(found);
  }

  /** As `get`, for those who will not ask the daemon: a miss does not count. */
  peek(key: string): unknown {
    const found = this.#find(key);
    if (found === undefined) return undefined;
    this.#hits += 1;
    return valueFrom(found);
  }

  /** As `peek`, for those who await it. */
  promised(key: string): Promise<unknown> | undefined {
    const found = this.#find(key);
    if (found === undefined) return undefined;
    this.#hits += 1;
    return promiseFrom(found);
  }

  /** As `peek`, but what is kept instead of the value: the same object for as long as it is the same copy. */
  held(key: string): NearValue | undefined {
    const found = this.#find(key);
    if (found !== undefined) this.#hits += 1;
    return found;
  }

  /** Changes nothing. */
  has(key: string): boolean {
    const nowMs = this.#now();
    return nowMs < this.#freshUntilMs && this.#lru.has(key, nowMs);
  }

  /**
   * Takes a value out of a reply, and keeps it where the daemon says so. To be called when the reply is read: a drop of the
   * key may be next in the same chunk.
   * @param bytes a view on the frame
   * @param untilMs when it expires, on the daemon's clock; undefined where it may not be kept
   * @returns the value, for whoever asked for it
   */
  accept(key: string, bytes: Uint8Array, untilMs: number | undefined): unknown {
    const { kept, value } = nearValue(bytes);
    if (untilMs === undefined) return value;
    // Not `slice`, which a Buffer has as a view.
    const copied = kept.bytes === undefined ? kept : { ...kept, bytes: new Uint8Array(kept.bytes) };
    const expiresAtMs = Math.floor(untilMs + this.#offsetMs);
    if (this.#lru.set(key, copied, bytes.length, expiresAtMs, this.#now())) this.#sets += 1;
    return value;
  }

  /** @param keys undefined for all */
  drop(keys: Iterable<string> | undefined): void {
    if (keys === undefined) {
      this.#invalidations += this.#lru.size;
      this.#lru.clear();
      return;
    }
    const nowMs = this.#now();
    for (const key of keys) if (this.#lru.delete(key, nowMs)) this.#invalidations += 1;
  }

  stats(): TierStats {
    const { evictions, expirations, bytes, size } = this.#lru;
    const counts = { hits: this.#hits, misses: this.#misses, sets: this.#sets, invalidations: this.#invalidations };
    return { ...counts, evictions, expirations, bytes, entries: size };
  }

  #find(key: string): NearValue | undefined {
    const nowMs = this.#now();
    return nowMs < this.#freshUntilMs ? this.#lru.get(key, nowMs) : undefined;
  }
}
