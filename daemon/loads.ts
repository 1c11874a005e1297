import { REFUSALS_MAX } from '../shared/load-run.js';
import { type Base, formatSnapshot, intersection } from '../shared/snapshot.js';
import type { Fill } from '../shared/table/fill.js';
import type { Clock } from './clock.js';
import type { Database } from './database.js';
import { type FillAnswer, Fills } from './fills.js';
import type { Follower } from './follower.js';
import { endOf, Handouts, type LoadFlight } from './handouts.js';
import type { Leases } from './leases.js';
import type { Bytes, Holder, LoadAsk, LoadOutcome } from './namespace.js';
import type { ReadAnswer } from './reads.js';

type Offered = 'stored' | 'refused' | 'failed';

interface Terms {
  /** What the load's value is at least as new as; undefined where there is no such snapshot: then it is not stored. */
  readonly base: Base | undefined;
  readonly refusals: number;
  readonly ask: LoadAsk;
}

/** What the loader gives with a value, in the log's terms. */
type Given = Pick<Fill, 'ttlMs' | 'names' | 'graceMs' | 'deltaMs'>;

/** A refused value: the holder is to ask anew, as it did before, after that many refusals. */
export interface Refused {
  readonly kind: 'refused';
  readonly ask: LoadAsk;
  readonly refusals: number;
}

/** The last acknowledged write of a namespace's stream. */
export interface HostWrite {
  readonly xid: bigint;
  readonly incarnation: string;
}

export interface LoadsOptions {
  readonly namespace: string;
  readonly clock: Clock;
  readonly follower: Pick<Follower, 'look' | 'saw' | 'sight' | 'follows'>;
  readonly database: Pick<Database, 'fill'>;
  readonly leases: Leases;
  readonly loadTimeoutMs: number;
  /** Runs something when what this turn of the loop asks for has been asked. */
  readonly defer: (run: () => void) => void;
  /** The host's last acknowledged write. */
  lastWrite(): HostWrite | undefined;
  /** The same of each namespace on this database: what a load that inherits may read. */
  readonly lastWrites?: (() => readonly HostWrite[]) | undefined;
}

/**
 * Loads: who computes what is missing, and what becomes of the value.
 *
 *     begun -- fill, stored or not ------> value to all who had asked before it began; later ones ask again
 *           -- abandoned, threw ---------> the error to all who wait; nothing is stored
 *           -- holder gone, time up -----> the next who waits asks anew, and is handed the load
 *           -- refused ------------------> the holder asks anew, table read included; after the second time its value
 *                                          is answered and not stored
 */
export class Loads {
  readonly #options: LoadsOptions;
  readonly #handouts: Handouts<Terms>;
  readonly #fills: Fills;

  constructor(options: LoadsOptions) {
    this.#options = options;
    this.#handouts = new Handouts(options.clock, options.loadTimeoutMs);
    this.#fills = new Fills(options);
  }

  /** A number for somebody who asks now. */
  askNumber(): number {
    return this.#handouts.askNumber();
  }

  get isIdle(): boolean {
    return this.#handouts.isIdle;
  }

  flight(key: string): LoadFlight | undefined {
    return this.#handouts.flight(key);
  }

  isGone(holder: Holder): boolean {
    return this.#handouts.isGone(holder);
  }

  /** Begins a flight: from here on others wait for it. It has to be handed out, or to end. @throws CacheError ERR_OVERLOADED */
  begin(key: string, holder: Holder): LoadFlight {
    return this.#handouts.begin(key, holder);
  }

  /**
   * Hands out a load: its base is what both the read that missed and the follower's last look see. The follower's, because
   * all that the load will read through memory has been tried against that look; and only once it has seen this host's
   * own acknowledged writes, since memory has them already.
   */
  async handOut(
    flight: LoadFlight,
    holder: Holder,
    missed: ReadAnswer,
    ask: LoadAsk,
    refusals: number,
  ): Promise<LoadOutcome> {
    const { follower } = this.#options;
    const own = this.#ownWrites(ask);
    const { incarnation } = missed.base;
    // A crash took along writes of an earlier incarnation, and their transaction ids are handed out again.
    const isSeen = (write: HostWrite) => write.incarnation !== incarnation || follower.saw(write.xid);
    const isKnown = () => follower.follows(missed.base) && own.every(isSeen);
    if (!isKnown()) await follower.look();
    const sight = isKnown() ? follower.sight : undefined;
    const base =
      sight === undefined
        ? undefined
        : { snapshot: intersection(missed.base.snapshot, sight.snapshot), ownXid: undefined, incarnation };
    const token = this.#handouts.handOut(flight, holder, { base, refusals, ask });
    return { kind: 'load', token, stale: missed.stale?.bytes };
  }

  /**
   * Begins an early refresh, whose base is the follower's last snapshot. One that is refused is not repeated: somebody else
   * has written the key.
   * @returns the token, or undefined where one of the key is out already, or the log is out of sight
   */
  beginRefresh(key: string, holder: Holder, ask: LoadAsk): { token: number; flight: LoadFlight } | undefined {
    const { sight } = this.#options.follower;
    if (sight === undefined || this.flight(key) !== undefined || this.#handouts.isFullFor(holder)) return undefined;
    const flight = this.#handouts.begin(key, holder);
    const base = { snapshot: sight.snapshot, ownXid: undefined, incarnation: sight.incarnation };
    return { token: this.#handouts.handOut(flight, holder, { base, refusals: REFUSALS_MAX, ask }), flight };
  }

  /** The key of a load that is out. @throws CacheError ERR_INVALID_TOKEN */
  keyOf(token: number, holder: Holder): string {
    return this.#handouts.get(token, holder).key;
  }

  async fill(token: number, holder: Holder, bytes: Bytes, given: Given): Promise<LoadOutcome | Refused> {
    const { key, flight, terms } = this.#handouts.take(token, holder);
    const { base, refusals, ask } = terms;
    const value = { kind: 'value', bytes, names: given.names } as const;
    const stored = await this.#offer({ ...given, key, bytes }, base);
    if (stored === 'refused' && refusals + 1 < REFUSALS_MAX) {
      await this.#options.follower.look();
      flight.end({ kind: 'passed' });
      return { kind: 'refused', ask, refusals: refusals + 1 };
    }
    flight.end(value);
    return value;
  }

  abandon(token: number, holder: Holder, end: Bytes | undefined | 'passed'): void {
    this.#handouts.take(token, holder).flight.end(endOf(end));
  }

  release(holder: Holder): void {
    this.#handouts.release(holder);
  }

  #ownWrites(ask: LoadAsk): readonly HostWrite[] {
    const { lastWrite, lastWrites } = this.#options;
    if (ask.inherits && lastWrites !== undefined) return lastWrites();
    const own = lastWrite();
    return own === undefined ? [] : [own];
  }

  async #offer(value: Omit<Fill, 'base' | 'incarnation'>, base: Base | undefined): Promise<Offered> {
    const { leases, follower } = this.#options;
    const lease = leases.grant(value.key);
    if (base === undefined) {
      // The interleaving: a read of the key's old value is out; a load reads a newer source and is answered, not kept; the
      // read lands. Who was given the load's value would then find the older one in memory.
      leases.end(lease, undefined, 0);
      return 'failed';
    }
    const fill = { ...value, base: formatSnapshot(base.snapshot), incarnation: base.incarnation };
    let answer: FillAnswer | undefined;
    try {
      answer = await this.#fills.offer(fill);
    } catch {
      // Whether it was stored is not known; its base keeps it right if it was.
    }
    if (answer === undefined) {
      leases.fail(lease);
      return 'failed';
    }
    const { stored, sentMs } = answer;
    const keep = stored && follower.follows(base);
    leases.end(lease, keep ? { ...value, base } : undefined, sentMs + value.ttlMs);
    return stored ? 'stored' : 'refused';
  }
}
