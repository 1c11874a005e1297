import type { Truth } from './truth.js';
import type { World } from './world.js';

/** A snapshot, as Postgres's: see shared/snapshot.ts. Numbers here, since a schedule takes few transaction ids. */
export interface Snap {
  readonly xmin: number;
  readonly xmax: number;
  readonly running: readonly number[];
}

export const visible = (snap: Snap, xid: number) => xid < snap.xmin || (xid < snap.xmax && !snap.running.includes(xid));
export const snapText = (snap: Snap) => `${snap.xmin}:${snap.xmax}:${snap.running.join(',')}`;

export function parseSnap(text: string): Snap {
  const [xmin, xmax, running] = text.split(':');
  return { xmin: Number(xmin), xmax: Number(xmax), running: running ? running.split(',').map(Number) : [] };
}

interface Version<T> {
  readonly xid: number;
  /** Undefined for a row that was deleted. */
  readonly value: T | undefined;
}

/** A row: its committed versions, oldest first, and who holds it. */
export class Chain<T> {
  readonly versions: Version<T>[] = [];
  owner: Tx | undefined;
  pending: Version<T> | undefined;

  get newest(): T | undefined {
    return this.pending !== undefined ? this.pending.value : this.versions.at(-1)?.value;
  }

  seen(snap: Snap, own: number | undefined): T | undefined {
    if (this.pending !== undefined && this.pending.xid === own) return this.pending.value;
    for (let at = this.versions.length - 1; at >= 0; at--) {
      const version = this.versions[at] as Version<T>;
      if (version.xid === own || visible(snap, version.xid)) return version.value;
    }
    return undefined;
  }
}

export class Table<T> {
  readonly rows = new Map<string, Chain<T>>();

  chain(key: string): Chain<T> {
    let chain = this.rows.get(key);
    if (chain === undefined) {
      chain = new Chain<T>();
      this.rows.set(key, chain);
    }
    return chain;
  }
}

export interface Entry {
  readonly bytes: Uint8Array | undefined;
  readonly counter: number | undefined;
  readonly expiresAtMs: number;
  readonly graceMs: number;
  readonly names: readonly string[];
  readonly xid: number;
  readonly base: Snap;
}

/** When the row is over for good: past its expiry by its grace. */
export const overAtMs = (entry: Entry) => entry.expiresAtMs + entry.graceMs;

export interface Meta {
  readonly incarnation: string;
  readonly tableFloor: number;
  readonly logFloor: number;
}

export interface WriterRow {
  readonly start: number;
  readonly batch: number;
  readonly xid: number;
  readonly snapshot: Snap;
  readonly answer: readonly [string, string, number | undefined][];
}

export interface LogEntry {
  readonly xid: number;
  /** Who inserted it: another transaction where it was logged for a prepared one. */
  readonly by: Tx;
  readonly name: string | undefined;
  readonly namespace: string;
  readonly keys: readonly string[];
  /** The transaction that cut it off. */
  cutBy: Tx | undefined;
}

export type TxState = 'running' | 'prepared' | 'committed' | 'aborted';

/** What a transaction does to values, as the checker is told at its commit. */
export type Effect =
  | { readonly kind: 'kill'; readonly name: string; readonly host: string | undefined }
  | { readonly kind: 'put'; readonly id: number; readonly place: string; readonly host: string | undefined }
  | { readonly kind: 'expiry'; readonly id: number; readonly expiresAtMs: number }
  | { readonly kind: 'count'; readonly place: string; readonly delta: number; readonly from: number | undefined };

export class Tx {
  xid: number | undefined;
  state: TxState = 'running';
  readonly owned: Chain<unknown>[] = [];
  readonly effects: Effect[] = [];
  /** The row whose holder it waits for. */
  waitsFor: Chain<unknown> | undefined;
  holdsFloor: 'shared' | 'exclusive' | undefined;
  onCommit: (() => void)[] = [];
}

export type Step = { readonly kind: 'pause' } | { readonly kind: 'wait' };
export type Steps<T> = Generator<Step, T, 'go' | 'timeout'>;

export const PAUSE: Step = { kind: 'pause' };
export const WAIT: Step = { kind: 'wait' };

/** Postgres as far as the cache can tell: snapshots, transaction ids, row locks, one advisory lock, crashes. */
export class ModelPostgres {
  readonly world: World;
  readonly truth: Truth;
  /** Rules that this Postgres leaves out. */
  readonly without: ReadonlySet<string>;
  spaces = new Map<string, Table<Entry>>();
  meta = new Table<Meta>();
  writers = new Table<WriterRow>();
  log: LogEntry[] = [];
  /** Rights to compute a key for the cluster: nothing is proved by them, so they are kept without versions. */
  leases = new Map<string, { readonly lease: string; readonly untilMs: number }>();
  readonly transactions = new Set<Tx>();
  nextXid = 100;
  /** What the write-ahead log has on disk: after a crash transaction ids go on from here. */
  durableXid = 100;
  epoch = 0;
  incarnations = 0;
  leaseIds = 0;
  /** Statements other than looks that are on their way or at work, answered or not. */
  busy = 0;
  readonly waiting = new Set<() => void>();
  readonly onCrash = new Set<() => void>();

  constructor(world: World, truth: Truth, without: ReadonlySet<string>) {
    this.world = world;
    this.truth = truth;
    this.without = without;
  }

  space(namespace: string): Table<Entry> {
    let table = this.spaces.get(namespace);
    if (table === undefined) {
      table = new Table<Entry>();
      this.spaces.set(namespace, table);
    }
    return table;
  }

  begin(): Tx {
    const tx = new Tx();
    this.transactions.add(tx);
    return tx;
  }

  xidOf(tx: Tx): number {
    tx.xid ??= this.nextXid++;
    return tx.xid;
  }

  snapshot(): Snap {
    const running: number[] = [];
    for (const tx of this.transactions) if (tx.xid !== undefined) running.push(tx.xid);
    running.sort((a, b) => a - b);
    return { xmin: running[0] ?? this.nextXid, xmax: this.nextXid, running };
  }

  /** Waits until the row is nobody else's, then holds it. Its newest version is then what counts. */
  *hold(tx: Tx, chain: Chain<unknown>, lockTimeoutMs: number): Steps<void> {
    const untilMs = this.world.nowMs + lockTimeoutMs;
    while (chain.owner !== undefined && chain.owner !== tx) {
      tx.waitsFor = chain;
      this.#checkDeadlock(tx);
      yield* this.wait(untilMs);
    }
    tx.waitsFor = undefined;
    if (chain.owner === tx) return;
    chain.owner = tx;
    tx.owned.push(chain);
  }

  *holdFloor(tx: Tx, how: 'shared' | 'exclusive', lockTimeoutMs: number): Steps<void> {
    if (how === 'shared' && this.without.has('shared floor lock')) return;
    const untilMs = this.world.nowMs + lockTimeoutMs;
    while (this.#floorIsHeld(tx, how)) yield* this.wait(untilMs);
    tx.holdsFloor = how;
  }

  *wait(untilMs: number): Steps<void> {
    const leftMs = untilMs - this.world.nowMs;
    if (leftMs <= 0) throw new SqlError('55P03', 'lock timeout');
    const callOff = this.world.after(leftMs, () => this.#wakeWaiting());
    yield WAIT;
    callOff();
  }

  insertLog(tx: Tx, row: { name?: string; namespace?: string; keys?: readonly string[]; xid?: number }): void {
    const xid = row.xid ?? this.xidOf(tx);
    const { name, namespace = '', keys = [] } = row;
    this.log.push({ xid, by: tx, name, namespace, keys, cutBy: undefined });
  }

  put<T>(tx: Tx, chain: Chain<T>, value: T | undefined): void {
    chain.pending = { xid: this.xidOf(tx), value };
  }

  /** Rows of the log that a statement with this snapshot finds. */
  *logSeen(snap: Snap, own?: number): Generator<LogEntry> {
    for (const row of this.log) {
      const by = row.by.xid as number;
      if (by !== own && !(row.by.state === 'committed' && visible(snap, by))) continue;
      const cut = row.cutBy;
      if (cut !== undefined && cut.state === 'committed' && visible(snap, cut.xid as number)) continue;
      yield row;
    }
  }

  commit(tx: Tx): void {
    if (tx.state === 'committed' || tx.state === 'aborted') return;
    this.#end(tx, 'committed');
    this.truth.commit(tx);
    for (const run of tx.onCommit) run();
    this.#wakeWaiting();
  }

  abort(tx: Tx): void {
    if (tx.state === 'committed' || tx.state === 'aborted') return;
    this.#end(tx, 'aborted');
    this.log = this.log.filter((row) => row.by !== tx);
    this.#wakeWaiting();
  }

  prepare(tx: Tx): void {
    tx.state = 'prepared';
    this.durableXid = this.nextXid;
  }

  /** Every backend dies, UNLOGGED tables are empty, transaction ids that only they had seen are handed out again. */
  crash(): void {
    this.world.trace?.(`Postgres crashes at xid ${this.nextXid}, goes on from ${this.durableXid} at the least`);
    this.epoch += 1;
    this.waiting.clear();
    for (const die of [...this.onCrash]) die();
    for (const tx of [...this.transactions]) if (tx.state === 'running') this.abort(tx);
    this.spaces = new Map();
    this.meta = new Table();
    this.writers = new Table();
    this.log = [];
    this.leases = new Map();
    this.nextXid = this.durableXid + this.world.random.below(this.nextXid - this.durableXid + 1);
    this.durableXid = this.nextXid;
    this.truth.crashed();
  }

  #end(tx: Tx, state: 'committed' | 'aborted'): void {
    tx.state = state;
    this.transactions.delete(tx);
    for (const chain of tx.owned) {
      if (chain.pending !== undefined && state === 'committed') chain.versions.push(chain.pending);
      chain.pending = undefined;
      chain.owner = undefined;
    }
    tx.holdsFloor = undefined;
    tx.waitsFor = undefined;
  }

  /** Postgres would undo one of them after a second, and it would be sent again: slow, so it is not to come to that. */
  #checkDeadlock(tx: Tx): void {
    for (let at = tx.waitsFor?.owner; at !== undefined; at = at.waitsFor?.owner) {
      if (at !== tx) continue;
      this.truth.fail('no deadlocks', `transaction ${tx.xid} waits for one that waits for it`);
      return;
    }
  }

  #floorIsHeld(by: Tx, how: 'shared' | 'exclusive'): boolean {
    for (const tx of this.transactions) {
      if (tx === by || tx.holdsFloor === undefined) continue;
      if (how === 'exclusive' || tx.holdsFloor === 'exclusive') return true;
    }
    return false;
  }

  #wakeWaiting(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const run of waiting) run();
  }
}

export class SqlError extends Error {
  readonly sqlState: string;

  constructor(sqlState: string, message: string) {
    super(message);
    this.sqlState = sqlState;
  }
}
