import { CacheError } from '../errors.js';
import { coreTables, incarnateFunction, lookFunction, trimFunctions } from './core-sql.js';
import { foreignTriggers } from './foreign-sql.js';
import { incrFunction } from './incr-sql.js';
import { invalidateFunction } from './invalidate-sql.js';
import { type CoreNames, coreNames, type SpaceNames, spaceNames, splitTable } from './names.js';
import { type PoolLike, type Queryable, transaction } from './queryable.js';
import { setFunction } from './set-sql.js';
import { fillFunction, liveFunction, spaceTable, updatesInPlace } from './space-sql.js';
import { listSpaces } from './spaces.js';
import { topologyTable } from './topology.js';
import { sweepFunction } from './trim-sql.js';
import { watchFunctions } from './watch-sql.js';
import { writeFunction } from './write-sql.js';

/**
 * The numbered migrations: of what namespaces share, and of a namespace's own objects. Append only: what was published is
 * never changed, a later step replaces it.
 */
const CORE_MIGRATIONS: readonly ((core: CoreNames, logged: boolean) => string)[] = [
  (core, logged) =>
    coreTables(core, logged) +
    lookFunction(core) +
    incarnateFunction(core) +
    trimFunctions(core, logged) +
    topologyTable(core),
  (core, logged) => watchFunctions(core, logged),
  // The same, as they are now: a watched table may have columns called as these functions call theirs.
  (core, logged) => watchFunctions(core, logged),
];

const SPACE_MIGRATIONS: readonly ((core: CoreNames, space: SpaceNames, logged: boolean) => string)[] = [
  (core, space, logged) =>
    spaceTable(space, logged) +
    foreignTriggers(core, space) +
    liveFunction(core, space) +
    writeFunction(core, space, logged) +
    fillFunction(core, space, logged) +
    invalidateFunction(core, space),
  // Functions again, as they are now: a deletion and an invalidation log one name more, a fill is planned once a session.
  (core, space, logged) =>
    foreignTriggers(core, space) +
    writeFunction(core, space, logged) +
    fillFunction(core, space, logged) +
    invalidateFunction(core, space),
  (core, space, logged) => setFunction(core, space, logged),
  (core, space, logged) => incrFunction(core, space, logged),
  (core, space, logged) => updatesInPlace(space) + sweepFunction(core, space, logged),
  // Again: batches of increments are by themselves.
  (core, space, logged) => writeFunction(core, space, logged),
];

export const CORE_VERSION = CORE_MIGRATIONS.length;
export const SPACE_VERSION = SPACE_MIGRATIONS.length;

/** Where a cache lives in the database, and how. */
export interface Schema {
  readonly core: CoreNames;
  /** Regular tables instead of UNLOGGED ones: all of them or none. */
  readonly logged: boolean;
  /** Why the tables are regular ones although UNLOGGED ones were asked for. */
  readonly loggedBecause?: string;
}

/** The migrations table of the core keeps a row for the core (object '') and a row for each namespace's table. */
async function installed(
  db: Queryable,
  core: CoreNames,
  object: string,
): Promise<{ version: number; logged: boolean }> {
  const exists = await db.query({ text: 'SELECT to_regclass($1) IS NOT NULL AS yes', values: [core.migrations] });
  if (!exists.rows[0]?.yes) return { version: 0, logged: false };
  const { rows } = await db.query({
    text: `SELECT version, logged FROM ${core.migrations} WHERE object = $1`,
    values: [object],
  });
  return rows[0] === undefined ? { version: 0, logged: false } : (rows[0] as { version: number; logged: boolean });
}

interface Target {
  readonly core: CoreNames;
  readonly object: string;
  readonly namespace: string;
  readonly version: number;
  readonly steps: readonly ((logged: boolean) => string)[];
}

/** @returns whether the tables are regular ones: what was asked, unless somebody else made them first */
async function apply(pool: PoolLike, target: Target, logged: boolean): Promise<boolean> {
  const { core, object } = target;
  return transaction(pool, async (db) => {
    await db.query({
      text: 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))',
      values: [`pgcached ${core.migrations}`],
    });
    await db.query({
      text: `CREATE TABLE IF NOT EXISTS ${core.migrations} (
        object text PRIMARY KEY, namespace text NOT NULL, version int NOT NULL, logged boolean NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now())`,
    });
    const { version: from } = await installed(db, core, object);
    for (const step of target.steps.slice(from)) await db.query({ text: step(logged) });
    await persist(db, core, object, logged);
    const { rows } = await db.query({
      text: `INSERT INTO ${core.migrations} (object, namespace, version, logged) VALUES ($1, $2, $3, $4)
        ON CONFLICT (object) DO UPDATE SET version = greatest(${core.migrations}.version, EXCLUDED.version), applied_at = now()
        RETURNING logged`,
      values: [object, target.namespace, target.version, logged],
    });
    return rows[0]?.logged === true;
  });
}

/** A table that was there before (the seed's) is given the persistence of the others. */
async function persist(db: Queryable, core: CoreNames, object: string, logged: boolean): Promise<void> {
  if (object === '') return;
  const table = `"${core.schema}"."${object}"`;
  const { rows } = await db.query({
    text: 'SELECT relpersistence AS kind FROM pg_class WHERE oid = $1::regclass',
    values: [table],
  });
  if (rows[0]?.kind === (logged ? 'u' : 'p'))
    await db.query({ text: `ALTER TABLE ${table} SET ${logged ? 'LOGGED' : 'UNLOGGED'}` });
}

/**
 * Whether the server's answer may mean that it takes no UNLOGGED tables: not a connection that broke, a lock that was not
 * to be had, resources that ran out or a shutdown, any of which would make the cache a logged one for good.
 */
function mayRefuseUnlogged(error: unknown): boolean {
  const { sqlState, code } = error as { sqlState?: unknown; code?: unknown };
  const state = sqlState ?? code;
  return typeof state === 'string' && /^[0-9A-Z]{5}$/.test(state) && !/^(08|40|53|55|57|58|XX)/.test(state);
}

/**
 * Makes or upgrades what all namespaces share. Safe when many start at once; asks for no rights where nothing is to do.
 * @param options.table the cache's table, perhaps with a schema (else the connection's current one)
 * @param options.logged regular tables; where it is false and the server refuses UNLOGGED ones they become regular, and
 *   `loggedBecause` says why. A cache that exists stays what it is.
 * @returns where the cache lives
 * @throws CacheError ERR_INVALID_CONFIG for the name, ERR_DATABASE for what the database refuses
 */
export async function migrateCore(pool: PoolLike, options: { table: string; logged: boolean }): Promise<Schema> {
  const { schema, name } = splitTable(options.table);
  const { rows } = await pool.query({
    text: 'SELECT coalesce($1, current_schema()) AS schema',
    values: [schema ?? null],
  });
  const core = coreNames(String(rows[0]?.schema), name);
  const target = (steps: Target['steps']): Target => ({
    core,
    object: '',
    namespace: '',
    version: CORE_VERSION,
    steps,
  });
  const steps = CORE_MIGRATIONS.map((step) => (logged: boolean) => step(core, logged));
  const found = await installed(pool, core, '');
  if (found.version >= CORE_VERSION) return { core, logged: found.logged };
  const refused = (error: unknown): never => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CacheError('ERR_DATABASE', `the cache's tables can't be made: ${reason}`, error);
  };
  const asked = found.version > 0 ? found.logged : options.logged;
  try {
    return { core, logged: await apply(pool, target(steps), asked) };
  } catch (error) {
    if (asked || found.version > 0 || !mayRefuseUnlogged(error)) return refused(error);
    const logged = await apply(pool, target(steps), true).catch(() => refused(error));
    const because = { loggedBecause: error instanceof Error ? error.message : String(error) };
    return { core, logged, ...(logged ? because : {}) };
  }
}

/**
 * Makes or upgrades the table and functions of one namespace.
 * @param namespace its name; @param table its table, if it is not to be the default's derivative
 */
export async function migrateSpace(
  pool: PoolLike,
  schema: Schema,
  namespace: string,
  table?: string,
): Promise<SpaceNames> {
  const { core, logged } = schema;
  const space = spaceNames(core, namespace, table);
  const found = await installed(pool, core, space.bareTable);
  if (found.version < SPACE_VERSION) {
    const steps = SPACE_MIGRATIONS.map((step) => (asLogged: boolean) => step(core, space, asLogged));
    const target = { core, object: space.bareTable, namespace, version: SPACE_VERSION, steps };
    await apply(pool, target, logged).catch((error) => {
      const reason = error instanceof Error ? error.message : String(error);
      throw new CacheError('ERR_DATABASE', `the table ${space.table} can't be made: ${reason}`, error);
    });
  }
  return space;
}

/**
 * Everything at once, for the command and for `ensureTable`: namespaces that there are from an earlier version are upgraded.
 * @returns the version of the default namespace's objects before and after
 */
export async function migrate(
  pool: PoolLike,
  options: { table: string; logged: boolean },
): Promise<{ from: number; to: number; logged: boolean; loggedBecause?: string }> {
  const { schema: wanted, name } = splitTable(options.table);
  const { rows } = await pool.query({
    text: 'SELECT coalesce($1, current_schema()) AS schema',
    values: [wanted ?? null],
  });
  const before = await installed(pool, coreNames(String(rows[0]?.schema), name), name);
  const schema = await migrateCore(pool, options);
  await migrateSpace(pool, schema, 'default');
  for (const { names, table, version } of await listSpaces(pool, schema)) {
    if (version < SPACE_VERSION) await migrateSpace(pool, schema, names.namespace, table);
  }
  const because = schema.loggedBecause === undefined ? {} : { loggedBecause: schema.loggedBecause };
  return { from: before.version, to: SPACE_VERSION, logged: schema.logged, ...because };
}
