import { CacheError } from '../errors.js';
import type { TableName } from '../table-tags.js';
import { type CoreNames, coreNames, splitTable } from './names.js';
import type { Queryable } from './queryable.js';
import { tableKey } from './watch-key-sql.js';

/** What keeps a watched table's changes from being seen, or being seen by row. */
export type WatchProblem =
  | 'missing-trigger'
  | 'disabled-trigger'
  | 'key-changed'
  | 'unwatched-relative'
  | 'foreign-relative';

/** A table as the catalog has it, with what is installed on it. */
export interface TableState extends TableName {
  readonly oid: string;
  readonly kind: string;
  readonly isTemporary: boolean;
  readonly isOwned: boolean;
  readonly owner: string;
  /** The primary key's columns as quoted identifiers joined by commas; null without one. */
  readonly key: string | null;
  /** The same as they are, in the key's order; empty without one. */
  readonly keyColumns: readonly string[];
  readonly isNameable: boolean;
  /** The oid of its index, and where its columns stand, as of `tableKey`. */
  readonly keyIndex: string | null;
  readonly keyShape: string;
  /** The names of the triggers that are installed, and of those among them that fire in every session. */
  readonly triggers: readonly string[];
  readonly enabled: readonly string[];
  /** What the triggers were given, as of `argumentsFor`. */
  readonly given: readonly string[];
}

/** The events of a table, and what their triggers get to see. */
export const EVENTS = ['insert', 'update', 'delete', 'truncate'] as const;
/** Fires for each row that a subscription applies; a partitioned table has no rows of its own. */
const APPLIED = 'applied';

export const triggerName = (core: CoreNames, suffix: string) => `${core.table}_watch_${suffix}`;

/** The triggers that a table of this kind must have. */
export const triggersOf = (core: CoreNames, kind: string): readonly string[] =>
  [...EVENTS, ...(kind === 'p' ? [] : [APPLIED])].map((suffix) => triggerName(core, suffix));

/** @param table as the caller names the cache's table. @returns its names, whether it is there or not */
export async function findCore(db: Queryable, table: string): Promise<CoreNames> {
  const { schema, name } = splitTable(table);
  const { rows } = await db.query({
    text: 'SELECT coalesce($1, current_schema()) AS schema',
    values: [schema ?? null],
  });
  return coreNames(String(rows[0]?.schema), name);
}

/**
 * A table's oid by the name a caller gives: 'products', 'shop.products', '"Order Items"', found as SQL would.
 * @throws CacheError ERR_INVALID_ARGUMENT for what is no name, or no table's
 */
export async function resolveTable(db: Queryable, name: string): Promise<string> {
  const wrong = (problem: string) => new CacheError('ERR_INVALID_ARGUMENT', problem);
  if (typeof name !== 'string' || name === '' || name.includes('\0')) {
    throw wrong("a table must be named by a text such as 'products' or 'shop.products'");
  }
  let oid: unknown;
  try {
    // A name in quotes stays as it is, another is folded to lower case; to_regclass alone would take a number for an oid.
    const { rows } = await db.query({
      text: `SELECT to_regclass((SELECT string_agg(quote_ident(part), '.') FROM unnest(parse_ident($1)) AS part))::oid::text AS oid`,
      values: [name],
    });
    oid = rows[0]?.oid;
  } catch (error) {
    throw wrong(`'${name}' can't be the name of a table (${(error as Error).message})`);
  }
  if (typeof oid !== 'string') {
    throw wrong(`there is no table ${name} in this database (write 'schema.table' where it is not in search_path)`);
  }
  return oid;
}

/** The tables that share rows with the given ones: partitions and what they are of, inheritance children and parents. */
export async function treeOf(db: Queryable, oids: readonly string[]): Promise<string[]> {
  const { rows } = await db.query({
    text: `WITH RECURSIVE tree(oid) AS (
        SELECT unnest($1::oid[])
        UNION SELECT CASE WHEN i.inhrelid = tree.oid THEN i.inhparent ELSE i.inhrelid END
          FROM tree JOIN pg_inherits AS i ON tree.oid IN (i.inhrelid, i.inhparent)
      ) SELECT tree.oid::text AS oid FROM tree JOIN pg_class AS c ON c.oid = tree.oid
        WHERE c.relkind NOT IN ('I', 'i') ORDER BY tree.oid`,
    values: [oids],
  });
  return rows.map(({ oid }) => String(oid));
}

/** @param oids which tables; all that have a trigger of the cache where undefined */
export async function tableStates(db: Queryable, core: CoreNames, oids?: readonly string[]): Promise<TableState[]> {
  const functions = `ARRAY[to_regproc($1)::oid, to_regproc($2)::oid]`;
  const { rows } = await db.query({
    text: `SELECT c.oid::text AS oid, n.nspname AS schema, c.relname AS table, c.relkind AS kind,
        c.relpersistence = 't' AS "isTemporary", pg_has_role(c.relowner, 'USAGE') AS "isOwned", pg_get_userbyid(c.relowner) AS owner,
        ARRAY(SELECT a.attname::text FROM pg_index AS i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n), pg_attribute AS a
          WHERE i.indrelid = c.oid AND i.indisprimary AND k.n <= i.indnkeyatts AND a.attrelid = c.oid AND a.attnum = k.attnum
          ORDER BY k.n) AS "keyColumns",
        key.index::text AS "keyIndex", key.shape AS "keyShape", key.names AS key, key.is_nameable AS "isNameable",
        ARRAY(SELECT tgname::text FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgfoid = ANY (${functions})) AS triggers,
        ARRAY(SELECT tgname::text FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgfoid = ANY (${functions})
          AND t.tgenabled = CASE WHEN t.tgfoid = to_regproc($1) THEN 'A' ELSE 'R' END) AS enabled,
        ARRAY(SELECT DISTINCT encode(tgargs, 'hex') FROM pg_trigger AS t
          WHERE t.tgrelid = c.oid AND t.tgfoid = to_regproc($1)) AS given
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace,
        LATERAL (${tableKey('c.oid', '').replace(/;$/, '')}) AS key
      WHERE ${oids === undefined ? `c.oid IN (SELECT tgrelid FROM pg_trigger WHERE tgfoid = ANY (${functions}))` : 'c.oid = ANY ($3::oid[])'}
      ORDER BY c.oid`,
    values: [core.fn('watched'), core.fn('watched_applied'), ...(oids === undefined ? [] : [oids])],
  });
  return rows.map((row) => {
    const { given, ...state } = row as unknown as TableState;
    // Several where the triggers were not given the same: none of them counts.
    return { ...state, given: given.length === 1 ? argumentsOf(given[0]!) : [] };
  });
}

/** A trigger's arguments, each ended by a zero byte. */
function argumentsOf(hex: string): string[] {
  return Buffer.from(hex, 'hex').toString('utf8').split('\0').slice(0, -1);
}

/** What the triggers of a table are to be given: the number of rows to name, the key, and where it is found without a search. */
export function argumentsFor(state: TableState, rowsMax: number): string[] {
  const { key, keyIndex, keyShape, isNameable } = state;
  if (key === null || keyIndex === null) return [String(rowsMax)];
  return [String(rowsMax), key, ...(isNameable && keyShape !== 'any' ? [keyIndex, keyShape] : [])];
}

/** What is wrong with a watched table by itself, without its relatives. */
export function problemsOf(core: CoreNames, state: TableState): WatchProblem[] {
  const wanted = triggersOf(core, state.kind);
  const problems: WatchProblem[] = [];
  if (wanted.some((name) => !state.triggers.includes(name))) problems.push('missing-trigger');
  if (state.triggers.some((name) => !state.enabled.includes(name))) problems.push('disabled-trigger');
  if (state.given.length > 0 && (state.given[1] ?? null) !== state.key) problems.push('key-changed');
  return problems;
}
