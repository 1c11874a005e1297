/**
 * What one look costs Postgres, and what it costs to deliver one wake-up to one listener: milliseconds of CPU, measured
 * (docs/performance.md). Both grow with the daemons that follow one log.
 */
const LOOK_MS = 0.15;
const DELIVERY_MS = 0.05;
/** Cores of the database that looks may take together, and deliveries of the wake-ups that one daemon sends. */
const CORES_FOR_LOOKS = 0.2;
const CORES_FOR_DELIVERIES = 0.2;

/**
 * How many daemons follow the log, as far as is known, and how often each may look and wake the others, so that following
 * takes a small part of the database however many they are. Only a stream of writes is paced: after a pause the first is
 * announced, and looked for, at once.
 */
export class Crowd {
  #listeners = 1;

  set listeners(count: number) {
    this.#listeners = Math.max(1, count);
  }

  /** The least time from one look to the next. */
  get lookGapMs(): number {
    return (this.#listeners * LOOK_MS) / CORES_FOR_LOOKS;
  }

  /** The least time from one wake-up to the next. */
  get wakeupGapMs(): number {
    return (this.#listeners * DELIVERY_MS) / CORES_FOR_DELIVERIES;
  }
}
