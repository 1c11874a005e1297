import { CacheError } from '../../shared/errors.js';

export { checkDelta } from '../../shared/arguments.js';

/** What `incr` made. A class of its own, so that a number that was set is never taken for a counter. */
export class Counter {
  count: number;

  constructor(count: number) {
    this.count = count;
  }

  /** @throws CacheError ERR_COUNTER_OVERFLOW beyond ±(2^53−1); the counter is left as it was */
  add(delta: number): number {
    const count = this.count + delta;
    if (!Number.isSafeInteger(count)) {
      throw new CacheError('ERR_COUNTER_OVERFLOW', `the counter is ${this.count}, and ${delta} was to be added`);
    }
    this.count = count;
    return count;
  }
}
