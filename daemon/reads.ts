import { type Base, parseSnapshot } from '../shared/snapshot.js';
import type { FoundEntry, ReadResult } from '../shared/table/read.js';
import type { Clock } from './clock.js';
import { asCacheError, type Database } from './database.js';
import type { Follower } from './follower.js';
import type { Lease, Leases } from './leases.js';
import type { Packed } from './packed.js';

/** Read statements of one namespace that may be out at once, and keys in one of them. */
const STATEMENTS_OUT_MAX = 4;
const KEYS_PER_STATEMENT_MAX = 500;

/** What the table says of a key, and as of when. */
export interface ReadAnswer {
  readonly entry: FoundEntry<Packed> | undefined;
  /** What has expired within its grace, where there is no entry. */
  readonly stale: FoundEntry<Packed> | undefined;
  readonly base: Base;
}

interface Flight {
  readonly promise: Promise<ReadAnswer>;
  resolve(answer: ReadAnswer): void;
  reject(error: Error): void;
}

function newFlight(): Flight {
  let settle: Pick<Flight, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<ReadAnswer>((resolve, reject) => {
    settle = { resolve, reject };
  });
  promise.catch(() => {});
  return { promise, resolve: (answer) => settle?.resolve(answer), reject: (error) => settle?.reject(error) };
}

/**
 * Reads of one namespace's table: what is asked while a statement is out goes into the next one.
 *
 * Never is a value given to somebody who asked after the invalidation that kills it. A statement answers those who had
 * asked before it was sent; who comes later waits for its end (`landed`) and asks again. The interleaving: a read is
 * sent and sees v1; a commit replaces v1 and is acknowledged; its author asks for the key. The read's v1 is too old for
 * that author, however soon it arrives.
 */
export class Reads {
  readonly #namespace: string;
  readonly #database: Pick<Database, 'read'>;
  readonly #clock: Clock;
  readonly #leases: Leases;
  readonly #follower: Pick<Follower, 'follows'>;
  readonly #defer: (run: () => void) => void;
  #queued = new Map<string, Flight>();
  readonly #out = new Map<string, Flight>();
  #statementsOut = 0;
  #flushQueued = false;

  constructor(options: {
    namespace: string;
    database: Pick<Database, 'read'>;
    clock: Clock;
    leases: Leases;
    follower: Pick<Follower, 'follows'>;
    /** Runs something when what this turn of the loop asks for has been asked. */
    defer: (run: () => void) => void;
  }) {
    this.#namespace = options.namespace;
    this.#database = options.database;
    this.#clock = options.clock;
    this.#leases = options.leases;
    this.#follower = options.follower;
    this.#defer = options.defer;
  }

  /** The end of the read of this key that is out, or undefined where none is. It always resolves. */
  landed(key: string): Promise<unknown> | undefined {
    return this.#out.get(key)?.promise.catch(() => {});
  }

  /**
   * Reads a key with a statement that is sent after this call. For a caller that has waited for `landed`.
   * @throws (rejects) CacheError ERR_DATABASE
   */
  ask(key: string): Promise<ReadAnswer> {
    let flight = this.#queued.get(key);
    if (flight === undefined) {
      flight = newFlight();
      this.#queued.set(key, flight);
      this.#flushSoon();
    }
    return flight.promise;
  }

  #flushSoon(): void {
    if (this.#flushQueued || this.#statementsOut >= STATEMENTS_OUT_MAX) return;
    this.#flushQueued = true;
    this.#defer(() => {
      this.#flushQueued = false;
      while (this.#statementsOut < STATEMENTS_OUT_MAX && this.#queued.size > 0) {
        if (!this.#sendOne()) return;
      }
    });
  }

  /** @returns false where all that is queued must wait for a read of the same key */
  #sendOne(): boolean {
    const batch = new Map<string, Flight>();
    for (const [key, flight] of this.#queued) {
      if (this.#out.has(key)) continue;
      batch.set(key, flight);
      this.#queued.delete(key);
      if (batch.size >= KEYS_PER_STATEMENT_MAX) break;
    }
    if (batch.size === 0) return false;
    void this.#send(batch);
    return true;
  }

  async #send(batch: ReadonlyMap<string, Flight>): Promise<void> {
    const leases = new Map<string, Lease>();
    for (const [key, flight] of batch) {
      this.#out.set(key, flight);
      leases.set(key, this.#leases.grant(key));
    }
    this.#statementsOut += 1;
    const sentMs = this.#clock.now();
    try {
      this.#land(batch, leases, sentMs, await this.#database.read(this.#namespace, [...batch.keys()]));
    } catch (error) {
      for (const [key, flight] of batch) {
        this.#out.delete(key);
        const lease = leases.get(key);
        leases.delete(key);
        if (lease !== undefined) this.#leases.fail(lease);
        flight.reject(asCacheError(error));
      }
    }
    this.#statementsOut -= 1;
    this.#flushSoon();
  }

  #land(
    batch: ReadonlyMap<string, Flight>,
    leases: Map<string, Lease>,
    sentMs: number,
    result: ReadResult<Packed>,
  ): void {
    const isThere = result.incarnation !== undefined;
    const snapshot = parseSnapshot(isThere ? result.snapshot : '0:0:');
    const base: Base = { snapshot, ownXid: undefined, incarnation: result.incarnation ?? '' };
    const found = new Map(result.found.map((entry) => [entry.key, entry]));
    for (const [key, flight] of batch) {
      const entry = found.get(key);
      // Counters live in the table: memory never holds one.
      const keep = entry !== undefined && !entry.isCounter && this.#follower.follows(base);
      const kept = keep ? { ...entry, base } : undefined;
      this.#end(key, leases, kept, sentMs + (entry?.leftMs ?? 0));
      const isStale = entry !== undefined && entry.leftMs <= 0;
      flight.resolve({ entry: isStale ? undefined : entry, stale: isStale ? entry : undefined, base });
    }
  }

  #end(key: string, leases: Map<string, Lease>, entry: Parameters<Leases['end']>[1], expiresAtMs: number): void {
    const lease = leases.get(key);
    this.#out.delete(key);
    leases.delete(key);
    if (lease !== undefined) this.#leases.end(lease, entry, expiresAtMs);
  }
}
