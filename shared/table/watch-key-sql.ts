import { ROW_ID_BYTES_MAX } from '../table-tags.js';

/** What the triggers call the rows as they were and as they are. */
export const OLD_ROWS = 'pgcached_old';
export const NEW_ROWS = 'pgcached_new';
export const ROW_ID_BYTES = ROW_ID_BYTES_MAX;

/**
 * Types of which two values are equal if and only if their texts are, whatever the session's settings, and whose cast to
 * text is Postgres's own (the triggers run with their owner's rights). Rows with keys of others are not named.
 */
const NAMEABLE_TYPES = ['int2', 'int4', 'int8', 'uuid', 'text', 'varchar', 'bool'] as const;

/**
 * Looks a table's primary key up, into a record:
 * - names: its columns as identifiers, in the key's order, joined by commas; null where there is none
 * - is_nameable: whether its rows can be named
 * - shape: 'first' where it is the first column, 'two' where it is the first two
 * - index: the oid of its index
 * - id: SQL that gives a row's id, before it is shortened
 */
export const tableKey = (relation: string, into: string) => `
        SELECT min(i.indexrelid) AS index, string_agg(quote_ident(a.attname), ',' ORDER BY k.n) AS names,
          getdatabaseencoding() = 'UTF8' AND coalesce(bool_and(
            coalesce(nullif(t.typbasetype, 0), t.oid) = ANY ('{${NAMEABLE_TYPES.join(',')}}'::regtype[]::oid[])
            AND (a.attcollation = 0 OR (SELECT collisdeterministic FROM pg_collation WHERE oid = a.attcollation))), false) AS is_nameable,
          CASE
            WHEN count(*) > 2 OR NOT bool_and(k.n = (
              SELECT count(*) FROM pg_attribute AS b
              WHERE b.attrelid = a.attrelid AND b.attnum BETWEEN 1 AND a.attnum AND NOT b.attisdropped)) THEN 'any'
            WHEN count(*) = 1 THEN 'first' ELSE 'two' END AS shape,
          CASE WHEN count(*) = 1 THEN string_agg(format('r.%I::text', a.attname), '')
            ELSE string_agg(format('octet_length(r.%1$I::text) || '':'' || r.%1$I::text', a.attname), ' || '','' || ' ORDER BY k.n) END AS id
        ${into === '' ? '' : `INTO ${into}`}
        FROM pg_index AS i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n), pg_attribute AS a, pg_type AS t
        WHERE i.indrelid = ${relation} AND i.indisprimary AND k.n <= i.indnkeyatts
          AND a.attrelid = i.indrelid AND a.attnum = k.attnum AND t.oid = a.atttypid;`;

/**
 * The ids of a transition table's rows, before they are shortened. Columns are told by their place where that is the
 * table's beginning, so that the statement is planned once a session and not with each change (100 µs); else a text is
 * made of the key's id.
 */
export function rowIdOf(shape: 'first' | 'two' | 'any', rows: string): string {
  if (shape === 'any') return `SELECT $id$ FROM ${rows} AS r`;
  // Names that no column behind them has: a table may well have one called `k`, and it would be ambiguous.
  const [first, second] = ['pgcached_first', 'pgcached_second'];
  if (shape === 'first') return `SELECT r.${first}::text FROM ${rows} AS r(${first})`;
  const part = (column: string) => `octet_length(r.${column}::text) || ':' || r.${column}::text`;
  return `SELECT ${part(first)} || ',' || ${part(second)} FROM ${rows} AS r(${first}, ${second})`;
}
