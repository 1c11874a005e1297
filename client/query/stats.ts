/** Counters of a query cache, from its creation or the last `reset`. */
export class CacheStats {
  hits = 0;
  misses = 0;
  sets = 0;
  /** All of the following together. */
  invalidations = 0;
  tableInvalidations = 0;
  rowInvalidations = 0;
  /** Queries that were not cached; the option `onBypass` of `cachedPool` tells why. */
  bypasses = 0;
  /** Those of them that would have been cached, and ran directly, as caching them costs more time than it saves. */
  direct = 0;

  /** Hits by hits and misses: from 0 to 1, and 0 where nothing was asked. */
  get hitRate(): number {
    const asked = this.hits + this.misses;
    return asked === 0 ? 0 : this.hits / asked;
  }

  reset(): void {
    this.hits = 0;
    this.misses = 0;
    this.sets = 0;
    this.invalidations = 0;
    this.tableInvalidations = 0;
    this.rowInvalidations = 0;
    this.bypasses = 0;
    this.direct = 0;
  }
}
