/** How long to wait between attempts to connect. */
export const BACKOFF = { firstMs: 50, factor: 2, maxMs: 5000 } as const;

/**
 * Exponential with jitter: between half of the step and all of it, so that the clients of a daemon that went away do
 * not all come back at once.
 * @param attempt 0 for the first wait
 * @param random a number from 0 (included) to 1 (excluded)
 */
export function backoffMs(attempt: number, random: () => number): number {
  const step = Math.min(BACKOFF.maxMs, BACKOFF.firstMs * BACKOFF.factor ** attempt);
  return step / 2 + (random() * step) / 2;
}
