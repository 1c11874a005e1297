import { durably, floorLock, incarnation } from './core-sql.js';
import { anyName, type CoreNames, literal, partName, type SpaceNames } from './names.js';
import { asGrace, COUNTER_MAX, DELETED_NOTHING, live, NUMBER_TAKEN, WRITE_OP } from './space-sql.js';

/** Arrays of a batch, row by row; every row of a batch has a key of its own. */
const BATCH = `unnest(p_keys, p_ops, p_values, p_packed, p_ttls_ms, p_deltas, p_names, p_graces_ms)
  AS i(key, op, value, packed, ttl_ms, delta, names, grace_ms)`;

/**
 * One batch: it upserts all keys in one statement, in sorted order (so that batches of several daemons cannot deadlock),
 * logs what changed, and takes its number, in one transaction and one round trip. Who finds the number taken at the end
 * undoes everything by raising an error. These are statements of their own, since one that held them all took twice as long
 * to start as to run. The snapshot that is reported is the first one: a value is at least as new as that.
 * A delete writes a dead row: it must outlive the fills that were computed before it. An expire offers the row that it
 * found, with a new expiry, so that it stays right if the row is trimmed in between.
 */
export function writeFunction(core: CoreNames, space: SpaceNames, logged: boolean): string {
  return `
    CREATE OR REPLACE FUNCTION ${space.fn('write')}(
      p_host uuid, p_start bigint, p_batch bigint, p_again boolean, p_age_ms float8, p_lock_timeout_ms int,
      p_invalidated text[],
      p_keys text[], p_ops smallint[], p_values text[], p_packed bytea[], p_ttls_ms float8[], p_deltas bigint[], p_names text[],
      p_graces_ms float8[],
      OUT o_incarnation text, OUT o_xid xid8, OUT o_snapshot pg_snapshot, OUT o_answer jsonb, OUT o_refused jsonb, OUT o_state text
    ) LANGUAGE plpgsql AS $fn$
    DECLARE
      v_now timestamptz := clock_timestamp();
      v_from timestamptz := v_now - p_age_ms * interval '1 millisecond';
      v_start bigint;
      v_batch bigint;
      v_written text[];
    BEGIN
      PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
      ${durably(logged)}
      PERFORM pg_advisory_xact_lock_shared(${floorLock(core)});
      SELECT ${incarnation('m', logged)} INTO o_incarnation FROM ${core.meta} AS m;
      IF NOT FOUND THEN o_state := 'lost'; RETURN; END IF;

      IF p_again THEN
        SELECT w.start, w.batch, w.xid, w.snapshot, w.answer INTO v_start, v_batch, o_xid, o_snapshot, o_answer
          FROM ${core.writers} AS w WHERE w.host = p_host AND w.namespace = ${literal(space.namespace)};
        IF (v_start, v_batch) >= (p_start, p_batch) THEN
          o_state := CASE WHEN (v_start, v_batch) = (p_start, p_batch) THEN 'kept' ELSE 'superseded' END;
        END IF;
      END IF;

      IF o_state IS NULL THEN
        o_snapshot := pg_current_snapshot();
        o_xid := pg_current_xact_id();
        o_answer := NULL;
        IF ${WRITE_OP.set} = ALL (p_ops) THEN
          ${plainSets(space)}
          v_written := p_keys;
        ELSIF ${WRITE_OP.incr} = ALL (p_ops) THEN
          ${plainIncrements(core, space)}
        ELSE
          ${anyWrites(space)}
        END IF;

        ${note(core, space)}
        o_state := 'done';
      END IF;

      -- Why an increment is missing from the answer: the key holds something else (false), or it would overflow (true).
      IF ${WRITE_OP.incr} = ANY (p_ops)
        AND cardinality(array_remove(p_ops, ${WRITE_OP.set}::smallint)) > coalesce(jsonb_array_length(o_answer), 0) THEN
        SELECT jsonb_object_agg(i.key, e.counter IS NOT NULL) INTO o_refused
        FROM ${BATCH} LEFT JOIN ${space.table} AS e ON e.key = i.key
        WHERE i.op = ${WRITE_OP.incr} AND i.key NOT IN (SELECT a->>0 FROM jsonb_array_elements(o_answer) AS a);
      END IF;
    END $fn$;
  `;
}

/** What a set does to the row that it replaces, of which it asks nothing. */
export const UPSERT_OF_SET = `ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, packed = EXCLUDED.packed, names = EXCLUDED.names,
              counter = NULL, expires_at = EXCLUDED.expires_at, base = EXCLUDED.base, op = EXCLUDED.op, xid = EXCLUDED.xid,
              grace = EXCLUDED.grace, delta_ms = NULL`;

/** The upsert of a batch of nothing but sets, by far the commonest, which asks nothing of the rows that it replaces. */
function plainSets(space: SpaceNames): string {
  return `
          INSERT INTO ${space.table} AS e (key, value, counter, expires_at, packed, names, op, xid, base, grace)
            SELECT i.key, i.value::jsonb, NULL,
              CASE WHEN i.ttl_ms = 'infinity' THEN 'infinity' ELSE v_from + i.ttl_ms * interval '1 millisecond' END,
              i.packed, i.names::text[], ${WRITE_OP.set}, pg_current_xact_id(), pg_current_snapshot(),
              ${asGrace('i.grace_ms')}
            FROM unnest(p_keys, p_values, p_packed, p_ttls_ms, p_names, p_graces_ms)
              AS i(key, value, packed, ttl_ms, names, grace_ms)
            ORDER BY i.key COLLATE "C"
            ${UPSERT_OF_SET};`;
}

/**
 * What an increment does to the row that it meets: a counter that is alive goes on, and keeps its expiry and its base (see
 * anyWrites); what is dead starts over; all else stays. The sum is not formed before it is known to be in range.
 */
export function upsertOfIncrement(isLive: string): string {
  return `ON CONFLICT (key) DO UPDATE SET value = NULL, packed = NULL, names = NULL, grace = NULL, delta_ms = NULL,
              op = EXCLUDED.op, xid = EXCLUDED.xid,
              (counter, expires_at, base) = (
                SELECT CASE WHEN was.live THEN e.counter + EXCLUDED.counter ELSE EXCLUDED.counter END,
                  CASE WHEN was.live THEN e.expires_at ELSE EXCLUDED.expires_at END,
                  CASE WHEN was.live THEN e.base ELSE EXCLUDED.base END
                FROM (SELECT ${isLive} AS live OFFSET 0) AS was)
            WHERE e.counter BETWEEN -${COUNTER_MAX} - EXCLUDED.counter AND ${COUNTER_MAX} - EXCLUDED.counter OR NOT ${isLive}`;
}

/** The upsert of a batch of nothing but increments. Here the question whether a row is alive is cheaper written out. */
function plainIncrements(core: CoreNames, space: SpaceNames): string {
  return `
          WITH written AS (
            INSERT INTO ${space.table} AS e (key, counter, expires_at, op, xid, base)
            SELECT i.key, i.delta,
              CASE WHEN i.ttl_ms = 'infinity' THEN 'infinity' ELSE v_from + i.ttl_ms * interval '1 millisecond' END,
              ${WRITE_OP.incr}, pg_current_xact_id(), pg_current_snapshot()
              FROM unnest(p_keys, p_deltas, p_ttls_ms) AS i(key, delta, ttl_ms) ORDER BY i.key COLLATE "C"
            ${upsertOfIncrement(live(core, space, 'v_now'))}
            RETURNING e.key, e.counter
          )
          SELECT array_agg(w.key) FILTER (WHERE w.counter = i.delta),
            jsonb_agg(jsonb_build_array(w.key, ${WRITE_OP.incr}, w.counter))
            INTO v_written, o_answer FROM written AS w JOIN unnest(p_keys, p_deltas) AS i(key, delta) ON i.key = w.key;`;
}

/** The upsert of any batch: what it does to a row, and whether, depends on the row as it is when its lock was had. */
function anyWrites(space: SpaceNames): string {
  const isLive = `${space.fn('live')}(e, v_now)`;
  const keep = (column: string) =>
    `CASE WHEN EXCLUDED.op = ${WRITE_OP.expire} THEN e.${column} ELSE EXCLUDED.${column} END`;
  return `
        WITH input AS (
          SELECT i.key, i.op, i.value::jsonb AS value, i.packed, CASE WHEN i.op = ${WRITE_OP.incr} THEN i.delta END AS counter, i.names::text[] AS names,
            CASE WHEN i.op = ${WRITE_OP.delete} THEN '-infinity'
                 WHEN i.ttl_ms = 'infinity' THEN 'infinity'
                 ELSE v_from + i.ttl_ms * interval '1 millisecond' END AS expires_at,
            pg_current_snapshot() AS base, ${asGrace('i.grace_ms')} AS grace, NULL::real AS delta_ms
          FROM ${BATCH} WHERE i.op <> ${WRITE_OP.expire}
          UNION ALL
          SELECT i.key, i.op, e.value, e.packed, e.counter, e.names,
            CASE WHEN i.ttl_ms = 'infinity' THEN 'infinity' ELSE v_from + i.ttl_ms * interval '1 millisecond' END,
            e.base, e.grace, e.delta_ms
          FROM ${BATCH} JOIN ${space.table} AS e ON e.key = i.key WHERE i.op = ${WRITE_OP.expire} AND ${isLive}
        ), written AS (
          INSERT INTO ${space.table} AS e (key, value, counter, expires_at, packed, names, op, xid, base, grace, delta_ms)
          SELECT key, value, counter, expires_at, packed, names, op, pg_current_xact_id(), base, grace, delta_ms
            FROM input ORDER BY key COLLATE "C"
          ON CONFLICT (key) DO UPDATE SET
            value = ${keep('value')},
            packed = ${keep('packed')},
            names = ${keep('names')},
            grace = ${keep('grace')},
            delta_ms = ${keep('delta_ms')},
            (counter, expires_at, base, op) = (
              SELECT
                CASE EXCLUDED.op
                  WHEN ${WRITE_OP.incr} THEN CASE WHEN was.live THEN e.counter + EXCLUDED.counter ELSE EXCLUDED.counter END
                  WHEN ${WRITE_OP.expire} THEN e.counter ELSE EXCLUDED.counter END,
                CASE WHEN EXCLUDED.op = ${WRITE_OP.incr} AND was.live THEN e.expires_at ELSE EXCLUDED.expires_at END,
                -- A counter that goes on keeps its base: an increment whose snapshot is older than an invalidation must
                -- not take along increments that came after it.
                CASE WHEN EXCLUDED.op = ${WRITE_OP.expire} OR (EXCLUDED.op = ${WRITE_OP.incr} AND was.live)
                  THEN e.base ELSE EXCLUDED.base END,
                CASE WHEN EXCLUDED.op = ${WRITE_OP.delete} AND NOT was.live THEN ${DELETED_NOTHING} ELSE EXCLUDED.op END
              -- OFFSET 0 keeps the question from being asked once for each use: it costs more than the rest of the row.
              FROM (SELECT CASE WHEN EXCLUDED.op IN (${WRITE_OP.incr}, ${WRITE_OP.delete}) THEN ${isLive} END AS live OFFSET 0) AS was),
            xid = EXCLUDED.xid
          WHERE CASE EXCLUDED.op
            WHEN ${WRITE_OP.add} THEN NOT ${isLive}
            WHEN ${WRITE_OP.expire} THEN ${isLive}
            WHEN ${WRITE_OP.incr} THEN
              (e.counter IS NOT NULL AND e.counter::numeric + EXCLUDED.counter BETWEEN -${COUNTER_MAX} AND ${COUNTER_MAX})
              OR NOT ${isLive}
            ELSE true END
          RETURNING e.key, e.op, e.counter, e.xmax = 0 AS inserted
        )
        -- A counter is in nobody's memory, so only one that starts is news: it may follow a value that was.
        SELECT array_agg(w.key) FILTER (WHERE w.op <> ${WRITE_OP.incr} OR w.counter = i.delta),
          jsonb_agg(jsonb_build_array(w.key,
            CASE WHEN w.op = ${WRITE_OP.delete} AND w.inserted THEN ${DELETED_NOTHING} ELSE w.op END, w.counter))
            FILTER (WHERE w.op <> ${WRITE_OP.set})
          INTO v_written, o_answer FROM written AS w JOIN ${BATCH} ON i.key = w.key;`;
}

/** What is told of a batch: to followers by the log, and to whoever sends it again by its number. */
function note(core: CoreNames, space: SpaceNames): string {
  return `
        IF cardinality(p_invalidated) > 0 OR ${WRITE_OP.delete} = ANY (p_ops) THEN
          INSERT INTO ${core.log} (name)
            SELECT unnest(p_invalidated)
            UNION ALL
            VALUES (${literal(anyName(space.namespace))})
            UNION ALL
            SELECT ${literal(partName(space.namespace, ''))} || i.key FROM ${BATCH} WHERE i.op = ${WRITE_OP.delete};
        END IF;
        IF cardinality(v_written) > 0 THEN
          INSERT INTO ${core.log} (namespace, keys) VALUES (${literal(space.namespace)}, v_written);
        END IF;
        ${takeNumber(core, space)}`;
}

/** How a function for a batch of one begins: under the lock that keeps floors from rising, with the batch's base. */
export function beginOne(core: CoreNames, logged: boolean): string {
  return `PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
      ${durably(logged)}
      PERFORM pg_advisory_xact_lock_shared(${floorLock(core)});
      SELECT ${incarnation('m', logged)}, pg_current_snapshot(), pg_current_xact_id()
        INTO v_incarnation, o_snapshot, o_xid FROM ${core.meta} AS m;
      IF NOT FOUND THEN RETURN NULL; END IF;`;
}

/** Keeps the batch's number and what it is told; undoes everything where the number, or a later one, was taken meanwhile. */
export function takeNumber(core: CoreNames, space: SpaceNames): string {
  return `IF p_host IS NOT NULL THEN
          INSERT INTO ${core.writers} AS w (host, namespace, start, batch, xid, snapshot, answer, at)
            VALUES (p_host, ${literal(space.namespace)}, p_start, p_batch, o_xid, o_snapshot, o_answer, v_from)
            ON CONFLICT (host, namespace) DO UPDATE SET start = EXCLUDED.start, batch = EXCLUDED.batch, xid = EXCLUDED.xid,
              snapshot = EXCLUDED.snapshot, answer = EXCLUDED.answer, at = EXCLUDED.at
            WHERE (w.start, w.batch) < (EXCLUDED.start, EXCLUDED.batch);
          IF NOT FOUND THEN
            RAISE EXCEPTION 'batch % of start % was taken by another statement', p_batch, p_start USING ERRCODE = '${NUMBER_TAKEN}';
          END IF;
        END IF;`;
}
