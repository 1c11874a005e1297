import { CacheError } from '../shared/errors.js';
import type { WriteItem } from '../shared/table/write.js';

/** Writes of one namespace that may wait; beyond it callers are refused. */
const WAITING_WRITES_MAX = 100_000;
const WAITING_BYTES_MAX = 512 * 1024 * 1024;
export const BATCH_ITEMS_MAX = 1_000;
export const BATCH_BYTES_MAX = 16 * 1024 * 1024;

/** What one caller of a merged write is told. */
export interface Waiter {
  /** An increment's share, to work out the caller's own running value. */
  readonly delta: number;
  resolve(result: WriteOutcome): void;
  reject(error: CacheError): void;
}

/** `done`: whether it took effect, as add, delete and expire report it. */
export interface WriteOutcome {
  readonly done: boolean;
  readonly counter: number | undefined;
}

/** One item of the stream and those who wait for it: several where sets or increments of one key were merged. */
export interface PendingWrite {
  item: WriteItem;
  readonly waiters: Waiter[];
  /** No batch may take it before this instant: its key was locked by somebody else. */
  notBeforeMs: number;
  /** When it was asked, for the limit on how long it may be held up. */
  readonly askedMs: number;
  /** An increment that must go by itself, since merged it would overflow. */
  readonly alone: boolean;
}

export interface PendingInvalidation {
  readonly names: readonly string[];
  readonly waiter: Waiter;
}

export type Batch =
  | { readonly kind: 'items'; readonly writes: readonly PendingWrite[] }
  | { readonly kind: 'names'; readonly invalidations: readonly PendingInvalidation[] };

type Waiting = PendingWrite | PendingInvalidation;

const isInvalidation = (waiting: Waiting): waiting is PendingInvalidation => 'names' in waiting;
const sameSign = (a: number, b: number) => a < 0 === b < 0;

/**
 * What waits for the next batches, in order. A batch holds a key at most once: sets of one key merge (the last wins, all
 * are told), and so do increments of one sign; any other second write of a key waits for a later batch, and with it all
 * that follow on that key. Invalidations have batches of their own, so no write of a batch is older than an invalidation
 * in it, and none that was asked before an invalidation is carried past it, except behind a locked key.
 */
export class WriteQueue {
  #waiting: Waiting[] = [];
  /** The last waiting write of a key, if another may still be merged into it. */
  readonly #mergeable = new Map<string, PendingWrite>();
  #bytes = 0;

  get length(): number {
    return this.#waiting.length;
  }

  push(item: WriteItem, waiter: Waiter, askedMs: number): void {
    this.#checkRoom(item.bytes?.length ?? 0);
    const before = this.#mergeable.get(item.key);
    if (before !== undefined && this.#merge(before, item)) {
      before.waiters.push(waiter);
      return;
    }
    const write = { item, waiters: [waiter], notBeforeMs: 0, askedMs, alone: false };
    this.#bytes += item.bytes?.length ?? 0;
    this.#mergeable.set(item.key, write);
    this.#waiting.push(write);
  }

  pushInvalidation(names: readonly string[], waiter: Waiter): void {
    this.#checkRoom(0);
    this.#mergeable.clear();
    this.#waiting.push({ names, waiter });
  }

  /** Puts writes back at the head, in their order, after a batch that is known to have been undone. */
  unshift(writes: readonly PendingWrite[]): void {
    for (const write of writes) this.#bytes += write.item.bytes?.length ?? 0;
    this.#waiting.unshift(...writes);
  }

  /** Takes the next batch off the queue; undefined where nothing may go now. */
  take(nowMs: number): Batch | undefined {
    const first = this.#waiting.find((waiting) => isInvalidation(waiting) || waiting.notBeforeMs <= nowMs);
    if (first === undefined) return undefined;
    if (isInvalidation(first)) return this.#takeInvalidations();
    const writes = this.#takeWrites(nowMs);
    if (writes.length > 0) return { kind: 'items', writes };
    return this.#waiting.some(isInvalidation) ? this.#takeInvalidations() : undefined;
  }

  /** Takes everything off, to tell the callers that it failed. */
  takeAll(): Waiter[] {
    const waiters = this.#waiting.flatMap((waiting) => (isInvalidation(waiting) ? [waiting.waiter] : waiting.waiters));
    this.#waiting = [];
    this.#mergeable.clear();
    this.#bytes = 0;
    return waiters;
  }

  /** When the first of the held-up writes may go. */
  get nextMs(): number {
    return this.#waiting.reduce(
      (least, w) => Math.min(least, isInvalidation(w) ? 0 : w.notBeforeMs),
      Number.POSITIVE_INFINITY,
    );
  }

  #takeInvalidations(): Batch {
    const invalidations: PendingInvalidation[] = [];
    const held: Waiting[] = [];
    let at = 0;
    // Writes before the first invalidation are held up by locks: they stay behind, as two concurrent calls may.
    for (; at < this.#waiting.length; at++) {
      const waiting = this.#waiting[at] as Waiting;
      if (isInvalidation(waiting)) invalidations.push(waiting);
      else if (invalidations.length === 0) held.push(waiting);
      else break;
    }
    this.#waiting = [...held, ...this.#waiting.slice(at)];
    return { kind: 'names', invalidations };
  }

  #takeWrites(nowMs: number): PendingWrite[] {
    const writes: PendingWrite[] = [];
    const rest: Waiting[] = [];
    const keys = new Set<string>();
    let bytes = 0;
    let at = 0;
    for (; at < this.#waiting.length && writes.length < BATCH_ITEMS_MAX; at++) {
      const waiting = this.#waiting[at] as Waiting;
      if (isInvalidation(waiting)) break;
      const size = waiting.item.bytes?.length ?? 0;
      if (bytes > 0 && bytes + size > BATCH_BYTES_MAX) break;
      if (keys.has(waiting.item.key) || waiting.notBeforeMs > nowMs) {
        rest.push(waiting);
      } else {
        writes.push(waiting);
        bytes += size;
        if (this.#mergeable.get(waiting.item.key) === waiting) this.#mergeable.delete(waiting.item.key);
      }
      keys.add(waiting.item.key);
    }
    this.#bytes -= bytes;
    this.#waiting = rest.length === 0 && at === this.#waiting.length ? [] : [...rest, ...this.#waiting.slice(at)];
    return writes;
  }

  #merge(before: PendingWrite, item: WriteItem): boolean {
    const old = before.item;
    if (old.op === 'set' && item.op === 'set') {
      this.#bytes += (item.bytes?.length ?? 0) - (old.bytes?.length ?? 0);
      before.item = item;
      return true;
    }
    if (old.op !== 'incr' || item.op !== 'incr' || before.alone) return false;
    const sum = (old.delta ?? 0) + (item.delta ?? 0);
    if (!sameSign(old.delta ?? 0, item.delta ?? 0) || !Number.isSafeInteger(sum)) return false;
    before.item = { ...old, delta: sum };
    return true;
  }

  #checkRoom(bytes: number): void {
    if (this.#waiting.length >= WAITING_WRITES_MAX || this.#bytes + bytes > WAITING_BYTES_MAX) {
      throw new CacheError('ERR_OVERLOADED', `${this.#waiting.length} writes wait for the database already`);
    }
  }
}
