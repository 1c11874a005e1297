import type { Load } from '../shared/cache.js';
import type { CheckedSetOptions } from '../shared/duration.js';
import { CacheError } from '../shared/errors.js';
import { LoadRun } from '../shared/load-run.js';
import { FLAG } from '../shared/protocol.js';
import type { Caller } from './caller.js';
import { LoadSkipped, packSkipped, packThrown } from './failures.js';
import { ABANDON, FILL, LOAD, type LoadAnswer } from './ops.js';
import { refuseInTransaction } from './transaction.js';

/**
 * `getOrSet`: asks the daemon for the value or for the right to load it. Each call asks by itself, also where another of
 * this process waits for the same key: the daemon alone knows which invalidations lie between the two.
 */
export class Loader {
  readonly #caller: Caller;
  readonly #abort = new AbortController();
  /** Loads that run while the daemon is away, by key. */
  readonly #local = new Map<string, Promise<unknown>>();

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Aborts the signal of every load that runs. */
  stop(reason: CacheError): void {
    this.#abort.abort(reason);
  }

  async getOrSet(key: string, load: Load<unknown>, options: CheckedSetOptions): Promise<unknown> {
    refuseInTransaction();
    const { near } = this.#caller;
    const held = this.#caller.nearFor(key)?.get(key);
    if (held !== undefined) return held;
    let answer: LoadAnswer;
    try {
      answer = await this.#ask(key);
    } catch (error) {
      if (error instanceof LoadSkipped) return load(new LoadRun(this.#abort.signal, options));
      if (this.#caller.degrades(error)) return this.#loadLocally(key, load, options);
      throw error;
    }
    for (;;) {
      if (answer.kind === 'value') return answer.value;
      if (answer.kind === 'nothing') return undefined;
      const run = new LoadRun(this.#abort.signal, options);
      const { token, epoch } = answer;
      const value = await this.#run(load, run, token, epoch);
      if (value === undefined || run.skipped) {
        this.#abandon(token, epoch, value === undefined ? undefined : packSkipped());
        return value;
      }
      const bytes = this.#pack(value, token, epoch);
      try {
        answer = await this.#caller.channel.call(FILL, [token, bytes, run.ttlMs, run.tags, key, near], epoch);
      } catch (error) {
        // Nobody else may have the value, but the caller asked for it before it was loaded.
        const leaseLost = error instanceof CacheError && error.code === 'ERR_INVALID_TOKEN';
        if (leaseLost || this.#caller.degrades(error)) return value;
        throw error;
      }
    }
  }

  async #ask(key: string): Promise<LoadAnswer> {
    const { channel, doubt, near } = this.#caller;
    const settled = this.#caller.settled(key);
    if (settled !== undefined) await settled;
    const mark = doubt.mark(key);
    const answer = await channel.call(LOAD, [mark === 0 ? 0 : FLAG.fromTable, key, near]);
    if (mark !== 0) doubt.settle(key, mark);
    return answer;
  }

  async #run(load: Load<unknown>, run: LoadRun, token: number, epoch: number): Promise<unknown> {
    try {
      return await load(run);
    } catch (error) {
      this.#abandon(token, epoch, packThrown(error));
      throw error;
    }
  }

  #pack(value: unknown, token: number, epoch: number): Uint8Array {
    try {
      return this.#caller.pack(value);
    } catch (error) {
      this.#abandon(token, epoch, packThrown(error));
      throw error;
    }
  }

  /** Nobody waits for it: where it does not arrive, the daemon has seen the connection go and passed the load on. */
  #abandon(token: number, epoch: number, error: Uint8Array | undefined): void {
    this.#caller.channel.call(ABANDON, [token, error], epoch).catch(() => {});
  }

  #loadLocally(key: string, load: Load<unknown>, options: CheckedSetOptions): Promise<unknown> {
    let loading = this.#local.get(key);
    if (loading === undefined) {
      loading = (async () => load(new LoadRun(this.#abort.signal, options)))().finally(() => this.#local.delete(key));
      this.#local.set(key, loading);
    }
    return loading;
  }
}
