import { backoffMs } from '../shared/backoff.js';
import { RECONNECT } from './connection.js';

/** Keys remembered one by one; more than these, and the namespace is cleared instead. */
const OWED_KEYS_MAX = 10_000;

export interface OwedActions {
  deleteKeys(keys: readonly string[]): Promise<unknown>;
  clear(): Promise<unknown>;
}

/**
 * Deletes owed for writes that were dropped. The caller of a dropped `set` was told that all is well, so nobody may read
 * the older value after it: its key is deleted as soon as that can be done, and before this process reads it again.
 */
export class OwedDeletes {
  readonly #actions: OwedActions;
  readonly #random: () => number;
  /** By key, the number of the drop: a key dropped again while its delete is out stays owed. */
  readonly #keys = new Map<string, number>();
  #all = 0;
  /** How often something was dropped. */
  count = 0;
  #attempt = 0;
  #settling: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(actions: OwedActions, random: () => number) {
    this.#actions = actions;
    this.#random = random;
  }

  add(keys: Iterable<string>): void {
    this.count++;
    for (const key of keys) this.#keys.set(key, this.count);
    if (this.#keys.size > OWED_KEYS_MAX) {
      this.#all = this.count;
      this.#keys.clear();
    }
    this.#retryLater();
  }

  get any(): boolean {
    return this.#all > 0 || this.#keys.size > 0;
  }

  /** Whether the key is to be deleted before it is looked at. */
  has(key: string): boolean {
    return this.#all > 0 || (this.#keys.size > 0 && this.#keys.has(key));
  }

  /** These keys were written or deleted after all, by a call made when `count` was `asked`; later drops stay owed. */
  forget(keys: Iterable<string>, asked: number): void {
    for (const key of keys) if ((this.#keys.get(key) ?? asked + 1) <= asked) this.#keys.delete(key);
  }

  forgetAll(asked: number): void {
    if (this.#all <= asked) this.#all = 0;
    this.forget([...this.#keys.keys()], asked);
  }

  /** Deletes what is owed; rejects with the error if that cannot be done now. */
  settle(): Promise<void> {
    this.#settling ??= this.#settle().finally(() => {
      this.#settling = undefined;
    });
    return this.#settling;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#keys.clear();
    this.#all = 0;
  }

  async #settle(): Promise<void> {
    while (this.any) {
      const upTo = this.count;
      try {
        if (this.#all > 0) await this.#actions.clear();
        else await this.#actions.deleteKeys([...this.#keys.keys()]);
      } catch (error) {
        this.#retryLater();
        throw error;
      }
      this.forgetAll(upTo);
      this.#attempt = 0;
    }
  }

  #retryLater(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.settle().catch(() => {});
      },
      backoffMs(RECONNECT, this.#attempt++, this.#random),
    );
    this.#timer.unref();
  }
}
