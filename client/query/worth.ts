import { FirstSights } from './first-sights.js';
import { RobustMean } from './robust-mean.js';

/** What is counted is halved at so many calls, so that it tells of the last few hundred. */
const CALLS_MAX = 512;
/** Calls, and times of misses among them, before anything is concluded. */
const CALLS_MIN = 32;
const TIMES_MIN = 16;
/** Calls from one look at the balance to the next. */
const JUDGED_EVERY = 16;
/** Standard errors by which a loss must exceed nothing, and the share of the query's own time by which it must be felt. */
const ERRORS = 3;
const FELT_SHARE = 0.1;
/** A query that takes so many times what the cache adds to it is cached always: it is for such that callers wait for one run. */
const SLOW_FACTOR = 2;
/** So is one that takes so long where it need not wait, however long the cache takes on a busy machine. */
const SLOW_MS = 20;
/** Calls that go directly: at first, twice as many after each time that it still does not pay, and at most. */
export const DIRECT_CALLS_MIN = 1_024;
export const DIRECT_CALLS_MAX = 65_536;
/** After so long, and `DIRECT_CALLS_MIN` calls, it is tried again in any case. */
export const DIRECT_MS_MAX = 600_000;
/** So many calls after it was tried again it has earned its place, and the next time counts as the first. */
const SETTLED_CALLS = 4_096;

/** What is known of a statement. Times in milliseconds; NaN before the first. */
export interface WorthFigures {
  /** What the query takes when it runs. */
  readonly ownMs: number;
  /** What the cache adds to that when it is not found: asking for it, storing it. */
  readonly addedMs: number;
  /** What it takes when it is found. */
  readonly hitMs: number;
  /** Of the calls that were counted, from 0 to 1. */
  readonly hitShare: number;
}

/**
 * Whether it pays to cache a statement: it does not while misses × (what a miss takes more than the query) are more than hits ×
 * (the query − a hit), by more than chance explains.
 *
 *     cached --- it does not pay ------------------------> direct
 *     direct --- 1,024 calls, twice as many each time ---> cached, on trial: what was counted before is void
 *            --- the query has become slow ------------> cached, on trial
 *     cached --- 4,096 calls ----------------------------> the next 1,024 are as the first
 *
 * That a key is not found which nobody has asked for before does not count as long as others are asked for again: it is what each cache
 * begins with. It has no clock: whoever calls says what time it is, in milliseconds of a monotonic one.
 */
export class Worth {
  readonly #own = new RobustMean();
  readonly #added = new RobustMean();
  readonly #hit = new RobustMean();
  #hits = 0;
  #misses = 0;
  /** Calls counted since it was last tried. */
  #counted = 0;
  #first: FirstSights | undefined = new FirstSights();
  #isDirect = false;
  /** Direct calls of this period so far, how many there will be, and since when. */
  #directCalls = 0;
  #directCallsMax = DIRECT_CALLS_MIN;
  #directSinceMs = 0;

  get figures(): WorthFigures {
    return {
      ownMs: this.#own.value,
      addedMs: this.#added.value,
      hitMs: this.#hit.value,
      hitShare: this.#hits / Math.max(1, this.#hits + this.#misses),
    };
  }

  /** How many calls go directly now, at most. */
  get directCallsMax(): number {
    return this.#directCallsMax;
  }

  /** Whether the next call is to go past the cache. */
  isDirect(nowMs: number): boolean {
    if (!this.#isDirect) return false;
    const isOver =
      this.#directCalls >= this.#directCallsMax ||
      (this.#directCalls >= DIRECT_CALLS_MIN && nowMs - this.#directSinceMs >= DIRECT_MS_MAX);
    if (isOver || this.#isSlow()) this.#try();
    return this.#isDirect;
  }

  /** A call was found, or answered by another's run. @param key a hash of what was asked for. @returns whether from now on calls go directly */
  hit(key: number, tookMs: number, nowMs: number): boolean {
    this.#hit.add(tookMs);
    this.#isFirst(key);
    this.#hits += 1;
    return this.#judged(nowMs);
  }

  /** A call was not found. @param tookMs all of it. @param ownMs the query's own run of that. @returns whether from now on calls go directly */
  miss(key: number, tookMs: number, ownMs: number, nowMs: number): boolean {
    this.#own.add(ownMs);
    this.#added.add(Math.max(0, tookMs - ownMs));
    if (this.#isFirst(key)) return false;
    this.#misses += 1;
    return this.#judged(nowMs);
  }

  /** A call went directly. @param ownMs what it took; NaN where that does not count */
  direct(ownMs: number): void {
    this.#directCalls += 1;
    if (!Number.isNaN(ownMs)) this.#own.add(ownMs);
  }

  #isFirst(key: number): boolean {
    if (this.#first === undefined) return false;
    const isFirst = this.#first.isFirst(key);
    if (this.#first.isOver) this.#first = undefined;
    return isFirst;
  }

  #judged(nowMs: number): boolean {
    this.#counted += 1;
    if (this.#isDirect) return false; // a call that had begun before
    if (this.#counted === SETTLED_CALLS) this.#directCallsMax = DIRECT_CALLS_MIN;
    if (this.#counted % JUDGED_EVERY !== 0 || !this.#isLoss()) {
      if (this.#hits + this.#misses >= CALLS_MAX) {
        this.#hits /= 2;
        this.#misses /= 2;
      }
      return false;
    }
    this.#isDirect = true;
    this.#directCalls = 0;
    this.#directSinceMs = nowMs;
    this.#first = undefined;
    return true;
  }

  #isLoss(): boolean {
    const calls = this.#hits + this.#misses;
    if (calls < CALLS_MIN || this.#added.samples < TIMES_MIN || this.#isSlow()) return false;
    const savedMs = this.#hits === 0 ? 0 : this.#own.value - this.#hit.value;
    const lossMs = this.#misses * this.#added.value - this.#hits * savedMs;
    // A miss in place of a hit changes the balance by both; misses come at random, as Poisson's.
    const errorMs = Math.sqrt(this.#misses) * (this.#added.value + Math.max(0, savedMs));
    return lossMs > ERRORS * errorMs + FELT_SHARE * calls * this.#own.value;
  }

  #isSlow(): boolean {
    const isSlow = (own: number, added: number) => own >= SLOW_FACTOR * added;
    // On a busy machine all that waits takes long; what takes long without waiting shows in the low times.
    const { value, low } = this.#own;
    return low >= SLOW_MS || isSlow(value, this.#added.value) || isSlow(low, this.#added.low);
  }

  #try(): void {
    this.#isDirect = false;
    this.#directCallsMax = Math.min(2 * this.#directCallsMax, DIRECT_CALLS_MAX);
    this.#hits = 0;
    this.#misses = 0;
    this.#counted = 0;
    this.#first = new FirstSights();
    // The query's own time was taken all the while.
    this.#added.restart();
    this.#hit.restart();
  }
}
