import type { LogRow } from '../snapshot.js';
import { incarnation } from './core-sql.js';
import type { Schema } from './migrate.js';
import { parseTextArray, type Queryable, type Reader, type TextRow, textRowsOf } from './queryable.js';

export interface LookResult {
  /** Undefined where the meta row is gone. */
  readonly incarnation: string | undefined;
  readonly snapshot: string;
  /** What is older than this was cut off the log. */
  readonly logFloor: string;
  /** What has become visible since the last look, in no order; undefined where there was more than the limit. */
  readonly rows: readonly LogRow[] | undefined;
}

const COLUMNS = ['incarnation', 'snapshot', 'log_floor', 'xid', 'name', 'namespace', 'keys'] as const;

/**
 * Looks at the log: returns what has become visible since the snapshot `last`, each committed row exactly once.
 * @param last snapshot of the last look, as text; undefined asks only for the present snapshot
 * @param rowsMax how many rows may come back; with more, none do
 */
export async function look(
  db: Reader,
  schema: Schema,
  last: string | undefined,
  options: { rowsMax: number; prepare: boolean },
): Promise<LookResult> {
  const { core } = schema;
  const head = `${incarnation('m', schema.logged)} AS incarnation, pg_current_snapshot()::text AS snapshot, m.log_floor::text AS log_floor`;
  const fresh = `
    SELECT ${head}, r.xid::text, r.name, r.namespace, r.keys::text
    FROM ${core.meta} AS m LEFT JOIN ${core.fn('look')}($1::pg_snapshot, $2::int) AS r ON true`;
  const atFirst = `SELECT ${head}, NULL AS xid, NULL AS name, NULL AS namespace, NULL AS keys FROM ${core.meta} AS m`;
  const statement = last === undefined ? { text: atFirst } : { text: fresh, values: [last, options.rowsMax + 1] };
  const name = last === undefined ? {} : { name: `pgcached look ${core.id}` };
  const rows = await textRowsOf(db, options.prepare ? { ...statement, ...name } : statement, COLUMNS);
  const [first] = rows;
  const seen = rows.filter(([, , , xid]) => typeof xid === 'string');
  return {
    incarnation: first?.[0] ?? undefined,
    snapshot: first?.[1] ?? '',
    logFloor: first?.[2] ?? '0',
    rows: seen.length > options.rowsMax ? undefined : seen.map(logRow),
  };
}

function logRow([, , , id, name, namespace, keys]: TextRow): LogRow {
  const xid = BigInt(id as string);
  if (typeof name === 'string') return { xid, name };
  return { xid, namespace: namespace as string, keys: parseTextArray(keys as string) };
}

/** Makes an incarnation if there is none. @returns whether it made one */
export async function incarnate(db: Queryable, schema: Schema): Promise<boolean> {
  const { rows } = await db.query({ text: `SELECT ${schema.core.fn('incarnate')}() AS made` });
  return rows[0]?.made === true;
}

/** Wakes whoever listens. A statement of its own: at commit it takes a lock that is one for the whole database. */
export async function notify(db: Reader, schema: Schema, from: string, prepare = false): Promise<void> {
  const statement = { text: 'SELECT pg_notify($1, $2)', values: [schema.core.channel, from] };
  await textRowsOf(db, prepare ? { name: 'pgcached notify', ...statement } : statement, []);
}

/** @returns how many connections of that application name there are at the server */
export async function countConnections(db: Queryable, applicationName: string): Promise<number> {
  const text = 'SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = $1';
  const { rows } = await db.query({ text, values: [applicationName] });
  return rows[0]?.count as number;
}
