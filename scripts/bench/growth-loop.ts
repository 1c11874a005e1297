/** Calls in flight of the measurements of growth and scale, and entries that are stored at once. */
export const LOOP_IN_FLIGHT = 64;
export const STORED_AT_ONCE = 500;

/** Calls over and over, so many in flight, until the time is up. @returns calls and milliseconds */
export async function loop(
  call: (index: number) => Promise<unknown>,
  inFlight: number,
  durationMs: number,
): Promise<{ calls: number; ms: number }> {
  const from = performance.now();
  let calls = 0;
  const lane = async () => {
    while (performance.now() - from < durationMs) await call(calls++);
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return { calls, ms: performance.now() - from };
}
