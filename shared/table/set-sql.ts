import { type CoreNames, literal, type SpaceNames } from './names.js';
import { asGrace, WRITE_OP } from './space-sql.js';
import { beginOne, takeNumber, UPSERT_OF_SET } from './write-sql.js';

/**
 * A batch of one set, the commonest write of callers that wait for each: what the write function does for it and tells of
 * it, in the same order and under the same number, without arrays, and told as one text of incarnation, xid and snapshot
 * (null where the meta row is gone). Together that is two fifths of Postgres's time for one set. One that may have been
 * sent before is sent to the write function, which knows how to answer again.
 */
export function setFunction(core: CoreNames, space: SpaceNames, logged: boolean): string {
  return `
    CREATE OR REPLACE FUNCTION ${space.fn('set_one')}(
      p_host uuid, p_start bigint, p_batch bigint, p_age_ms float8, p_lock_timeout_ms int,
      p_key text, p_value text, p_packed bytea, p_ttl_ms float8, p_names text, p_grace_ms float8
    ) RETURNS text LANGUAGE plpgsql AS $fn$
    DECLARE
      v_from timestamptz := clock_timestamp() - p_age_ms * interval '1 millisecond';
      v_incarnation text;
      o_xid xid8;
      o_snapshot pg_snapshot;
      o_answer jsonb;
    BEGIN
      ${beginOne(core, logged)}
      INSERT INTO ${space.table} AS e (key, value, counter, expires_at, packed, names, op, xid, base, grace)
        VALUES (p_key, p_value::jsonb, NULL,
          CASE WHEN p_ttl_ms = 'infinity' THEN 'infinity' ELSE v_from + p_ttl_ms * interval '1 millisecond' END,
          p_packed, p_names::text[], ${WRITE_OP.set}, o_xid, pg_current_snapshot(), ${asGrace('p_grace_ms')})
        ${UPSERT_OF_SET};
      INSERT INTO ${core.log} (namespace, keys) VALUES (${literal(space.namespace)}, ARRAY[p_key]);
      ${takeNumber(core, space)}
      RETURN v_incarnation || ' ' || o_xid::text || ' ' || o_snapshot::text;
    END $fn$;
  `;
}
