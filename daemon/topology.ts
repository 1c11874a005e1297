import { createHash } from 'node:crypto';
import type { Topology } from '../shared/table/topology.js';
import type { Config } from './config.js';
import type { DatabaseNode } from './databases.js';

/** What a database that stands alone counts as, whatever name it is reached by; so does one that has no record. */
export const ALONE = 'one';

/**
 * Equal for two configurations where every key of every namespace lies in the same place. The order of the databases does
 * not count, nor do users and passwords.
 */
export function fingerprintOf(
  config: Pick<Config, 'placement' | 'namespaces'>,
  nodes: readonly DatabaseNode[],
): string {
  if (nodes.length === 1) return ALONE;
  const databases = nodes.map(({ name, weight }) => `${name} ${weight}`).sort();
  const placed = Object.entries(config.namespaces).flatMap(([name, { placement, database }]) => {
    if (database !== undefined) return [`${name} ${database}`];
    return placement === undefined || placement === config.placement ? [] : [`${name} ${placement}`];
  });
  const text = JSON.stringify([databases, config.placement, placed.sort()]);
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** What a database says of its topology, and how to begin another one there. */
export interface TopologyRecord {
  readTopology(): Promise<Topology | undefined>;
  beginTopology(before: string | undefined, topology: Topology): Promise<boolean>;
}
