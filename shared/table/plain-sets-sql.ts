import type { SpaceNames } from './names.js';

/** The upsert of a batch of nothing but sets, by far the commonest, which asks nothing of the rows that it replaces. */
export function plainSets(space: SpaceNames, setOp: number): string {
  return `
          INSERT INTO ${space.table} AS e (key, value, counter, expires_at, packed, names, op, xid, base)
            SELECT i.key, i.value::jsonb, NULL,
              CASE WHEN i.ttl_ms = 'infinity' THEN 'infinity' ELSE v_from + i.ttl_ms * interval '1 millisecond' END,
              i.packed, i.names::text[], ${setOp}, pg_current_xact_id(), pg_current_snapshot()
            FROM unnest(p_keys, p_values, p_packed, p_ttls_ms, p_names) AS i(key, value, packed, ttl_ms, names)
            ORDER BY i.key COLLATE "C"
            ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, packed = EXCLUDED.packed, names = EXCLUDED.names,
              counter = NULL, expires_at = EXCLUDED.expires_at, base = EXCLUDED.base, op = EXCLUDED.op, xid = EXCLUDED.xid;`;
}
