import { BriefMap } from '../shared/brief-map.js';
import { type Base, parseSnapshot } from '../shared/snapshot.js';
import type { FoundEntry, ReadResult } from '../shared/table/read.js';
import type { Clock } from './clock.js';
import { asCacheError, type Database } from './database.js';
import type { Follower } from './follower.js';
import type { Lease, Leases } from './leases.js';
import type { MemoryEntry } from './memory.js';
import type { Packed } from './packed.js';

/**
 * Read statements of one namespace that may be out at once, and keys in one of them. While two are out, what is asked
 * gathers: one of them is soon back, and with 64 misses in flight the two hold half of them each, so that Postgres and we
 * work at the same time. A third for a few keys would take a worker, and cost more than it saves.
 */
const FEW_OUT_MAX = 2;
const FEW_KEYS = 64;
/** Where so many keys wait, further statements are worth a worker, and larger. */
const MANY_KEYS_WAITING = 128;
const STATEMENTS_OUT_MAX = 4;
const KEYS_PER_STATEMENT_MAX = 500;

/** What the table says of a key, and as of when. */
export interface ReadAnswer {
  readonly entry: FoundEntry<Packed> | undefined;
  /** What has expired within its grace, where there is no entry. */
  readonly stale: FoundEntry<Packed> | undefined;
  readonly base: Base;
}

/** Who is to be told what a read says of a key. Exactly one of the two is called, once. */
export interface Asker {
  answered(answer: ReadAnswer): void;
  failed(error: Error): void;
}

/**
 * The read of one key. No promises and no arrays where one asks, which is the rule: there is one of these a miss.
 *
 *     queued -- its statement is sent, with a lease on the key --> out -- answered, or failed --> over
 */
class Flight implements Asker {
  readonly key: string;
  lease: Lease | undefined = undefined;
  isOver = false;
  /** Queued as soon as this one is over: for those who have asked since it went out. */
  next: Flight | undefined = undefined;
  readonly #first: Asker;
  #others: Asker[] | undefined = undefined;

  constructor(key: string, first: Asker) {
    this.key = key;
    this.#first = first;
  }

  get isOut(): boolean {
    return this.lease !== undefined && !this.isOver;
  }

  join(asker: Asker): void {
    if (this.#others === undefined) this.#others = [asker];
    else this.#others.push(asker);
  }

  answered(answer: ReadAnswer): void {
    this.#first.answered(answer);
    if (this.#others !== undefined) for (const asker of this.#others) asker.answered(answer);
  }

  failed(error: Error): void {
    this.#first.failed(error);
    if (this.#others !== undefined) for (const asker of this.#others) asker.failed(error);
  }
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
  /** By key: the one that is out, else the one that is queued. */
  readonly #flights = new BriefMap<string, Flight>();
  #queue: Flight[] = [];
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

  /** Whether a read of this key is out. */
  isOut(key: string): boolean {
    return this.#flights.get(key)?.isOut === true;
  }

  /** The end of the read of this key that is out, or undefined where none is. It always resolves. */
  landed(key: string): Promise<unknown> | undefined {
    const flight = this.#flights.get(key);
    if (flight?.isOut !== true) return undefined;
    return new Promise((resolve) => flight.join({ answered: resolve, failed: resolve }));
  }

  /** Reads a key with a statement that is sent after this call. For a caller that has waited for `landed`. */
  ask(key: string, asker: Asker): void {
    const flight = this.#flights.get(key);
    if (flight === undefined) {
      const asked = new Flight(key, asker);
      this.#flights.set(key, asked);
      this.#enqueue(asked);
    } else if (!flight.isOut) {
      flight.join(asker);
    } else if (flight.next === undefined) {
      flight.next = new Flight(key, asker);
    } else {
      flight.next.join(asker);
    }
  }

  /**
   * The same as a promise.
   * @throws (rejects) CacheError ERR_DATABASE
   */
  answerTo(key: string): Promise<ReadAnswer> {
    return new Promise((answered, failed) => this.ask(key, { answered, failed }));
  }

  #enqueue(flight: Flight): void {
    this.#queue.push(flight);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushQueued || this.#keysToSend === 0) return;
    this.#flushQueued = true;
    this.#defer(() => {
      this.#flushQueued = false;
      for (let keys = this.#keysToSend; keys > 0; keys = this.#keysToSend) void this.#send(this.#queue.splice(0, keys));
    });
  }

  /** At most, in the next statement; 0 where none may be sent. */
  get #keysToSend(): number {
    const waiting = this.#queue.length;
    if (waiting === 0) return 0;
    // A getMany by itself is one statement.
    if (this.#statementsOut === 0) return KEYS_PER_STATEMENT_MAX;
    if (this.#statementsOut < FEW_OUT_MAX) return FEW_KEYS;
    const isWorthOne = this.#statementsOut < STATEMENTS_OUT_MAX && waiting >= MANY_KEYS_WAITING;
    return isWorthOne ? KEYS_PER_STATEMENT_MAX : 0;
  }

  async #send(batch: readonly Flight[]): Promise<void> {
    for (const flight of batch) flight.lease = this.#leases.grant(flight.key);
    this.#statementsOut += 1;
    const sentMs = this.#clock.now();
    try {
      const keys = batch.map((flight) => flight.key);
      this.#land(batch, sentMs, await this.#database.read(this.#namespace, keys));
    } catch (error) {
      const failure = asCacheError(error);
      for (const flight of batch) {
        if (flight.isOver) continue;
        this.#over(flight);
        this.#leases.fail(flight.lease as Lease);
        flight.failed(failure);
      }
    }
    this.#statementsOut -= 1;
    this.#flushSoon();
  }

  #land(batch: readonly Flight[], sentMs: number, result: ReadResult<Packed>): void {
    const isThere = result.incarnation !== undefined;
    const snapshot = parseSnapshot(isThere ? result.snapshot : '0:0:');
    const base: Base = { snapshot, ownXid: undefined, incarnation: result.incarnation ?? '' };
    const isFollowed = this.#follower.follows(base);
    for (const entry of result.found) {
      const flight = this.#flights.get(entry.key);
      // One is out for each key of the statement, and for no other: the table has a key once.
      if (flight?.isOut !== true) continue;
      const { bytes, names, graceMs, deltaMs, leftMs } = entry;
      // Counters live in the table: memory never holds one.
      const kept = isFollowed && !entry.isCounter ? { bytes, base, names, graceMs, deltaMs } : undefined;
      this.#end(flight, kept, sentMs + leftMs);
      const isStale = leftMs <= 0;
      flight.answered({ entry: isStale ? undefined : entry, stale: isStale ? entry : undefined, base });
    }
    for (const flight of batch) {
      if (flight.isOver) continue;
      this.#end(flight, undefined, sentMs);
      flight.answered({ entry: undefined, stale: undefined, base });
    }
  }

  #end(flight: Flight, entry: MemoryEntry | undefined, expiresAtMs: number): void {
    this.#over(flight);
    this.#leases.end(flight.lease as Lease, entry, expiresAtMs);
  }

  #over(flight: Flight): void {
    flight.isOver = true;
    const { key, next } = flight;
    if (next === undefined) {
      this.#flights.delete(key);
    } else {
      this.#flights.set(key, next);
      this.#enqueue(next);
    }
  }
}
