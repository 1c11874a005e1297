/** Keys in doubt, and keys no longer in doubt while all are, that are remembered one by one. */
const DOUBTED_KEYS_MAX = 10_000;

/**
 * How long a doubt about every key lasts. An invalidation of unknown outcome that has not committed by then has failed
 * at the daemon's own deadline; one that has committed has reached the daemon's memory through the log long before.
 */
const ALL_KEYS_MS = 60_000;

/**
 * Keys of which this process does not know what its own last write came to. The next read of such a key asks the table,
 * not memory: `mark` before the read says whether to, `settle` after it ends the doubt.
 */
export class Doubt {
  readonly #now: () => number;
  readonly #keys = new Map<string, number>();
  readonly #settled = new Set<string>();
  #all = 0;
  #allUntil = 0;
  #count = 0;

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** False while `mark` can only be 0. */
  get hasBeen(): boolean {
    return this.#count !== 0;
  }

  add(keys: Iterable<string>): void {
    this.#count++;
    for (const key of keys) {
      this.#keys.set(key, this.#count);
      this.#settled.delete(key);
    }
    if (this.#keys.size > DOUBTED_KEYS_MAX) this.addAll();
  }

  addAll(): void {
    this.#all = ++this.#count;
    this.#allUntil = this.#now() + ALL_KEYS_MS;
    this.#keys.clear();
    this.#settled.clear();
  }

  /** @returns 0 if there is no doubt about the key, else what to give to {@link settle} once it has been read */
  mark(key: string): number {
    if (this.#count === 0) return 0;
    const own = this.#keys.get(key);
    if (own !== undefined) return own;
    if (this.#all === 0 || this.#settled.has(key)) return 0;
    if (this.#now() < this.#allUntil) return this.#all;
    this.#all = 0;
    this.#settled.clear();
    return 0;
  }

  /** A doubt that arose after the mark was given stays. */
  settle(key: string, mark: number): void {
    if (this.#keys.get(key) === mark) this.#keys.delete(key);
    if (this.#all === 0 || this.#all > mark) return;
    if (this.#settled.size >= DOUBTED_KEYS_MAX) this.#settled.clear();
    this.#settled.add(key);
  }
}
