import type { Fill, FillResult } from '../shared/table/fill.js';
import type { Clock } from './clock.js';
import { type Database, DatabaseFailure } from './database.js';

/** Statements of one namespace that offer loads' values and may be out at once; what comes meanwhile goes into the next. */
const FILL_STATEMENTS_OUT_MAX = 2;
const FILLS_PER_STATEMENT_MAX = 500;
const BYTES_PER_STATEMENT_MAX = 4 * 1024 * 1024;

/** What became of a value that was offered. */
export interface FillAnswer {
  readonly stored: boolean;
  /** When the statement was sent, from which its life counts. */
  readonly sentMs: number;
}

interface Waiting {
  readonly fill: Fill;
  /** After a statement of many was refused, for one that is locked or can't be stored: each goes by itself. */
  isAlone: boolean;
  resolve(answer: FillAnswer): void;
  reject(error: unknown): void;
}

export interface FillsOptions {
  readonly namespace: string;
  readonly database: Pick<Database, 'fill'>;
  readonly clock: Clock;
  /** Runs something when what this turn of the loop offers has been offered. */
  readonly defer: (run: () => void) => void;
}

/** Offers of one namespace to its table, gathered into statements. Each has a base of its own, and is judged by itself. */
export class Fills {
  readonly #options: FillsOptions;
  #queued: Waiting[] = [];
  /** Keys whose statement is out: two of one key are two statements, one after the other. */
  readonly #out = new Set<string>();
  #statementsOut = 0;
  #isFlushing = false;

  constructor(options: FillsOptions) {
    this.#options = options;
  }

  /** @throws (rejects) what the statement did: whether the value was stored is then not known */
  offer(fill: Fill): Promise<FillAnswer> {
    return new Promise((resolve, reject) => {
      this.#queued.push({ fill, isAlone: false, resolve, reject });
      this.#flushSoon();
    });
  }

  #flushSoon(): void {
    if (this.#isFlushing || this.#queued.length === 0 || this.#statementsOut >= FILL_STATEMENTS_OUT_MAX) return;
    this.#isFlushing = true;
    this.#options.defer(() => {
      this.#isFlushing = false;
      while (this.#statementsOut < FILL_STATEMENTS_OUT_MAX) {
        const batch = this.#take();
        if (batch.length === 0) return;
        void this.#send(batch);
      }
    });
  }

  /** Takes what may go out now, in one pass. */
  #take(): Waiting[] {
    const batch: Waiting[] = [];
    const left: Waiting[] = [];
    let bytes = 0;
    let isFull = false;
    for (const one of this.#queued) {
      const { key, bytes: value } = one.fill;
      isFull ||= batch.length >= FILLS_PER_STATEMENT_MAX || (batch.length > 0 && (one.isAlone || batch[0]!.isAlone));
      isFull ||= batch.length > 0 && bytes + value.length > BYTES_PER_STATEMENT_MAX;
      if (isFull || this.#out.has(key)) {
        left.push(one);
        continue;
      }
      batch.push(one);
      this.#out.add(key);
      bytes += value.length;
    }
    this.#queued = left;
    return batch;
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    const { database, namespace, clock } = this.#options;
    this.#statementsOut += 1;
    const sentMs = clock.now();
    try {
      const fills = batch.map(({ fill }) => fill);
      const { stored }: FillResult = await database.fill(namespace, fills);
      const kept = new Set(stored);
      for (const { fill, resolve } of batch) resolve({ stored: kept.has(fill.key), sentMs });
    } catch (error) {
      const isForOne = batch.length > 1 && error instanceof DatabaseFailure && error.kind === 'refused';
      for (const one of batch) {
        if (!isForOne) one.reject(error);
        else this.#queued.push(Object.assign(one, { isAlone: true }));
      }
    }
    for (const { fill } of batch) this.#out.delete(fill.key);
    this.#statementsOut -= 1;
    this.#flushSoon();
  }
}
