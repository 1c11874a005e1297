import { CacheError } from '../shared/errors.js';
import type { Clock } from './clock.js';
import type { Bytes, Holder, LoadOutcome } from './namespace.js';

/** Loads that may be handed out and not yet come back, in one namespace. */
const TOKENS_MAX = 100_000;
/** How many of them one connection may hold: one that never ends its loads must not keep the others from theirs. */
const TOKENS_PER_HOLDER_MAX = 10_000;
/** After this many times the time of a load its holder has forgotten it: so does the daemon. */
const FORGOTTEN_AFTER_TIMES = 10;

/** How a load ended for those who waited; `passed` sends them back to ask anew. */
export type FlightEnd = Extract<LoadOutcome, { kind: 'value' | 'nothing' | 'failed' }> | { readonly kind: 'passed' };

/** One load of a key on this host: at most one a key. */
export interface LoadFlight {
  readonly key: string;
  /** Askers with a lower number had asked before the load began: its value is theirs, kept or not. */
  beganAt: number;
  readonly done: Promise<FlightEnd>;
  end(outcome: FlightEnd): void;
}

/** A load that is out. Its terms say under what its value may be stored. */
export interface Handout<Terms> {
  readonly key: string;
  readonly holder: Holder;
  readonly terms: Terms;
  readonly flight: LoadFlight;
  callOffTimer(): void;
}

/** Which loads of one namespace are out, under which token and with whom; and who waits for them. */
export class Handouts<Terms> {
  readonly #clock: Clock;
  readonly #loadTimeoutMs: number;
  readonly #flights = new Map<string, LoadFlight>();
  readonly #handouts = new Map<number, Handout<Terms>>();
  readonly #outByKey = new Map<string, number>();
  readonly #tokensByHolder = new Map<Holder, Set<number>>();
  readonly #gone = new WeakSet<Holder>();
  #nextToken = 1;
  #nextNumber = 1;

  constructor(clock: Clock, loadTimeoutMs: number) {
    this.#clock = clock;
    this.#loadTimeoutMs = loadTimeoutMs;
  }

  /** How many are out. */
  get size(): number {
    return this.#handouts.size;
  }

  /** Whether none is out, and none is about to be. */
  get isIdle(): boolean {
    return this.#handouts.size === 0 && this.#flights.size === 0;
  }

  /** Whether no further load may be handed out to this holder. */
  isFullFor(holder: Holder): boolean {
    return this.#refusal(holder) !== undefined;
  }

  /** Whether the holder's connection is gone. */
  isGone(holder: Holder): boolean {
    return this.#gone.has(holder);
  }

  /** Whether a load of the key is out, one that was passed on included: its holder may still come back with a value. */
  isOut(key: string): boolean {
    return this.#outByKey.has(key);
  }

  /** A number for somebody who asks now. */
  askNumber(): number {
    return this.#nextNumber++;
  }

  flight(key: string): LoadFlight | undefined {
    return this.#flights.get(key);
  }

  /**
   * Begins a flight of a key that has none: from here on others wait for it. It has to be handed out, or to end.
   * @throws CacheError ERR_OVERLOADED
   */
  begin(key: string, holder: Holder): LoadFlight {
    const refusal = this.#refusal(holder);
    if (refusal !== undefined) throw new CacheError('ERR_OVERLOADED', refusal);
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

  /** @returns the token. @throws CacheError ERR_CLOSED where the holder has gone meanwhile: the flight then passes on */
  handOut(flight: LoadFlight, holder: Holder, terms: Terms): number {
    if (this.#gone.has(holder)) {
      flight.end({ kind: 'passed' });
      throw new CacheError('ERR_CLOSED', 'the connection closed before its load was handed out');
    }
    flight.beganAt = this.askNumber();
    const token = this.#nextToken++;
    // When its time is up the load passes on; what its holder still offers is tried like any other.
    let callOff = this.#clock.after(this.#loadTimeoutMs, () => {
      flight.end({ kind: 'passed' });
      callOff = this.#clock.after(this.#loadTimeoutMs * (FORGOTTEN_AFTER_TIMES - 1), () => this.take(token, holder));
    });
    this.#handouts.set(token, { key: flight.key, holder, terms, flight, callOffTimer: () => callOff() });
    this.#outByKey.set(flight.key, (this.#outByKey.get(flight.key) ?? 0) + 1);
    const tokens = this.#tokensByHolder.get(holder);
    if (tokens === undefined) this.#tokensByHolder.set(holder, new Set([token]));
    else tokens.add(token);
    return token;
  }

  /** @throws CacheError ERR_INVALID_TOKEN */
  get(token: number, holder: Holder): Handout<Terms> {
    const handout = this.#handouts.get(token);
    if (handout === undefined || handout.holder !== holder) {
      throw new CacheError('ERR_INVALID_TOKEN', `lease ${token} is not out on this connection`);
    }
    return handout;
  }

  /** Takes it back; its flight is still to be ended. @throws CacheError ERR_INVALID_TOKEN */
  take(token: number, holder: Holder): Handout<Terms> {
    const handout = this.get(token, holder);
    this.#tokensByHolder.get(holder)?.delete(token);
    this.#remove(token, handout);
    return handout;
  }

  /** The holder's connection is gone: what it holds passes on. */
  release(holder: Holder): void {
    this.#gone.add(holder);
    for (const token of this.#tokensByHolder.get(holder) ?? []) {
      const handout = this.#handouts.get(token) as Handout<Terms>;
      this.#remove(token, handout);
      handout.flight.end({ kind: 'passed' });
    }
    this.#tokensByHolder.delete(holder);
  }

  #refusal(holder: Holder): string | undefined {
    if (this.#handouts.size >= TOKENS_MAX) return `${TOKENS_MAX} loads are under way in this namespace`;
    const held = this.#tokensByHolder.get(holder)?.size ?? 0;
    if (held < TOKENS_PER_HOLDER_MAX) return undefined;
    return `this connection has ${held} loads in this namespace that it has not ended (fill or abandon)`;
  }

  #remove(token: number, { key, callOffTimer }: Handout<Terms>): void {
    this.#handouts.delete(token);
    const others = (this.#outByKey.get(key) ?? 1) - 1;
    if (others === 0) this.#outByKey.delete(key);
    else this.#outByKey.set(key, others);
    callOffTimer();
  }
}

/** What an abandoned load comes to. The error is a view on a frame, and those who wait read it in a later turn. */
export function endOf(end: Bytes | undefined | 'passed'): FlightEnd {
  if (end === 'passed') return { kind: 'passed' };
  return end === undefined ? { kind: 'nothing' } : { kind: 'failed', error: new Uint8Array(end) };
}
