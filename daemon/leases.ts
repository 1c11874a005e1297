import type { LogRow } from '../shared/snapshot.js';
import { kills, type Memory, type MemoryEntry } from './memory.js';

/** Names remembered while leases are out; beyond it all leases are void, which costs reads, not correctness. */
const JOURNAL_ROWS_MAX = 10_000;

/** The right to put a value of one key into memory, from when its statement is sent to when it is answered. */
export interface Lease {
  readonly key: string;
  /** Rows that wrote the key while the lease was out. */
  readonly written: LogRow[];
  /** Where in the journal of invalidated names the lease began. */
  readonly journalFrom: number;
  void: boolean;
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
  readonly #byKey = new Map<string, Set<Lease>>();
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
    const lease: Lease = { key, written: [], journalFrom: this.#journalStart + this.#journal.length, void: false };
    const leases = this.#byKey.get(key);
    if (leases === undefined) this.#byKey.set(key, new Set([lease]));
    else leases.add(lease);
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
      for (const key of row.keys) for (const lease of this.#byKey.get(key) ?? []) lease.written.push(row);
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
    for (const leases of this.#byKey.values()) for (const lease of leases) lease.void = true;
    this.#journalStart += this.#journal.length;
    this.#journal = [];
  }

  #isKilled(lease: Lease, entry: MemoryEntry): boolean {
    const isKiller = (row: LogRow) => kills(row, this.#namespace, lease.key, entry);
    if (lease.written.some(isKiller)) return true;
    for (let at = Math.max(0, lease.journalFrom - this.#journalStart); at < this.#journal.length; at++) {
      if (isKiller(this.#journal[at] as LogRow)) return true;
    }
    return false;
  }

  #close(lease: Lease): void {
    this.#remove(lease);
    for (const other of this.#byKey.get(lease.key) ?? []) other.void = true;
  }

  #remove(lease: Lease): void {
    const leases = this.#byKey.get(lease.key);
    if (!leases?.delete(lease)) return;
    if (leases.size === 0) this.#byKey.delete(lease.key);
    this.#out -= 1;
    if (this.#out === 0) {
      this.#journalStart += this.#journal.length;
      this.#journal = [];
    }
  }
}
