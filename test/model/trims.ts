import {
  type Entry,
  type ModelPostgres,
  overAtMs,
  PAUSE,
  type Snap,
  type Steps,
  type Tx,
  visible,
} from './postgres.js';
import { killed } from './statements.js';

/** The steps of a trim (shared/table/core-sql.ts, space-sql.ts, trim.ts): each is a transaction of its own. */

const META = 'meta';
const metaChain = (pg: ModelPostgres) => pg.meta.chain(META);

interface Raised {
  readonly floor: number;
  /** As of when it rose. */
  readonly since: Snap;
}

/** Step 1. @returns undefined in another incarnation */
export function* raiseFloor(pg: ModelPostgres, tx: Tx, incarnation: string, wanted: number): Steps<Raised | undefined> {
  yield* pg.holdFloor(tx, 'exclusive', 100);
  const snap = pg.snapshot();
  yield PAUSE;
  const chain = metaChain(pg);
  yield* pg.hold(tx, chain, 100);
  const meta = chain.newest;
  if (meta?.incarnation !== incarnation) return undefined;
  const tableFloor = Math.max(meta.tableFloor, Math.min(wanted, snap.xmin));
  pg.put(tx, chain, { ...meta, tableFloor });
  yield PAUSE;
  return { floor: tableFloor, since: snap };
}

/**
 * Step 2 for one namespace. A sweep reads the table as it lies, so that it may never come across a version that was written
 * since it began: here it never does.
 * @returns whether nothing that it came across and that a row of the log below the floor kills was left
 */
export function* trimSpace(
  pg: ModelPostgres,
  tx: Tx,
  namespace: string,
  incarnation: string,
  { floor, since }: Raised,
): Steps<boolean> {
  const counted = pg.snapshot();
  const left = new Set<string>();
  const { rows } = pg.space(namespace);
  const isVictim = (snap: Snap, key: string, entry: Entry) =>
    overAtMs(entry) >= pg.world.nowMs && killed(pg, snap, namespace, { ...entry, key }, floor);
  for (const [key, chain] of rows) {
    const entry = chain.seen(counted, undefined);
    if (entry === undefined || !visible(since, entry.xid) || !isVictim(counted, key, entry)) continue;
    // A row that came after the floor, but did not see what came before it: the log must go on to name it.
    if (entry.xid < floor || !pg.without.has('rows above the floor keep the log')) left.add(key);
  }
  yield PAUSE;
  const snap = pg.snapshot();
  const meta = metaChain(pg).seen(snap, undefined);
  if (meta?.incarnation !== incarnation || meta.tableFloor < floor) return false;
  for (const [key, chain] of rows) {
    const seen = chain.seen(snap, undefined);
    if (seen === undefined || !visible(since, seen.xid) || chain.owner !== undefined) continue;
    const entry = chain.newest;
    if (entry === undefined || (entry.xid >= floor && !pg.without.has('floor of a trim'))) continue;
    if (overAtMs(entry) >= pg.world.nowMs && !isVictim(snap, key, entry)) continue;
    yield* pg.hold(tx, chain, 0);
    pg.put(tx, chain, undefined);
    left.delete(key);
  }
  yield PAUSE;
  return left.size === 0;
}

/** Step 3. */
export function* cutLog(pg: ModelPostgres, tx: Tx, incarnation: string, floor: number): Steps<void> {
  const chain = metaChain(pg);
  yield* pg.hold(tx, chain, 1000);
  const meta = chain.newest;
  if (meta?.incarnation !== incarnation || meta.tableFloor < floor || meta.logFloor >= floor) return;
  pg.put(tx, chain, { ...meta, logFloor: floor });
  yield PAUSE;
  for (const row of pg.logSeen(pg.snapshot())) if (row.xid < floor) row.cutBy = tx;
  yield PAUSE;
}
