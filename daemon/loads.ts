import { CacheError } from '../shared/errors.js';
import { REFUSALS_MAX } from '../shared/load-run.js';
import { type Base, formatSnapshot, intersection } from '../shared/snapshot.js';
import type { Fill, FillResult } from '../shared/table/fill.js';
import type { Clock } from './clock.js';
import type { Database } from './database.js';
import type { Follower } from './follower.js';
import type { Leases } from './leases.js';
import type { Bytes, Holder, LoadOutcome } from './namespace.js';
import type { ReadAnswer } from './reads.js';

/** Loads that may be handed out and not yet come back, in one namespace. */
const TOKENS_MAX = 100_000;

/** How a load ended for those who waited; `passed` sends them back to ask anew. */
export type FlightEnd = Exclude<LoadOutcome, { kind: 'load' }> | { readonly kind: 'passed' };

/** One load of a key on this host: at most one a key. */
export interface LoadFlight {
  readonly key: string;
  /** Askers with a lower number had asked before the load began: its value is theirs, kept or not. */
  beganAt: number;
  readonly done: Promise<FlightEnd>;
  end(outcome: FlightEnd): void;
}

interface Handout {
  readonly key: string;
  readonly holder: Holder;
  /** What the load's value is at least as new as; undefined where there is no such snapshot: then it is not stored. */
  readonly base: Base | undefined;
  readonly refusals: number;
  readonly flight: LoadFlight;
  callOffTimer(): void;
}

export interface LoadsOptions {
  readonly namespace: string;
  readonly clock: Clock;
  readonly follower: Pick<Follower, 'look' | 'saw' | 'sight' | 'follows'>;
  readonly database: Pick<Database, 'fill'>;
  readonly leases: Leases;
  readonly loadTimeoutMs: number;
  /** The transaction of the host's last acknowledged write. */
  lastXid(): bigint | undefined;
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
  readonly #flights = new Map<string, LoadFlight>();
  readonly #handouts = new Map<number, Handout>();
  readonly #tokensByHolder = new Map<Holder, Set<number>>();
  readonly #gone = new WeakSet<Holder>();
  #nextToken = 1;
  #nextNumber = 1;

  constructor(options: LoadsOptions) {
    this.#options = options;
  }

  /** A number for somebody who asks now. */
  askNumber(): number {
    return this.#nextNumber++;
  }

  flight(key: string): LoadFlight | undefined {
    return this.#flights.get(key);
  }

  /**
   * Begins a load: its base is what both the read that missed and the follower's last look see. The follower's, because
   * all that the load will read through memory has been tried against that look; and only once it has seen this host's
   * own acknowledged writes, since memory has them already.
   */
  async begin(key: string, holder: Holder, missed: ReadAnswer, refusals: number): Promise<LoadOutcome> {
    const { follower, clock, loadTimeoutMs, lastXid } = this.#options;
    if (this.#handouts.size >= TOKENS_MAX) {
      throw new CacheError('ERR_OVERLOADED', `${TOKENS_MAX} loads are under way in this namespace`);
    }
    const flight = this.#newFlight(key);
    const own = lastXid();
    if (own !== undefined && !follower.saw(own)) await follower.look();
    if (this.#gone.has(holder)) {
      flight.end({ kind: 'passed' });
      throw new CacheError('ERR_CLOSED', 'the connection closed before its load was handed out');
    }
    flight.beganAt = this.askNumber();
    const sight = follower.sight;
    const known =
      sight !== undefined && sight.incarnation === missed.base.incarnation && (own === undefined || follower.saw(own));
    const base = known
      ? {
          snapshot: intersection(missed.base.snapshot, sight.snapshot),
          ownXid: undefined,
          incarnation: sight.incarnation,
        }
      : undefined;
    const token = this.#nextToken++;
    // When its time is up the load passes on; what its holder still offers is tried like any other.
    const callOffTimer = clock.after(loadTimeoutMs, () => flight.end({ kind: 'passed' }));
    this.#handouts.set(token, { key, holder, base, refusals, flight, callOffTimer });
    const tokens = this.#tokensByHolder.get(holder);
    if (tokens === undefined) this.#tokensByHolder.set(holder, new Set([token]));
    else tokens.add(token);
    return { kind: 'load', token };
  }

  /** The key of a load that is out. @throws CacheError ERR_INVALID_TOKEN */
  keyOf(token: number, holder: Holder): string {
    return this.#handout(token, holder).key;
  }

  /** @returns the outcome, or the number of refusals with which the holder is to ask anew */
  async fill(
    token: number,
    holder: Holder,
    bytes: Bytes,
    ttlMs: number,
    names: readonly string[],
  ): Promise<LoadOutcome | number> {
    const handout = this.#takeHandout(token, holder);
    const { key, base, flight } = handout;
    const value: LoadOutcome = { kind: 'value', bytes };
    const stored = base === undefined ? 'failed' : await this.#offer({ key, bytes, ttlMs, names }, base);
    if (stored === 'refused' && handout.refusals + 1 < REFUSALS_MAX) {
      await this.#options.follower.look();
      flight.end({ kind: 'passed' });
      return handout.refusals + 1;
    }
    flight.end(value);
    return value;
  }

  abandon(token: number, holder: Holder, error: Bytes | undefined): void {
    const { flight } = this.#takeHandout(token, holder);
    flight.end(error === undefined ? { kind: 'nothing' } : { kind: 'failed', error });
  }

  release(holder: Holder): void {
    this.#gone.add(holder);
    for (const token of this.#tokensByHolder.get(holder) ?? []) {
      const handout = this.#handouts.get(token);
      this.#handouts.delete(token);
      handout?.callOffTimer();
      handout?.flight.end({ kind: 'passed' });
    }
    this.#tokensByHolder.delete(holder);
  }

  async #offer(value: Omit<Fill, 'base' | 'incarnation'>, base: Base): Promise<'stored' | 'refused' | 'failed'> {
    const { namespace, database, leases, clock, follower } = this.#options;
    const lease = leases.grant(value.key);
    const sentMs = clock.now();
    const fill = { ...value, base: formatSnapshot(base.snapshot), incarnation: base.incarnation };
    let result: FillResult | undefined;
    try {
      result = await database.fill(namespace, [fill]);
    } catch {
      // Whether it was stored is not known; its base keeps it right if it was.
    }
    const stored = result?.stored.includes(value.key) ?? false;
    const keep = stored && follower.follows(base);
    leases.end(lease, keep ? { bytes: value.bytes, base, names: value.names } : undefined, sentMs + value.ttlMs);
    if (result === undefined) return 'failed';
    return stored ? 'stored' : 'refused';
  }

  #newFlight(key: string): LoadFlight {
    let resolve: (outcome: FlightEnd) => void = () => {};
    const done = new Promise<FlightEnd>((settle) => {
      resolve = settle;
    });
    const flight: LoadFlight = {
      key,
      beganAt: Number.POSITIVE_INFINITY,
      done,
      end: (outcome) => {
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
        resolve(outcome);
      },
    };
    this.#flights.set(key, flight);
    return flight;
  }

  #handout(token: number, holder: Holder): Handout {
    const handout = this.#handouts.get(token);
    if (handout === undefined || handout.holder !== holder) {
      throw new CacheError('ERR_INVALID_TOKEN', `lease ${token} is not out on this connection`);
    }
    return handout;
  }

  #takeHandout(token: number, holder: Holder): Handout {
    const handout = this.#handout(token, holder);
    this.#handouts.delete(token);
    this.#tokensByHolder.get(holder)?.delete(token);
    handout.callOffTimer();
    return handout;
  }
}
