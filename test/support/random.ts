/** Numbers that repeat: from TEST_SEED, or from a seed of the test's own; the test names the seed when it fails. */
export function random(seedDefault = 1): { seed: number; next: (below: number) => number } {
  const seed = Number(process.env.TEST_SEED ?? seedDefault);
  let state = seed >>> 0;
  return {
    seed,
    /** A whole number from 0 to below that; mulberry32 by Tommy Ettinger. */
    next: (below) => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
    },
  };
}
