import type { Ttl } from '../../shared/cache.js';

export interface LocMemCacheOptions {
  /** The most entries, 1 to 2^23; 10,000 by default. What was used least recently makes room. */
  maxSize?: number;
  /** The most bytes, estimated: keys, values, and 128 an entry. No limit by default. */
  maxBytes?: number;
  /** How long entries live that are stored without a TTL; for ever by default. */
  defaultTtl?: Ttl;
  /** Milliseconds of a monotonic clock. By default `performance.now()`, read about once a millisecond. */
  clock?: () => number;
}

/** Their names. */
export const LOC_MEM_OPTIONS: readonly string[] = Object.keys({
  maxSize: true,
  maxBytes: true,
  defaultTtl: true,
  clock: true,
} satisfies Record<keyof LocMemCacheOptions, true>);
