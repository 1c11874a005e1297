import type { Schema } from './migrate.js';
import { type CoreNames, EVERYTHING, topologyName } from './names.js';
import type { Queryable } from './queryable.js';

/** How the cache was spread when this database last became part of it. */
export interface Topology {
  /** Of all databases, their weights and the placement of namespaces: equal where every key lies in the same place. */
  readonly fingerprint: string;
  /** A new one whenever all databases are emptied because they did not agree. */
  readonly epoch: string;
  /** Which of the databases this one is. */
  readonly node: string;
}

/** A regular table, also where the others are UNLOGGED: a crash that empties a cache does not make its keys move. */
export function topologyTable(core: CoreNames): string {
  return `
    CREATE TABLE IF NOT EXISTS ${core.topology} (
      one boolean PRIMARY KEY DEFAULT true CHECK (one),
      fingerprint text NOT NULL,
      epoch text NOT NULL,
      node text NOT NULL
    );
  `;
}

/** @returns undefined for a database that was never one of several */
export async function readTopology(db: Queryable, { core }: Schema): Promise<Topology | undefined> {
  const { rows } = await db.query({ text: `SELECT fingerprint, epoch, node FROM ${core.topology}` });
  return rows[0] as Topology | undefined;
}

/**
 * Begins a topology in one database, and in the same transaction invalidates everything there: keys that moved away and
 * come back must not find what they were when they left.
 * @param before the epoch that was read; where it is another one by now, nothing happens
 * @returns whether it took effect
 */
export async function beginTopology(
  db: Queryable,
  { core }: Schema,
  before: string | undefined,
  { fingerprint, epoch, node }: Topology,
): Promise<boolean> {
  const { rows } = await db.query({
    text: `
      WITH begun AS (
        INSERT INTO ${core.topology} AS t (fingerprint, epoch, node) VALUES ($1::text, $2::text, $3::text)
        ON CONFLICT (one) DO UPDATE
          SET fingerprint = EXCLUDED.fingerprint, epoch = EXCLUDED.epoch, node = EXCLUDED.node
          WHERE t.epoch = $4::text
        RETURNING one
      ), logged AS (
        INSERT INTO ${core.log} (name) SELECT name FROM begun, unnest($5::text[]) AS name
      )
      SELECT count(*)::int AS count FROM begun`,
    values: [fingerprint, epoch, node, before ?? null, [EVERYTHING, topologyName(fingerprint)]],
  });
  return rows[0]?.count === 1;
}
