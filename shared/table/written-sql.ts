import { TABLES_NAMESPACE } from '../table-tags.js';

/**
 * The functions that invalidate in the namespace `tables`, one for each cache in this database that has it, as SQL calls
 * them, and whether this role may.
 */
export const INVALIDATE_FUNCTIONS_SQL = `
  SELECT pg_catalog.format('%I.%I', ns.nspname, p.proname) AS name,
    pg_catalog.has_function_privilege(p.oid, 'EXECUTE') AND pg_catalog.has_schema_privilege(ns.oid, 'USAGE') AS allowed
  FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS ns ON ns.oid = p.pronamespace
  WHERE p.proname LIKE '%\\_ns\\_${TABLES_NAMESPACE}\\_invalidate' AND p.pronargs = 2`;

/**
 * Logs the tables that a statement wrote, for who has no triggers: those it named ($1, as to_regclass takes them, each with
 * what it cascades to in $2: 'none', 'actions' of foreign keys, 'all' that refer to it), the tables behind a view and those
 * that rules write, and the cascades, to any depth. Tables with triggers of the cache log themselves, row by row.
 */
export function invalidateWrittenSql(invalidate: string): string {
  return `
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
    ), tags AS (
      SELECT pg_catalog.array_agg(DISTINCT tag) AS tags FROM (SELECT DISTINCT oid FROM written) AS w
        JOIN pg_catalog.pg_class AS c ON c.oid = w.oid AND c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't'
        JOIN pg_catalog.pg_namespace AS ns ON ns.oid = c.relnamespace,
        pg_catalog.unnest(ARRAY[ns.nspname || '.' || c.relname, ns.nspname || '.' || c.relname || '/*']) AS tag
      WHERE (
        SELECT pg_catalog.count(DISTINCT t.tgname) FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        WHERE t.tgrelid = c.oid AND t.tgenabled IN ('O', 'A') AND p.proname LIKE '%\\_watched'
          AND t.tgname ~ '_watch_(insert|update|delete|truncate)$'
      ) < 4
    )
    SELECT ${invalidate}('tag', VARIADIC tags) FROM tags WHERE tags IS NOT NULL`;
}

/** Logs that nothing that was made of queries is known to be fresh. */
export const invalidateAllSql = (invalidate: string) => `SELECT ${invalidate}('namespace')`;
