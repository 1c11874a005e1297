/** Below so many entries stored since the last renewal there is nothing to gain. */
const RENEWAL_SETS_MIN = 256;
/** A renewal copies what is there: at most one entry for so many that were stored. */
const SETS_PER_ENTRY = 4;

/**
 * A map of what comes and goes: calls, reads, leases. To the collector a plain Map is a trap for these. When many entries
 * have been deleted, V8 moves the others to a new table, and the old table points to the new one. A table that has become
 * old garbage keeps alive whatever it points to until all memory is searched: table after table, and with each of them the
 * entries that it held when it was left behind. So nearly every entry is copied twice and moved among the old ones, though it
 * had been deleted long before. Here a table is left behind altogether, now and then, and nothing points from it to the next.
 */
export class BriefMap<Key, Value> {
  #map = new Map<Key, Value>();
  #sets = 0;

  get size(): number {
    return this.#map.size;
  }

  get(key: Key): Value | undefined {
    return this.#map.get(key);
  }

  set(key: Key, value: Value): void {
    this.#sets += 1;
    if (isRenewalDue(this.#sets, this.#map.size)) {
      this.#map = renewed(this.#map);
      this.#sets = 0;
    }
    this.#map.set(key, value);
  }

  delete(key: Key): boolean {
    return this.#map.delete(key);
  }

  /** What is there now. Nothing may be stored while it is walked. */
  values(): IterableIterator<Value> {
    return this.#map.values();
  }
}

/** @param sets how many entries have been stored since the last renewal */
export function isRenewalDue(sets: number, size: number): boolean {
  return sets > RENEWAL_SETS_MIN && sets > SETS_PER_ENTRY * size;
}

/** The same map in a table that no other points to. */
export function renewed<Key, Value>(map: ReadonlyMap<Key, Value>): Map<Key, Value> {
  const fresh = new Map<Key, Value>();
  for (const [key, value] of map) fresh.set(key, value);
  return fresh;
}
