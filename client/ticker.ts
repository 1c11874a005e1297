/** How exact deadlines are. */
export const TICK_MS = 25;

/**
 * The one timer of a connection's deadlines, counted in ticks. It runs while there are deadlines, and keeps the process
 * alive while somebody holds it. A process that blocks its loop for long sees one tick, not many: the answers that came
 * in meanwhile are read before the next.
 */
export class Ticker {
  /** From 1. */
  tick = 1;
  readonly #onTick: (tick: number) => void;
  #timer: NodeJS.Timeout | undefined;
  #holders = 0;

  constructor(onTick: (tick: number) => void) {
    this.#onTick = onTick;
  }

  /** The first tick that is later than now by at least that long; starts the timer. */
  after(ms: number): number {
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#onTick(++this.tick), TICK_MS);
      if (this.#holders === 0) this.#timer.unref();
    }
    return this.tick + Math.ceil(ms / TICK_MS) + 1;
  }

  hold(): void {
    if (this.#holders++ === 0) this.#timer?.ref();
  }

  release(): void {
    if (--this.#holders === 0) this.#timer?.unref();
  }

  /** To be called when there are no deadlines. */
  rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
