/** Numbers from 0 to below 1 that a seed repeats: mulberry32 by Tommy Ettinger. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from 0 to below the limit, the small ones most often. */
export type Zipf = (limit: number) => number;

/** Zipf's law with exponent 1, by inversion of its integral. @param random numbers from 0 to below 1 */
export function zipf(random: () => number): Zipf {
  return (limit) => Math.min(limit, Math.floor((limit + 1) ** random())) - 1;
}

/** One of them, each as often as its weight says. */
export function weighted<T extends { readonly weight: number }>(items: readonly T[], random: () => number): T {
  let left = random() * items.reduce((sum, { weight }) => sum + weight, 0);
  for (const item of items) {
    left -= item.weight;
    if (left < 0) return item;
  }
  return items[0]!;
}
