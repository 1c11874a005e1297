import { incarnation } from './core-sql.js';
import type { Schema } from './migrate.js';
import type { SpaceNames } from './names.js';
import type { Queryable, Row } from './queryable.js';
import { live, liveOrStale } from './space-sql.js';
import { fromColumns } from './value.js';

/** One entry, as of the statement's snapshot: live, or (where asked for) expired within its grace. */
export interface FoundEntry {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly isCounter: boolean;
  readonly names: readonly string[];
  /** Milliseconds left when the statement began on the server; Infinity for none, 0 or less for one that has expired. */
  readonly leftMs: number;
  /** How long past its expiry it may be served by loads that fail or are slow. */
  readonly graceMs?: number;
  /** How long it took to compute, where that was measured. */
  readonly deltaMs?: number;
}

export interface ReadResult {
  /** Undefined where the meta row is gone: then nothing was read. */
  readonly incarnation: string | undefined;
  readonly snapshot: string;
  readonly found: readonly FoundEntry[];
}

/** What says, in one row at least, under which snapshot and incarnation a statement ran. */
function selectEntries(schema: Schema, space: SpaceNames, from: string, columns: string, test = live): string {
  const isLive = test(schema.core, space, 'statement_timestamp()');
  return `
    SELECT ${incarnation('m', schema.logged)} AS incarnation, pg_current_snapshot()::text AS snapshot, e.key,
      CASE WHEN e.expires_at = 'infinity' THEN 'Infinity'::float8
           ELSE extract(epoch FROM e.expires_at - statement_timestamp())::float8 * 1000 END AS left_ms${columns}
    FROM ${schema.core.meta} AS m LEFT JOIN ${from} ON ${isLive}`;
}

const TERMS = `, e.names, extract(epoch FROM e.grace)::float8 * 1000 AS grace_ms, e.delta_ms::float8 AS delta_ms`;

const CONTENT = `${TERMS}, e.counter::text AS counter, e.packed, CASE WHEN e.packed IS NULL THEN e.value::text END AS value`;

/** Only of what takes up few bytes in the table, which its header tells: big values are not even read from disk. */
const IS_SMALL = 'coalesce(pg_column_size(e.packed), pg_column_size(e.value), 0) <= $2::int';
const SMALL_CONTENT = `${TERMS}, e.counter::text AS counter, NOT ${IS_SMALL} AS is_big,
  CASE WHEN ${IS_SMALL} THEN e.packed END AS packed,
  CASE WHEN e.packed IS NULL AND ${IS_SMALL} THEN e.value::text END AS value`;

/** A statement is prepared under a name of its own for one key: `= ANY` is planned anew each time. */
function byKey(space: SpaceNames, keys: readonly string[]): { from: string; values: unknown[]; kind: string } {
  const isOne = keys.length === 1;
  const from = `(SELECT * FROM ${space.table} WHERE key ${isOne ? '= $1' : '= ANY ($1)'}) AS e`;
  return { from, values: [isOne ? keys[0] : keys], kind: isOne ? 'one' : 'many' };
}

/**
 * Reads entries in one statement.
 * @param prepare whether to use a named statement (not through a pooler in transaction mode)
 * @param withStale whether also those that have expired within their grace
 */
export async function readEntries(
  db: Queryable,
  schema: Schema,
  space: SpaceNames,
  keys: readonly string[],
  prepare: boolean,
  withStale = false,
): Promise<ReadResult> {
  const { from, values, kind } = byKey(space, keys);
  const text = selectEntries(schema, space, from, CONTENT, withStale ? liveOrStale : live);
  const name = `pgcached ${withStale ? 'any' : 'read'} ${kind} ${space.id}`;
  const { rows } = await db.query(prepare ? { name, text, values } : { text, values });
  return resultOf(rows);
}

/**
 * The same, stale ones included, for who has no time for big values.
 * @param valueBytesMax of each value, as it is stored
 * @returns undefined where a value is bigger
 */
export async function readSmallEntries(
  db: Queryable,
  schema: Schema,
  space: SpaceNames,
  keys: readonly string[],
  options: { prepare: boolean; valueBytesMax: number },
): Promise<ReadResult | undefined> {
  const { from, values, kind } = byKey(space, keys);
  const text = selectEntries(schema, space, from, SMALL_CONTENT, liveOrStale);
  const statement = { text, values: [...values, options.valueBytesMax] };
  const name = `pgcached small ${kind} ${space.id}`;
  const { rows } = await db.query(options.prepare ? { name, ...statement } : statement);
  return rows.some((row) => row.key !== null && row.is_big) ? undefined : resultOf(rows);
}

function resultOf(rows: readonly Row[]): ReadResult {
  const found: FoundEntry[] = [];
  for (const row of rows) {
    if (row.key === null) continue;
    found.push({
      key: row.key as string,
      bytes: fromColumns(row as { value: string | null; packed: Buffer | null; counter: string | null } & Row),
      isCounter: row.counter !== null,
      names: (row.names as string[] | null) ?? [],
      leftMs: row.left_ms as number,
      ...(row.grace_ms !== null && { graceMs: row.grace_ms as number }),
      ...(row.delta_ms !== null && { deltaMs: row.delta_ms as number }),
    });
  }
  return { incarnation: rows[0]?.incarnation as string | undefined, snapshot: String(rows[0]?.snapshot ?? ''), found };
}

/** @returns milliseconds left by key, for the live ones among the keys */
export async function readTtls(
  db: Queryable,
  schema: Schema,
  space: SpaceNames,
  keys: readonly string[],
): Promise<Map<string, number>> {
  const { from, values } = byKey(space, keys);
  const { rows } = await db.query({ text: selectEntries(schema, space, from, ''), values });
  return new Map(rows.filter((row) => row.key !== null).map((row) => [row.key as string, row.left_ms as number]));
}

/** @returns how many entries are live */
export async function countEntries(db: Queryable, schema: Schema, space: SpaceNames): Promise<number> {
  const text = `SELECT count(*)::float8 AS count FROM ${space.table} AS e WHERE ${live(schema.core, space)}
    AND EXISTS (SELECT FROM ${schema.core.meta})`;
  const { rows } = await db.query({ text });
  return rows[0]?.count as number;
}

/** @returns bytes of the namespace's table on disk, indexes included */
export async function sizeOfTable(db: Queryable, space: SpaceNames): Promise<number> {
  const text = 'SELECT pg_total_relation_size($1::regclass)::float8 AS bytes';
  const { rows } = await db.query({ text, values: [space.table] });
  return rows[0]?.bytes as number;
}
