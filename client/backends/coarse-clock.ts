/**
 * A monotonic clock for hot paths. `read` may be behind: within a turn of the event loop it keeps saying what it said
 * first, until a millisecond's timer fires. So in code that blocks the loop, it stands still. `tick` is exact.
 */
export interface CoarseClock {
  read(): number;
  tick(): number;
}

/**
 * Reading `performance.now()` costs as much as a whole cache hit; this costs a comparison. The timer is set only by a
 * read, fires once, and does not keep the process alive.
 */
export function coarseClock(): CoarseClock {
  let nowMs = 0;
  let fresh = false;
  const forget = () => {
    fresh = false;
  };
  const tick = () => {
    nowMs = performance.now();
    if (!fresh) {
      fresh = true;
      setTimeout(forget, 1).unref();
    }
    return nowMs;
  };
  return { read: () => (fresh ? nowMs : tick()), tick };
}
