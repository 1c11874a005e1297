import type { Cache } from '../../shared/cache.js';
import { type Fill, KeyLanes } from './key-lanes.js';

/** What a question to the far tier turned out to be. */
export interface Fate {
  /** Whether the far tier has the value that the question brings. */
  isStored: boolean;
}

export interface NearValue {
  readonly value: unknown;
  /** undefined where only the far tier knows how long the value lives */
  readonly ttlMs: number | undefined;
}

interface Flying {
  readonly fill: Fill;
  readonly value: Promise<unknown>;
}

export const MISS = Symbol('miss');

/** Questions to the far tier that are out, by key. */
export type Flights = Map<string, Flying>;

/** Keeps the near tier's copies of what the far tier holds: filled by reads, replaced or dropped by writes, in order. */
export class NearCopies {
  readonly #near: Cache;
  readonly #far: Cache;
  readonly #ttlMs: number;
  readonly #now: () => number;
  readonly #lanes = new KeyLanes();

  constructor(near: Cache, far: Cache, ttlMs: number, now: () => number) {
    this.#near = near;
    this.#far = far;
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  /**
   * One question a key at a time: joins the one that is out, unless the key was written since it began. The near tier is
   * filled before the answer is given out, since a caller may change what it got.
   */
  read(flights: Flights, key: string, ask: (fate: Fate) => Promise<unknown>): Promise<unknown> {
    const known = flights.get(key);
    if (known !== undefined && this.#lanes.isCurrent(known.fill)) return known.value;
    const fill = this.#lanes.beginFill(key);
    const value = this.#ask(key, fill, ask).finally(() => {
      if (flights.get(key) === flight) flights.delete(key);
    });
    const flight: Flying = { fill, value };
    flights.set(key, flight);
    return value;
  }

  /** The far tier first; then the near one stores what `stored` says, or drops the key: also where the far one failed. */
  async write<R>(
    keys: readonly string[],
    act: () => Promise<R>,
    stored?: (key: string, result: R) => NearValue | undefined,
  ): Promise<R> {
    const sinceMs = this.#now();
    const writes = keys.map((key) => ({ key, write: this.#lanes.beginWrite(key) }));
    let outcome: { result: R } | undefined;
    try {
      outcome = { result: await act() };
      return outcome.result;
    } finally {
      await Promise.all(
        writes.map(({ key, write }) => {
          const near = outcome && stored?.(key, outcome.result);
          const store = near && this.#storing(key, near.value, near.ttlMs, sinceMs);
          return this.#lanes.endWrite(write, () => this.#near.delete(key), store);
        }),
      );
    }
  }

  /**
   * Voids what is under way when the far tier has answered: until then a fill may have read what was about to be dropped.
   * The near tier is emptied last, when no change of it that began earlier is still under way.
   */
  async invalidate(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } finally {
      this.#lanes.voidAll();
      await this.#lanes.settled();
      await this.#near.clear();
    }
  }

  async #ask(key: string, fill: Fill, ask: (fate: Fate) => Promise<unknown>): Promise<unknown> {
    const fate: Fate = { isStored: true };
    let store: (() => unknown) | undefined;
    try {
      const value = await ask(fate);
      if (fate.isStored && value !== MISS && value !== undefined && this.#lanes.isCurrent(fill)) {
        store = await this.#lived(key, value);
      }
      return value;
    } finally {
      // What fails here leaves the near tier without the key; the caller has its value or its error.
      await this.#lanes.endFill(fill, store).catch(() => {});
    }
  }

  /** Asks the far tier how long a value that it gave lives; after the value, so that the answer is not of one before. */
  async #lived(key: string, value: unknown): Promise<(() => unknown) | undefined> {
    const askedAtMs = this.#now();
    try {
      const leftSeconds = await this.#far.ttl(key);
      return this.#storing(key, value, leftSeconds === undefined ? undefined : leftSeconds * 1000, askedAtMs);
    } catch {
      return undefined;
    }
  }

  /** @returns what puts a value into the near tier for as long as it may be there; undefined where that is not known */
  #storing(key: string, value: unknown, ttlMs: number | undefined, sinceMs: number): (() => unknown) | undefined {
    if (ttlMs === undefined) return undefined;
    return () => {
      const leftMs = Math.floor(Math.min(this.#ttlMs, ttlMs - (this.#now() - sinceMs)));
      return leftMs >= 1 ? this.#near.set(key, value, leftMs / 1000) : this.#near.delete(key);
    };
  }
}
