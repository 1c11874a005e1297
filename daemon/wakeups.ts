import type { Clock } from './clock.js';
import type { Database } from './database.js';

/**
 * The least and the greatest time from one wake-up to the next, and between them: how many times as long as the last one
 * took. Each costs the database a transaction and every daemon a look, together more than the write that it tells of, so
 * that on a busy machine they are paced by what they cost. Under a stream of writes the others hear of it this often.
 */
export const WAKEUP_GAP_MS_MIN = 2;
export const WAKEUP_GAP_MS_MAX = 20;
export const WAKEUP_GAP_FACTOR = 4;

export interface WakeupsOptions {
  readonly database: Pick<Database, 'notify'>;
  readonly clock: Clock;
  /** Runs something when what this turn of the loop has to tell was told: whoever wrote need not wait for the wake-up. */
  defer(run: () => void): void;
  /** The least time from one wake-up to the next that the number of listeners asks for. */
  crowdGapMs(): number;
}

/**
 * The wake-ups that this daemon sends, one at a time: the first write after a pause is announced at once, what is written
 * while one is under way, or so soon after it, by the next. A lost one costs others latency, no more, so failures are left
 * alone.
 *
 *     idle -- send --> waiting -- gap over, callers told --> under way -- answered ----------------> idle
 *                                                            under way -- answered, send meanwhile --> waiting
 */
export class Wakeups {
  readonly #options: WakeupsOptions;
  #state: 'idle' | 'waiting' | 'under way' = 'idle';
  #again = false;
  #nextMs = Number.NEGATIVE_INFINITY;

  constructor(options: WakeupsOptions) {
    this.#options = options;
  }

  /** Something was written. */
  send(): void {
    if (this.#state === 'under way') this.#again = true;
    else if (this.#state === 'idle') this.#sendInTime();
  }

  #sendInTime(): void {
    const waitMs = this.#nextMs - this.#options.clock.now();
    this.#state = 'waiting';
    if (waitMs <= 0) this.#options.defer(() => void this.#send());
    else this.#options.clock.after(waitMs, () => void this.#send());
  }

  async #send(): Promise<void> {
    this.#state = 'under way';
    this.#again = false;
    const { database, clock, crowdGapMs } = this.#options;
    const sentMs = clock.now();
    await database.notify().catch(() => {});
    const gapMs = (clock.now() - sentMs) * WAKEUP_GAP_FACTOR;
    this.#nextMs = sentMs + Math.max(crowdGapMs(), Math.min(WAKEUP_GAP_MS_MAX, Math.max(WAKEUP_GAP_MS_MIN, gapMs)));
    this.#state = 'idle';
    if (this.#again) this.#sendInTime();
  }
}
