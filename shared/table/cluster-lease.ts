import type { Schema } from './migrate.js';
import type { Queryable } from './queryable.js';

/** The right to compute one key of one namespace, for the whole cluster. */
export interface ClusterLeaseId {
  readonly namespace: string;
  readonly key: string;
  /** A uuid: tells this lease from any other of the key. */
  readonly lease: string;
}

/**
 * Takes the lease, or prolongs it where it is held under this very id. The database's clock says when one is over.
 * @param forMs how long it holds from now
 * @returns false where somebody else holds it
 */
export async function takeClusterLease(
  db: Queryable,
  { core }: Schema,
  { namespace, key, lease }: ClusterLeaseId,
  forMs: number,
): Promise<boolean> {
  const text = `INSERT INTO ${core.leases} AS l (namespace, key, lease, until)
    VALUES ($1, $2, $3, clock_timestamp() + $4::float8 * interval '1 millisecond')
    ON CONFLICT (namespace, key) DO UPDATE SET lease = EXCLUDED.lease, until = EXCLUDED.until
    WHERE l.lease = EXCLUDED.lease OR l.until < clock_timestamp()
    RETURNING true`;
  const { rows } = await db.query({ text, values: [namespace, key, lease, forMs] });
  return rows.length > 0;
}

export async function releaseClusterLease(db: Queryable, { core }: Schema, id: ClusterLeaseId): Promise<void> {
  const text = `DELETE FROM ${core.leases} WHERE namespace = $1 AND key = $2 AND lease = $3`;
  await db.query({ text, values: [id.namespace, id.key, id.lease] });
}
