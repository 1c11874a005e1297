import type { CacheStatistics, TierStats } from '../shared/cache.js';
import type { Memory } from './memory.js';

/** What one namespace counts, and how it is told by tier. A miss of memory that the table answers is a hit of the cache. */
export class StoreStats {
  memoryHits = 0;
  memoryMisses = 0;
  tableHits = 0;
  tableMisses = 0;
  sets = 0;
  invalidations = 0;
  /** Answers under grace. */
  stale = 0;

  countTable(hit: boolean): void {
    if (hit) this.tableHits += 1;
    else this.tableMisses += 1;
  }

  describe(figures: Memory['figures']): CacheStatistics {
    const { sets, invalidations, tableHits, tableMisses } = this;
    const none = { evictions: 0, expirations: 0, bytes: 0, entries: 0 };
    const memory: TierStats = { ...figures, hits: this.memoryHits, misses: this.memoryMisses, sets };
    const table: TierStats = { ...none, hits: tableHits, misses: tableMisses, sets, invalidations };
    const hits = this.memoryHits + tableHits;
    const asked = hits + tableMisses;
    const sum = { ...figures, hits, misses: tableMisses, sets, invalidations: invalidations + figures.invalidations };
    return { ...sum, hitRate: asked === 0 ? 0 : hits / asked, stale: this.stale, tiers: { memory, table } };
  }
}
