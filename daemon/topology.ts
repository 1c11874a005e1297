import { createHash, randomUUID } from 'node:crypto';
import { ALONE, type Layout } from '../shared/layout.js';
import type { Topology } from '../shared/table/topology.js';
import type { Config } from './config.js';
import type { DatabaseNode } from './databases.js';

/** Where a configuration puts everything. */
export function layoutOf(config: Pick<Config, 'placement' | 'namespaces'>, nodes: readonly DatabaseNode[]): Layout {
  const places = Object.entries(config.namespaces).flatMap(([name, { placement, database }]) => {
    const place = database ?? placement;
    return place === undefined ? [] : [[name, place] as const];
  });
  return { nodes, placement: config.placement, places: Object.fromEntries(places) };
}

/** What a database says of its topology, and how to begin another one there. */
export interface TopologyRecord {
  readTopology(): Promise<Topology | undefined>;
  /** As in shared/table/topology.ts. */
  beginTopology(before: Topology | undefined, from: string | undefined, topology: Topology): Promise<boolean>;
}

/** A change that takes a database into the topology of this daemon. */
export interface Change {
  readonly epoch: string;
  readonly follows: string;
}

/** What a database without a record counts as. */
export const NO_TOPOLOGY: Topology = { layout: '', epoch: '', follows: '', node: '' };

/**
 * Which change the databases need so that all of them are of one epoch of this layout. The latest change that they tell
 * of has reached some of them, and the others are still of the epoch that it follows: be it that somebody is still at it,
 * be it that they were away. It is completed if it leads to this layout, else another one follows it. Anybody works out
 * the same epoch for it, so that daemons that start at once make the same change. Where the databases do not agree on a
 * latest one, the epoch is one that nobody ever had.
 * @param self what makes the epochs of one that stands alone its own
 * @returns undefined where they agree already
 */
export function changeFor(layout: string, found: readonly Topology[], self: string): Change | undefined {
  const epochAfter = (follows: string) => {
    const text = JSON.stringify([layout, layout === ALONE ? self : '', follows]);
    return createHash('sha256').update(text).digest('hex').slice(0, 32);
  };
  // A database that was new, and alone in sight when it was taken in, knows nothing of those that were not.
  const isNew = (one: Topology) => one === NO_TOPOLOGY || (one.layout === layout && one.epoch === epochAfter(''));
  const old = found.filter((one) => !isNew(one));
  const known = old.length > 0 ? old : found.filter((one) => one !== NO_TOPOLOGY);
  const isReached = (latest: Topology, other: Topology) =>
    other.epoch === latest.epoch || other.epoch === latest.follows;
  const latest = known.find((one) => known.every((other) => isReached(one, other)));
  if (latest === undefined && known.length > 0) return { epoch: randomUUID(), follows: '' };
  if (latest?.layout === layout) {
    const { epoch, follows } = latest;
    return found.every((one) => one.epoch === epoch) ? undefined : { epoch, follows };
  }
  const follows = latest?.epoch ?? '';
  return { epoch: epochAfter(follows), follows };
}
