import type { Clock } from './clock.js';
import type { Follower } from './follower.js';
import type { KeptEntry, Memory } from './memory.js';
import type { Awaitable, NamedValue } from './namespace.js';
import type { Packed } from './packed.js';
import type { Reads } from './reads.js';
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
    const found = this.find(key, fromTable);
    return found instanceof Promise ? found.then(bytesOf) : found?.bytes;
  }

  /** No promise where memory has all; the clock is read once for all of them. */
  getMany(keys: readonly string[], fromTable: boolean): Awaitable<(Packed | undefined)[]> {
    const nowMs = this.#options.clock.now();
    const found: Awaitable<Packed | undefined>[] = [];
    let isWaiting = false;
    for (const key of keys) {
      const entry = fromTable ? undefined : this.fromMemory(key, nowMs);
      isWaiting ||= entry === undefined;
      found.push(entry?.bytes ?? this.#inTable(key, !fromTable).then(bytesOf));
    }
    return isWaiting ? Promise.all(found) : (found as Packed[]);
  }

  find(key: string, fromTable: boolean): Awaitable<NamedValue | undefined> {
    return fromTable ? this.#inTable(key, false) : (this.fromMemory(key) ?? this.#inTable(key, true));
  }

  /** Memory answers only before the bound: past it, it might hold what was invalidated long ago. */
  fromMemory(key: string, nowMs = this.#options.clock.now()): KeptEntry | undefined {
    const { follower, memory, stats } = this.#options;
    const entry = follower.isFresh(nowMs) ? memory.get(key, nowMs) : undefined;
    if (entry === undefined) stats.memoryMisses += 1;
    else stats.memoryHits += 1;
    return entry;
  }

  async #inTable(key: string, tryMemory: boolean): Promise<NamedValue | undefined> {
    const { reads, stats } = this.#options;
    const landed = tryMemory ? reads.landed(key) : undefined;
    if (landed !== undefined) {
      await landed;
      const entry = this.fromMemory(key);
      if (entry !== undefined) return entry;
    }
    const { entry } = await reads.ask(key);
    stats.countTable(entry !== undefined);
    return entry;
  }
}

function bytesOf(value: NamedValue | undefined): Packed | undefined {
  return value?.bytes;
}

/** No promise where all is at hand. */
export function together<T>(answers: readonly Awaitable<T>[]): Awaitable<T[]> {
  return answers.some((answer) => answer instanceof Promise) ? Promise.all(answers) : (answers as T[]);
}
