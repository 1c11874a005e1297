import type pg from 'pg';
import { INVALIDATE_FUNCTIONS_SQL, invalidateAllSql, invalidateWrittenSql } from '../../shared/table/written-sql.js';
import type { StatementFacts } from './facts.js';
import type { DriverClient } from './session.js';
import { quotedName } from './syntax.js';
import { withClient } from './with-client.js';

/** For how long the functions that invalidate are remembered: a cache that is new in the database is found within it. */
const FUNCTIONS_TTL_MS = 60_000;

/** What logs the tables that a statement wrote, on the connection that wrote them. */
export class WriteLog {
  readonly #pool: pg.Pool;
  #functions: Promise<readonly string[]> | undefined;
  #foundMs = 0;
  #known: readonly string[] = [];

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** Finds the functions that invalidate; to be awaited before `statements`. */
  async ready(): Promise<void> {
    // Where there was none, the first cache may have come since.
    const isOld = performance.now() - this.#foundMs > FUNCTIONS_TTL_MS || this.#known.length === 0;
    if (this.#functions === undefined || isOld) this.#find();
    await this.#functions;
  }

  #find(): void {
    this.#foundMs = performance.now();
    this.#functions = withClient(this.#pool, async (client) => {
      const { rows } = await client.query<{ name: string; allowed: boolean }>(INVALIDATE_FUNCTIONS_SQL);
      this.#known = rows.flatMap(({ name, allowed }) => (allowed ? [name] : []));
      return this.#known;
    });
    // Who waits for it is told; nobody need.
    this.#functions.catch(() => {
      this.#functions = undefined;
    });
  }

  /** Queries that log what a statement wrote: in the same transaction, or after it. */
  statements({ written, changesAll }: StatementFacts): pg.QueryConfig[] {
    if (changesAll) return this.#known.map((name) => ({ text: invalidateAllSql(name) }));
    if (written.length === 0) return [];
    const values = [written.map(quotedName), written.map(({ cascade }) => cascade)];
    return this.#known.map((name) => ({ text: invalidateWrittenSql(name), values }));
  }
}

/**
 * Runs a write and logs it. Outside a transaction it is given one, so that both take effect or neither; inside one the log's
 * row commits or rolls back with it.
 * @param isAlone whether no transaction is open, and it may run inside one
 */
export async function runLogged(
  client: DriverClient,
  send: () => Promise<pg.QueryResult>,
  log: readonly pg.QueryConfig[],
  isAlone: boolean,
): Promise<pg.QueryResult> {
  if (isAlone) await client.query('BEGIN');
  try {
    const result = await send();
    for (const one of log) await client.query(one);
    if (isAlone) await client.query('COMMIT');
    return result;
  } catch (error) {
    // The write's own error is the one to tell; a connection that can't roll back is undone by the server.
    if (isAlone && client.getTransactionStatus() !== 'I') await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}
