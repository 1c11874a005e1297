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
  readonly #filling = new Set<Promise<void>>();

  constructor(near: Cache, far: Cache, ttlMs: number, now: () => number) {
    this.#near = near;
    this.#far = far;
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  /** One question a key at a time: joins the one that is out, unless the key was written since it began. */
  read(flights: Flights, key: string, ask: (fate: Fate) => Promise<unknown>): Promise<unknown> {
    const known = flights.get(key);
    if (known !== undefined && this.#lanes.isCurrent(known.fill)) return known.value;
    const fill = this.#lanes.beginFill(key);
    const fate: Fate = { isStored: true };
    const value = ask(fate);
    const flight: Flying = { fill, value };
    flights.set(key, flight);
    const filling = this.#fill(key, fill, value, fate).finally(() => {
      this.#filling.delete(filling);
      if (flights.get(key) === flight) flights.delete(key);
    });
    this.#filling.add(filling);
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

  /** Resolves when the fills that are under way have ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#filling);
  }

  /** Never rejects: what fails here leaves the near tier without the key, and the caller has its value or its error. */
  async #fill(key: string, fill: Fill, asked: Promise<unknown>, fate: Fate): Promise<void> {
    let store: (() => unknown) | undefined;
    try {
      const value = await asked;
      if (fate.isStored && value !== MISS && value !== undefined && this.#lanes.isCurrent(fill)) {
        const askedAtMs = this.#now();
        const leftSeconds = await this.#far.ttl(key);
        store = this.#storing(key, value, leftSeconds === undefined ? undefined : leftSeconds * 1000, askedAtMs);
      }
    } catch {}
    await this.#lanes.endFill(fill, store).catch(() => {});
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
