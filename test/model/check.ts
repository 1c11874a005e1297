import type { Packed } from '../../daemon/packed.js';
import { keyName, namespaceName } from '../../shared/table/names.js';
import { counterOf, idOf, isCounter } from './bytes.js';
import type { ModelPostgres } from './postgres.js';
import { killed } from './statements.js';
import { digits, type Moment, placeOf, type Truth, type Value, writtenName } from './truth.js';

/** Memory keeps times in whole milliseconds, rounded up. */
const EXPIRY_ROUNDING_MS = 1;

/** A read as it is asked: what had happened by then, against which its answer is judged. */
export interface AskedRead {
  readonly namespace: string;
  readonly key: string;
  readonly host: string;
  readonly process: string;
  /** The answer is to be the table's, as of some time after asking. */
  readonly fromTable: boolean;
  /** Answered by the process's near tier, which other processes of the host may be ahead of. */
  readonly isNear: boolean;
  readonly asked: Moment;
  /** What the host, or for a near tier its process, had been told of. */
  readonly floor: ReadonlyMap<string, number>;
  readonly processFloor: number;
  /** The row that was alive when the read was asked. */
  readonly liveXid: number | undefined;
  readonly crashes: number;
  /** What a counter stood at, and how often it had begun. */
  readonly count: number;
  readonly restarts: number;
}

/** The names by which a value of this key can be killed, whatever it carries. */
export const ownNames = (namespace: string, key: string) => [
  writtenName(placeOf(namespace, key)),
  keyName(namespace, key),
  namespaceName(namespace),
  '*',
];

/** The transaction of the row that is this key's entry right now. */
export function liveXid(pg: ModelPostgres, namespace: string, key: string): number | undefined {
  const snap = pg.snapshot();
  const entry = pg.space(namespace).rows.get(key)?.seen(snap, undefined);
  const isThere = pg.meta.rows.get('meta')?.seen(snap, undefined) !== undefined;
  if (!isThere || entry === undefined || entry.expiresAtMs <= pg.world.nowMs) return undefined;
  return killed(pg, snap, namespace, { ...entry, key }) ? undefined : entry.xid;
}

export function askRead(
  pg: ModelPostgres,
  read: Pick<AskedRead, 'namespace' | 'key' | 'host' | 'process' | 'fromTable'> & Partial<Pick<AskedRead, 'isNear'>>,
): AskedRead {
  const { truth } = pg;
  const place = placeOf(read.namespace, read.key);
  const { namespace, key, host, process, fromTable, isNear = false } = read;
  const counter = truth.counts.get(place);
  return {
    namespace,
    key,
    host,
    process,
    fromTable,
    isNear,
    asked: truth.now(),
    floor: truth.floor(isNear ? process : host),
    processFloor: truth.processFloor(process, place),
    liveXid: liveXid(pg, read.namespace, read.key),
    crashes: truth.crashes,
    count: counter?.value ?? 0,
    restarts: counter?.restarts ?? 0,
  };
}

/** Judges what a read returned; undefined for a miss. */
export function checkRead(pg: ModelPostgres, read: AskedRead, bytes: Packed | undefined): void {
  const { truth } = pg;
  const place = placeOf(read.namespace, read.key);
  if (bytes === undefined) {
    if (
      read.liveXid !== undefined &&
      read.crashes === truth.crashes &&
      liveXid(pg, read.namespace, read.key) === read.liveXid
    ) {
      truth.fail('nothing lost', `${read.process} missed ${place}, which was there all the time`);
    }
    truth.raiseProcessFloor(read.process, place, read.asked.seq);
    return;
  }
  if (isCounter(bytes)) checkCount(truth, place, counterOf(bytes), read);
  else checkValue(truth, read, truth.values[idOf(bytes)] as Value);
}

function checkValue(truth: Truth, read: AskedRead, value: Value): void {
  const { asked, process } = read;
  const what = `value ${value.id} of ${value.place}`;
  if (value.place !== placeOf(read.namespace, read.key)) truth.fail('keys', `${process} was given ${what}`);
  if (value.birth === undefined) {
    truth.fail('committed', `${process} read ${what}, which never committed`);
    return;
  }
  if (value.expiresAtMs !== Number.NEGATIVE_INFINITY && value.expiresAtMs + EXPIRY_ROUNDING_MS < asked.atMs) {
    truth.fail('expiry', `${process} read ${what}, expired at ${value.expiresAtMs.toFixed(2)}`);
  }
  const death = truth.death(value);
  const because = death && `dead since ${death.atMs.toFixed(2)} by ${death.name}, asked at ${asked.atMs.toFixed(2)}`;
  if (death !== undefined && death.seq <= asked.seq) {
    const staleMs = asked.atMs - death.atMs;
    truth.largestStalenessMs = Math.max(truth.largestStalenessMs, staleMs);
    if (staleMs > truth.staleBoundMs) truth.fail('bounded staleness', `${process} read ${what}, ${because}`);
    if (read.fromTable) truth.fail('read from the table', `${process} read ${what}, ${because}`);
  }
  // What was made after the newer state was seen may have older parts: each key of its own is read in order.
  if (death !== undefined && death.seq <= read.processFloor && value.birth < read.processFloor) {
    truth.fail('monotonic reads', `${process} read ${what} after a newer state; ${because}`);
  }
  checkFloor(truth, read, value, `${what}; ${because}`);
  truth.raiseProcessFloor(process, value.place, value.birth);
}

function checkFloor(truth: Truth, read: AskedRead, value: Value, what: string): void {
  for (const [name, birth] of value.births) {
    if (birth >= (read.floor.get(name) ?? 0)) continue;
    truth.fail('read your writes', `${read.process} read ${what}, although it or its host was told of a later ${name}`);
  }
}

/** Judges a value that was served under grace, marked as such: it may have expired, but nothing known has killed it. */
export function checkStale({ truth }: ModelPostgres, read: AskedRead, value: Value, graceMs: number): void {
  const what = `value ${value.id} of ${value.place} under grace`;
  const usableMs = Math.min(graceMs, value.graceMs);
  if (value.place !== placeOf(read.namespace, read.key)) truth.fail('keys', `${read.process} was given ${what}`);
  if (value.birth === undefined) truth.fail('committed', `${read.process} read ${what}, which never committed`);
  if (usableMs === 0) truth.fail('grace', `${read.process} read ${what}, who or which takes none`);
  if (value.expiresAtMs + usableMs + EXPIRY_ROUNDING_MS < read.asked.atMs) {
    truth.fail('grace', `${read.process} read ${what} of ${usableMs} ms, expired at ${value.expiresAtMs.toFixed(2)}`);
  }
  checkFloor(truth, read, value, what);
}

export function checkCount(truth: Truth, place: string, count: number, read?: AskedRead): void {
  const counter = truth.counter(place);
  const isSame = read !== undefined && read.crashes === truth.crashes && read.restarts === counter.restarts;
  if (isSame && count < read.count) {
    truth.fail(
      'read from the table',
      `${read.process} read ${count} of ${place}, which stood at ${read.count} already`,
    );
  }
  for (const [number, times] of digits(count)) {
    if (times > 1) truth.fail('exactly once', `increment ${number} of ${place} is in ${count} ${times} times`);
    if (counter.told.get(number) === 'failed') {
      truth.fail('exactly once', `increment ${number} of ${place} took effect, its caller was told that it did not`);
    }
  }
}
