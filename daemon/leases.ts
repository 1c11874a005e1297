import { BriefMap } from '../shared/brief-map.js';
import type { LogRow } from '../shared/snapshot.js';
import { kills, type Memory, type MemoryEntry } from './memory.js';

/** Names remembered while leases are out; beyond it all leases are void, which costs reads, not correctness. */
const JOURNAL_ROWS_MAX = 10_000;

/** The right to put a value of one key into memory, from when its statement is sent to when it is answered. */
export interface Lease {
  readonly key: string;
  /** Rows that wrote the key while the lease was out; undefined for none. */
  written: LogRow[] | undefined;
  /** Where in the journal of invalidated names the lease began. */
  readonly journalFrom: number;
  void: boolean;
  /** Another lease of the key: they are chained, since most are alone. */
  next: Lease | undefined;
}

/**
 * The leases of one namespace.
 *
 *     out -- end with a value, whole, and nothing learned meanwhile kills it --> fill
 *     out -- everything else: voided, killed, refused, missed, failed ---------> drop of the key
 *     out -- a read or a fill of which nobody knows what it came to -----------> drop, but for those who ask under grace
 *
 * The end of a lease voids the key's other leases. The interleaving that this is for: a read is sent and sees the old
 * value; a write of the key is sent and answered, memory holds the new value; the read's answer arrives late. Without
 * the void it would put the old value over the new one.
 */
export class Leases {
  readonly #namespace: string;
  readonly #memory: Memory;
  /** The newest of each key. */
  readonly #byKey = new BriefMap<string, Lease>();
  /** Names invalidated while any lease is out: what names a value carries is known only at its lease's end. */
  #journal: LogRow[] = [];
  #journalStart = 0;
  #out = 0;

  constructor(namespace: string, memory: Memory) {
    this.#namespace = namespace;
    this.#memory = memory;
  }

  /** Whether none is out. */
  get isIdle(): boolean {
    return this.#out === 0;
  }

  grant(key: string): Lease {
    const journalFrom = this.#journalStart + this.#journal.length;
    const lease: Lease = { key, written: undefined, journalFrom, void: false, next: this.#byKey.get(key) };
    this.#byKey.set(key, lease);
    this.#out += 1;
    return lease;
  }

  /** A row of the log was learned of: memory applies it, the leases remember it. */
  learn(row: LogRow): void {
    this.#memory.apply(row);
    if (this.#out === 0) return;
    if (!('keys' in row)) {
      this.#journal.push(row);
      if (this.#journal.length > JOURNAL_ROWS_MAX) this.voidAll();
    } else if (row.namespace === this.#namespace) {
      for (const key of row.keys) {
        for (let lease = this.#byKey.get(key); lease !== undefined; lease = lease.next) {
          lease.written ??= [];
          lease.written.push(row);
        }
      }
    }
  }

  /**
   * Ends a lease, in a fill or in a drop, never in nothing.
   * @param entry the value, or undefined where there is none to keep
   * @param expiresAtMs on the clock of the memory
   */
  end(lease: Lease, entry: MemoryEntry | undefined, expiresAtMs: number): void {
    const keep = entry !== undefined && !lease.void && !this.#isKilled(lease, entry);
    this.#close(lease);
    if (keep) this.#memory.fill(lease.key, entry, expiresAtMs);
    else this.#memory.drop(lease.key);
  }

  /** Ends the lease of a read or a fill that failed: the value in memory is answered no more, but under grace. */
  fail(lease: Lease): void {
    this.#close(lease);
    this.#memory.doubt(lease.key);
  }

  voidAll(): void {
    for (const newest of this.#byKey.values()) voidFrom(newest);
    this.#journalStart += this.#journal.length;
    this.#journal = [];
  }

  #isKilled(lease: Lease, entry: MemoryEntry): boolean {
    const { key, written } = lease;
    if (written?.some((row) => kills(row, this.#namespace, key, entry))) return true;
    for (let at = Math.max(0, lease.journalFrom - this.#journalStart); at < this.#journal.length; at++) {
      if (kills(this.#journal[at] as LogRow, this.#namespace, key, entry)) return true;
    }
    return false;
  }

  /** Takes it out, and voids the key's others. */
  #close(lease: Lease): void {
    const newest = this.#byKey.get(lease.key);
    if (newest === lease) {
      if (lease.next === undefined) this.#byKey.delete(lease.key);
      else this.#byKey.set(lease.key, lease.next);
      voidFrom(lease.next);
      this.#closed();
      return;
    }
    voidFrom(newest);
    let before = newest;
    while (before !== undefined && before.next !== lease) before = before.next;
    // Else it has been closed before.
    if (before !== undefined) {
      before.next = lease.next;
      this.#closed();
    }
  }

  #closed(): void {
    this.#out -= 1;
    if (this.#out === 0) {
      this.#journalStart += this.#journal.length;
      this.#journal = [];
    }
  }
}

/** Voids a lease and all that it is chained to. */
function voidFrom(newest: Lease | undefined): void {
  for (let lease = newest; lease !== undefined; lease = lease.next) lease.void = true;
}
