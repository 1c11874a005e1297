import { incarnation } from './core-sql.js';
import { TRIMMING } from './foreign-sql.js';
import type { CoreNames, SpaceNames } from './names.js';
import { killed, OVER_AT } from './space-sql.js';

/**
 * The second step of a trim, a chunk at a time: removes what is past its expiry and its grace, or (p_after given) what the
 * log below the floor kills among the next keys. Rows that somebody holds are skipped, and so are killed ones that are younger than the floor:
 * a write whose snapshot is older than an invalidation may commit after it. Such a row must not come alive when the log's
 * row goes, nor may it be gone while a fill is under way that does not see it: the log waits for a later trim.
 * o_seen counts what was there to remove, o_last is the last key looked at (null at the end).
 */
export function trimFunction(core: CoreNames, space: SpaceNames, logged: boolean): string {
  const sameIncarnation = `EXISTS (SELECT FROM ${core.meta} AS m
    WHERE ${incarnation('m', logged)} = p_incarnation AND m.table_floor >= p_floor)`;
  // The first half of the condition is for the index.
  const isOver = `e.expires_at < clock_timestamp() AND ${OVER_AT} < clock_timestamp()`;
  const value = { key: 'e.key', names: 'e.names', base: 'e.base' };
  const victim = `(${OVER_AT} >= clock_timestamp() AND ${killed(core, space, value, 'p_floor')})`;
  return `
    CREATE OR REPLACE FUNCTION ${space.fn('trim')}(
      p_incarnation text, p_floor xid8, p_after text, p_limit int,
      OUT o_removed bigint, OUT o_seen bigint, OUT o_last text
    ) LANGUAGE plpgsql AS $fn$
    BEGIN
      PERFORM set_config('${TRIMMING}', 'on', true);
      IF p_after IS NULL THEN
        DELETE FROM ${space.table} WHERE ctid = ANY (ARRAY(
          SELECT e.ctid FROM ${space.table} AS e
          WHERE ${isOver} AND e.xid < p_floor AND ${sameIncarnation}
          ORDER BY e.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS o_removed = ROW_COUNT;
        IF o_removed < p_limit THEN
          SELECT count(*) + o_removed INTO o_seen FROM ${space.table} AS e
            WHERE ${isOver} AND e.xid < p_floor;
        ELSE
          o_seen := o_removed;
          o_last := '';
        END IF;
        RETURN;
      END IF;
      SELECT max(chunk.key), count(*) FILTER (WHERE chunk.victim) INTO o_last, o_seen FROM (
        SELECT e.key, ${victim} AS victim FROM ${space.table} AS e
        WHERE e.key > p_after ORDER BY e.key LIMIT p_limit) AS chunk;
      DELETE FROM ${space.table} WHERE ctid = ANY (ARRAY(
        SELECT e.ctid FROM ${space.table} AS e
        WHERE e.key > p_after AND e.key <= o_last AND e.xid < p_floor AND ${sameIncarnation} AND ${victim}
        FOR UPDATE SKIP LOCKED));
      GET DIAGNOSTICS o_removed = ROW_COUNT;
    END $fn$;
  `;
}
