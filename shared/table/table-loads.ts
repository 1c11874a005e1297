import type { Load } from '../cache.js';
import { unpack } from '../codec.js';
import type { CheckedSetOptions } from '../duration.js';
import type { CacheError } from '../errors.js';
import { LoadRun, REFUSALS_MAX } from '../load-run.js';
import type { Fill } from './fill.js';
import type { ReadResult } from './read.js';

/** How a flight ends. */
type Outcome =
  /** A value, for all who had asked before the instant `validBefore`. */
  | { readonly kind: 'value'; readonly bytes: Uint8Array; readonly validBefore: number }
  | { readonly kind: 'nothing'; readonly validBefore: number }
  | { readonly kind: 'failed'; readonly error: unknown; readonly validBefore: number }
  /** The load asked that its value is not shared. */
  | { readonly kind: 'skipped'; readonly validBefore: number };

export interface TableLoadsOptions {
  read(key: string): Promise<ReadResult>;
  /** @returns whether the value was stored */
  offer(fill: Fill): Promise<boolean>;
  /** @throws CacheError ERR_INVALID_VALUE, ERR_VALUE_TOO_LARGE */
  pack(value: unknown): Uint8Array;
  readonly defaultTtlMs: number;
  /** Names that the log knows the tags by. */
  namesOf(tags: readonly string[]): string[];
  /** A read for a `getOrSet` was answered. */
  onRead(isHit: boolean): void;
  onStored(): void;
}

/**
 * `getOrSet` on a table alone: read, load, and offer what the load brought, with the snapshot of the read that missed.
 *
 *     asked -- reading -- hit ---------------------------> value to all who had asked before the read was sent
 *                      -- miss -- loading -- stored -----> value to all who had asked before the load began
 *                                         -- refused ----> reading again; after the second refusal the loader has its value
 *                                         -- threw ------> the error to all who had asked before the load began
 *
 * One flight a key. Who comes too late for what a flight brings waits for its end and asks again, because between its read
 * and the late-comer's question there may have been an invalidation: A's read finds v1; B deletes the key and is told so;
 * B asks. B must not be given A's v1, which is on its way. Those who wait then share the next flight.
 */
export class TableLoads {
  readonly #options: TableLoadsOptions;
  readonly #flights = new Map<string, Promise<Outcome>>();
  readonly #abort = new AbortController();
  #instants = 0;

  constructor(options: TableLoadsOptions) {
    this.#options = options;
  }

  /** Aborts the signal of every load that runs. */
  stop(reason: CacheError): void {
    this.#abort.abort(reason);
  }

  async getOrSet(key: string, load: Load<unknown>, options: CheckedSetOptions): Promise<unknown> {
    const askedAt = ++this.#instants;
    for (let flight = this.#flights.get(key); flight !== undefined; flight = this.#flights.get(key)) {
      const outcome = await flight;
      if (askedAt >= outcome.validBefore) continue;
      if (outcome.kind === 'value') return unpack(outcome.bytes);
      if (outcome.kind === 'nothing') return undefined;
      if (outcome.kind === 'failed') throw outcome.error;
      return load(this.#newRun(options));
    }
    return this.#lead(key, load, options);
  }

  /** The caller whose load it is gets the very value, those who wait get copies. */
  async #lead(key: string, load: Load<unknown>, options: CheckedSetOptions): Promise<unknown> {
    let own: { value: unknown } | undefined;
    const flight = this.#fly(key, load, options, (value) => {
      own = { value };
    });
    this.#flights.set(key, flight);
    const outcome = await flight;
    if (outcome.kind === 'failed') throw outcome.error;
    if (own !== undefined) return own.value;
    return outcome.kind === 'value' ? unpack(outcome.bytes) : undefined;
  }

  /** Never rejects. */
  async #fly(
    key: string,
    load: Load<unknown>,
    options: CheckedSetOptions,
    keep: (value: unknown) => void,
  ): Promise<Outcome> {
    // Whoever asks in the same turn of the loop has asked before the read is sent.
    await null;
    let validBefore = 0;
    try {
      for (let refusals = 0; ; ) {
        validBefore = ++this.#instants;
        const missed = await this.#options.read(key);
        const found = missed.found[0];
        this.#options.onRead(found !== undefined);
        if (found !== undefined) return { kind: 'value', bytes: found.bytes, validBefore };
        validBefore = ++this.#instants;
        const run = this.#newRun(options);
        const value = await load(run);
        if (value === undefined) return { kind: 'nothing', validBefore };
        if (run.skipped) {
          keep(value);
          return { kind: 'skipped', validBefore };
        }
        const bytes = this.#options.pack(value);
        const isStored = await this.#offer(key, bytes, run, missed);
        if (isStored || ++refusals === REFUSALS_MAX) {
          keep(value);
          return { kind: 'value', bytes, validBefore };
        }
      }
    } catch (error) {
      return { kind: 'failed', error, validBefore };
    } finally {
      this.#flights.delete(key);
    }
  }

  async #offer(key: string, bytes: Uint8Array, run: LoadRun, missed: ReadResult): Promise<boolean> {
    const isStored = await this.#options.offer({
      key,
      bytes,
      ttlMs: run.ttlMs ?? this.#options.defaultTtlMs,
      names: this.#options.namesOf(run.tags),
      base: missed.snapshot,
      incarnation: missed.incarnation ?? '',
    });
    if (isStored) this.#options.onStored();
    return isStored;
  }

  #newRun(options: CheckedSetOptions): LoadRun {
    return new LoadRun(this.#abort.signal, options);
  }
}
