import { backoffMs } from '../shared/backoff.js';
import { CacheError } from '../shared/errors.js';
import { NUMBER_TAKEN } from '../shared/table/space-sql.js';
import type { WriteBatch, WriteItem, WriteResult } from '../shared/table/write.js';
import type { Clock } from './clock.js';
import { type Database, DatabaseFailure, DEADLOCK_DETECTED } from './database.js';
import type { Follower } from './follower.js';
import type { Identity } from './identity.js';

/** How long one statement waits for a row that somebody else holds; such a key holds up only itself. */
export const LOCK_TIMEOUT_MS = 200;
const RETRY = { firstMs: 10, maxMs: 500 };

export type DoneResult = Extract<WriteResult, { state: 'done' }>;

export interface WriteStreamOptions {
  readonly namespace: string;
  readonly database: Pick<Database, 'write'>;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly follower: Pick<Follower, 'look' | 'meetIncarnation'>;
  /** How long a batch whose connection broke is resent before its callers are told that nobody knows. */
  readonly settleTimeoutMs: number;
  onSuperseded(): void;
  /** While the database can't be reached: what was never sent need not wait. */
  onUnreachable(failure: DatabaseFailure): void;
}

/**
 * An ordered, numbered stream of batches, one out at a time.
 *
 *     sent -- done ----------------------> told
 *     sent -- refused, undone -----------> told
 *     sent -- connection broke ----------> unsettled
 *     unsettled -- same number again ----> told, with the answer that was kept if it had taken effect, or takes effect now
 *     unsettled -- settleTimeoutMs up ---> told that its outcome is unknown; the next batch's number shuts it out
 */
export class WriteStream {
  readonly #options: WriteStreamOptions;

  constructor(options: WriteStreamOptions) {
    this.#options = options;
  }

  /**
   * Sends a batch until it is known what became of it.
   * @throws DatabaseFailure for a batch that was undone, CacheError ERR_UNKNOWN_OUTCOME for one that could not be settled
   */
  async settle(items: readonly WriteItem[], invalidated: readonly string[], sentMs: number): Promise<DoneResult> {
    const { clock, database, namespace, identity, follower } = this.#options;
    let number = identity.nextNumber();
    let again = false;
    let unsettled = false;
    let attempts = 0;
    for (;;) {
      const batch: WriteBatch = {
        number,
        again,
        ageMs: clock.now() - sentMs,
        lockTimeoutMs: LOCK_TIMEOUT_MS,
        invalidated,
        items,
      };
      let failure: DatabaseFailure | undefined;
      try {
        const result = await database.write(namespace, batch);
        if (result.state === 'done') {
          follower.meetIncarnation(result.incarnation);
          return result;
        }
        if (result.state === 'lost') {
          await follower.look();
        } else {
          this.#options.onSuperseded();
          identity.renew();
          if (unsettled) throw unknownOutcome('another daemon writes under the same identity');
          number = identity.nextNumber();
          again = false;
          continue;
        }
      } catch (error) {
        if (!(error instanceof DatabaseFailure)) throw error;
        failure = error;
        const isTaken = error.kind === 'refused' && error.sqlState === NUMBER_TAKEN;
        if (error.kind === 'unknown') unsettled = true;
        if (!unsettled && !isTaken && error.sqlState !== DEADLOCK_DETECTED) throw error;
        if (unsettled || isTaken) again = true;
        if (error.kind === 'unreachable') this.#options.onUnreachable(error);
      }
      if (clock.now() - sentMs > this.#options.settleTimeoutMs) {
        if (unsettled) throw unknownOutcome(failure?.message ?? 'the cache tables are gone');
        throw failure ?? new DatabaseFailure('refused', 'the cache tables are gone');
      }
      await new Promise<void>((resolve) => clock.after(backoffMs(RETRY, attempts), resolve));
      attempts += 1;
    }
  }
}

function unknownOutcome(reason: string): CacheError {
  return new CacheError(
    'ERR_UNKNOWN_OUTCOME',
    `a write's connection broke and what became of it can't be told: ${reason}`,
  );
}
