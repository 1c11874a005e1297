import { REFUSALS_MAX } from '../shared/load-run.js';
import { type Base, formatSnapshot, intersection } from '../shared/snapshot.js';
import type { Fill, FillResult } from '../shared/table/fill.js';
import type { Clock } from './clock.js';
import type { Database } from './database.js';
import type { Follower } from './follower.js';
import { Handouts, type LoadFlight } from './handouts.js';
import type { Leases } from './leases.js';
import type { Bytes, Holder, LoadOutcome } from './namespace.js';
import type { ReadAnswer } from './reads.js';

interface Terms {
  /** What the load's value is at least as new as; undefined where there is no such snapshot: then it is not stored. */
  readonly base: Base | undefined;
  readonly refusals: number;
}

export interface LoadsOptions {
  readonly namespace: string;
  readonly clock: Clock;
  readonly follower: Pick<Follower, 'look' | 'saw' | 'sight' | 'follows'>;
  readonly database: Pick<Database, 'fill'>;
  readonly leases: Leases;
  readonly loadTimeoutMs: number;
  /** The host's last acknowledged write. */
  lastWrite(): { readonly xid: bigint; readonly incarnation: string } | undefined;
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

  constructor(options: LoadsOptions) {
    this.#options = options;
    this.#handouts = new Handouts(options.clock, options.loadTimeoutMs);
  }

  /** A number for somebody who asks now. */
  askNumber(): number {
    return this.#handouts.askNumber();
  }

  flight(key: string): LoadFlight | undefined {
    return this.#handouts.flight(key);
  }

  /**
   * Begins a load: its base is what both the read that missed and the follower's last look see. The follower's, because
   * all that the load will read through memory has been tried against that look; and only once it has seen this host's
   * own acknowledged writes, since memory has them already.
   */
  async begin(key: string, holder: Holder, missed: ReadAnswer, refusals: number): Promise<LoadOutcome> {
    const { follower, lastWrite } = this.#options;
    const flight = this.#handouts.begin(key);
    const own = lastWrite();
    const { incarnation } = missed.base;
    // A crash took along writes of an earlier incarnation, and their transaction ids are handed out again.
    const isKnown = () => follower.follows(missed.base) && (own?.incarnation !== incarnation || follower.saw(own.xid));
    if (!isKnown()) await follower.look();
    const sight = isKnown() ? follower.sight : undefined;
    const base =
      sight === undefined
        ? undefined
        : { snapshot: intersection(missed.base.snapshot, sight.snapshot), ownXid: undefined, incarnation };
    return this.#handouts.handOut(flight, holder, { base, refusals });
  }

  /** The key of a load that is out. @throws CacheError ERR_INVALID_TOKEN */
  keyOf(token: number, holder: Holder): string {
    return this.#handouts.get(token, holder).key;
  }

  /** @returns the outcome, or the number of refusals with which the holder is to ask anew */
  async fill(
    token: number,
    holder: Holder,
    bytes: Bytes,
    ttlMs: number,
    names: readonly string[],
  ): Promise<LoadOutcome | number> {
    const { key, flight, terms } = this.#handouts.take(token, holder);
    const { base, refusals } = terms;
    const value: LoadOutcome = { kind: 'value', bytes };
    const stored = base === undefined ? 'failed' : await this.#offer({ key, bytes, ttlMs, names }, base);
    if (stored === 'refused' && refusals + 1 < REFUSALS_MAX) {
      await this.#options.follower.look();
      flight.end({ kind: 'passed' });
      return refusals + 1;
    }
    flight.end(value);
    return value;
  }

  abandon(token: number, holder: Holder, error: Bytes | undefined): void {
    const { flight } = this.#handouts.take(token, holder);
    flight.end(error === undefined ? { kind: 'nothing' } : { kind: 'failed', error });
  }

  release(holder: Holder): void {
    this.#handouts.release(holder);
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
}
