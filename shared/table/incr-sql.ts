import { type CoreNames, literal, type SpaceNames } from './names.js';
import { COUNTER_MAX, WRITE_OP } from './space-sql.js';
import { beginOne, takeNumber, upsertOfIncrement } from './write-sql.js';

/** What is told in the counter's place of an increment that was refused: the key holds a counter, or something else. */
export const REFUSED = { overflow: 'overflow', other: 'other' } as const;

/**
 * A batch of one increment, which is what all those make together that are in flight on one hot counter: what the write
 * function does for it and tells of it, told as one text of incarnation, xid, snapshot and counter (null where the meta row
 * is gone). A counter that goes on is a plain update, so that it takes a third of Postgres's time. Where there is none to
 * update, an upsert asks all again, since anything may have come between:
 *
 *     this one    finds no counter
 *     another     sets a value, or starts the counter; commits
 *     this one    must refuse, or count on from there
 *
 * One that may have been sent before is sent to the write function.
 */
export function incrFunction(core: CoreNames, space: SpaceNames, logged: boolean): string {
  const inRange = `e.counter BETWEEN -${COUNTER_MAX} - p_delta AND ${COUNTER_MAX} - p_delta`;
  const isLive = `${space.fn('live')}(e, v_now)`;
  return `
    CREATE OR REPLACE FUNCTION ${space.fn('incr_one')}(
      p_host uuid, p_start bigint, p_batch bigint, p_age_ms float8, p_lock_timeout_ms int,
      p_key text, p_delta bigint, p_ttl_ms float8
    ) RETURNS text LANGUAGE plpgsql AS $fn$
    DECLARE
      v_now timestamptz := clock_timestamp();
      v_from timestamptz := v_now - p_age_ms * interval '1 millisecond';
      v_incarnation text;
      v_counter bigint;
      v_told text;
      o_xid xid8;
      o_snapshot pg_snapshot;
      o_answer jsonb;
    BEGIN
      ${beginOne(core, logged)}

      -- A counter that goes on keeps its expiry, and its base: see the write function.
      UPDATE ${space.table} AS e SET counter = e.counter + p_delta, value = NULL, packed = NULL, names = NULL, grace = NULL,
          delta_ms = NULL, op = ${WRITE_OP.incr}, xid = o_xid
        WHERE e.key = p_key AND ${inRange} AND ${isLive} RETURNING e.counter INTO v_counter;
      IF NOT FOUND THEN
        INSERT INTO ${space.table} AS e (key, counter, expires_at, op, xid, base)
          VALUES (p_key, p_delta,
            CASE WHEN p_ttl_ms = 'infinity' THEN 'infinity' ELSE v_from + p_ttl_ms * interval '1 millisecond' END,
            ${WRITE_OP.incr}, o_xid, pg_current_snapshot())
          ${upsertOfIncrement(isLive)}
          RETURNING e.counter INTO v_counter;
      END IF;

      IF v_counter IS NULL THEN
        SELECT CASE WHEN e.counter IS NULL THEN '${REFUSED.other}' ELSE '${REFUSED.overflow}' END
          INTO v_told FROM ${space.table} AS e WHERE e.key = p_key;
      ELSE
        v_told := v_counter::text;
        o_answer := jsonb_build_array(jsonb_build_array(p_key, ${WRITE_OP.incr}, v_counter));
        -- A counter is in nobody's memory, so only one that starts is news: it may follow a value that was.
        IF v_counter = p_delta THEN
          INSERT INTO ${core.log} (namespace, keys) VALUES (${literal(space.namespace)}, ARRAY[p_key]);
        END IF;
      END IF;
      ${takeNumber(core, space)}
      RETURN v_incarnation || ' ' || o_xid::text || ' ' || o_snapshot::text || ' ' || coalesce(v_told, '${REFUSED.other}');
    END $fn$;
  `;
}
