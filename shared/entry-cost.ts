/**
 * What an entry costs beside its key and value, in bytes: its place in the map, the list, the expiry index and the
 * arrays. `npm run bench:lru` measures 78 where the arrays are full, and 130 just after they doubled.
 */
export const ENTRY_OVERHEAD_BYTES = 128;

/**
 * What an entry counts for against maxBytes: its value, its key at two bytes a UTF-16 unit (the most that V8 takes for
 * one), and the fixed overhead.
 */
export function entryCostBytes(key: string, sizeBytes: number): number {
  return sizeBytes + 2 * key.length + ENTRY_OVERHEAD_BYTES;
}
