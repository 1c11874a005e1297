import { CacheError } from '../errors.js';
import { given } from '../key.js';
import { checkOptionNames } from '../option-names.js';
import type { TableName } from '../table-tags.js';
import { LOCK_NOT_AVAILABLE } from './failure.js';
import { migrateCore } from './migrate.js';
import { type CoreNames, DEFAULT_TABLE } from './names.js';
import { type PoolLike, type Queryable, transaction } from './queryable.js';
import {
  argumentsFor,
  findCore,
  problemsOf,
  resolveTable,
  type TableState,
  tableStates,
  treeOf,
  type WatchProblem,
} from './watch-catalog.js';
import { dropDefinitionTriggers, makeDefinitionTriggers } from './watch-ddl.js';
import { dropTriggers, makeTriggers } from './watch-install.js';
import { refuseUnwatchable } from './watch-refuse.js';
import { watchingSql } from './watch-relatives-sql.js';
import { WATCHED_TRUST_MS } from './written-sql.js';

export const DEFAULT_WATCH_ROWS_MAX = 100;
/** What the trigger counts of a statement's rows; a value that is cached names no more of them. */
const WATCH_ROWS_LIMIT = 10_000;
export const WATCH_TABLES_MAX = 1000;
/** A lock that is waited for holds up all later writers of the table. */
const WATCH_LOCK_TIMEOUT_MS = 5000;
/** Clocks of different processes don't run at quite the same pace. */
const WATCHED_TRUST_MARGIN_MS = 100;
const INSUFFICIENT_PRIVILEGE = '42501';

export interface WatchOptions {
  /** The cache's table, perhaps with a schema before it; 'hyper_cache' where it is missing. */
  table?: string;
  /** Beyond so many rows a statement's change counts as one of all rows of the table: 0 to 10,000; 100 where it is missing. */
  rowsMax?: number;
  /** Regular tables for the cache instead of UNLOGGED ones, if this call makes them; false where it is missing. */
  logged?: boolean;
  /** Whether what is cached of the tables is dropped even if all was installed already; false where it is missing. */
  invalidate?: boolean;
  /**
   * Lets definitions that change (ALTER, DROP, CREATE OR REPLACE VIEW, …) drop everything made of queries, in this whole database, and watches
   * partitions and children that watched tables are given later; takes a superuser. false: leaves that as it is.
   */
  ddl?: boolean;
}

export interface UnwatchOptions extends Pick<WatchOptions, 'table'> {
  /** Takes away what `watchTables` with `ddl` installed too; false where it is missing. */
  ddl?: boolean;
}

/** A table with triggers of the cache. */
export interface WatchedTable extends TableName {
  /** The columns of the primary key, in its order, by their names in the catalog; empty without one. */
  readonly key: readonly string[];
  /** Whether changes name the rows: by a key that is there, of types whose text tells values apart, and the one that was watched. */
  readonly namesRows: boolean;
  /** How many rows a statement's change may name. */
  readonly rowsMax: number;
  /** What keeps changes from being seen; 'key-changed' only from being seen by row. Empty where all is well. */
  readonly problems: readonly WatchProblem[];
  /** Of 'unwatched-relative' and 'foreign-relative': which partitions, children or parents. Missing where there are none. */
  readonly relatives?: readonly TableName[];
}

const OPTIONS = ['table', 'rowsMax', 'logged', 'invalidate', 'ddl'] as const satisfies readonly (keyof WatchOptions)[];

function invalid(problem: string): CacheError {
  return new CacheError('ERR_INVALID_ARGUMENT', problem);
}

function checkCall(pool: PoolLike, tables: readonly string[]): void {
  if (typeof pool?.connect !== 'function') throw invalid(`pool is ${given(pool)}, not a pg Pool`);
  if (!Array.isArray(tables) || tables.length === 0 || tables.length > WATCH_TABLES_MAX) {
    throw invalid(`tables must be a list of 1 to ${WATCH_TABLES_MAX} names`);
  }
}

/** What Postgres refused, in words of the caller's. */
function told(error: unknown, what: string): never {
  if (error instanceof CacheError) throw error;
  const { message, code } = error as Error & { code?: string };
  const reason =
    code === LOCK_NOT_AVAILABLE
      ? `a lock was not to be had within ${WATCH_LOCK_TIMEOUT_MS} ms; try again when no long transaction uses them`
      : message || String(error);
  throw new CacheError('ERR_DATABASE', `the tables can't be ${what}: ${reason}`, error);
}

/** One at a time: whoever waited finds what the one before has installed. */
async function alone<T>(pool: PoolLike, core: CoreNames, work: (db: Queryable) => Promise<T>): Promise<T> {
  return transaction(pool, async (db) => {
    await db.query({ text: `SET LOCAL lock_timeout = ${WATCH_LOCK_TIMEOUT_MS}` });
    await db.query({
      text: 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))',
      values: [`pgcached watch ${core.migrations}`],
    });
    return work(db);
  });
}

/** The cache with the functions of the triggers: made, upgraded, or, by a role that may not look at it, taken as it is. */
async function coreFor(pool: PoolLike, table: string, logged: boolean): Promise<CoreNames> {
  try {
    return (await migrateCore(pool, { table, logged })).core;
  } catch (error) {
    if ((error as { code?: unknown }).code !== INSUFFICIENT_PRIVILEGE) throw error;
    const core = await findCore(pool, table);
    const { rows } = await pool.query({
      text: 'SELECT to_regproc($1) IS NOT NULL AS yes',
      values: [core.fn('watched')],
    });
    if (rows[0]?.yes !== true) throw error;
    return core;
  }
}

async function oidsOf(db: Queryable, tables: readonly string[]): Promise<string[]> {
  const oids: string[] = [];
  for (const table of tables) oids.push(await resolveTable(db, table));
  return oids;
}

const logChanged = (db: Queryable, core: CoreNames, oids: readonly string[]) =>
  db.query({ text: `SELECT ${core.fn('changed')}(VARIADIC $1::oid[]::regclass[])`, values: [oids] });

/**
 * Lets every commit that changes these tables invalidate what was made of them, whoever commits it: installs triggers
 * that log the tables' and rows' tags in the writer's own transaction. Partitions and inheritance children are
 * watched with their parents, and the other way round. What is installed already stays; where anything was missing,
 * what is cached of the tables is dropped. Safe when many start at once. Needs a role that owns the tables.
 *
 * @param pool a pg Pool
 * @param tables 1 to 1,000 names: 'products', 'shop.products', '"Order Items"', found as SQL finds them
 * @returns the tables asked for and their relatives, as they are watched from now on
 * @throws CacheError ERR_INVALID_ARGUMENT for what is no table or can't be watched (the message says what to do instead);
 *   ERR_DATABASE for what the database refuses, such as rights or a lock within 5 s: then nothing has been installed
 */
export async function watchTables(
  pool: PoolLike,
  tables: readonly string[],
  options: WatchOptions = {},
): Promise<WatchedTable[]> {
  checkCall(pool, tables);
  checkOptionNames(options, OPTIONS);
  const { table = DEFAULT_TABLE, rowsMax = DEFAULT_WATCH_ROWS_MAX, logged = false, invalidate = false } = options;
  const { ddl = false } = options;
  if (!Number.isInteger(rowsMax) || rowsMax < 0 || rowsMax > WATCH_ROWS_LIMIT) {
    throw invalid(`rowsMax is ${given(rowsMax)}, not a whole number from 0 to ${WATCH_ROWS_LIMIT}`);
  }
  const core = await coreFor(pool, table, logged).catch((error) => told(error, 'watched'));
  return alone(pool, core, async (db) => {
    const asked = await oidsOf(db, tables);
    const tree = await treeOf(db, asked);
    const states = await tableStates(db, core, tree);
    await refuseUnwatchable(db, core, states, asked);
    const changed = states.filter((state) => needsTriggers(core, state, rowsMax));
    await db.query({ text: watchingSql(core) });
    for (const state of changed) await makeTriggers(db, core, state, rowsMax);
    // The locks were waited for: who wrote before the triggers has committed, and values that saw less are dropped.
    const isNew = changed.length > 0;
    if (isNew || invalidate) await logChanged(db, core, tree);
    if (ddl) await makeDefinitionTriggers(db, core);
    return (await tableStates(db, core, tree)).map((state) => describe(core, state));
  }).catch((error) => told(error, 'watched'));
}

function needsTriggers(core: CoreNames, state: TableState, rowsMax: number): boolean {
  return problemsOf(core, state).length > 0 || state.given.join('\0') !== argumentsFor(state, rowsMax).join('\0');
}

function describe(core: CoreNames, state: TableState, relatives: readonly TableState[] = []): WatchedTable {
  const problems = problemsOf(core, state);
  const rowsMax = Number(state.given[0] ?? 0);
  const namesRows = state.isNameable && !problems.includes('key-changed') && rowsMax > 0;
  const { schema, table, keyColumns } = state;
  const more = new Set(relatives.map(({ kind }) => (kind === 'f' ? 'foreign-relative' : 'unwatched-relative')));
  const names = relatives.map(({ schema, table }) => ({ schema, table }));
  return {
    ...{ schema, table, key: keyColumns, namesRows, rowsMax, problems: [...problems, ...more] },
    ...(names.length > 0 && { relatives: names }),
  };
}

/**
 * Takes the triggers from these tables and their relatives, and drops what is cached of them, since nothing invalidates
 * it any more. Where they are not watched, nothing happens.
 * @param tables names as of `watchTables`
 * @returns the tables that were watched so far
 * @throws CacheError ERR_INVALID_ARGUMENT for what is no table, ERR_DATABASE for what the database refuses
 */
export async function unwatchTables(
  pool: PoolLike,
  tables: readonly string[],
  options: UnwatchOptions = {},
): Promise<TableName[]> {
  checkCall(pool, tables);
  checkOptionNames(options, ['table', 'ddl']);
  const core = await findCore(pool, options.table ?? DEFAULT_TABLE);
  return unwatch(pool, core, tables, options.ddl ?? false).catch((error) => told(error, 'unwatched'));
}

async function unwatch(pool: PoolLike, core: CoreNames, tables: readonly string[], ddl: boolean): Promise<TableName[]> {
  const watched = await alone(pool, core, async (db) => {
    const tree = await treeOf(db, await oidsOf(db, tables));
    const states = (await tableStates(db, core, tree)).filter(({ triggers }) => triggers.length > 0);
    for (const state of states) await dropTriggers(db, state);
    if (ddl) await dropDefinitionTriggers(db, core);
    await logUnwatched(db, core, states);
    return states;
  });
  // Who found a table watched just before does not log his writes for a while, and what is read before those commit is stale.
  if (watched.length > 0)
    await new Promise((resolve) => setTimeout(resolve, WATCHED_TRUST_MS + WATCHED_TRUST_MARGIN_MS));
  await logUnwatched(pool, core, watched);
  return watched.map(({ schema, table }) => ({ schema, table }));
}

async function logUnwatched(db: Queryable, core: CoreNames, watched: readonly TableState[]): Promise<void> {
  if (watched.length === 0) return;
  const { rows } = await db.query({ text: 'SELECT to_regclass($1) IS NOT NULL AS yes', values: [core.log] });
  const oids = watched.map(({ oid }) => oid);
  if (rows[0]?.yes === true) await logChanged(db, core, oids);
}

/**
 * The tables that are watched, and what is wrong with any. A table's answer may be cached only if it is in this list without
 * other problems than 'key-changed'.
 * @returns an empty list also where there is no cache
 * @throws CacheError ERR_DATABASE
 */
export async function watchedTables(
  pool: Queryable,
  options: Pick<WatchOptions, 'table'> = {},
): Promise<WatchedTable[]> {
  checkOptionNames(options, ['table']);
  try {
    const core = await findCore(pool, options.table ?? DEFAULT_TABLE);
    const watched = await tableStates(pool, core);
    if (watched.length === 0) return [];
    const relatives = new Map<string, TableState[]>();
    const all = await tableStates(
      pool,
      core,
      await treeOf(
        pool,
        watched.map(({ oid }) => oid),
      ),
    );
    const bad = all.filter(
      (state) => state.kind === 'f' || problemsOf(core, state).some((one) => one !== 'key-changed'),
    );
    for (const state of bad) {
      for (const oid of await treeOf(pool, [state.oid])) {
        if (oid !== state.oid) relatives.set(oid, [...(relatives.get(oid) ?? []), state]);
      }
    }
    return watched.map((state) => describe(core, state, relatives.get(state.oid)));
  } catch (error) {
    return told(error, 'listed');
  }
}
