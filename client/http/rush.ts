import { type Clock, systemClock } from '../../shared/clock.js';

/** Of those who waited for one page in vain, so many run their handlers at first. */
export const RUSH_FIRST = 8;
/** So many more for each that has its answer: a hundred are through within four handlers' time. */
export const RUSH_GROWTH = 2;
/** Nobody waits longer: a handler may take long, or wait for one that is in the same line. */
export const RUSH_WAIT_MS = 5000;

interface Line {
  free: number;
  running: number;
  /** Those who wait for their turn, in the order that they came in; no more than the requests that waited for the page. */
  readonly waiting: Set<() => void>;
}

/**
 * All who waited for a page that turned out not to be shared, or whose handler failed, are told in the same moment. What has
 * just failed is not to be asked a hundred times at once: they go a few at a time, and more with each answer (as Varnish's
 * `rush_exponent` has it), so that a page that is nobody else's is not slow for it either.
 */
export class Rush {
  readonly #clock: Clock;
  readonly #lines = new Map<string, Line>();

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(key) ?? { free: RUSH_FIRST, running: 0, waiting: new Set() };
    this.#lines.set(key, line);
    if (line.free > 0) {
      line.free--;
      line.running++;
    } else await this.#turn(line);
    try {
      return await work();
    } finally {
      line.running--;
      for (let i = 0; i < RUSH_GROWTH; i++) {
        const [next] = line.waiting;
        if (next === undefined) line.free++;
        else next();
      }
      if (line.running === 0 && line.waiting.size === 0 && this.#lines.get(key) === line) this.#lines.delete(key);
    }
  }

  #turn(line: Line): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        line.waiting.delete(go);
        line.running++;
        callOff();
        resolve();
      };
      const callOff = this.#clock.after(RUSH_WAIT_MS, go);
      line.waiting.add(go);
    });
  }
}
