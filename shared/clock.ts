/** A monotonic clock and its timers, as an argument, so that a model can drive time itself. */
export interface Clock {
  /** Milliseconds, monotonic, from any origin. */
  now(): number;
  /** Calls back once after `ms`; the returned function calls it off. Does not keep the process alive. */
  after(ms: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  // Bound early: a test of the application that puts its own clock in place must not make what is kept fresh for ever.
  now: performance.now.bind(performance),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
