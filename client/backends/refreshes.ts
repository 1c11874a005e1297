import { CacheError } from '../../shared/errors.js';
import type { Flight } from './flight.js';

interface Refresh {
  readonly flight: Flight;
  /** From when the new value is on its way to the backend. */
  storing: Promise<void> | undefined;
}

/**
 * Loads that run in the background while the value they will replace is still served: one a key at a time. A refresh
 * must not bring back what was written or dropped while it ran:
 *
 *     A: load reads the row … B: the row changes, delete(k) … A: stores what it read
 *
 * so a write of a key voids its refresh, waits for a store of it that is out, and lets none begin before it is done.
 */
export class Refreshes {
  readonly #byKey = new Map<string, Refresh>();
  readonly #held = new Map<string, number>();
  #allHeld = 0;
  #completed = 0;
  #failed = 0;

  /** How many have stored a value. */
  get completed(): number {
    return this.#completed;
  }

  /** How many have come to nothing because the load or the backend failed. */
  get failed(): number {
    return this.#failed;
  }

  /**
   * Begins a refresh unless one of the key is out, or a write of it.
   * @param compute brings what is to be stored as a function that stores it, or undefined for nothing
   */
  begin(key: string, flight: Flight, compute: () => Promise<(() => unknown) | undefined>): void {
    if (this.#byKey.has(key) || this.#held.has(key) || this.#allHeld > 0) return;
    const run = async (): Promise<void> => {
      try {
        const store = await compute();
        if (store === undefined || !flight.storable) return;
        refresh.storing = Promise.resolve(store()).then(() => {});
        await refresh.storing;
        this.#completed++;
      } catch {
        this.#failed++;
      } finally {
        this.#byKey.delete(key);
      }
    };
    const refresh: Refresh = { flight, storing: undefined };
    this.#byKey.set(key, refresh);
    void run();
  }

  /** Writes keys: no refresh of theirs stores anything from here on that began before the write was done. */
  async holding<R>(keys: readonly string[], write: () => R | Promise<R>): Promise<R> {
    for (const key of keys) this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    try {
      await Promise.all(keys.map((key) => this.#void(this.#byKey.get(key))));
      return await write();
    } finally {
      for (const key of keys) {
        const others = this.#held.get(key)! - 1;
        if (others === 0) this.#held.delete(key);
        else this.#held.set(key, others);
      }
    }
  }

  /** Invalidates: of all, or of the refreshes whose value has one of the tags. */
  async holdingAll<R>(tags: readonly string[] | undefined, write: () => R | Promise<R>): Promise<R> {
    this.#allHeld++;
    try {
      await Promise.all([...this.#byKey.values()].map((refresh) => this.#void(refresh, tags)));
      return await write();
    } finally {
      this.#allHeld--;
    }
  }

  /** Voids all that are out, and tells their loads. */
  async close(): Promise<void> {
    this.#allHeld++;
    const out = [...this.#byKey.values()];
    for (const { flight } of out) flight.abort(new CacheError('ERR_CLOSED', 'the cache was closed'));
    await Promise.all(out.map((refresh) => this.#void(refresh)));
  }

  async #void(refresh: Refresh | undefined, tags?: readonly string[]): Promise<void> {
    if (refresh === undefined) return;
    if (tags === undefined) refresh.flight.voided = true;
    else refresh.flight.invalidate(tags);
    await refresh.storing?.catch(() => {});
  }
}
