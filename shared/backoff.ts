/** Bounds of an exponential back-off, in milliseconds: the first step, and the step that is not exceeded. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * How long to wait before another attempt: steps that double, and with a random source anything from half of the step
 * to all of it, so that those who failed together do not all come back at once.
 * @param attempt 0 for the first wait
 * @param random a number from 0 (included) to 1 (excluded); without one there is no jitter
 */
export function backoffMs({ firstMs, maxMs }: Backoff, attempt: number, random?: () => number): number {
  const step = Math.min(maxMs, firstMs * 2 ** attempt);
  return random === undefined ? step : step / 2 + (random() * step) / 2;
}
