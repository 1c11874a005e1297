import type pg from 'pg';
import { CORE_VERSION, SPACE_VERSION } from '../../../shared/table/migrate.js';
import { splitTable } from '../../../shared/table/names.js';
import type { Config } from '../../config.js';
import { connectionsOf } from '../../connection-options.js';
import { type Finding, findingsOf } from './finding.js';

/** Snapshots as the log needs them (pg_current_snapshot, xid8) exist since this version. */
const SERVER_VERSION_MIN = 130_000;

export async function checkServerVersion(client: pg.Client): Promise<Finding> {
  const { ok, fail } = findingsOf('server version');
  const { rows } = await client.query(
    "SELECT current_setting('server_version') AS text, current_setting('server_version_num')::int AS number",
  );
  const { text, number } = rows[0] as { text: string; number: number };
  return number >= SERVER_VERSION_MIN
    ? ok(`PostgreSQL ${text}`)
    : fail(`PostgreSQL ${text}`, 'use PostgreSQL 13 or later');
}

export async function checkPrimary(client: pg.Client): Promise<Finding> {
  const { ok, fail } = findingsOf('primary');
  const { rows } = await client.query('SELECT pg_is_in_recovery() AS standby');
  return rows[0].standby
    ? fail('this is a standby: it takes no writes', 'give the URL of the primary')
    : ok('this is the primary');
}

/** Writes a row and takes it back. */
export async function checkWritable(client: pg.Client): Promise<Finding> {
  const { ok, fail } = findingsOf('writable');
  await client.query('BEGIN');
  try {
    await client.query('CREATE TEMPORARY TABLE pgcached_doctor (n int) ON COMMIT DROP');
    await client.query('INSERT INTO pgcached_doctor VALUES (1)');
    await client.query('SELECT pg_current_xact_id()');
    return ok('a transaction can write');
  } catch (error) {
    return fail(
      (error as Error).message,
      'let the role write: no read-only transactions by default, TEMPORARY on the database',
    );
  } finally {
    await client.query('ROLLBACK');
  }
}

/** Whether the tables are there, of one persistence, and the role may use them. */
export async function checkTables(client: pg.Client, config: Config): Promise<Finding[]> {
  const { ok, warn, fail } = findingsOf('tables');
  const { schema, name } = splitTable(config.table);
  const { rows } = await client.query(
    `SELECT c.relname AS name, c.relpersistence AS kind,
       has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE') AS usable
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = coalesce($1, current_schema()) AND c.relkind = 'r'
       AND c.relname = ANY (ARRAY[$2, $2 || '_log', $2 || '_meta', $2 || '_writers', $2 || '_leases'])`,
    [schema ?? null, name],
  );
  const tables = rows as { name: string; kind: string; usable: boolean }[];
  if (!tables.some((table) => table.name === name)) return [await checkMayCreate(client, schema, config.table)];
  const locked = tables.filter(({ usable }) => !usable).map((table) => table.name);
  if (locked.length > 0)
    return [
      fail(
        `no rights on ${locked.join(', ')}`,
        'GRANT SELECT, INSERT, UPDATE, DELETE on them to the role of the daemon',
      ),
    ];
  const kinds = new Set(tables.map(({ kind }) => kind));
  if (kinds.size > 1)
    return [
      fail(
        'some of the tables are UNLOGGED and some are not: a crash would take only some of them',
        'drop them all and run pgcached migrate',
      ),
    ];
  const isLogged = kinds.has('p');
  const found = isLogged
    ? 'regular tables: they survive a crash, and writes cost more'
    : 'UNLOGGED tables: a crash of Postgres empties the cache';
  if (isLogged === config.logged) return [ok(found)];
  return [
    warn(
      `${found}; but logged is ${config.logged}`,
      'a cache that exists stays what it is: drop its tables and run pgcached migrate to change it',
    ),
  ];
}

async function checkMayCreate(client: pg.Client, schema: string | undefined, table: string): Promise<Finding> {
  const { warn, fail } = findingsOf('tables');
  const { rows } = await client.query(
    "SELECT n.nspname AS schema, has_schema_privilege(n.oid, 'CREATE') AS may FROM pg_namespace n WHERE n.nspname = coalesce($1, current_schema())",
    [schema ?? null],
  );
  const place = rows[0] as { schema: string; may: boolean } | undefined;
  if (place === undefined)
    return fail(`the schema ${schema ?? 'of search_path'} does not exist`, `CREATE SCHEMA ${schema ?? 'public'}`);
  if (place.may)
    return warn(`${table} is not there yet`, 'a daemon makes it when it is first used, pgcached migrate at once');
  return fail(
    `${table} is not there, and the role may not make it`,
    `run pgcached migrate with a role that may create tables in the schema ${place.schema}`,
  );
}

export async function checkMigrations(client: pg.Client, { table }: Config): Promise<Finding> {
  const { ok, warn, skip } = findingsOf('migrations');
  const { schema, name } = splitTable(table);
  const place = await client.query(
    "SELECT format('%I.%I', coalesce($1, current_schema()), $2 || '_migrations') AS name, to_regclass(format('%I.%I', coalesce($1, current_schema()), $2 || '_migrations')) IS NOT NULL AS present",
    [schema ?? null, name],
  );
  if (!place.rows[0].present) return skip('none has run yet');
  const { rows } = await client.query(`SELECT object, version FROM ${place.rows[0].name} ORDER BY object`);
  const shown = rows.map(({ object, version }) => `${object || 'core'} ${version}`).join(', ');
  const behind = rows.filter(({ object, version }) => version < (object === '' ? CORE_VERSION : SPACE_VERSION));
  const ahead = rows.filter(({ object, version }) => version > (object === '' ? CORE_VERSION : SPACE_VERSION));
  if (ahead.length > 0) return warn(`made by a later release (${shown})`, 'upgrade pgcached on this host');
  if (behind.length > 0) return warn(`out of date (${shown})`, 'run pgcached migrate');
  return ok(`up to date (${shown})`);
}

export async function checkHeadroom(client: pg.Client, config: Config): Promise<Finding> {
  const { ok, warn } = findingsOf('connections');
  const { rows } = await client.query(
    `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS total,
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
       (SELECT count(*)::int FROM pg_stat_activity WHERE application_name LIKE 'pgcached%') AS ours`,
  );
  const { total, used, ours } = rows[0] as { total: number; used: number; ours: number };
  const wanted = connectionsOf(config);
  const found = `${used} of ${total} in use, ${ours} of them by pgcached; a daemon may open ${wanted}`;
  if (total - used >= wanted || ours >= wanted) return ok(found);
  return warn(found, 'lower --workers or --pool-size, or raise max_connections');
}
