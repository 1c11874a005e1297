import type { CacheStatistics, TierStats } from '../../shared/cache.js';

export interface TierCount {
  hits: number;
  misses: number;
}

const NOTHING: TierStats = {
  hits: 0,
  misses: 0,
  sets: 0,
  evictions: 0,
  expirations: 0,
  invalidations: 0,
  bytes: 0,
  entries: 0,
};

/**
 * The statistics of a cache of two tiers. A read that l1 misses is asked of l2 too: it is one miss only where both do.
 * What is stored counts in l2, where all of it is; what is held takes space in both.
 */
export function tierStats(
  near: CacheStatistics,
  far: CacheStatistics | undefined,
  counts: Readonly<Record<'l1' | 'l2', TierCount>>,
): CacheStatistics {
  const l1: TierStats = { ...onlyTier(near), ...counts.l1 };
  const l2: TierStats = { ...onlyTier(far ?? NOTHING), ...counts.l2 };
  const hits = l1.hits + l2.hits;
  const misses = l2.misses;
  return {
    ...l2,
    hits,
    misses,
    evictions: l1.evictions + l2.evictions,
    bytes: l1.bytes + l2.bytes,
    hitRate: hits + misses === 0 ? 0 : hits / (hits + misses),
    tiers: { l1, l2, ...named('l1', near), ...(far && named('l2', far)) },
  };
}

function onlyTier({ hits, misses, sets, evictions, expirations, invalidations, bytes, entries }: TierStats): TierStats {
  return { hits, misses, sets, evictions, expirations, invalidations, bytes, entries };
}

/** The tiers of a tier that has several, as `l2.memory`. */
function named(prefix: string, { tiers }: CacheStatistics): Record<string, TierStats> {
  const entries = Object.entries(tiers);
  return entries.length < 2 ? {} : Object.fromEntries(entries.map(([name, stats]) => [`${prefix}.${name}`, stats]));
}
