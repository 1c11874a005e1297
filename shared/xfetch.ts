/**
 * XFetch: when to compute a value again before it expires, so that the many who read it never find it gone at once.
 * After Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, PVLDB 8(8), 2015. A read
 * at time `now` is picked when
 *
 *     now − δ · β · ln(random) ≥ expiry
 *
 * where δ is how long the value took to compute, and random is uniform in (0, 1]; so with r left, one read is picked
 * with probability e^(−r ÷ βδ).
 */

/** What was computed in no time that a clock could tell must still be computed again a little early. */
export const DELTA_MS_MIN = 1;

/**
 * How long before its expiry a value counts as expired for one read.
 * @param deltaMs how long it took to compute; undefined where nobody measured it
 * @param random uniform in [0, 1)
 */
export function leadMs(deltaMs: number | undefined, beta: number, random: number): number {
  return -Math.max(DELTA_MS_MIN, deltaMs ?? 0) * beta * Math.log(1 - random);
}
