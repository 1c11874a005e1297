import { backoffMs } from '../shared/backoff.js';
import { type Base, formatSnapshot, isVisible, type LogRow, parseSnapshot, type Snapshot } from '../shared/snapshot.js';
import type { LookResult } from '../shared/table/look.js';
import type { Clock } from './clock.js';
import type { Database } from './database.js';

/** Waits between looks that fail. */
const RETRY = { firstMs: 20, maxMs: 500 };

export interface FollowerOptions {
  readonly database: Pick<Database, 'look' | 'incarnate'>;
  readonly clock: Clock;
  readonly staleBoundMs: number;
  readonly pollIntervalMs: number;
  /** The least time from one look to the next that is only woken; none where missing. Who waits for a look is not held up. */
  gapMs?(): number;
  /** A row of the log has become visible. */
  apply(row: LogRow): void;
  /** Memory can't be told what it missed: it is to drop everything, and void every lease. */
  reset(reason: string): void;
  /** Memory may answer until this instant. */
  onFresh?(freshUntilMs: number): void;
  /** The follower has lost sight of the log (with the reason), or sees it again. */
  onSight(blind: Error | undefined): void;
}

/** What the follower knows: the snapshot of its last look, and the incarnation that this was taken in. */
export interface Sight {
  readonly snapshot: Snapshot;
  readonly incarnation: string;
}

/**
 * Follows the log, one look at a time: when woken, and at least every pollIntervalMs.
 *
 *     idle -- wake or poll --> looking -- answered --> idle, or looking again if woken meanwhile
 *                                      -- failed ----> waiting (back-off) --> looking
 *     idle -- wake too soon after the last look --> paced -- the gap over, or somebody waits for a look --> looking
 *
 * A look proves that memory was right when it was *sent*; so what is answered from memory is fresh until staleBoundMs
 * after that instant, on this host's monotonic clock, whatever happens to wake-ups, sockets and servers afterwards.
 */
export class Follower {
  readonly #options: FollowerOptions;
  #last: (Sight & { readonly text: string }) | undefined;
  #freshUntilMs = Number.NEGATIVE_INFINITY;
  #lastLookMs = Number.NEGATIVE_INFINITY;
  #sentMs = Number.NEGATIVE_INFINITY;
  #looking = false;
  #paced = false;
  #wokenMeanwhile = false;
  #failures = 0;
  #stopped = false;
  #callOffTimer: (() => void) | undefined;
  /** Who waits for a look that is sent from now on, and who waits for the one that is out. */
  #waitingForNext: (() => void)[] = [];
  #waitingForThis: (() => void)[] = [];

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** The instant, on the clock given, until which memory may answer as fresh. */
  get freshUntilMs(): number {
    return this.#freshUntilMs;
  }

  /** When the last look that succeeded was sent. */
  get lastLookMs(): number {
    return this.#lastLookMs;
  }

  get sight(): Sight | undefined {
    return this.#last;
  }

  isFresh(nowMs: number): boolean {
    return nowMs < this.#freshUntilMs;
  }

  /** Whether a value of this base may be kept: it must be of the incarnation that is being followed. */
  follows(base: Base): boolean {
    return this.#last !== undefined && this.#last.incarnation === base.incarnation;
  }

  /** Whether the last look saw this transaction. */
  saw(xid: bigint): boolean {
    return this.#last !== undefined && isVisible(this.#last.snapshot, xid);
  }

  /**
   * A write of this host took effect in an incarnation. In another one than is followed, transaction ids may be those of
   * the followed one over again. The interleaving: memory holds a value whose base sees 105; Postgres crashes; a tag of
   * the value is invalidated by the new 105 and acknowledged, before a look. The value seems to see that row.
   */
  meetIncarnation(incarnation: string): void {
    if (this.#last === undefined || this.#last.incarnation === incarnation) return;
    this.#last = undefined;
    this.#freshUntilMs = Number.NEGATIVE_INFINITY;
    this.#options.reset('a write took effect in another incarnation of the cache');
    this.wake();
  }

  /** Somebody says that the log has grown. */
  wake(): void {
    if (this.#stopped) return;
    if (this.#looking) this.#wokenMeanwhile = true;
    else if (this.#failures === 0) this.#lookInTime();
  }

  /** Resolves when a look that was sent after this call has ended, well or not. */
  look(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    const done = new Promise<void>((resolve) => this.#waitingForNext.push(resolve));
    if (this.#looking) this.#wokenMeanwhile = true;
    else void this.#look();
    return done;
  }

  stop(): void {
    this.#stopped = true;
    this.#callOffTimer?.();
    for (const done of [...this.#waitingForThis, ...this.#waitingForNext]) done();
    this.#waitingForThis = [];
    this.#waitingForNext = [];
  }

  #lookInTime(): void {
    if (this.#paced) return;
    const { clock, gapMs, pollIntervalMs } = this.#options;
    const waitMs = this.#sentMs + Math.min(pollIntervalMs, gapMs?.() ?? 0) - clock.now();
    if (waitMs <= 0) {
      void this.#look();
      return;
    }
    this.#paced = true;
    this.#callOffTimer?.();
    this.#callOffTimer = clock.after(waitMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { database, clock, onSight } = this.#options;
    this.#callOffTimer?.();
    this.#paced = false;
    this.#looking = true;
    this.#wokenMeanwhile = false;
    this.#waitingForThis = this.#waitingForNext;
    this.#waitingForNext = [];
    const sentMs = clock.now();
    this.#sentMs = sentMs;
    let again = false;
    try {
      again = await this.#learn(await database.look(this.#last?.text), sentMs);
      this.#failures = 0;
      onSight(undefined);
    } catch (error) {
      this.#failures += 1;
      onSight(error instanceof Error ? error : new Error(String(error)));
    }
    this.#looking = false;
    for (const done of this.#waitingForThis) done();
    this.#waitingForThis = [];
    this.#next(again);
  }

  #next(again: boolean): void {
    if (this.#stopped) return;
    const failed = this.#failures > 0;
    if (!failed && (again || this.#waitingForNext.length > 0)) {
      void this.#look();
      return;
    }
    if (!failed && this.#wokenMeanwhile) {
      this.#lookInTime();
      return;
    }
    const waitMs = failed ? backoffMs(RETRY, this.#failures - 1) : this.#options.pollIntervalMs;
    this.#callOffTimer = this.#options.clock.after(waitMs, () => void this.#look());
  }

  /** @returns whether to look again at once */
  async #learn(result: LookResult, sentMs: number): Promise<boolean> {
    if (this.#stopped) return false;
    const { apply, reset, database, staleBoundMs } = this.#options;
    if (result.incarnation === undefined) {
      // A crash emptied the UNLOGGED tables, the log among them: nothing in memory can be checked any more.
      this.#last = undefined;
      this.#freshUntilMs = Number.NEGATIVE_INFINITY;
      reset('the database lost its cache tables');
      await database.incarnate();
      return true;
    }
    const snapshot = parseSnapshot(result.snapshot);
    const reason = this.#whyReset(result);
    if (reason !== undefined) reset(reason);
    else for (const row of result.rows ?? []) apply(row);
    this.#last = { snapshot, incarnation: result.incarnation, text: formatSnapshot(snapshot) };
    this.#lastLookMs = sentMs;
    this.#freshUntilMs = sentMs + staleBoundMs;
    this.#options.onFresh?.(this.#freshUntilMs);
    return false;
  }

  #whyReset(result: LookResult): string | undefined {
    if (this.#last === undefined) return 'the first look at the log';
    if (result.incarnation !== this.#last.incarnation) return 'the database has another incarnation of the cache';
    if (this.#last.snapshot.xmin < BigInt(result.logFloor)) return 'the log was trimmed beyond the last look';
    if (result.rows === undefined) return 'more was invalidated since the last look than a look brings';
    return undefined;
  }
}
