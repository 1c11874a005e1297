import { UNWATCHED_SQL } from '../../shared/table/written-sql.js';
import type { TableName } from '../../shared/table-tags.js';
import type { DriverClient } from './session.js';
import { quotedTable } from './table-ttl.js';

/** Something that keeps the cache from being what it is meant to be, and what to do about it. */
export interface QueryWarning {
  /** `PGCACHED_UNWATCHED`: others' writes to a table are not heard of. `PGCACHED_NOT_CACHED`: nothing of this pool can be cached. */
  readonly code: 'PGCACHED_UNWATCHED' | 'PGCACHED_NOT_CACHED';
  readonly message: string;
}

/** As Node tells its own warnings: on standard error, once; `--disable-warning=CODE` silences one of them. */
export function emitWarning({ code, message }: QueryWarning): void {
  process.emitWarning(message, { type: 'PgcachedWarning', code });
}

const SILENCE = 'cachedPool({ onWarning }) takes this warning elsewhere';

/** @param bypass why nothing is cached */
export const notCached = (bypass: string): QueryWarning => ({
  code: 'PGCACHED_NOT_CACHED',
  message: `nothing that this pool is asked is cached: ${bypass}. See docs/query-cache.md; ${SILENCE}`,
});

const PLAIN_NAME = /^[a-z_][a-z0-9_]*$/;
/** As `pgcached watch` takes it. */
const named = ({ schema, table }: TableName) =>
  [schema, table].map((part) => (PLAIN_NAME.test(part) ? part : `"${part.replaceAll('"', '""')}"`)).join('.');

/** @param isItself false where only a partition, child or parent is not watched */
function unwatched(table: TableName, isItself: boolean): QueryWarning {
  const name = named(table);
  const argument = PLAIN_NAME.test(name.replace('.', '')) ? name : `'${name}'`;
  const what = isItself ? name : `a partition, child or parent of ${name}`;
  const problem = `${what} is not watched: what others write to it (psql, another program) is served as it was until the ttl`;
  const remedy = `run \`pgcached watch ${argument}\` once, or watchTables in a migration: docs/watch.md`;
  return { code: 'PGCACHED_UNWATCHED', message: `${problem}. To hear of it, ${remedy}; ${SILENCE}` };
}

/** Tells, once for each table, that results read from it are kept although nobody watches it. */
export class UnwatchedTables {
  readonly #onWarning: (warning: QueryWarning) => void;
  /** Of tables that were looked at; there are no more than the database has. */
  readonly #looked = new Set<string>();

  constructor(onWarning: (warning: QueryWarning) => void) {
    this.#onWarning = onWarning;
  }

  /**
   * Never rejects: a result is at hand, and this is not worth losing it.
   * @param client one on which nothing is under way
   * @param invalidate the function of the pool's cache; where it is not known nothing is looked at
   */
  async look(client: DriverClient, tables: readonly TableName[], invalidate: string | undefined): Promise<void> {
    if (invalidate === undefined) return;
    const fresh = new Map(tables.map((one) => [quotedTable(one), one]));
    for (const name of fresh.keys()) if (this.#looked.has(name)) fresh.delete(name);
    if (fresh.size === 0) return;
    for (const name of fresh.keys()) this.#looked.add(name);
    try {
      const { rows } = await client.query<{ asked: string; isItself: boolean }>(UNWATCHED_SQL, [
        [...fresh.keys()],
        invalidate,
      ]);
      for (const { asked, isItself } of rows) this.#onWarning(unwatched(fresh.get(asked)!, isItself));
    } catch {
      for (const name of fresh.keys()) this.#looked.delete(name);
    }
  }
}
