import type { Clock } from '../../daemon/clock.js';
import { type Database, DatabaseFailure } from '../../daemon/database.js';
import { Follower } from '../../daemon/follower.js';
import { newIdentity } from '../../daemon/identity.js';
import { Store } from '../../daemon/store.js';
import { isVisible, type LogRow, parseSnapshot } from '../../shared/snapshot.js';
import type { ClusterLeaseId } from '../../shared/table/cluster-lease.js';
import type { Fill } from '../../shared/table/fill.js';
import type { ReadResult } from '../../shared/table/read.js';

/** Time that a test moves by hand. */
export class HandClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ atMs: number; callback: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Lets time pass, timer by timer, and what follows from each. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await turns();
      const [next] = [...this.#timers].filter(({ atMs }) => atMs <= endMs).sort((x, y) => x.atMs - y.atMs);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = next.atMs;
      next.callback();
    }
    this.#nowMs = endMs;
  }
}

/** Until nothing more follows from what has happened. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

interface Row extends Pick<Fill, 'bytes' | 'names' | 'graceMs' | 'deltaMs'> {
  readonly xid: bigint;
  readonly expiresAtMs: number;
}

const INCARNATION = 'only';

/**
 * A table in memory, for what has to be told by the millisecond: reads, fills and leases, one transaction after the other, and
 * a log that the test writes. What the rule does to rows is tested on Postgres (table-rule.test.ts) and by the model.
 */
export class SmallTable {
  readonly rows = new Map<string, Row>();
  readonly leases = new Map<string, { lease: string; untilMs: number }>();
  isAway = false;
  reads = 0;
  readonly #clock: Clock;
  #xid = 100n;
  #log: LogRow[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  put(key: string, bytes: Uint8Array, ttlMs: number, more: Partial<Row> = {}): void {
    const expiresAtMs = this.#clock.now() + ttlMs;
    this.rows.set(key, {
      bytes,
      names: [],
      expiresAtMs,
      xid: ++this.#xid,
      graceMs: undefined,
      deltaMs: undefined,
      ...more,
    });
  }

  invalidate(name: string): void {
    this.#log.push({ xid: ++this.#xid, name });
  }

  database(): Database {
    const unsupported = () => Promise.reject(new DatabaseFailure('refused', 'not in this table'));
    const whenThere = async <T>(act: () => T): Promise<T> => {
      await null;
      if (this.isAway) throw new DatabaseFailure('unreachable', 'away');
      return act();
    };
    const snapshot = () => `${this.#xid + 1n}:${this.#xid + 1n}:`;
    return {
      look: () =>
        whenThere(() => {
          const rows = this.#log;
          this.#log = [];
          return { incarnation: INCARNATION, snapshot: snapshot(), logFloor: '0', rows };
        }),
      incarnate: () => whenThere(() => false),
      notify: () => whenThere(() => {}),
      read: (_, keys) =>
        whenThere((): ReadResult => {
          this.reads += 1;
          const found = keys.flatMap((key) => this.#found(key));
          return { incarnation: INCARNATION, snapshot: snapshot(), found };
        }),
      fill: (_, fills) =>
        whenThere(() => ({
          incarnation: INCARNATION,
          stored: fills.filter((fill) => this.#fill(fill)).map(({ key }) => key),
        })),
      takeLease: (id, forMs) => whenThere(() => this.#take(id, forMs)),
      releaseLease: ({ key, lease }) =>
        whenThere(() => {
          if (this.leases.get(key)?.lease === lease) this.leases.delete(key);
        }),
      ttls: (_, keys) =>
        whenThere(() => {
          const live = keys.flatMap((key) => this.#found(key)).filter(({ leftMs }) => leftMs > 0);
          return new Map(live.map(({ key, leftMs }) => [key, leftMs]));
        }),
      write: unsupported,
      count: unsupported,
      cleanup: unsupported,
      trim: unsupported,
    };
  }

  #found(key: string) {
    const row = this.rows.get(key);
    const leftMs = (row?.expiresAtMs ?? 0) - this.#clock.now();
    if (row === undefined || leftMs + (row.graceMs ?? 0) <= 0) return [];
    const { bytes, names, graceMs, deltaMs } = row;
    return [{ key, bytes, names, isCounter: false, leftMs, graceMs: graceMs ?? 0, deltaMs: deltaMs ?? 0 }];
  }

  #fill({ key, bytes, names, ttlMs, graceMs, deltaMs, base }: Fill): boolean {
    const row = this.rows.get(key);
    if (row !== undefined && !isVisible(parseSnapshot(base), row.xid)) return false;
    this.put(key, bytes, ttlMs, { names, graceMs, deltaMs });
    return true;
  }

  #take({ key, lease }: ClusterLeaseId, forMs: number): boolean {
    const nowMs = this.#clock.now();
    const held = this.leases.get(key);
    if (held !== undefined && held.lease !== lease && held.untilMs >= nowMs) return false;
    this.leases.set(key, { lease, untilMs: nowMs + forMs });
    return true;
  }
}

export const LOAD_TIMEOUT_MS = 10_000;
export const STALE_BOUND_MS = 1000;

/** A daemon's namespace over a small table, that has looked at its log. */
export async function storeOver(table: SmallTable, clock: HandClock, random: () => number = () => 0.5) {
  const database = table.database();
  const stores: Store[] = [];
  const follower = new Follower({
    database,
    clock,
    staleBoundMs: STALE_BOUND_MS,
    pollIntervalMs: 100,
    apply: (row) => stores[0]?.learnRow(row),
    reset: () => stores[0]?.reset(),
    onSight: () => {},
  });
  let ids = 0;
  let released = 0;
  const store = new Store({
    name: 'default',
    defaultTtlMs: 300_000,
    maxBytes: 1e6,
    maxEntries: 1000,
    maxValueBytes: 1e6,
    invalidateFunction: '',
    hasMemory: true,
    loadTimeoutMs: LOAD_TIMEOUT_MS,
    settleTimeoutMs: 1000,
    database,
    clock,
    identity: newIdentity(),
    follower,
    learn: (row) => stores[0]?.learnRow(row),
    onWritten: () => {
      released += 1;
    },
    onSuperseded: () => {},
    defer: (run) => setImmediate(run),
    random,
    newId: () => `${follower.lastLookMs} ${Math.random()} ${++ids}`,
  });
  stores.push(store);
  await follower.look();
  return { store, follower, released: () => released };
}
