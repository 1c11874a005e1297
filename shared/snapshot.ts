/**
 * A Postgres snapshot as `pg_current_snapshot()` prints it: what is below `xmin` is decided, what is at or above `xmax` had
 * not begun, what is in `running` was under way. See "Functions: txid and snapshot information" in Postgres's manual.
 */
export interface Snapshot {
  readonly xmin: bigint;
  readonly xmax: bigint;
  readonly running: readonly bigint[];
}

/** @param text such as '725:729:725,727' */
export function parseSnapshot(text: string): Snapshot {
  const [xmin = '', xmax = '', running = ''] = text.split(':');
  return { xmin: BigInt(xmin), xmax: BigInt(xmax), running: running === '' ? [] : running.split(',').map(BigInt) };
}

export function formatSnapshot(snapshot: Snapshot): string {
  return `${snapshot.xmin}:${snapshot.xmax}:${snapshot.running.join(',')}`;
}

/** Whether the transaction had ended (committed, if its rows are to be found at all) when the snapshot was taken. */
export function isVisible(snapshot: Snapshot, xid: bigint): boolean {
  if (xid < snapshot.xmin) return true;
  return xid < snapshot.xmax && !snapshot.running.includes(xid);
}

const lesser = (a: bigint, b: bigint) => (b < a ? b : a);

/** What both see: a value whose parts were read under either is at least as new as this. */
export function intersection(a: Snapshot, b: Snapshot): Snapshot {
  const xmax = lesser(a.xmax, b.xmax);
  const running = [...new Set([...a.running, ...b.running])]
    .filter((xid) => xid < xmax)
    .sort((x, y) => (x < y ? -1 : 1));
  return { xmin: lesser(lesser(a.xmin, b.xmin), xmax), xmax, running };
}

/** What a value is at least as new as: a snapshot, and for a plain write the transaction that wrote it. */
export interface Base {
  readonly snapshot: Snapshot;
  readonly ownXid: bigint | undefined;
  readonly incarnation: string;
}

export function sees(base: Base, xid: bigint): boolean {
  return xid === base.ownXid || isVisible(base.snapshot, xid);
}

/** A row of the log: a name that was invalidated, or keys of a namespace that were written. */
export type LogRow =
  | { readonly xid: bigint; readonly name: string }
  | { readonly xid: bigint; readonly namespace: string; readonly keys: readonly string[] };
