import { type CoreNames, literal } from './names.js';
import { triggersSql } from './watch-install.js';
import { tableKey } from './watch-key-sql.js';

/** While it is 'on', local to a transaction, somebody is making triggers: nobody else is to. As SQL. */
const watchingSetting = (core: CoreNames) => literal(`pgcached.watching_${core.id}`);

/** Keeps the event trigger, where there is one, from what `watchTables` does itself in this transaction. */
export const watchingSql = (core: CoreNames) => `SELECT set_config(${watchingSetting(core)}, 'on', true)`;

/** The variables of `watchRelatives`. */
export const RELATIVES_VARIABLES = `
      v_relative record;
      v_key record;
      v_given text;`;

/**
 * The arguments of a table's triggers as SQL, as of `argumentsFor`: of v_relative.rows and of v_key.
 */
const GIVEN = `
          quote_literal(v_relative.rows) || CASE WHEN v_key.names IS NULL OR v_key.index IS NULL THEN '' ELSE
            ', ' || quote_literal(v_key.names) || CASE WHEN v_key.is_nameable AND v_key.shape <> 'any' THEN
              ', ' || quote_literal(v_key.index::text) || ', ' || quote_literal(v_key.shape) ELSE '' END END`;

/**
 * In an event trigger at the end of a command: a table that has come to share its rows with watched ones (a new partition or
 * child, ATTACH PARTITION, INHERIT) is watched as they are, in the same transaction. Temporary and foreign tables can't be.
 *
 * The triggers are made by ALTER TABLE as well, at whose end this would begin again, for each table one level deeper: while it
 * is under way, as a setting local to the transaction says, it does nothing.
 */
export function watchRelatives(core: CoreNames): string {
  const guard = watchingSetting(core);
  const watched = `to_regproc(${literal(core.fn('watched'))})::oid`;
  const applied = `to_regproc(${literal(core.fn('watched_applied'))})::oid`;
  const made = (kind: string) => literal(triggersSql(core, kind, '%1$s', '%2$s'));
  return `
      IF current_setting(${guard}, true) IS DISTINCT FROM 'on' THEN
        PERFORM set_config(${guard}, 'on', true);
        FOR v_relative IN
          WITH RECURSIVE family (root, oid) AS (
            SELECT c.objid, c.objid FROM pg_event_trigger_ddl_commands() AS c
              WHERE c.classid = 'pg_class'::regclass AND c.object_type = 'table'
            UNION
            SELECT f.root, CASE WHEN h.inhrelid = f.oid THEN h.inhparent ELSE h.inhrelid END
              FROM family AS f JOIN pg_inherits AS h ON f.oid IN (h.inhrelid, h.inhparent)
          ), watched AS (
            SELECT f.root, min(split_part(encode(t.tgargs, 'escape'), '\\000', 1)::int)::text AS rows
            FROM family AS f JOIN pg_trigger AS t ON t.tgrelid = f.oid AND t.tgfoid = ${watched} GROUP BY f.root
          )
          SELECT DISTINCT ON (f.oid) f.oid, c.relkind AS kind, w.rows
          FROM watched AS w JOIN family AS f ON f.root = w.root
            JOIN pg_class AS c ON c.oid = f.oid AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
          WHERE NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = f.oid AND t.tgfoid IN (${watched}, ${applied}))
          ORDER BY f.oid
        LOOP
          ${tableKey('v_relative.oid', 'v_key').trim()}
          v_given := ${GIVEN.trim()};
          EXECUTE format(CASE v_relative.kind WHEN 'p' THEN ${made('p')} ELSE ${made('r')} END,
            v_relative.oid::regclass, v_given);
        END LOOP;
        PERFORM set_config(${guard}, 'off', true);
      END IF;`;
}
