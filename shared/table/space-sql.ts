import { floorLock, incarnation } from './core-sql.js';
import { type CoreNames, EVERYTHING, keyName, literal, namespaceName, partName, type SpaceNames } from './names.js';
import { plainSets } from './plain-sets-sql.js';

/** What a row of a batch does. Numbers are stored in the table's `op` column: append only. */
export const WRITE_OP = { set: 0, add: 1, delete: 2, incr: 3, expire: 4 } as const;
/** What `op` says of a row whose deletion found nothing alive. */
export const DELETED_NOTHING = 5;

export const COUNTER_MAX = Number.MAX_SAFE_INTEGER;

/** SQLSTATE with which a batch gives up because its number, or a later one, was taken while it ran. */
export const NUMBER_TAKEN = 'PC001';

/** The seed's table, with columns added. Their defaults let a row take part that was inserted without them. */
export function spaceTable(space: SpaceNames, logged: boolean): string {
  return `
    CREATE ${logged ? '' : 'UNLOGGED '}TABLE IF NOT EXISTS ${space.table} (
      key varchar(255) PRIMARY KEY,
      value jsonb,
      counter bigint,
      expires_at timestamptz NOT NULL
    );
    ALTER TABLE ${space.table}
      ADD COLUMN IF NOT EXISTS packed bytea,
      ADD COLUMN IF NOT EXISTS names text[],
      ADD COLUMN IF NOT EXISTS op smallint NOT NULL DEFAULT 0,
      ADD COLUMN IF NOT EXISTS xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
      ADD COLUMN IF NOT EXISTS base pg_snapshot NOT NULL DEFAULT pg_current_snapshot();
    DO $do$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = '${space.table}'::regclass AND a.attname = 'expires_at') THEN
        CREATE INDEX "${space.bareTable}_expires" ON ${space.table} (expires_at);
      END IF;
    END $do$;
  `;
}

/**
 * An update by somebody who knows only the seed's columns: it leaves xid as it was. It gets its own transaction's, so that
 * no fill that does not see it takes its place, and is logged for those who have the key in memory. What stood beside an
 * older value goes with that; where only the expiry was changed the value stays what it was, dead or alive.
 */
export function foreignUpdateTrigger(core: CoreNames, space: SpaceNames): string {
  const trigger = `"${space.bareTable}_foreign"`;
  return `
    CREATE OR REPLACE FUNCTION ${space.fn('foreign')}() RETURNS trigger LANGUAGE plpgsql AS $fn$
    BEGIN
      IF (NEW.value, NEW.counter) IS DISTINCT FROM (OLD.value, OLD.counter) THEN
        NEW.packed := NULL;
        NEW.names := NULL;
        NEW.base := pg_current_snapshot();
      END IF;
      NEW.xid := pg_current_xact_id();
      INSERT INTO ${core.log} (namespace, keys) VALUES (${literal(space.namespace)}, ARRAY[OLD.key, NEW.key]);
      RETURN NEW;
    END $fn$;
    DROP TRIGGER IF EXISTS ${trigger} ON ${space.table};
    CREATE TRIGGER ${trigger} BEFORE UPDATE ON ${space.table}
      FOR EACH ROW WHEN (OLD.xid = NEW.xid) EXECUTE FUNCTION ${space.fn('foreign')}();
  `;
}

/** The names of the log that can kill a value, as an SQL array. */
function namesOf(space: SpaceNames, key: string, names: string): string {
  const own = [
    literal(EVERYTHING),
    literal(namespaceName(space.namespace)),
    `${literal(keyName(space.namespace, ''))} || ${key}`,
  ];
  return `(ARRAY[${own.join(', ')}]::text[] || ${names})`;
}

/**
 * The rule, in SQL: a row of the log kills every value that it names and that does not see it. What is below the base's
 * xmin is seen, which lets the index skip it. The last line is for rows that were logged under the xid of a prepared
 * transaction: they count once that has committed.
 */
export function killed(
  core: CoreNames,
  space: SpaceNames,
  value: { key: string; names: string; base: string },
  below?: string,
): string {
  return `EXISTS (
    SELECT FROM ${core.log} AS l
    WHERE ${below === undefined ? '' : `l.xid < ${below} AND `}l.name = ANY (${namesOf(space, value.key, value.names)})
      AND l.xid >= pg_snapshot_xmin(${value.base})
      AND NOT pg_visible_in_snapshot(l.xid, ${value.base})
      AND pg_visible_in_snapshot(l.xid, pg_current_snapshot()))`;
}

/** Whether the row `e` is an entry: not expired, not dead, and not killed by the log. */
export function live(core: CoreNames, space: SpaceNames, now = 'clock_timestamp()'): string {
  return `(e.expires_at > ${now} AND NOT ${killed(core, space, { key: 'e.key', names: 'e.names', base: 'e.base' })})`;
}

/**
 * Whether the row is an entry, as a function: the write statement asks in many places and seldom gets there, and a plan
 * with the question written out in each costs more to start than to run.
 */
export function liveFunction(core: CoreNames, space: SpaceNames): string {
  return `
    CREATE OR REPLACE FUNCTION ${space.fn('live')}(e ${space.table}, p_now timestamptz) RETURNS boolean
    LANGUAGE plpgsql STABLE AS $fn$ BEGIN RETURN ${live(core, space, 'p_now')}; END $fn$;
  `;
}

/** Arrays of a batch, row by row; every row of a batch has a key of its own. */
const BATCH = `unnest(p_keys, p_ops, p_values, p_packed, p_ttls_ms, p_deltas, p_names)
  AS i(key, op, value, packed, ttl_ms, delta, names)`;

/**
 * One batch: it upserts all keys in one statement, in sorted order (so that batches of several daemons cannot deadlock),
 * logs what changed, and takes its number, in one transaction and one round trip. Who finds the number taken at the end
 * undoes everything by raising an error. These are statements of their own, since one that held them all took twice as long
 * to start as to run. The snapshot that is reported is the first one: a value is at least as new as that.
 * A delete writes a dead row: it must outlive the fills that were computed before it. An expire offers the row that it
 * found, with a new expiry, so that it stays right if the row is trimmed in between.
 */
export function writeFunction(core: CoreNames, space: SpaceNames, logged: boolean): string {
  const isLive = `${space.fn('live')}(e, v_now)`;
  const keep = (column: string) =>
    `CASE WHEN EXCLUDED.op = ${WRITE_OP.expire} THEN e.${column} ELSE EXCLUDED.${column} END`;
  return `
    CREATE OR REPLACE FUNCTION ${space.fn('write')}(
      p_host uuid, p_start bigint, p_batch bigint, p_again boolean, p_age_ms float8, p_lock_timeout_ms int,
      p_invalidated text[],
      p_keys text[], p_ops smallint[], p_values text[], p_packed bytea[], p_ttls_ms float8[], p_deltas bigint[], p_names text[],
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
        IF ${WRITE_OP.set} = ALL (p_ops) THEN
          ${plainSets(space, WRITE_OP.set)}
          v_written := p_keys;
        ELSE
        WITH input AS (
          SELECT i.key, i.op, i.value::jsonb AS value, i.packed, CASE WHEN i.op = ${WRITE_OP.incr} THEN i.delta END AS counter, i.names::text[] AS names,
            CASE WHEN i.op = ${WRITE_OP.delete} THEN '-infinity'
                 WHEN i.ttl_ms = 'infinity' THEN 'infinity'
                 ELSE v_from + i.ttl_ms * interval '1 millisecond' END AS expires_at,
            pg_current_snapshot() AS base
          FROM ${BATCH} WHERE i.op <> ${WRITE_OP.expire}
          UNION ALL
          SELECT i.key, i.op, e.value, e.packed, e.counter, e.names,
            CASE WHEN i.ttl_ms = 'infinity' THEN 'infinity' ELSE v_from + i.ttl_ms * interval '1 millisecond' END,
            e.base
          FROM ${BATCH} JOIN ${space.table} AS e ON e.key = i.key WHERE i.op = ${WRITE_OP.expire} AND ${isLive}
        ), written AS (
          INSERT INTO ${space.table} AS e (key, value, counter, expires_at, packed, names, op, xid, base)
          SELECT key, value, counter, expires_at, packed, names, op, pg_current_xact_id(), base
            FROM input ORDER BY key COLLATE "C"
          ON CONFLICT (key) DO UPDATE SET
            value = ${keep('value')},
            packed = ${keep('packed')},
            names = ${keep('names')},
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
          INTO v_written, o_answer FROM written AS w JOIN ${BATCH} ON i.key = w.key;
        END IF;

        IF cardinality(p_invalidated) > 0 OR ${WRITE_OP.delete} = ANY (p_ops) THEN
          INSERT INTO ${core.log} (name)
            SELECT unnest(p_invalidated)
            UNION ALL
            SELECT ${literal(partName(space.namespace, ''))} || i.key FROM ${BATCH} WHERE i.op = ${WRITE_OP.delete};
        END IF;
        IF cardinality(v_written) > 0 THEN
          INSERT INTO ${core.log} (namespace, keys) VALUES (${literal(space.namespace)}, v_written);
        END IF;
        IF p_host IS NOT NULL THEN
          INSERT INTO ${core.writers} AS w (host, namespace, start, batch, xid, snapshot, answer, at)
            VALUES (p_host, ${literal(space.namespace)}, p_start, p_batch, o_xid, o_snapshot, o_answer, v_from)
            ON CONFLICT (host, namespace) DO UPDATE SET start = EXCLUDED.start, batch = EXCLUDED.batch, xid = EXCLUDED.xid,
              snapshot = EXCLUDED.snapshot, answer = EXCLUDED.answer, at = EXCLUDED.at
            WHERE (w.start, w.batch) < (EXCLUDED.start, EXCLUDED.batch);
          IF NOT FOUND THEN
            RAISE EXCEPTION 'batch % of start % was taken by another statement', p_batch, p_start USING ERRCODE = '${NUMBER_TAKEN}';
          END IF;
        END IF;
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

/**
 * Values that loads computed, each with the base and the incarnation that it was computed under: stored where nothing
 * that they do not see has invalidated or replaced them.
 */
export function fillFunction(core: CoreNames, space: SpaceNames, logged: boolean): string {
  return `
    CREATE OR REPLACE FUNCTION ${space.fn('fill')}(
      p_lock_timeout_ms int, p_keys text[], p_values text[], p_packed bytea[], p_expire_ms float8[], p_names text[],
      p_bases pg_snapshot[], p_incarnations text[],
      OUT o_incarnation text, OUT o_snapshot pg_snapshot, OUT o_stored text[]
    ) LANGUAGE plpgsql AS $fn$
    BEGIN
      PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
      PERFORM pg_advisory_xact_lock_shared(${floorLock(core)});
      WITH m AS (
        SELECT ${incarnation('m', logged)} AS incarnation, m.table_floor FROM ${core.meta} AS m
      ), input AS (
        SELECT i.key, i.value::jsonb AS value, i.packed, i.names::text[] AS names, i.base,
          CASE WHEN i.expire_ms = 'infinity' THEN 'infinity'
               ELSE clock_timestamp() + i.expire_ms * interval '1 millisecond' END AS expires_at
        FROM m, unnest(p_keys, p_values, p_packed, p_expire_ms, p_names, p_bases, p_incarnations)
          AS i(key, value, packed, expire_ms, names, base, incarnation)
        WHERE i.incarnation = m.incarnation AND pg_snapshot_xmin(i.base) >= m.table_floor
          AND NOT ${killed(core, space, { key: 'i.key', names: 'i.names::text[]', base: 'i.base' })}
      ), stored AS (
        INSERT INTO ${space.table} AS e (key, value, counter, expires_at, packed, names, op, xid, base)
        SELECT key, value, NULL, expires_at, packed, names, ${WRITE_OP.set}, pg_current_xact_id(), base
          FROM input ORDER BY key COLLATE "C"
        ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, counter = NULL, expires_at = EXCLUDED.expires_at,
          packed = EXCLUDED.packed, names = EXCLUDED.names, op = EXCLUDED.op, xid = EXCLUDED.xid, base = EXCLUDED.base
        WHERE pg_visible_in_snapshot(e.xid, EXCLUDED.base)
        RETURNING key
      )
      SELECT m.incarnation, pg_current_snapshot(), (SELECT array_agg(key) FROM stored)
        INTO o_incarnation, o_snapshot, o_stored FROM m;
    END $fn$;
  `;
}

/**
 * The second step of a trim, a chunk at a time: removes what has expired, or (p_after given) what the log below the floor
 * kills among the next keys, however young: a write whose snapshot is older than an invalidation may commit after it, and
 * must not come alive when the log's row goes. Rows that somebody holds are skipped.
 * o_seen counts what was there to remove, o_last is the last key looked at (null at the end).
 */
export function trimFunction(core: CoreNames, space: SpaceNames, logged: boolean): string {
  const sameIncarnation = `EXISTS (SELECT FROM ${core.meta} AS m
    WHERE ${incarnation('m', logged)} = p_incarnation AND m.table_floor >= p_floor)`;
  const victim = killed(core, space, { key: 'e.key', names: 'e.names', base: 'e.base' }, 'p_floor');
  return `
    CREATE OR REPLACE FUNCTION ${space.fn('trim')}(
      p_incarnation text, p_floor xid8, p_after text, p_limit int,
      OUT o_removed bigint, OUT o_seen bigint, OUT o_last text
    ) LANGUAGE plpgsql AS $fn$
    BEGIN
      IF p_after IS NULL THEN
        DELETE FROM ${space.table} WHERE ctid = ANY (ARRAY(
          SELECT e.ctid FROM ${space.table} AS e
          WHERE e.expires_at < clock_timestamp() AND e.xid < p_floor AND ${sameIncarnation}
          ORDER BY e.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS o_removed = ROW_COUNT;
        IF o_removed < p_limit THEN
          SELECT count(*) + o_removed INTO o_seen FROM ${space.table} AS e
            WHERE e.expires_at < clock_timestamp() AND e.xid < p_floor;
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
        WHERE e.key > p_after AND e.key <= o_last AND ${sameIncarnation} AND ${victim}
        FOR UPDATE SKIP LOCKED));
      GET DIAGNOSTICS o_removed = ROW_COUNT;
    END $fn$;
  `;
}
