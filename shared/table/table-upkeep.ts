import { randomUUID } from 'node:crypto';
import { parseSnapshot } from '../snapshot.js';
import { notify } from './look.js';
import type { TableAccess } from './table-access.js';
import { trim, trimState } from './trim.js';

/** Old floors are remembered this many to a lag. */
const SAMPLES_PER_LAG = 16;
/** Where nobody has trimmed for this many lags, a process too young to remember an old floor takes the present one. */
const NEGLECTED_LAGS = 5;

export interface TableUpkeepOptions {
  readonly access: TableAccess;
  /** A trim begins once in about this many written rows. */
  readonly trimEveryWrites: number;
  /** How far the floor of a trim lags behind the present. */
  readonly trimLagMs: number;
  /** Milliseconds of a monotonic clock. */
  readonly clock: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
}

interface Sample {
  readonly atMs: number;
  readonly floor: string;
  readonly incarnation: string;
}

/**
 * What a cache without a daemon does for itself behind its writes: it wakes the daemons on the same table, and trims it.
 * Both go on in the background, at most one of each at a time; what fails is left to the next time, since daemons look
 * without being woken, and any trim does the work of those before it.
 *
 * Whether a write begins a trim is left to chance, so that many processes of few writes each trim as often as one of many.
 */
export class TableUpkeep {
  readonly #options: TableUpkeepOptions;
  readonly #from = randomUUID();
  #samples: Sample[] = [];
  #notifying: Promise<void> | undefined;
  #notifyAgain = false;
  #trimming: Promise<void> | undefined;
  #stopped = false;
  /** Rows removed so far. */
  removed = 0;

  constructor(options: TableUpkeepOptions) {
    this.#options = options;
  }

  /** Rows were written, and committed. */
  wrote(rows: number): void {
    if (this.#stopped) return;
    if (this.#notifying === undefined) this.#notifying = this.#notify();
    else this.#notifyAgain = true;
    if (this.#trimming !== undefined || this.#options.random() * this.#options.trimEveryWrites >= rows) return;
    this.#trimming = this.#trim()
      .catch(() => {})
      .finally(() => {
        this.#trimming = undefined;
      });
  }

  /** Resolves when nothing is under way; a trim ends with the chunk it is at. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([this.#notifying, this.#trimming]);
  }

  /** One at a time: what is written while a NOTIFY is out needs one more, however much it is. */
  async #notify(): Promise<void> {
    const { access } = this.#options;
    do {
      this.#notifyAgain = false;
      await access
        .made()
        .then(({ schema }) => notify(access.db, schema, this.#from))
        .catch(() => {});
    } while (this.#notifyAgain);
    this.#notifying = undefined;
  }

  async #trim(): Promise<void> {
    const { access, clock, trimLagMs } = this.#options;
    const { schema } = await access.made();
    const state = await trimState(access.db, schema);
    if (state === undefined) return;
    const { incarnation } = state;
    const atMs = clock();
    const present = { atMs, floor: parseSnapshot(state.snapshot).xmin.toString(), incarnation };
    this.#samples = this.#samples.filter((sample) => sample.incarnation === incarnation);
    const newestMs = this.#samples.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
    if (atMs - newestMs >= trimLagMs / SAMPLES_PER_LAG) this.#samples.push(present);
    // Somebody else did it a moment ago.
    if (state.ms_ago < trimLagMs / 2) return;
    const last = this.#samples.findLastIndex((sample) => sample.atMs <= atMs - trimLagMs);
    const due = this.#samples[last] ?? (state.ms_ago > trimLagMs * NEGLECTED_LAGS ? present : undefined);
    this.#samples = this.#samples.slice(Math.max(0, last));
    if (due === undefined) return;
    const { floor } = due;
    this.removed += await trim(access.db, schema, { floor, incarnation, progress: () => !this.#stopped });
  }
}
