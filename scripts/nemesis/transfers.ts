import pg from 'pg';
import type { CachedPool } from '../../client/query/index.js';
import * as keys from './keys.js';
import type { Random } from './random.js';
import type { Recorder } from './recorder.js';
import { NEVER_COMMITTED, type Source } from './source.js';

const AMOUNT_MAX = 50;
const TRANSFER_PAUSE_MS_MAX = 40;

/** A transaction on the accounts: what each of them gains, which adds up to nothing unless it is to be rolled back. */
interface Transfer {
  readonly gains: readonly (readonly [id: number, gain: number])[];
  readonly rolledBack: boolean;
  /** Wakes the daemons; else they find it by their poll. */
  readonly notifies: boolean;
  readonly pauseMs: number;
}

type Session = Pick<pg.ClientBase, 'query'>;

/** Moves money between accounts: from plain sessions, as psql would, and through the wrapped pool. */
export class Transfers {
  readonly #source: Source;
  readonly #pool: CachedPool;
  readonly #recorder: Recorder;
  readonly #random: Random;

  constructor(source: Source, pool: CachedPool, recorder: Recorder, random: Random) {
    this.#source = source;
    this.#pool = pool;
    this.#recorder = recorder;
    this.#random = random;
  }

  async next(): Promise<void> {
    const random = this.#random;
    const transfer = this.#any();
    const own = random.below(4) === 0;
    const { rolledBack } = transfer;
    const begun = transfer.gains.map(([id]) => {
      return this.#recorder.begin({ kind: 'update', key: keys.accountKey(id), version: 0, sql: true, own, rolledBack });
    });
    let versions: readonly number[] | undefined;
    try {
      versions = await (own ? this.#throughPool(transfer) : this.#source.using((client) => move(client, transfer)));
    } catch (error) {
      this.#recorder.failed(error);
    }
    for (const [at, number] of begun.entries()) {
      const version = versions?.[at];
      // What is to be rolled back never gets as far as its commit.
      if (rolledBack) this.#recorder.end(number, { outcome: 'no' });
      else this.#recorder.end(number, version === undefined ? { outcome: 'unknown' } : { outcome: 'ok', version });
    }
  }

  #any(): Transfer {
    const random = this.#random;
    const amount = 1 + random.below(AMOUNT_MAX);
    const first = 1 + random.below(keys.ACCOUNTS - 1);
    const second = first + 1 + random.below(keys.ACCOUNTS - first);
    const all = Array.from({ length: keys.ACCOUNTS }, (_, at): [number, number] => [
      at + 1,
      at % 2 === 0 ? amount : -amount,
    ]);
    const rolledBack = random.below(5) === 0;
    return {
      gains:
        random.below(8) === 0
          ? all
          : [
              [first, amount],
              [second, -amount],
            ],
      rolledBack,
      notifies: random.below(2) === 0,
      pauseMs: random.below(3) === 0 ? random.below(TRANSFER_PAUSE_MS_MAX) : 0,
    };
  }

  async #throughPool(transfer: Transfer): Promise<readonly number[]> {
    const client = await this.#pool.connect();
    let failed: Error | undefined;
    const onError = (error: Error): void => {
      failed ??= error; // the query under way rejects by itself
    };
    client.on('error', onError);
    try {
      return await move(client, transfer);
    } catch (error) {
      failed ??= error as Error;
      throw error;
    } finally {
      client.removeListener('error', onError);
      client.release(failed);
    }
  }
}

/** Accounts in the order of their numbers, so that no two transactions wait for each other. @returns their versions, in that order */
async function move(client: Session, { gains, rolledBack, notifies, pauseMs }: Transfer): Promise<number[]> {
  const versions: number[] = [];
  const raise = async (wanted: readonly (readonly [number, number])[]): Promise<void> => {
    const sql = `UPDATE nemesis_accounts AS a SET balance = balance + gain, version = version + $3
      FROM ROWS FROM (unnest($1::int[]), unnest($2::int[])) AS wanted (account, gain) WHERE a.id = account RETURNING a.id, a.version`;
    // Money out of nothing, and a version that nobody must ever see.
    const values = [
      wanted.map(([id]) => id),
      wanted.map(([, gain]) => (rolledBack ? 7 : gain)),
      rolledBack ? NEVER_COMMITTED : 1,
    ];
    const { rows } = await client.query<{ id: number; version: number }>(sql, values);
    versions.push(...rows.toSorted((a, b) => a.id - b.id).map(({ version }) => version));
  };
  await client.query('BEGIN');
  try {
    if (notifies) await client.query("SET LOCAL pgcached.notify = 'on'");
    await client.query('SELECT FROM nemesis_accounts WHERE id = ANY ($1::int[]) ORDER BY id FOR UPDATE', [
      gains.map(([id]) => id),
    ]);
    if (gains.length > 2) await raise(gains);
    else for (const one of gains) await raise([one]);
    if (pauseMs > 0) await client.query('SELECT pg_sleep($1)', [pauseMs / 1_000]);
  } catch (error) {
    if (error instanceof pg.DatabaseError) await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
  await client.query(rolledBack ? 'ROLLBACK' : 'COMMIT');
  return versions;
}
