import type { Clock } from './clock.js';
import type { Follower } from './follower.js';
import type { KeptEntry, Memory } from './memory.js';
import type { Awaitable, NamedValue } from './namespace.js';
import type { Packed } from './packed.js';
import type { Asker, ReadAnswer, Reads } from './reads.js';
import type { StoreStats } from './store-stats.js';

export interface LookupsOptions {
  readonly clock: Clock;
  readonly follower: Pick<Follower, 'isFresh'>;
  readonly memory: Memory;
  readonly reads: Reads;
  readonly stats: StoreStats;
}

/** Plain reads of one namespace: memory before the table. */
export class Lookups {
  readonly #options: LookupsOptions;

  constructor(options: LookupsOptions) {
    this.#options = options;
  }

  get(key: string, fromTable: boolean): Awaitable<Packed | undefined> {
    const entry = fromTable ? undefined : this.fromMemory(key);
    if (entry !== undefined) return entry.bytes;
    const { reads, stats } = this.#options;
    return new Promise((resolve, reject) => {
      if (!fromTable && reads.isOut(key)) this.#ask(key, true, (found) => resolve(found?.bytes), reject);
      else reads.ask(key, new BytesAsker(stats, resolve, reject));
    });
  }

  /** No promise where memory has all; the clock is read once for all of them. */
  getMany(keys: readonly string[], fromTable: boolean): Awaitable<(Packed | undefined)[]> {
    const nowMs = this.#options.clock.now();
    const missing: number[] = [];
    const values = keys.map((key, index) => {
      const entry = fromTable ? undefined : this.fromMemory(key, nowMs);
      if (entry === undefined) missing.push(index);
      return entry?.bytes;
    });
    if (missing.length === 0) return values;
    return new Promise((resolve, reject) => {
      let left = missing.length;
      for (const index of missing) {
        const answered = (found: NamedValue | undefined) => {
          values[index] = found?.bytes;
          left -= 1;
          if (left === 0) resolve(values);
        };
        this.#ask(keys[index] as string, !fromTable, answered, reject);
      }
    });
  }

  find(key: string, fromTable: boolean): Awaitable<NamedValue | undefined> {
    const entry = fromTable ? undefined : this.fromMemory(key);
    return entry ?? new Promise((resolve, reject) => this.#ask(key, !fromTable, resolve, reject));
  }

  /** Memory answers only before the bound: past it, it might hold what was invalidated long ago. */
  fromMemory(key: string, nowMs = this.#options.clock.now()): KeptEntry | undefined {
    const { follower, memory, stats } = this.#options;
    const entry = follower.isFresh(nowMs) ? memory.get(key, nowMs) : undefined;
    if (entry === undefined) stats.memoryMisses += 1;
    else stats.memoryHits += 1;
    return entry;
  }

  /**
   * Asks the table, with callbacks and not by promises around promises.
   * @param tryMemory whether a read that is out already is waited for, and memory asked again
   */
  #ask(
    key: string,
    tryMemory: boolean,
    answered: (found: NamedValue | undefined) => void,
    failed: (error: Error) => void,
  ): void {
    const { reads, stats } = this.#options;
    const landed = tryMemory ? reads.landed(key) : undefined;
    if (landed !== undefined) {
      void landed.then(() => {
        const entry = this.fromMemory(key);
        if (entry === undefined) this.#ask(key, false, answered, failed);
        else answered(entry);
      });
      return;
    }
    reads.ask(key, {
      answered({ entry }) {
        stats.countTable(entry !== undefined);
        answered(entry);
      },
      failed,
    });
  }
}

/** Of a get, which most misses are: one object instead of four functions. */
class BytesAsker implements Asker {
  readonly #stats: StoreStats;
  readonly #resolve: (bytes: Packed | undefined) => void;
  readonly failed: (error: Error) => void;

  constructor(stats: StoreStats, resolve: (bytes: Packed | undefined) => void, failed: (error: Error) => void) {
    this.#stats = stats;
    this.#resolve = resolve;
    this.failed = failed;
  }

  answered({ entry }: ReadAnswer): void {
    this.#stats.countTable(entry !== undefined);
    this.#resolve(entry?.bytes);
  }
}

/** No promise where all is at hand. */
export function together<T>(answers: readonly Awaitable<T>[]): Awaitable<T[]> {
  return answers.some((answer) => answer instanceof Promise) ? Promise.all(answers) : (answers as T[]);
}
