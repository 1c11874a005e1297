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
 * the older value after it: its key is deleted as soon as that can be done, and before this process reads or writes it
 * again. Before it writes, because the daemon takes deletes and sets as they come, and a delete on its way could undo a
 * later set, or take from a counter what was added since. A delete succeeds, or stays owed: it may reach Postgres after its
 * deadline here, and so may undo what comes later, as any write of unknown outcome may.
 */
export class OwedDeletes {
  readonly #actions: OwedActions;
  readonly #random: () => number;
  /** By key, the number of the drop: a key dropped again while its delete is out stays owed. */
  readonly #keys = new Map<string, number>();
  #all = 0;
  /** By key, the delete that is out. The key waits for it even if it is not owed any more. */
  readonly #deleting = new Map<string, Promise<unknown>>();
  #clearing: Promise<unknown> | undefined;
  /** How often something was dropped. */
  count = 0;
  #attempt = 0;
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
    return this.#all > 0 || this.#keys.size > 0 || this.#deleting.size > 0 || this.#clearing !== undefined;
  }

  /** Whether the key is to be settled before it is read or written. */
  has(key: string): boolean {
    if (this.#all > 0 || this.#clearing !== undefined) return true;
    return (this.#keys.size > 0 && this.#keys.has(key)) || (this.#deleting.size > 0 && this.#deleting.has(key));
  }

  /** These keys were deleted after all, by a call made when `count` was `asked`; later drops stay owed. */
  forget(keys: Iterable<string>, asked: number): void {
    for (const key of keys) if ((this.#keys.get(key) ?? asked + 1) <= asked) this.#keys.delete(key);
  }

  forgetAll(asked: number): void {
    if (this.#all <= asked) this.#all = 0;
    this.forget([...this.#keys.keys()], asked);
  }

  /** Deletes what is owed of these keys, each of them once at a time; rejects with the error if that cannot be done now. */
  async settle(keys: readonly string[]): Promise<void> {
    if (this.#all > 0 || this.#clearing !== undefined) await this.#clear();
    const left = keys.filter((key) => this.#keys.has(key) && !this.#deleting.has(key));
    if (left.length > 0) this.#delete(left);
    await Promise.all(keys.map((key) => this.#deleting.get(key)));
  }

  settleAll(): Promise<void> {
    return this.settle([...this.#keys.keys()]);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#keys.clear();
    this.#all = 0;
  }

  #clear(): Promise<unknown> {
    if (this.#clearing !== undefined) return this.#clearing;
    const upTo = this.count;
    this.#clearing = this.#run(
      this.#actions.clear(),
      () => this.forgetAll(upTo),
      () => {
        this.#clearing = undefined;
      },
    );
    return this.#clearing;
  }

  #delete(keys: readonly string[]): void {
    const upTo = this.count;
    const deleting = this.#run(
      this.#actions.deleteKeys(keys),
      () => this.forget(keys, upTo),
      () => {
        for (const key of keys) this.#deleting.delete(key);
      },
    );
    for (const key of keys) this.#deleting.set(key, deleting);
  }

  async #run(action: Promise<unknown>, done: () => void, after: () => void): Promise<void> {
    try {
      await action;
      done();
      this.#attempt = 0;
    } finally {
      after();
      // What failed, and what was dropped meanwhile.
      if (this.#all > 0 || this.#keys.size > 0) this.#retryLater();
    }
  }

  #retryLater(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.settleAll().catch(() => {});
      },
      backoffMs(RECONNECT, this.#attempt++, this.#random),
    );
    this.#timer.unref();
  }
}
