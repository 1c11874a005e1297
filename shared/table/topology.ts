import { type Part, partOf } from '../layout.js';
import type { Schema } from './migrate.js';
import {
  type CoreNames,
  EVERYTHING,
  keyName,
  movedName,
  namespaceName,
  type SpaceNames,
  topologyName,
} from './names.js';
import { type PoolLike, type Queryable, transaction } from './queryable.js';
import { listSpaces } from './spaces.js';

/** How long a change of topology may take to find the keys that move: a million entries take about 4 s. */
export const MOVE_TIMEOUT_MS = 60_000;

/** How a cache of one database or several was spread when this one last became part of it. */
export interface Topology {
  /** The text of the layout. */
  readonly layout: string;
  /** A new one with every change. */
  readonly epoch: string;
  /** The epoch that this one followed, '' where none is known. */
  readonly follows: string;
  /** Which of the databases this one is. */
  readonly node: string;
}

/** A regular table, also where the others are UNLOGGED: a crash that empties a cache does not make its keys move. */
export function topologyTable(core: CoreNames): string {
  return `
    CREATE TABLE IF NOT EXISTS ${core.topology} (
      one boolean PRIMARY KEY DEFAULT true CHECK (one),
      layout text NOT NULL,
      epoch text NOT NULL,
      follows text NOT NULL,
      node text NOT NULL
    );
  `;
}

/** @returns undefined for a database that has no record yet */
export async function readTopology(db: Queryable, { core }: Schema): Promise<Topology | undefined> {
  const { rows } = await db.query({ text: `SELECT layout, epoch, follows, node FROM ${core.topology}` });
  return rows[0] as Topology | undefined;
}

/**
 * Begins a topology in one database, and in the same transaction invalidates what must not be found there later: keys
 * that lie elsewhere from now on, and those that did so far. What stays was written here all the time.
 * @param before the record that was read; where it is another one by now, nothing happens
 * @param from the layout so far, where it is known that nothing came between; else everything is invalidated
 * @returns whether it took effect
 */
export async function beginTopology(
  db: PoolLike,
  schema: Schema,
  before: Topology | undefined,
  from: string | undefined,
  topology: Topology,
): Promise<boolean> {
  const { core } = schema;
  const values: unknown[] = [topology.layout, topology.epoch, topology.follows, topology.node, before?.epoch ?? null];
  const names = [topologyName(topology.epoch)];
  const selects: string[] = [];
  if (from === undefined) {
    names.push(EVERYTHING);
  } else {
    for (const { names: space } of await listSpaces(db, schema)) {
      const parts = [
        partOf(from, before?.node ?? topology.node, space.namespace),
        partOf(topology.layout, topology.node, space.namespace),
      ];
      if (parts.includes('none')) names.push(namespaceName(space.namespace));
      else selects.push(...selectMoved(space, parts, values));
      if (!parts.every((part) => part === 'all')) names.push(movedName(space.namespace));
    }
  }
  values.push(names);
  const statement = {
    text: `
      WITH begun AS (
        INSERT INTO ${core.topology} AS t (layout, epoch, follows, node) VALUES ($1::text, $2::text, $3::text, $4::text)
        ON CONFLICT (one) DO UPDATE
          SET layout = EXCLUDED.layout, epoch = EXCLUDED.epoch, follows = EXCLUDED.follows, node = EXCLUDED.node
          WHERE t.epoch = $5::text
        RETURNING one
      ), logged AS (
        INSERT INTO ${core.log} (name)
        SELECT moved.name FROM begun, (${[`SELECT unnest($${values.length}::text[]) AS name`, ...selects].join(' UNION ALL ')}) AS moved
      )
      SELECT count(*)::int AS count FROM begun`,
    values,
  };
  return transaction(db, async (client) => {
    await client.query({ text: `SET LOCAL statement_timeout = ${MOVE_TIMEOUT_MS}` });
    // A crash that took the record back would bring back what it has invalidated.
    await client.query({ text: 'SET LOCAL synchronous_commit = on' });
    const { rows } = await client.query(statement);
    return rows[0]?.count === 1;
  });
}

/**
 * The names of the keys that are not in all of the parts. A key's owner is that of the first point at or after its hash,
 * so of the point that as many points as are less lie before.
 */
function selectMoved(space: SpaceNames, parts: readonly Part[], values: unknown[]): string[] {
  const conditions = parts.flatMap((part) => {
    if (typeof part === 'string') return [];
    const { points, owners } = part.continuum;
    values.push([...points], [...owners, owners[0]], part.owner);
    const n = values.length;
    return [`($${n - 1}::int[])[width_bucket(h.hash - 1, $${n - 2}::bigint[]) + 1] = $${n}::int`];
  });
  if (conditions.length === 0) return [];
  values.push(keyName(space.namespace, ''));
  return [
    `SELECT $${values.length}::text || h.key FROM (
      SELECT key, ('x' || substr(m, 7, 2) || substr(m, 5, 2) || substr(m, 3, 2) || substr(m, 1, 2))::bit(32)::bigint AS hash
      FROM (SELECT key, md5(convert_to(key, 'UTF8')) AS m FROM ${space.table}) AS digests) AS h
    WHERE NOT (${conditions.join(' AND ')})`,
  ];
}
