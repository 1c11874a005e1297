import { backoffMs } from '../shared/backoff.js';
import { CacheError } from '../shared/errors.js';
import { type Base, type LogRow, parseSnapshot } from '../shared/snapshot.js';
import { anyName, partName } from '../shared/table/names.js';
import { NUMBER_TAKEN } from '../shared/table/space-sql.js';
import type { WriteBatch, WriteItem, WriteResult } from '../shared/table/write.js';
import type { Clock } from './clock.js';
import {
  asCacheError,
  type Database,
  DatabaseFailure,
  DEADLOCK_DETECTED,
  LOCK_NOT_AVAILABLE,
  NOT_A_VALUE,
} from './database.js';
import type { Follower } from './follower.js';
import type { Identity } from './identity.js';
import type { Lease, Leases } from './leases.js';
import { type Batch, type PendingWrite, type Waiter, type WriteOutcome, WriteQueue } from './write-queue.js';

/** How long one statement waits for a row that somebody else holds; such a key holds up only itself. */
export const LOCK_TIMEOUT_MS = 200;
/** How long a key may stay locked by others before its writers are told. */
const LOCKED_MS_MAX = 4_000;
const RETRY = { firstMs: 10, maxMs: 500 };
/** SQLSTATE classes of errors that some item of the batch is to blame for: data, constraints, limits. */
const ITEM_ERROR_CLASSES = new Set(['22', '23', '54']);

type DoneResult = Extract<WriteResult, { state: 'done' }>;

export interface WriterOptions {
  readonly namespace: string;
  readonly database: Pick<Database, 'write'>;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly follower: Pick<Follower, 'look' | 'follows' | 'meetIncarnation'>;
  /** Undefined where the namespace has no memory tier. */
  readonly leases: Leases;
  /** How long a batch whose connection broke is resent before its callers are told that nobody knows. */
  readonly settleTimeoutMs: number;
  /** A row of the log was written: every namespace is to learn of it. */
  learn(row: LogRow): void;
  /** Something was written: other daemons are to look. */
  onWritten(): void;
  onSuperseded(): void;
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
  #pumping = false;
  #pumpQueued = false;
  #lastWrite: { readonly xid: bigint; readonly incarnation: string } | undefined;
  #callOffTimer: (() => void) | undefined;
  #idle: (() => void)[] = [];

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** The last batch that was acknowledged. */
  get lastWrite(): { readonly xid: bigint; readonly incarnation: string } | undefined {
    return this.#lastWrite;
  }

  /** @throws (rejects) CacheError ERR_DATABASE, ERR_UNKNOWN_OUTCOME, ERR_NOT_A_COUNTER, ERR_COUNTER_OVERFLOW, ERR_OVERLOADED */
  write(item: WriteItem): Promise<WriteOutcome> {
    return this.#ask((waiter) => this.#queue.push(item, waiter, this.#options.clock.now()), item.delta);
  }

  /** Invalidates names of the log. @throws (rejects) as for `write` */
  async invalidate(names: readonly string[]): Promise<void> {
    await this.#ask((waiter) => this.#queue.pushInvalidation(names, waiter));
  }

  /** Whether nothing waits and nothing is out. */
  get isIdle(): boolean {
    return !this.#pumping && this.#queue.length === 0;
  }

  drained(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #ask(push: (waiter: Waiter) => void, delta = 0): Promise<WriteOutcome> {
    return new Promise((resolve, reject) => {
      push({ delta, resolve, reject });
      if (this.#pumpQueued || this.#pumping) return;
      // What one turn of the loop asks for goes into one batch.
      this.#pumpQueued = true;
      queueMicrotask(() => void this.#pump());
    });
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
      const result = await this.#settle([], names, this.#options.clock.now());
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
    const held = writes.map((write) => leases.grant(write.item.key));
    try {
      const items = writes.map((write) => write.item);
      const result = await this.#settle(items, [], sentMs);
      this.#apply(writes, held, result, sentMs);
    } catch (error) {
      for (const lease of held) leases.end(lease, undefined, 0);
      await this.#failed(writes, error);
    }
  }

  /**
   * Sends a batch until it is known what became of it.
   * @throws DatabaseFailure for a batch that was undone, CacheError ERR_UNKNOWN_OUTCOME for one that could not be settled
   */
  async #settle(items: readonly WriteItem[], invalidated: readonly string[], sentMs: number): Promise<DoneResult> {
    const { clock, database, namespace, identity, follower } = this.#options;
    let number = identity.nextNumber();
    let again = false;
    let unsettled = false;
    let attempts = 0;
    for (;;) {
      const batch: WriteBatch = {
        number,
        again,
        ageMs: clock.now() - sentMs,
        lockTimeoutMs: LOCK_TIMEOUT_MS,
        invalidated,
        items,
      };
      let failure: DatabaseFailure | undefined;
      try {
        const result = await database.write(namespace, batch);
        if (result.state === 'done') {
          follower.meetIncarnation(result.incarnation);
          return result;
        }
        if (result.state === 'lost') {
          await follower.look();
        } else {
          this.#options.onSuperseded();
          identity.renew();
          if (unsettled) throw this.#unknownOutcome('another daemon writes under the same identity');
          number = identity.nextNumber();
          again = false;
          continue;
        }
      } catch (error) {
        if (!(error instanceof DatabaseFailure)) throw error;
        failure = error;
        const isTaken = error.kind === 'refused' && error.sqlState === NUMBER_TAKEN;
        if (error.kind === 'unknown') unsettled = true;
        if (!unsettled && !isTaken && error.sqlState !== DEADLOCK_DETECTED) throw error;
        if (unsettled || isTaken) again = true;
        if (error.kind === 'unreachable') this.#rejectWaiting(error);
      }
      if (clock.now() - sentMs > this.#options.settleTimeoutMs) {
        if (unsettled) throw this.#unknownOutcome(failure?.message ?? 'the cache tables are gone');
        throw failure ?? new DatabaseFailure('refused', 'the cache tables are gone');
      }
      await new Promise<void>((resolve) => clock.after(backoffMs(RETRY, attempts), resolve));
      attempts += 1;
    }
  }

  #unknownOutcome(reason: string): CacheError {
    return new CacheError(
      'ERR_UNKNOWN_OUTCOME',
      `a write's connection broke and what became of it can't be told: ${reason}`,
    );
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
    const results = new Map(result.results.map((item) => [item.key, item]));
    learn({ xid, namespace, keys: writes.map((write) => write.item.key) });
    writes.forEach((write, index) => {
      const { item } = write;
      if (item.op === 'delete') learn({ xid, name: partName(namespace, item.key) });
      const stored = item.op === 'set' || (item.op === 'add' && results.has(item.key));
      const keep = stored && item.bytes !== undefined && follower.follows(base);
      const entry = keep
        ? { bytes: item.bytes as Uint8Array, base, names: item.names ?? [], graceMs: item.graceMs }
        : undefined;
      leases.end(held[index] as Lease, entry, sentMs + item.ttlMs);
    });
    if (writes.some(({ item }) => item.op === 'delete')) learn({ xid, name: anyName(namespace) });
    this.#acknowledge(xid, result.incarnation);
    for (const write of writes) this.#answer(write, results.get(write.item.key), result.refused[write.item.key]);
  }

  #acknowledge(xid: bigint, incarnation: string): void {
    this.#lastWrite = { xid, incarnation };
    this.#options.onWritten();
  }

  #answer(write: PendingWrite, result: DoneResult['results'][number] | undefined, refused: string | undefined): void {
    const { item, waiters } = write;
    if (item.op !== 'incr') {
      const done = item.op === 'set' || (result?.existed ?? false);
      for (const waiter of waiters) waiter.resolve({ done, counter: undefined });
      return;
    }
    if (result?.counter !== undefined) {
      // The statement added all shares at once: each caller's running value leaves out the shares behind its own.
      let counter = result.counter - (item.delta ?? 0);
      for (const waiter of waiters) {
        counter += waiter.delta;
        waiter.resolve({ done: true, counter });
      }
    } else if (refused === 'overflow' && waiters.length > 1) {
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
      for (const waiter of waiters) waiter.reject(refused === 'overflow' ? overflow : other);
    }
  }
}
