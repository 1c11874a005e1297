import { TABLES_NAMESPACE } from '../table-tags.js';
import { literal, tagName } from './names.js';

/**
 * For so long a process that found a table watched may write it without looking again; `unwatchTables` says once more, after
 * that time, that the table has changed.
 */
export const WATCHED_TRUST_MS = 500;

/** A function that invalidates in the namespace `tables` of one cache. */
export interface LogFunction {
  /** As SQL calls it. */
  readonly name: string;
  /** Whether this role may. */
  readonly allowed: boolean;
  /** How the triggers of the same cache begin to write its log. */
  readonly logs: string;
}

/** How a function of a cache begins to write its log. */
const logsOf = (fn: string) => `pg_catalog.substring(${fn}.prosrc, 'INSERT INTO "[^"]+"[.]"[^"]+" ')`;

/**
 * The functions that invalidate in the namespace `tables`, one for each cache in this database that has it. They are told by what
 * they log: their names are those of the namespace's table, which may be any.
 */
export const LOG_FUNCTIONS_SQL = `
  SELECT pg_catalog.format('"%s"."%s"', ns.nspname, p.proname) AS name,
    pg_catalog.has_function_privilege(p.oid, 'EXECUTE') AND pg_catalog.has_schema_privilege(ns.oid, 'USAGE') AS allowed,
    ${logsOf('p')} AS logs
  FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS ns ON ns.oid = p.pronamespace
  WHERE p.proname LIKE '%\\_invalidate' AND p.pronargs = 2
    AND pg_catalog.strpos(p.prosrc, ${literal(`${literal(tagName(TABLES_NAMESPACE, ''))} ||`)}) > 0`;

/** Of the application, and no compiled code of an extension: it may do anything. */
const isApplication = (fn: string) => `${fn}.oid >= 16384 AND (
        SELECT l.lanname NOT IN ('c', 'internal') FROM pg_catalog.pg_language AS l WHERE l.oid = ${fn}.prolang)`;

/** Whether the triggers of a cache that see every change are on a table. @param logs how they begin to write its log */
export const isWatched = (table: string, logs: string) => `(
        SELECT pg_catalog.bit_or(t.tgtype::int & 60) FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        WHERE t.tgrelid = ${table} AND t.tgenabled = 'A' AND p.proname LIKE '%\\_watched' AND pg_catalog.strpos(p.prosrc, ${logs}) > 0
      ) IS NOT DISTINCT FROM 60`;

/**
 * What a statement wrote: the tables that it named ($1, as to_regclass takes them, each with what it cascades to in $2: 'none',
 * 'actions' of foreign keys, 'all' that refer to it), the tables behind a view and those that rules write, and the
 * cascades, to any depth. Where it runs what may write anything ($4; a VOLATILE function of the application among those that it
 * calls, names in $5 and schemas in $6; a trigger of the application), the tables in $3 too.
 * Tables whose triggers write the same log ($7) are left out: they log themselves, row by row.
 */
const WRITTEN = `
    WITH RECURSIVE written (oid, cascade) AS (
      SELECT pg_catalog.to_regclass(n)::oid, c FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS given (n, c)
        WHERE pg_catalog.to_regclass(n) IS NOT NULL
      UNION
      SELECT next.oid, w.cascade FROM written AS w CROSS JOIN LATERAL (
        SELECT d.refobjid AS oid FROM pg_catalog.pg_rewrite AS r
          JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class AND v.relkind <> 'm'
          JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
            AND d.refclassid = 'pg_catalog.pg_class'::regclass
          WHERE r.ev_class = w.oid AND d.refobjid <> w.oid
        UNION ALL
        SELECT k.conrelid FROM pg_catalog.pg_constraint AS k WHERE k.contype = 'f' AND k.confrelid = w.oid
          AND (w.cascade = 'all' OR w.cascade = 'actions' AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd')))
        UNION ALL
        SELECT h.inhrelid FROM pg_catalog.pg_inherits AS h WHERE h.inhparent = w.oid
      ) AS next
    ), called AS (
      SELECT p.proname = 'set_config' OR ${isApplication('p')} AS own, p.provolatile = 'v' AND ${isApplication('p')} AS writes
      FROM ROWS FROM (pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::text[])) AS u (name, schema)
        JOIN pg_catalog.pg_proc AS p ON p.proname = u.name
        JOIN pg_catalog.pg_namespace AS ns ON ns.oid = p.pronamespace
          AND CASE WHEN u.schema IS NULL THEN ns.nspname = ANY (pg_catalog.current_schemas(true)) ELSE ns.nspname = u.schema END
    ), runs AS MATERIALIZED (
      SELECT $4::boolean OR EXISTS (SELECT FROM called WHERE writes) OR EXISTS (
        SELECT FROM written AS w JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = w.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
          JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
          WHERE ${isApplication('p')} AND pg_catalog.strpos(p.prosrc, 'pgcached.noted_') = 0
      ) AS anything
    ), tags AS (
      SELECT pg_catalog.array_agg(DISTINCT tag) AS tags FROM (
          SELECT oid FROM written
          UNION SELECT pg_catalog.to_regclass(n)::oid FROM pg_catalog.unnest($3::text[]) AS n, runs
            WHERE runs.anything AND pg_catalog.to_regclass(n) IS NOT NULL
        ) AS w
        JOIN pg_catalog.pg_class AS c ON c.oid = w.oid AND c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't'
        JOIN pg_catalog.pg_namespace AS ns ON ns.oid = c.relnamespace,
        pg_catalog.unnest(ARRAY[ns.nspname || '.' || c.relname, ns.nspname || '.' || c.relname || '/*']) AS tag
      WHERE NOT (${isWatched('c.oid', '$7::text')})
    )`;

/**
 * Which tags a statement's writes are to be logged under, null for none; whether it runs nothing of the application's, so
 * that it can do no more than its text says; and whether it can write here at all.
 */
export const WRITTEN_TAGS_SQL = `${WRITTEN}
    SELECT tags, NOT (runs.anything OR EXISTS (SELECT FROM called WHERE own)) AS "isPlain",
      pg_catalog.current_setting('transaction_read_only') = 'on' AS "isReadOnly"
    FROM tags, runs`;

/** Logs the tables that a statement wrote, for who has no triggers; where nothing can be written, nothing was. */
export const logWrittenSql = (invalidate: string) => `${WRITTEN}
    SELECT ${invalidate}('tag', VARIADIC tags) FROM tags
    WHERE tags IS NOT NULL AND pg_catalog.current_setting('transaction_read_only') = 'off'`;

/** Logs that nothing that was made of queries is known to be fresh. */
export const invalidateAllSql = (invalidate: string) => `SELECT ${invalidate}('namespace')`;

/**
 * Which tables ($1, as to_regclass takes them) the log of a cache does not hear of whoever writes them, its function that
 * invalidates being $2: neither they nor all that share their rows (partitions, children, parents) are watched by it. `isItself`: the table is one of these.
 */
export const UNWATCHED_SQL = `
    WITH RECURSIVE family (asked, oid) AS (
      SELECT n, pg_catalog.to_regclass(n)::oid FROM pg_catalog.unnest($1::text[]) AS n
      UNION
      SELECT f.asked, CASE WHEN h.inhrelid = f.oid THEN h.inhparent ELSE h.inhrelid END
        FROM family AS f JOIN pg_catalog.pg_inherits AS h ON f.oid IN (h.inhrelid, h.inhparent)
    )
    SELECT f.asked, pg_catalog.bool_or(c.oid = pg_catalog.to_regclass(f.asked)) AS "isItself" FROM family AS f JOIN pg_catalog.pg_class AS c ON c.oid = f.oid AND c.relkind IN ('r', 'p'),
      pg_catalog.pg_proc AS own
    WHERE own.oid = pg_catalog.to_regprocedure($2::text || '(text, text[])') AND NOT (${isWatched('c.oid', logsOf('own'))})
    GROUP BY f.asked`;
