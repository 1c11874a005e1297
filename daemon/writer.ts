import { CacheError } from '../shared/errors.js';
import { type Base, type LogRow, parseSnapshot } from '../shared/snapshot.js';
import { anyName, partName } from '../shared/table/names.js';
import type { ItemResult, WriteItem } from '../shared/table/write.js';
import { asCacheError, DatabaseFailure, LOCK_NOT_AVAILABLE, NOT_A_VALUE } from './database.js';
import type { Follower } from './follower.js';
import type { Lease, Leases } from './leases.js';
import { type Batch, type PendingWrite, type WriteOutcome, WriteQueue } from './write-queue.js';
import { type DoneResult, LOCK_TIMEOUT_MS, WriteStream, type WriteStreamOptions } from './write-stream.js';

/** How long a key may stay locked by others before its writers are told. */
const LOCKED_MS_MAX = 4_000;
/** SQLSTATE classes of errors that some item of the batch is to blame for: data, constraints, limits. */
const ITEM_ERROR_CLASSES = new Set(['22', '23', '54']);

const DONE: WriteOutcome = { done: true, counter: undefined };
const NOT_DONE: WriteOutcome = { done: false, counter: undefined };
const NO_NAMES: readonly string[] = [];

export interface WriterOptions extends Omit<WriteStreamOptions, 'onUnreachable'> {
  readonly follower: Pick<Follower, 'look' | 'follows' | 'meetIncarnation'>;
  /** Undefined where the namespace has no memory tier. */
  readonly leases: Leases;
  /** A row of the log was written: every namespace is to learn of it. */
  learn(row: LogRow): void;
  /** Something was written: other daemons are to look. */
  onWritten(): void;
}

/**
 * The write path of one namespace: one ordered, numbered stream of batches, one out at a time.
 *
 *     waiting -- take --> sent -- done ----------------------> acknowledged
 *                         sent -- refused, undone -----------> sent again in halves, or told
 *                         sent -- connection broke ----------> unsettled
 *                         unsettled -- same number again ----> acknowledged, with the answer that was kept if it had
 *                                                              taken effect, or takes effect now
 *                         unsettled -- settleTimeoutMs up ---> told that its outcome is unknown; the next batch's
 *                                                              number shuts it out
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #queue = new WriteQueue();
  readonly #stream: WriteStream;
  #pumping = false;
  #pumpQueued = false;
  #lastWrite: { readonly xid: bigint; readonly incarnation: string } | undefined;
  #callOffTimer: (() => void) | undefined;
  #idle: (() => void)[] = [];

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#stream = new WriteStream({ ...options, onUnreachable: (failure) => this.#rejectWaiting(failure) });
  }

  /** The last batch that was acknowledged. */
  get lastWrite(): { readonly xid: bigint; readonly incarnation: string } | undefined {
    return this.#lastWrite;
  }

  /**
   * @param told what the caller is told of the outcome: here, since each promise more would cost as much as the rest
   * @throws (rejects) CacheError ERR_DATABASE, ERR_UNKNOWN_OUTCOME, ERR_NOT_A_COUNTER, ERR_COUNTER_OVERFLOW, ERR_OVERLOADED
   */
  write<T>(item: WriteItem, told: (outcome: WriteOutcome) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiter = { delta: item.delta ?? 0, resolve: (outcome: WriteOutcome) => resolve(told(outcome)), reject };
      this.#queue.push(item, waiter, this.#options.clock.now());
      this.#pumpSoon();
    });
  }

  /** Invalidates names of the log. @throws (rejects) as for `write` */
  invalidate(names: readonly string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.pushInvalidation(names, { delta: 0, resolve: () => resolve(), reject });
      this.#pumpSoon();
    });
  }

  /** Whether nothing waits and nothing is out. */
  get isIdle(): boolean {
    return !this.#pumping && this.#queue.length === 0;
  }

  drained(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** What one turn of the loop asks for goes into one batch. */
  #pumpSoon(): void {
    if (this.#pumpQueued || this.#pumping) return;
    this.#pumpQueued = true;
    queueMicrotask(() => void this.#pump());
  }

  async #pump(): Promise<void> {
    this.#pumpQueued = false;
    if (this.#pumping) return;
    this.#pumping = true;
    this.#callOffTimer?.();
    for (let batch = this.#take(); batch !== undefined; batch = this.#take()) {
      if (batch.kind === 'items') await this.#writeItems(batch.writes);
      else await this.#writeNames(batch);
    }
    this.#pumping = false;
    if (this.#queue.length > 0) {
      const waitMs = Math.max(1, this.#queue.nextMs - this.#options.clock.now());
      this.#callOffTimer = this.#options.clock.after(waitMs, () => void this.#pump());
      return;
    }
    for (const idle of this.#idle.splice(0)) idle();
  }

  #take(): Batch | undefined {
    return this.#queue.take(this.#options.clock.now());
  }

  async #writeNames(batch: Extract<Batch, { kind: 'names' }>): Promise<void> {
    const names = [...new Set(batch.invalidations.flatMap((invalidation) => invalidation.names))];
    try {
      const result = await this.#stream.settle([], names, this.#options.clock.now());
      const xid = BigInt(result.xid);
      for (const name of [...names, anyName(this.#options.namespace)]) this.#options.learn({ xid, name });
      this.#acknowledge(xid, result.incarnation);
      for (const { waiter } of batch.invalidations) waiter.resolve({ done: true, counter: undefined });
    } catch (error) {
      for (const { waiter } of batch.invalidations) waiter.reject(asCacheError(error));
    }
  }

  async #writeItems(writes: readonly PendingWrite[]): Promise<void> {
    const { clock, leases } = this.#options;
    const sentMs = clock.now();
    const items = writes.map(({ item }) => item);
    const held = items.map(({ key }) => leases.grant(key));
    try {
      const result = await this.#stream.settle(items, [], sentMs);
      this.#apply(writes, held, result, sentMs);
    } catch (error) {
      for (const lease of held) leases.end(lease, undefined, 0);
      await this.#failed(writes, error);
    }
  }

  /** While the database can't be reached, what was never sent need not wait: it is known not to have taken effect. */
  #rejectWaiting(failure: DatabaseFailure): void {
    for (const waiter of this.#queue.takeAll()) waiter.reject(asCacheError(failure));
  }

  async #failed(writes: readonly PendingWrite[], error: unknown): Promise<void> {
    const failure = error instanceof DatabaseFailure ? error : undefined;
    const sqlState = failure?.kind === 'refused' ? (failure.sqlState ?? '') : '';
    const isLocked = sqlState === LOCK_NOT_AVAILABLE;
    const isOfItem = isLocked || sqlState === NOT_A_VALUE || ITEM_ERROR_CLASSES.has(sqlState.slice(0, 2));
    if (writes.length > 1 && isOfItem) {
      // The error does not name the key; halving finds it, and lets the others through.
      const half = writes.length >> 1;
      await this.#writeItems(writes.slice(0, half));
      await this.#writeItems(writes.slice(half));
      return;
    }
    const nowMs = this.#options.clock.now();
    const patient = isLocked ? writes.filter((write) => nowMs - write.askedMs < LOCKED_MS_MAX) : [];
    for (const write of patient) write.notBeforeMs = nowMs + LOCK_TIMEOUT_MS / 4;
    this.#queue.unshift(patient);
    for (const write of writes) {
      if (patient.includes(write)) continue;
      for (const waiter of write.waiters) waiter.reject(asCacheError(error));
    }
    if (failure?.kind === 'unreachable') this.#rejectWaiting(failure);
  }

  /** Memory first, then the acknowledgements: whoever is told of a write finds nothing older on this host. */
  #apply(writes: readonly PendingWrite[], held: readonly Lease[], result: DoneResult, sentMs: number): void {
    const { namespace, learn, leases, follower } = this.#options;
    const xid = BigInt(result.xid);
    const base: Base = { snapshot: parseSnapshot(result.snapshot), ownXid: xid, incarnation: result.incarnation };
    const isFollowed = follower.follows(base);
    // Of a batch of sets there is nothing to tell.
    const results = result.results.length === 0 ? undefined : new Map(result.results.map((item) => [item.key, item]));
    // The row of the log that names the keys is not learned: the end of each key's lease fills or drops, and voids the others.
    let hasDeletes = false;
    for (let each = 0; each < writes.length; each++) {
      const { item } = writes[each] as PendingWrite;
      if (item.op === 'delete') {
        hasDeletes = true;
        learn({ xid, name: partName(namespace, item.key) });
      }
      const stored = item.op === 'set' || (item.op === 'add' && results?.has(item.key) === true);
      const keep = isFollowed && stored && item.bytes !== undefined;
      const entry = keep
        ? { bytes: item.bytes as Uint8Array, base, names: item.names ?? NO_NAMES, graceMs: item.graceMs }
        : undefined;
      leases.end(held[each] as Lease, entry, sentMs + item.ttlMs);
    }
    if (hasDeletes) learn({ xid, name: anyName(namespace) });
    this.#acknowledge(xid, result.incarnation);
    for (const write of writes) this.#answer(write, results?.get(write.item.key), result.refused);
  }

  #acknowledge(xid: bigint, incarnation: string): void {
    this.#lastWrite = { xid, incarnation };
    this.#options.onWritten();
  }

  #answer(write: PendingWrite, result: ItemResult | undefined, refused: DoneResult['refused']): void {
    const { item, waiters } = write;
    if (item.op !== 'incr') {
      const outcome = item.op === 'set' || result?.existed === true ? DONE : NOT_DONE;
      for (const waiter of waiters) waiter.resolve(outcome);
      return;
    }
    if (result?.counter !== undefined) {
      // The statement added all shares at once: each caller's running value leaves out the shares behind its own.
      let counter = result.counter - (item.delta ?? 0);
      for (const waiter of waiters) {
        counter += waiter.delta;
        waiter.resolve({ done: true, counter });
      }
    } else if (refused[item.key] === 'overflow' && waiters.length > 1) {
      const alone = waiters.map((waiter) => ({
        ...write,
        item: { ...item, delta: waiter.delta },
        waiters: [waiter],
        alone: true,
      }));
      this.#queue.unshift(alone);
    } else {
      const overflow = new CacheError('ERR_COUNTER_OVERFLOW', `the counter '${item.key}' can't go up by ${item.delta}`);
      const other = new CacheError('ERR_NOT_A_COUNTER', `'${item.key}' holds a value that was not made by incr`);
      for (const waiter of waiters) waiter.reject(refused[item.key] === 'overflow' ? overflow : other);
    }
  }
}
