/**
 * What expires next: a hierarchical timing wheel over slot numbers (Varghese and Lauck, "Hashed and Hierarchical Timing
 * Wheels", 1987), kept in typed arrays. It has no timer and no clock.
 *
 * Level 0 has a bucket for each of 256 consecutive milliseconds, level 1 one for each of 256 such windows, and so on. A
 * slot lies in the lowest level whose current window holds its time. When the time of a bucket above level 0 comes, its
 * slots move down. So adding and removing are O(1); a slot moves at most once a level in its life (twice, for a life of
 * up to 4.6 hours), whatever the number of the others; taking k expired slots is O(k) beside those prepaid moves.
 *
 * Invariants: the window of a level lies inside the window of the level above; buckets before the one that holds the
 * lower window are empty; so the first occupied bucket of the lowest occupied level is always the next one.
 */

const FAN_BITS = 8;
const FAN = 1 << FAN_BITS;
const LEVELS = 6;
const BUCKETS = LEVELS * FAN;

/** The milliseconds that a bucket of each level stands for; the last entry is the reach of the whole wheel. */
const SPAN_MS = Array.from({ length: LEVELS + 1 }, (_, level) => FAN ** level);

/** Times from here on (8,919 years) are beyond the wheel; keep them as Infinity. */
export const WHEEL_REACH_MS = SPAN_MS[LEVELS]!;

export const NO_SLOT = -1;

export class ExpiryWheel {
  readonly #timeOf: (slot: number) => number;
  /** Pairs of (previous, next): first a sentinel for each bucket, then the slots; each bucket is a ring. */
  #links: Int32Array;
  /** A bit for each bucket: occupied. */
  readonly #occupied = new Int32Array(BUCKETS / 32);
  /** Where the window of each level starts, in milliseconds. */
  readonly #windowStart = new Float64Array(LEVELS);
  /** No occupied bucket starts before this time. */
  #due = Number.POSITIVE_INFINITY;

  /**
   * @param capacity slots are numbered from 0 to capacity − 1
   * @param timeOf the time of a slot, in whole milliseconds below {@link WHEEL_REACH_MS}; the one it was added with
   */
  constructor(capacity: number, timeOf: (slot: number) => number) {
    this.#timeOf = timeOf;
    this.#links = new Int32Array(2 * (BUCKETS + capacity));
    for (let at = 0; at < 2 * BUCKETS; at++) this.#links[at] = at >> 1;
  }

  grow(capacity: number): void {
    const links = new Int32Array(2 * (BUCKETS + capacity));
    links.set(this.#links);
    this.#links = links;
  }

  /** Adds a slot that is not in the wheel. */
  add(slot: number, timeMs: number, nowMs: number): void {
    // Nothing is due up to now, so the windows may follow the clock: what is near lands low and moves less.
    if (nowMs < this.#due && nowMs >= this.#windowStart[0]! + FAN) this.#moveTo(nowMs);
    this.#place(slot, timeMs);
  }

  /** Removes a slot that is in the wheel. */
  remove(slot: number): void {
    const links = this.#links;
    const at = 2 * (BUCKETS + slot);
    const previous = links[at]!;
    const next = links[at + 1]!;
    links[2 * previous + 1] = next;
    links[2 * next] = previous;
    if (previous === next) this.#occupied[next >>> 5]! &= ~(1 << (next & 31));
  }

  /** Whether {@link nextExpired} could find something; false is certain. */
  mayHaveExpired(nowMs: number): boolean {
    return nowMs >= this.#due;
  }

  /** A slot whose time is at or before now (the earliest such), or NO_SLOT. It stays until it is removed. */
  nextExpired(nowMs: number): number {
    while (nowMs >= this.#due) {
      const bucket = this.#firstOccupied();
      if (bucket === NO_SLOT) {
        this.#due = Number.POSITIVE_INFINITY;
        break;
      }
      const level = bucket >>> FAN_BITS;
      const startMs = this.#windowStart[level]! + (bucket & (FAN - 1)) * SPAN_MS[level]!;
      this.#due = startMs;
      if (startMs > nowMs) break;
      if (level === 0) return this.#links[2 * bucket + 1]! - BUCKETS;
      this.#moveTo(startMs);
      this.#moveDown(bucket);
    }
    return NO_SLOT;
  }

  #place(slot: number, timeMs: number): void {
    const windowStart = this.#windowStart;
    // A clock that went back must not put a slot before the window.
    const placedMs = Math.max(timeMs, windowStart[0]!);
    let level = 0;
    while (level < LEVELS - 1 && placedMs >= windowStart[level]! + SPAN_MS[level + 1]!) level++;
    const index = Math.trunc((placedMs - windowStart[level]!) / SPAN_MS[level]!);
    const bucket = level * FAN + index;
    const startMs = windowStart[level]! + index * SPAN_MS[level]!;
    if (startMs < this.#due) this.#due = startMs;

    this.#occupied[bucket >>> 5]! |= 1 << (bucket & 31);
    const links = this.#links;
    const node = BUCKETS + slot;
    const last = links[2 * bucket]!;
    links[2 * node] = last;
    links[2 * node + 1] = bucket;
    links[2 * last + 1] = node;
    links[2 * bucket] = node;
  }

  /** Moves the slots of a bucket, whose start the windows were just moved to, to the levels below. */
  #moveDown(bucket: number): void {
    const links = this.#links;
    let node = links[2 * bucket + 1]!;
    links.fill(bucket, 2 * bucket, 2 * bucket + 2);
    this.#occupied[bucket >>> 5]! &= ~(1 << (bucket & 31));
    this.#due = Number.POSITIVE_INFINITY;
    while (node !== bucket) {
      const next = links[2 * node + 1]!;
      this.#place(node - BUCKETS, this.#timeOf(node - BUCKETS));
      node = next;
    }
  }

  /** Only where no occupied bucket would be left behind. */
  #moveTo(timeMs: number): void {
    for (let level = 0; level < LEVELS; level++) {
      const spanMs = SPAN_MS[level + 1]!;
      this.#windowStart[level] = Math.floor(timeMs / spanMs) * spanMs;
    }
  }

  #firstOccupied(): number {
    const occupied = this.#occupied;
    for (let word = 0; word < occupied.length; word++) {
      const bits = occupied[word]!;
      if (bits !== 0) return word * 32 + (31 - Math.clz32(bits & -bits));
    }
    return NO_SLOT;
  }
}
