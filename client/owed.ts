import { backoffMs } from '../shared/backoff.js';
import { RECONNECT } from './connection.js';

/**
 * Keys remembered one by one; more than these, and the namespace is cleared besides, once these have been deleted. Not
 * before: with several databases, a clear that fails for the sake of one has cleared the others.
 */
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
  /** The number of the last drop of a key that is not remembered: every key is owed a delete, but for `#settled`. */
  #all = 0;
  /** While all are owed: keys that were deleted since they were last dropped. */
  readonly #settled = new Set<string>();
  /** By key, the delete that is out. The key waits for it even if it is not owed any more. */
  readonly #deleting = new Map<string, Promise<unknown>>();
  #clearing: Promise<unknown> | undefined;
  /** How often something was dropped. */
  count = 0;
  /** Whether anything is owed, or out. A field, as each hit of the near tier looks at it. */
  any = false;
  #attempt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(actions: OwedActions, random: () => number) {
    this.#actions = actions;
    this.#random = random;
  }

  add(keys: Iterable<string>): void {
    this.count++;
    this.any = true;
    for (const key of keys) {
      this.#settled.delete(key);
      const isKept = this.#keys.size < OWED_KEYS_MAX || this.#keys.has(key) || this.#deleting.has(key);
      if (isKept) this.#keys.set(key, this.count);
      else this.#all = this.count;
    }
    this.#retryLater();
  }

  /** Whether the key is to be settled before it is read or written. */
  has(key: string): boolean {
    if (!this.any) return false;
    if (this.#clearing !== undefined || this.#isOwed(key)) return true;
    return this.#deleting.has(key);
  }

  /** These keys were deleted after all, by a call made when `count` was `asked`; later drops stay owed. */
  forget(keys: Iterable<string>, asked: number): void {
    for (const key of keys) if ((this.#keys.get(key) ?? asked + 1) <= asked) this.#keys.delete(key);
    this.#update();
  }

  forgetAll(asked: number): void {
    if (this.#all <= asked) {
      this.#all = 0;
      this.#settled.clear();
    }
    this.forget([...this.#keys.keys()], asked);
  }

  /** Deletes what is owed of these keys, each of them once at a time; rejects with the error if that cannot be done now. */
  async settle(keys: readonly string[]): Promise<void> {
    // Whether it fails is known for each key when that is deleted.
    if (this.#clearing !== undefined) await this.#clearing.catch(() => {});
    const left = keys.filter((key) => this.#isOwed(key) && !this.#deleting.has(key));
    if (left.length > 0) this.#delete(left);
    await Promise.all(keys.map((key) => this.#deleting.get(key)));
    // One that went out meanwhile: a write that went out now could be undone by it.
    if (this.#clearing !== undefined) await this.#clearing.catch(() => {});
  }

  async settleAll(): Promise<void> {
    await this.settle([...this.#keys.keys()]);
    if (this.#all > 0) await this.#clear();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#keys.clear();
    this.#settled.clear();
    this.#all = 0;
    this.#update();
  }

  #update(): void {
    this.any = this.#all > 0 || this.#keys.size > 0 || this.#deleting.size > 0 || this.#clearing !== undefined;
  }

  #isOwed(key: string): boolean {
    return this.#keys.has(key) || (this.#all > 0 && !this.#settled.has(key));
  }

  #markSettled(keys: readonly string[]): void {
    for (const key of keys) {
      if (this.#settled.size >= OWED_KEYS_MAX) this.#settled.clear();
      this.#settled.add(key);
    }
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
      () => {
        this.forget(keys, upTo);
        if (this.#all > 0) this.#markSettled(keys);
      },
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
    } finally {
      after();
      this.#update();
      // Not after any success: with several databases, one may be away for long while keys of the others are deleted.
      if (!this.any) this.#attempt = 0;
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
