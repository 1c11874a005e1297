import { durably, floorLock, incarnation } from './core-sql.js';
import { type CoreNames, EVERYTHING, keyName, literal, namespaceName, type SpaceNames } from './names.js';

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
      ADD COLUMN IF NOT EXISTS grace interval,
      ADD COLUMN IF NOT EXISTS delta_ms real,
      ADD COLUMN IF NOT EXISTS xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
      ADD COLUMN IF NOT EXISTS base pg_snapshot NOT NULL DEFAULT pg_current_snapshot();
  `;
}

/**
 * Lets updates be HOT. With an index on expires_at, which each set changes, every update made an entry in each index, and
 * left one to vacuum: a quarter of Postgres's time for sets. Trims do without it (trim-sql.ts). Only the one that an
 * earlier version made goes, not one of somebody else's. The free tenth of a page is for the first update of its rows.
 */
export function updatesInPlace(space: SpaceNames): string {
  return `
    DO $do$ BEGIN
      IF EXISTS (SELECT FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE i.indrelid = '${space.table}'::regclass AND c.relname = '${space.bareTable}_expires' AND NOT i.indisunique
          AND pg_get_indexdef(i.indexrelid) LIKE '% USING btree (expires_at)') THEN
        DROP INDEX "${space.schema}"."${space.bareTable}_expires";
      END IF;
      IF NOT EXISTS (SELECT FROM pg_class AS c, unnest(c.reloptions) AS option
        WHERE c.oid = '${space.table}'::regclass AND option LIKE 'fillfactor=%') THEN
        ALTER TABLE ${space.table} SET (fillfactor = 90);
      END IF;
    END $do$;
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
 * @param only.below takes only what the log has below this transaction id. IS TRUE keeps the planner from reading all of it
 *   for each value: between two ids, neither of which it knows, it expects next to nothing
 * @param only.carried asks only for the names that the value carries, not for those that every value has
 */
export function killed(
  core: CoreNames,
  space: SpaceNames,
  value: { key: string; names: string; base: string },
  only: { below?: string; carried?: boolean } = {},
): string {
  const names = only.carried === true ? value.names : namesOf(space, value.key, value.names);
  return `EXISTS (
    SELECT FROM ${core.log} AS l
    WHERE ${only.below === undefined ? '' : `(l.xid < ${only.below}) IS TRUE AND `}l.name = ANY (${names})
      AND l.xid >= pg_snapshot_xmin(${value.base})
      AND NOT pg_visible_in_snapshot(l.xid, ${value.base})
      AND pg_visible_in_snapshot(l.xid, pg_current_snapshot()))`;
}

/** When the row `e` is over for good: past its expiry by its grace. A dead row expired at -infinity, and has none. */
export const OVER_AT = `(e.expires_at + coalesce(e.grace, '0'))`;
/** Grace in milliseconds, perhaps Infinity, as an interval; what is 0 or null is none. */
export const asGrace = (ms: string) => `CASE WHEN ${ms} > 0 THEN least(${ms}, 1e13) * interval '1 millisecond' END`;

/** Whether the row `e` is not over, not dead, and not killed by the log: an entry, or one that expired within its grace. */
export function liveOrStale(core: CoreNames, space: SpaceNames, now = 'clock_timestamp()'): string {
  return `(${OVER_AT} > ${now} AND NOT ${killed(core, space, { key: 'e.key', names: 'e.names', base: 'e.base' })})`;
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

/**
 * Values that loads computed, each with the base and the incarnation that it was computed under: stored where nothing
 * that they do not see has invalidated or replaced them. Planned once a session, with the log by its index whatever the planner
 * knows of it: Postgres would take each call's arrays for a reason to plan anew, which took longer than all else together.
 */
export function fillFunction(core: CoreNames, space: SpaceNames, logged: boolean): string {
  return `
    CREATE OR REPLACE FUNCTION ${space.fn('fill')}(
      p_lock_timeout_ms int, p_keys text[], p_values text[], p_packed bytea[], p_expire_ms float8[], p_names text[],
      p_bases pg_snapshot[], p_incarnations text[], p_graces_ms float8[], p_deltas_ms float8[],
      OUT o_incarnation text, OUT o_snapshot pg_snapshot, OUT o_stored text[]
    ) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $fn$
    BEGIN
      PERFORM set_config('lock_timeout', p_lock_timeout_ms::text, true);
      ${durably(logged)}
      PERFORM pg_advisory_xact_lock_shared(${floorLock(core)});
      WITH m AS (
        SELECT ${incarnation('m', logged)} AS incarnation, m.table_floor FROM ${core.meta} AS m
      ), input AS (
        SELECT i.key, i.value::jsonb AS value, i.packed, i.names::text[] AS names, i.base,
          ${asGrace('i.grace_ms')} AS grace, i.delta_ms::real AS delta_ms,
          CASE WHEN i.expire_ms = 'infinity' THEN 'infinity'
               ELSE clock_timestamp() + i.expire_ms * interval '1 millisecond' END AS expires_at
        FROM m, unnest(p_keys, p_values, p_packed, p_expire_ms, p_names, p_bases, p_incarnations, p_graces_ms, p_deltas_ms)
          AS i(key, value, packed, expire_ms, names, base, incarnation, grace_ms, delta_ms)
        WHERE i.incarnation = m.incarnation AND pg_snapshot_xmin(i.base) >= m.table_floor
          AND NOT ${killed(core, space, { key: 'i.key', names: 'i.names::text[]', base: 'i.base' })}
      ), stored AS (
        INSERT INTO ${space.table} AS e (key, value, counter, expires_at, packed, names, op, xid, base, grace, delta_ms)
        SELECT key, value, NULL, expires_at, packed, names, ${WRITE_OP.set}, pg_current_xact_id(), base, grace, delta_ms
          FROM input ORDER BY key COLLATE "C"
        ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, counter = NULL, expires_at = EXCLUDED.expires_at,
          packed = EXCLUDED.packed, names = EXCLUDED.names, op = EXCLUDED.op, xid = EXCLUDED.xid, base = EXCLUDED.base,
          grace = EXCLUDED.grace, delta_ms = EXCLUDED.delta_ms
        WHERE pg_visible_in_snapshot(e.xid, EXCLUDED.base)
        RETURNING key
      )
      SELECT m.incarnation, pg_current_snapshot(), (SELECT array_agg(key) FROM stored)
        INTO o_incarnation, o_snapshot, o_stored FROM m;
    END $fn$;
  `;
}
