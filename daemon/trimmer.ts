import type { Clock } from './clock.js';
import type { Database } from './database.js';
import type { Follower } from './follower.js';

/** Old floors that are remembered: enough for any lag at any interval. */
const SAMPLES_MAX = 1_000;

interface Sample {
  readonly atMs: number;
  readonly xmin: bigint;
  readonly incarnation: string;
}

export interface TrimmerOptions {
  readonly clock: Clock;
  readonly database: Pick<Database, 'trim'>;
  readonly follower: Pick<Follower, 'sight'>;
  readonly intervalMs: number;
  readonly lagMs: number;
  /** From 0 to 1. */
  readonly random: () => number;
  onFailure(error: Error): void;
  onTrimmed(rows: number): void;
}

/**
 * Trims table and log from time to time. The floor lags behind the present, so that few loads and no living follower are
 * caught below it; safety does not depend on it.
 */
export class Trimmer {
  readonly #options: TrimmerOptions;
  #samples: Sample[] = [];
  #callOff: (() => void) | undefined;
  #stopped = false;

  constructor(options: TrimmerOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, intervalMs, random } = this.#options;
    if (this.#stopped) return;
    // Jitter keeps the daemons of a cluster from coming all at once; the first to come does the work for all.
    this.#callOff = clock.after(intervalMs * (0.75 + random() / 2), () => {
      void this.#round().then(() => this.start());
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#callOff?.();
  }

  async #round(): Promise<void> {
    const { clock, database, follower, intervalMs, lagMs, onFailure, onTrimmed } = this.#options;
    const { sight } = follower;
    if (sight === undefined) return;
    this.#samples.push({ atMs: clock.now(), xmin: sight.snapshot.xmin, incarnation: sight.incarnation });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    const dueMs = clock.now() - lagMs;
    const last = this.#samples.findLastIndex(
      (sample) => sample.atMs <= dueMs && sample.incarnation === sight.incarnation,
    );
    const due = this.#samples[last];
    if (due === undefined) return;
    this.#samples = this.#samples.slice(last);
    try {
      onTrimmed(await database.trim(due.xmin.toString(), due.incarnation, intervalMs / 2));
    } catch (error) {
      onFailure(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
