import type { Load } from '../shared/cache.js';
import { CacheError } from '../shared/errors.js';
import type { CheckedLoadOptions } from '../shared/load-options.js';
import { FLAG } from '../shared/protocol.js';
import type { Caller } from './caller.js';
import { LoadSkipped, packSkipped, packThrown } from './failures.js';
import { ABANDON, FILL, type LoadAnswer, STALE } from './load-ops.js';
import { type PartReader, within } from './parts.js';
import { withPatience } from './patience.js';
import { Running } from './running.js';

type Granted = Extract<LoadAnswer, { kind: 'load' }>;

/** A load that runs while the daemon is away. */
interface LocalLoad {
  readonly running: Running;
  /** The last call that was made before it began, by its number. */
  readonly lastCall: number;
  /** Resolves when it has ended and is no longer there to be joined. */
  readonly ended: Promise<unknown>;
}

/** An answer, and why it is one under grace, if it is. */
interface Answer {
  readonly value: unknown;
  readonly staleBecause?: { readonly reason: unknown };
}

/**
 * `getOrSet`: asks the daemon for the value or for the right to load it. Each call asks by itself, also where another of
 * this process waits for the same key: the daemon alone knows which invalidations lie between the two.
 *
 *     asked -- value --------------------> answered
 *           -- value and load -----------> answered; the load goes on in the background
 *           -- load -- stored -----------> answered; refused: asked anew, at most once
 *                   -- threw ------------> under grace the value that has expired, else the error
 *     softTimeout passed ----------------> under grace the value that has expired; all else goes on
 *     hardTimeout passed ----------------> ERR_TIMEOUT; all else goes on
 */
export class Loader {
  readonly #caller: Caller;
  readonly #abort = new AbortController();
  /** Loads that run while the daemon is away, by key. */
  readonly #local = new Map<string, LocalLoad>();
  /** Calls so far: what tells those that came before a local load from those that came later. */
  #calls = 0;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Aborts the signal of every load that runs. */
  stop(reason: CacheError): void {
    this.#abort.abort(reason);
  }

  /**
   * Not async, nor is anything that a hit passes through: it is the promise of the daemon's answer, and one that is derived from
   * it. What comes after an answer is derived, too, and not begun where the answer is read: so it runs in the async context of
   * its caller (a load may read what he keeps in an AsyncLocalStorage), and in a turn of its own (a connection that is lost fails
   * all its calls, one after the other, before any of them begins a load of its own).
   * @param key in its stored form; the near tier does not have it
   */
  getOrSet(key: string, load: Load<unknown>, options: CheckedLoadOptions): Promise<unknown> {
    const { softTimeoutMs, hardTimeoutMs, isClusterWide, inherit, graceMs = 0, beta } = options;
    const call = ++this.#calls;
    const reader = this.#caller.reader();
    const flags = (isClusterWide ? FLAG.cluster : 0) | (inherit === false ? 0 : FLAG.inherits);
    const asked = this.#caller.askLoad(key, flags, graceMs, beta, reader);
    const failed = (error: unknown) => this.#failed(key, load, options, call, reader, error);
    if (softTimeoutMs === undefined && hardTimeoutMs === undefined) {
      return asked.then(
        (answer) => {
          reader?.keys([key]);
          return answer.kind === 'value' ? answer.value : tell(this.#answered(key, answer, load, options), options);
        },
        (error) => tell(failed(error), options),
      );
    }
    const work = asked.then((answer) => {
      reader?.keys([key]);
      return this.#answered(key, answer, load, options);
    }, failed);
    const late = () => new CacheError('ERR_TIMEOUT', `no value within the softTimeout of ${softTimeoutMs} ms`);
    const instead = () => this.#underGrace(key, options, late);
    return tell(withPatience(work, { softTimeoutMs, hardTimeoutMs, instead }), options);
  }

  async #answered(key: string, answer: LoadAnswer, load: Load<unknown>, options: CheckedLoadOptions): Promise<Answer> {
    if (answer.kind === 'load' && answer.isCurrent) {
      // What becomes of a refresh is told to those who wait for it, if anybody does; and it is no part of anything here.
      void within(undefined, () => this.#carryOut(key, answer, load, options)).catch(() => {});
      return { value: answer.value };
    }
    return this.#follow(key, answer, load, options);
  }

  async #failed(
    key: string,
    load: Load<unknown>,
    options: CheckedLoadOptions,
    call: number,
    reader: PartReader | undefined,
    error: unknown,
  ): Promise<Answer> {
    if (error instanceof LoadSkipped) return this.#loadAlone(key, load, options);
    if (this.#caller.degrades(error)) return { value: await this.#loadLocally(key, load, options, call) };
    reader?.lose();
    throw error;
  }

  async #follow(key: string, answer: LoadAnswer, load: Load<unknown>, options: CheckedLoadOptions): Promise<Answer> {
    if (answer.kind === 'value') return { value: answer.value };
    if (answer.kind === 'nothing') {
      // Nor is it known what the load read that came to nothing.
      this.#caller.reader()?.lose();
      return { value: undefined };
    }
    if (answer.kind === 'load') return this.#carryOut(key, answer, load, options);
    if (answer.error instanceof LoadSkipped) return this.#loadAlone(key, load, options);
    const reason =
      answer.error ?? new CacheError('ERR_DATABASE', 'the daemon answers under grace while Postgres does not');
    return { value: answer.value, staleBecause: { reason } };
  }

  async #carryOut(key: string, granted: Granted, load: Load<unknown>, options: CheckedLoadOptions): Promise<Answer> {
    const { token, epoch } = granted;
    const { near, channel } = this.#caller;
    const reader = this.#caller.reader();
    this.#refuseToInherit(options, token, epoch);
    const startedMs = performance.now();
    const running = this.#start(load, options, granted.isCurrent ? undefined : granted.value);
    const { run, parts } = running;
    let value: unknown;
    try {
      value = await running.result(key, reader);
    } catch (error) {
      this.#abandon(token, epoch, packThrown(error));
      const instead = await this.#underGrace(key, options, () => error, epoch);
      if (instead === undefined) throw error;
      return instead;
    }
    const names = parts === undefined ? [] : parts.list();
    if (value === undefined || run.skipped || names === undefined) {
      this.#abandon(token, epoch, value === undefined ? undefined : packSkipped());
      return { value };
    }
    const bytes = this.#pack(value, token, epoch);
    let answer: LoadAnswer;
    try {
      const deltaMs = performance.now() - startedMs;
      const terms = [run.ttlMs, run.tags, options.graceMs ?? 0, deltaMs, names] as const;
      answer = await channel.call(FILL, [0, token, bytes, ...terms, key, near, reader], epoch);
    } catch (error) {
      // Nobody else may have the value, but the caller asked for it before it was loaded.
      const leaseLost = error instanceof CacheError && error.code === 'ERR_INVALID_TOKEN';
      if (leaseLost || this.#caller.degrades(error)) return { value };
      reader?.lose();
      throw error;
    }
    return this.#follow(key, answer, load, options);
  }

  /** What the daemon has for a call that takes a value under grace; undefined where there is none. */
  async #underGrace(
    key: string,
    options: CheckedLoadOptions,
    reason: () => unknown,
    epoch?: number,
  ): Promise<Answer | undefined> {
    const { graceMs = 0 } = options;
    // What there is of a key that is owed a delete is older than a set that was acknowledged here.
    if (graceMs === 0 || this.#caller.isOwed(key)) return undefined;
    const answer = await this.#caller.channel
      .call(STALE, [key, this.#caller.near, this.#caller.reader(), graceMs], epoch)
      .catch(() => undefined);
    if (answer?.kind === 'value') return { value: answer.value };
    return answer?.kind === 'stale' ? { value: answer.value, staleBecause: { reason: reason() } } : undefined;
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
    this.#caller.channel.call(ABANDON, [0, token, error], epoch).catch(() => {});
  }

  /** For this call alone: nothing is stored. */
  async #loadAlone(key: string, load: Load<unknown>, options: CheckedLoadOptions): Promise<Answer> {
    return { value: await this.#start(load, options).result(key, this.#caller.reader()) };
  }

  /**
   * One load a key at a time answers all who had come before it began; who comes later waits for its end, and for the next:
   *
   *     A   loads k, and has read v1
   *     B   updates what k is made of; acknowledged
   *     B   asks for k: A's v1 is not for B
   */
  async #loadLocally(key: string, load: Load<unknown>, options: CheckedLoadOptions, call: number): Promise<unknown> {
    let local = this.#local.get(key);
    while (local !== undefined && local.lastCall < call) {
      await local.ended;
      local = this.#local.get(key);
    }
    if (local === undefined) {
      const lastCall = this.#calls;
      const running = this.#start(load, options);
      const forget = () => this.#local.delete(key);
      local = { running, lastCall, ended: running.result(key, undefined).then(forget, forget) };
      this.#local.set(key, local);
    }
    return local.running.result(key, this.#caller.reader());
  }

  #start(load: Load<unknown>, options: CheckedLoadOptions, stale?: unknown): Running {
    const place = options.inherit === false ? undefined : this.#caller.channel.place;
    return new Running(load, { signal: this.#abort.signal, terms: options, stale, place });
  }

  /** @throws CacheError ERR_INVALID_ARGUMENT */
  #refuseToInherit({ inherit }: CheckedLoadOptions, token: number, epoch: number): void {
    const { namespace, place } = this.#caller.channel;
    if (inherit !== true || place !== undefined) return;
    const problem = `inherit needs a namespace that lies whole on one database, which ${namespace} does not`;
    const error = new CacheError('ERR_INVALID_ARGUMENT', problem);
    this.#abandon(token, epoch, packThrown(error));
    throw error;
  }
}

/** The value of an answer; whoever asked to be told that it is one under grace is told first. */
async function tell(work: Promise<Answer>, { onStale }: CheckedLoadOptions): Promise<unknown> {
  const { value, staleBecause } = await work;
  if (staleBecause !== undefined) onStale?.(staleBecause.reason);
  return value;
}
