import { CacheError } from '../errors.js';
import type { CoreNames } from './names.js';
import type { Queryable } from './queryable.js';
import type { TableState } from './watch-catalog.js';

const SYSTEM_SCHEMAS = ['pg_catalog', 'information_schema', 'pg_toast'];

/**
 * @param states the tables asked for and their relatives; @param asked the oids of the former
 * @throws CacheError that says what to do instead, for the first that can't be watched
 */
export async function refuseUnwatchable(
  db: Queryable,
  core: CoreNames,
  states: readonly TableState[],
  asked: readonly string[],
): Promise<void> {
  const own = new Set([...(await namespaceTables(db, core)), ...(await shared(db, core))]);
  for (const state of states) {
    const name = `${state.schema}.${state.table}`;
    if (own.has(state.oid)) throw refused(`${name} is one of the cache's own tables, which invalidate by themselves`);
    if (SYSTEM_SCHEMAS.includes(state.schema))
      throw refused(`${name} belongs to Postgres, which lets it have no triggers`);
    const problem = problemOfKind(core, state, await viewedBy(db, state));
    if (problem !== undefined) {
      throw refused(asked.includes(state.oid) ? problem : `${problem} (it shares rows with a table that was named)`);
    }
    if (!state.isOwned) {
      throw new CacheError(
        'ERR_DATABASE',
        `only the owner of ${name} may have it watched: run \`pgcached watch ${name}\` as the role ${state.owner} or a member of it`,
      );
    }
  }
}

/** The tables of namespaces, by the triggers that they have; the role need not be allowed to read the cache. */
async function namespaceTables(db: Queryable, core: CoreNames): Promise<string[]> {
  const { rows } = await db.query({
    text: `SELECT DISTINCT c.oid::text AS oid FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_proc AS p ON p.oid = t.tgfoid
      WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND p.pronamespace = c.relnamespace
        AND p.proname = c.relname || '_foreign'`,
    values: [core.schema],
  });
  return rows.map(({ oid }) => String(oid));
}

async function shared(db: Queryable, core: CoreNames): Promise<string[]> {
  const names = [core.log, core.meta, core.writers, core.leases, core.migrations, core.topology];
  const { rows } = await db.query({
    text: 'SELECT to_regclass(name)::oid::text AS oid FROM unnest($1::text[]) AS name',
    values: [names],
  });
  return rows.map(({ oid }) => String(oid));
}

function refused(problem: string): CacheError {
  return new CacheError('ERR_INVALID_ARGUMENT', problem);
}

function problemOfKind(core: CoreNames, state: TableState, reads: string): string | undefined {
  const name = `${state.schema}.${state.table}`;
  const byHand = `SELECT ${core.fn('changed')}('${name}')`;
  if (state.isTemporary)
    return `${name} is a temporary table: its session alone sees it, so nothing of it can be shared`;
  switch (state.kind) {
    case 'r':
    case 'p':
      return undefined;
    case 'v':
      return `${name} is a view: watch the tables that it reads${reads}`;
    case 'm':
      return `${name} is a materialized view, which no trigger watches: run ${byHand} after each REFRESH, in its transaction`;
    case 'f':
      return `${name} is a foreign table: what others change on its server is not seen here, so it can't be watched`;
    default:
      return `${name} is not a table`;
  }
}

async function viewedBy(db: Queryable, state: TableState): Promise<string> {
  if (state.kind !== 'v') return '';
  const { rows } = await db.query({
    text: `SELECT DISTINCT d.refobjid::regclass::text AS name
      FROM pg_rewrite AS r JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
      WHERE r.ev_class = $1::oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class ORDER BY 1`,
    values: [state.oid],
  });
  return rows.length === 0 ? '' : ` (${rows.map(({ name }) => name).join(', ')})`;
}
