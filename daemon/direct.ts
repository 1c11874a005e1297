import type { Fill, FillResult } from '../shared/table/fill.js';
import type { LookResult } from '../shared/table/look.js';
import type { ReadResult } from '../shared/table/read.js';
import type { WriteBatch, WriteResult } from '../shared/table/write.js';
import { DIRECT_CONNECTIONS } from './connection-options.js';
import type { Packed } from './packed.js';
import { Statements } from './statements.js';
import type { Space, StatementSettings } from './tasks.js';

/** What a statement may hold to be sent from the main thread: a millisecond of its time, about. */
export const KEYS_MAX = 64;
/** Writes may be more: through a worker one of 200 takes the daemon 27 µs, sent from here 21 (docs/performance.md). */
export const WRITES_MAX = 256;
export const BYTES_MAX = 64 * 1024;
const FEW_LOOK_ROWS = 64;
/** After a read that found more than that, so many of the same namespace go to the workers at once. */
const READS_AFTER_BIG = 64;

/**
 * Small statements, sent by the main thread itself on connections of its own: a worker costs two hops between threads, in
 * time and in CPU more than a small statement does. What holds more than the limits would hold up the hits meanwhile, and
 * what finds all connections taken need not wait for them: both go to the workers.
 */
export class Direct {
  readonly #statements: Statements;
  readonly #onNotice: (text: string) => void;
  /** Reads of a namespace that are to be left to the workers. */
  readonly #leaves = new Map<string, number>();
  #readsOut = 0;
  #writesOut = 0;

  constructor(settings: StatementSettings, onNotice: (text: string) => void) {
    this.#statements = new Statements(settings, DIRECT_CONNECTIONS);
    this.#onNotice = onNotice;
  }

  /** @returns no rows where there are more than a few */
  async look(last: string | undefined): Promise<LookResult> {
    const result = await this.#statements.look(last, FEW_LOOK_ROWS);
    const notice = this.#statements.takeNotice();
    if (notice !== undefined) this.#onNotice(notice);
    return result;
  }

  notify(from: string): Promise<void> {
    return this.#statements.notify(from);
  }

  countListeners(): Promise<number> {
    return this.#statements.countListeners();
  }

  /** @returns undefined where the workers are to do it; a promise of that where the values turned out to be big */
  read(space: Space, keys: readonly string[]): Promise<ReadResult<Packed> | undefined> | undefined {
    if (keys.length > KEYS_MAX || this.#readsOut >= DIRECT_CONNECTIONS.reads) return undefined;
    const leave = this.#leaves.get(space.namespace);
    if (leave !== undefined) {
      if (leave > 1) this.#leaves.set(space.namespace, leave - 1);
      else this.#leaves.delete(space.namespace);
      return undefined;
    }
    return this.#read(space, keys);
  }

  async #read(space: Space, keys: readonly string[]): Promise<ReadResult<Packed> | undefined> {
    this.#readsOut += 1;
    try {
      const result = await this.#statements.readSmall(space, keys, Math.floor(BYTES_MAX / keys.length));
      if (result === undefined) this.#leaves.set(space.namespace, READS_AFTER_BIG);
      return result;
    } finally {
      this.#readsOut -= 1;
    }
  }

  /** @returns undefined where the workers are to do it */
  write(space: Space, batch: WriteBatch): Promise<WriteResult> | undefined {
    const { items, invalidated } = batch;
    if (items.length + invalidated.length > WRITES_MAX || !areSmall(items)) return undefined;
    return this.#asWrite(() => this.#statements.write(space, batch));
  }

  /** @returns undefined where the workers are to do it */
  fill(space: Space, fills: readonly Fill[]): Promise<FillResult> | undefined {
    if (fills.length > WRITES_MAX || !areSmall(fills)) return undefined;
    return this.#asWrite(() => this.#statements.fill(space, fills));
  }

  close(): Promise<void> {
    return this.#statements.close();
  }

  #asWrite<T>(write: () => Promise<T>): Promise<T> | undefined {
    if (this.#writesOut >= DIRECT_CONNECTIONS.writes) return undefined;
    this.#writesOut += 1;
    return write().finally(() => {
      this.#writesOut -= 1;
    });
  }
}

function areSmall(items: readonly { readonly bytes?: Uint8Array }[]): boolean {
  let bytes = 0;
  for (const item of items) bytes += item.bytes?.length ?? 0;
  return bytes <= BYTES_MAX;
}
