/**
 * What the catalog says of relations, by the names that a statement gives them on this connection ($1: as to_regclass takes
 * them). `family`: those above and below it by inheritance or partitioning, since a trigger logs the table that a statement
 * named. Names that mean nothing give no row.
 */
export const RELATIONS_SQL = `
  SELECT n AS asked, ns.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relpersistence AS persistence,
    c.relrowsecurity AS "hasPolicies", c.oid < 16384 AS "isSystem",
    CASE WHEN c.relkind = 'v' THEN pg_catalog.pg_get_viewdef(c.oid) END AS definition,
    coalesce((
      SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'type', t.typname,
        'isBuiltIn', t.oid < 16384, 'isExact', coalesce(co.collisdeterministic, true)) ORDER BY k.at)
      FROM pg_catalog.pg_index AS i, pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, at)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum
        JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
        LEFT JOIN pg_catalog.pg_collation AS co ON co.oid = a.attcollation
      WHERE i.indrelid = c.oid AND i.indisprimary AND k.at <= i.indnkeyatts
    ), '[]'::json) AS key,
    coalesce((
      WITH RECURSIVE up (oid) AS (
        SELECT c.oid UNION SELECT h.inhparent FROM up JOIN pg_catalog.pg_inherits AS h ON h.inhrelid = up.oid
      ), down (oid) AS (
        SELECT c.oid UNION SELECT h.inhrelid FROM down JOIN pg_catalog.pg_inherits AS h ON h.inhparent = down.oid
      )
      SELECT pg_catalog.json_agg(pg_catalog.json_build_object('schema', fns.nspname, 'table', fc.relname, 'kind', fc.relkind))
      FROM (SELECT oid FROM up UNION SELECT oid FROM down) AS f
        JOIN pg_catalog.pg_class AS fc ON fc.oid = f.oid JOIN pg_catalog.pg_namespace AS fns ON fns.oid = fc.relnamespace
      WHERE f.oid <> c.oid
    ), '[]'::json) AS family
  FROM pg_catalog.unnest($1::text[]) AS n
    JOIN pg_catalog.pg_class AS c ON c.oid = pg_catalog.to_regclass(n)
    JOIN pg_catalog.pg_namespace AS ns ON ns.oid = c.relnamespace`;

/** The functions that a name may mean ($1 names, $2 schemas or null), as kinds: of one kind there are often dozens. */
export const FUNCTIONS_SQL = `
  SELECT DISTINCT u.name, u.schema, p.oid < 16384 AS "isBuiltIn", p.provolatile AS volatility, p.prokind AS kind,
    l.lanname IN ('c', 'internal') AS "isCompiled"
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS u (name, schema)
    JOIN pg_catalog.pg_proc AS p ON p.proname = u.name
    JOIN pg_catalog.pg_namespace AS ns ON ns.oid = p.pronamespace
      AND CASE WHEN u.schema IS NULL THEN ns.nspname = ANY (pg_catalog.current_schemas(true)) ELSE ns.nspname = u.schema END
    JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang`;

/** The types that a name may mean, with the language of their input functions. */
export const TYPES_SQL = `
  SELECT DISTINCT u.name, u.schema, t.oid < 16384 AS "isBuiltIn", t.typtype AS kind, coalesce(l.lanname IN ('c', 'internal'), false) AS "isCompiled"
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS u (name, schema)
    JOIN pg_catalog.pg_type AS t ON t.typname = u.name
    JOIN pg_catalog.pg_namespace AS ns ON ns.oid = t.typnamespace
      AND CASE WHEN u.schema IS NULL THEN ns.nspname = ANY (pg_catalog.current_schemas(true)) ELSE ns.nspname = u.schema END
    LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = t.typinput
    LEFT JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang`;

/** Which names after a dot may be calls: row.name is name(row) where the row has no such column. */
export const ATTRIBUTES_SQL = `
  SELECT DISTINCT p.proname AS name FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_type AS t ON t.oid = p.proargtypes[0]
  WHERE p.oid >= 16384 AND p.pronargs = 1 AND p.proname = ANY ($1::text[]) AND t.typtype IN ('c', 'p')`;

/** Operators and casts of the application that may do anything, being functions in SQL or another language. */
export const HAZARDS_SQL = `
  SELECT coalesce((
      SELECT pg_catalog.array_agg(DISTINCT o.oprname::text) FROM pg_catalog.pg_operator AS o
        JOIN pg_catalog.pg_proc AS p ON p.oid = o.oprcode JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
      WHERE o.oid >= 16384 AND (l.lanname NOT IN ('c', 'internal') OR p.provolatile <> 'i')
    ), '{}') AS operators,
    EXISTS (
      SELECT FROM pg_catalog.pg_cast AS c
        JOIN pg_catalog.pg_proc AS p ON p.oid = c.castfunc JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
      WHERE c.oid >= 16384 AND (l.lanname NOT IN ('c', 'internal') OR p.provolatile <> 'i')
    ) AS casts`;
