import { incarnation } from './core-sql.js';
import { TRIMMING } from './foreign-sql.js';
import type { CoreNames, SpaceNames } from './names.js';
import { killed, OVER_AT } from './space-sql.js';

/**
 * What the log below the floor can kill in a table: nothing; only values that carry names (what most logs are of: tags,
 * parts); or any value, by its key, its namespace, or as everything.
 */
export const KILLS = ['nothing', 'carried', 'anything'] as const;
export type Kills = (typeof KILLS)[number];

const VALUE = { key: 'e.key', names: 'e.names', base: 'e.base' };
const asTid = (block: string) => `format('(%s,0)', ${block})::tid`;
/** The least that a row takes of a page, header and line pointer, so that no page has more rows than this lets it. */
const ROW_BYTES_MIN = 28;
/** PostgreSQL reads a range of row addresses since 14. */
const TID_RANGES_FROM = 140_000;

/**
 * The second step of a trim, some blocks of the table at a time: removes what is past its expiry and its grace, and what the
 * log below the floor kills. The table is read as it lies: an index on expires_at would cost each set more than all sweeps
 * together, and one of names much more. Where the log can kill only what carries names, a row without is looked at for
 * its expiry alone: 0.15 µs.
 *
 * Rows that somebody holds are skipped, and so are killed ones that are younger than the floor: a write whose snapshot
 * is older than an invalidation may commit after it. Such a row must not come alive when the log's row goes, nor may it be gone
 * while a fill is under way that does not see it: the log waits for a later trim.
 *
 * o_seen counts what was there to remove, o_next is the block to go on with (null at the end of the table). p_limit is how
 * many rows are removed at most, and more than a page can hold.
 */
export function sweepFunction(core: CoreNames, space: SpaceNames, logged: boolean): string {
  const sameIncarnation = `EXISTS (SELECT FROM ${core.meta} AS m
    WHERE ${incarnation('m', logged)} = p_incarnation AND m.table_floor >= p_floor)`;
  const isKilled = (carried: boolean) => killed(core, space, VALUE, { below: 'p_floor', carried });
  const isVictim = `CASE
    WHEN e.expires_at < v_now AND ${OVER_AT} < v_now THEN e.xid < p_floor
    WHEN p_kills = 'nothing' THEN false
    WHEN p_kills = 'carried' THEN e.names IS NOT NULL AND ${isKilled(true)}
    ELSE ${isKilled(false)} END`;
  const victims = (where: string) => `
    SELECT array_agg(row.id) INTO v_victims
      FROM (SELECT e.ctid AS id FROM ${space.table} AS e WHERE ${where} AND ${isVictim} LIMIT p_limit) AS row;`;
  return `
    DROP FUNCTION IF EXISTS ${space.fn('trim')}(text, xid8, text, int);
    CREATE OR REPLACE FUNCTION ${space.fn('sweep')}(
      p_incarnation text, p_floor xid8, p_kills text, p_from bigint, p_blocks int, p_limit int,
      OUT o_removed bigint, OUT o_seen bigint, OUT o_next bigint
    ) LANGUAGE plpgsql
    -- Planned for each chunk, which costs half a millisecond: a plan that was made while the log was short reads the whole of
    -- it for each row when it is long.
    SET plan_cache_mode = force_custom_plan SET enable_seqscan = off SET jit = off AS $fn$
    DECLARE
      v_now timestamptz := clock_timestamp();
      v_blocks bigint := pg_relation_size('${space.table}') / current_setting('block_size')::int;
      v_victims tid[];
    BEGIN
      IF current_setting('server_version_num')::int >= ${TID_RANGES_FROM} THEN
        ${victims(`e.ctid >= ${asTid('p_from')} AND e.ctid < ${asTid('p_from + p_blocks')}`)}
      ELSE
        ${victims(`e.ctid = ANY (ARRAY(
          SELECT format('(%s,%s)', block, item)::tid FROM generate_series(p_from, p_from + p_blocks - 1) AS block,
            generate_series(1, current_setting('block_size')::int / ${ROW_BYTES_MIN}) AS item))`)}
      END IF;
      o_seen := coalesce(cardinality(v_victims), 0);
      o_removed := 0;
      IF o_seen > 0 THEN
        PERFORM set_config('${TRIMMING}', 'on', true);
        DELETE FROM ${space.table} WHERE ctid = ANY (ARRAY(
          SELECT e.ctid FROM ${space.table} AS e
          WHERE e.ctid = ANY (v_victims) AND e.xid < p_floor AND ${sameIncarnation} AND ${isVictim}
          FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS o_removed = ROW_COUNT;
      END IF;
      IF o_seen = p_limit THEN
        o_next := (v_victims[o_seen]::text::point)[0];
      ELSIF p_from + p_blocks < v_blocks THEN
        o_next := p_from + p_blocks;
      END IF;
    END $fn$;
  `;
}

/**
 * Whether a row that the log below the floor kills may lie where the sweep had been before: a statement of somebody's own moved
 * it there.
 *
 *     somebody    begins to update a row that is dead to the log; writes its new version to block 5
 *     sweep       reads block 5, where it is not to be seen yet
 *     somebody    commits
 *     sweep       reads block 100, where the old version is not to be seen any more
 *
 * Such a statement logs the key, as it was and as it is, so that it is found among what was logged since $1, a snapshot of
 * before the sweep. What the cache itself writes cannot be: it takes place after the floor rose, and so is based on, or
 * was tried against, all of the log below it.
 */
export function movedSql(core: CoreNames, space: SpaceNames): string {
  return `SELECT EXISTS (
    SELECT FROM ${core.fn('look')}($1::pg_snapshot, NULL) AS l, unnest(l.keys) AS moved
      JOIN ${space.table} AS e ON e.key = moved
    WHERE l.namespace = $2 AND cardinality(l.keys) = 2 AND ${killed(core, space, VALUE, { below: '$3::xid8' })}) AS any`;
}
