import { type CoreNames, EVERYTHING } from './names.js';

/** First half of the advisory lock that keeps floors from rising under a statement that stores (coherence.md, trimming). */
const FLOOR_LOCK_CLASS = 1885823843;

export const floorLock = (core: CoreNames) => `${FLOOR_LOCK_CLASS}, '${core.meta}'::regclass::oid::int`;

/**
 * The incarnation as every statement reports it: a uuid that a crash takes along with the tables. Regular tables outlive
 * a failover in which acknowledged transactions may be lost, so there the server's timeline belongs to it.
 */
export function incarnation(alias: string, logged: boolean): string {
  const timeline = `substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)`;
  return logged ? `(${alias}.incarnation::text || '/' || ${timeline})` : `${alias}.incarnation::text`;
}

/**
 * Regular tables outlive a crash, and what was lost then must not have been told or seen: transaction ids that were given
 * to it are given out again. UNLOGGED tables are emptied, so there is nothing to wait for.
 */
export const durably = (logged: boolean) => (logged ? `PERFORM set_config('synchronous_commit', 'on', true);` : '');

/** The tables that all namespaces share. */
export function coreTables(core: CoreNames, logged: boolean): string {
  const create = `CREATE ${logged ? '' : 'UNLOGGED '}TABLE IF NOT EXISTS`;
  return `
    ${create} ${core.log} (
      xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
      name text,
      namespace text,
      keys text[]
    );
    CREATE INDEX IF NOT EXISTS "${core.table}_log_xid" ON ${core.log} (xid);
    CREATE INDEX IF NOT EXISTS "${core.table}_log_name" ON ${core.log} (name, xid) WHERE name IS NOT NULL;
    ${create} ${core.meta} (
      one boolean PRIMARY KEY DEFAULT true CHECK (one),
      incarnation uuid NOT NULL,
      table_floor xid8 NOT NULL,
      log_floor xid8 NOT NULL,
      trimmed_at timestamptz NOT NULL DEFAULT 'epoch'
    );
    ${create} ${core.writers} (
      host uuid NOT NULL,
      namespace text NOT NULL,
      start bigint NOT NULL,
      batch bigint NOT NULL,
      xid xid8,
      snapshot pg_snapshot,
      answer jsonb,
      at timestamptz NOT NULL,
      PRIMARY KEY (host, namespace)
    ) WITH (fillfactor = 10);
    ${create} ${core.leases} (
      namespace text NOT NULL,
      key text NOT NULL,
      lease uuid NOT NULL,
      until timestamptz NOT NULL,
      PRIMARY KEY (namespace, key)
    );
  `;
}

/**
 * Makes an incarnation where there is none. The log's rows of transactions that are prepared at this moment went with the
 * crash, so "everything" is logged under the xid of each; such a row counts once that xid has committed.
 */
export function incarnateFunction(core: CoreNames): string {
  return `
    CREATE OR REPLACE FUNCTION ${core.fn('incarnate')}() RETURNS boolean LANGUAGE plpgsql AS $fn$
    BEGIN
      PERFORM pg_advisory_xact_lock(${floorLock(core)});
      INSERT INTO ${core.meta} (incarnation, table_floor, log_floor)
        VALUES (gen_random_uuid(), '0', '0') ON CONFLICT (one) DO NOTHING;
      IF NOT FOUND THEN RETURN false; END IF;
      -- A 32-bit xid lies less than half its range behind the next one. What lies ahead of that was prepared since, and
      -- its own rows are in the log.
      INSERT INTO ${core.log} (xid, name)
        SELECT (next_xid - age)::text::xid8, '${EVERYTHING}'
        FROM (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid) AS present,
          LATERAL (SELECT (next_xid - transaction::text::bigint) & 4294967295 AS age FROM pg_prepared_xacts) AS prepared
        WHERE age BETWEEN 1 AND 2147483648 AND age <= next_xid;
      RETURN true;
    END $fn$;
  `;
}

/**
 * The first and the last step of a trim (the second is the namespace's own). Each does nothing in another incarnation
 * than its floor's.
 */
export function trimFunctions(core: CoreNames, logged: boolean): string {
  return `
    CREATE OR REPLACE FUNCTION ${core.fn('raise_floor')}(p_incarnation text, p_floor xid8)
    RETURNS xid8 LANGUAGE plpgsql AS $fn$
    DECLARE v_floor xid8;
    BEGIN
      PERFORM set_config('lock_timeout', '100ms', true);
      PERFORM pg_advisory_xact_lock(${floorLock(core)});
      UPDATE ${core.meta} AS m
        SET table_floor = greatest(m.table_floor, least(p_floor, pg_snapshot_xmin(pg_current_snapshot()))),
            trimmed_at = clock_timestamp()
        WHERE ${incarnation('m', logged)} = p_incarnation RETURNING m.table_floor INTO v_floor;
      RETURN v_floor;
    END $fn$;

    CREATE OR REPLACE FUNCTION ${core.fn('cut_log')}(p_incarnation text, p_floor xid8)
    RETURNS bigint LANGUAGE plpgsql AS $fn$
    DECLARE v_removed bigint;
    BEGIN
      UPDATE ${core.meta} AS m SET log_floor = p_floor
        WHERE ${incarnation('m', logged)} = p_incarnation AND m.table_floor >= p_floor AND m.log_floor < p_floor;
      IF NOT FOUND THEN RETURN 0; END IF;
      DELETE FROM ${core.log} WHERE xid < p_floor;
      GET DIAGNOSTICS v_removed = ROW_COUNT;
      DELETE FROM ${core.leases} WHERE until < clock_timestamp() - interval '1 hour';
      DELETE FROM ${core.writers} WHERE at < clock_timestamp() - interval '7 days';
      RETURN v_removed;
    END $fn$;
  `;
}

/**
 * The rows of the log that have become visible since a snapshot, by index whatever the planner makes of it: without figures
 * on the log, or with a look prepared while it was short, it would read the whole of it each time. STABLE, so that the
 * function sees what the statement that calls it sees.
 */
export function lookFunction(core: CoreNames): string {
  return `
    CREATE OR REPLACE FUNCTION ${core.fn('look')}(p_last pg_snapshot, p_limit int) RETURNS SETOF ${core.log}
    LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $fn$
    BEGIN
      RETURN QUERY SELECT l.* FROM ${core.log} AS l
        WHERE (l.xid >= pg_snapshot_xmax(p_last) OR l.xid = ANY (ARRAY(SELECT pg_snapshot_xip(p_last))))
          AND pg_visible_in_snapshot(l.xid, pg_current_snapshot())
        LIMIT p_limit;
    END $fn$;
  `;
}
