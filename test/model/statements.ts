import type { Fill, FillResult } from '../../shared/table/fill.js';
import type { LookResult } from '../../shared/table/look.js';
import { anyName, EVERYTHING, keyName, namespaceName, partName } from '../../shared/table/names.js';
import type { ReadResult } from '../../shared/table/read.js';
import { NUMBER_TAKEN } from '../../shared/table/space-sql.js';
import type { WriteBatch, WriteItem, WriteResult } from '../../shared/table/write.js';
import { counterBytes, idOf } from './bytes.js';
import {
  type Chain,
  type Entry,
  type Meta,
  type ModelPostgres,
  overAtMs,
  PAUSE,
  parseSnap,
  type Snap,
  SqlError,
  type Steps,
  snapText,
  type Tx,
  visible,
} from './postgres.js';
import { placeOf } from './truth.js';

const FILL_LOCK_TIMEOUT_MS = 200;
const COUNTER_MAX = Number.MAX_SAFE_INTEGER;
const META = 'meta';

/** The statements of shared/table/*.ts, as Postgres runs them: each step that could stop, or wait, is a yield. */

/** Whether an invalidated name that the value does not see names it. */
export function killed(
  pg: ModelPostgres,
  snap: Snap,
  namespace: string,
  value: { key: string; names: readonly string[]; base: Snap },
  below = Number.POSITIVE_INFINITY,
): boolean {
  for (const row of pg.logSeen(snap)) {
    if (row.name === undefined || row.xid >= below || visible(value.base, row.xid) || !visible(snap, row.xid)) continue;
    if (
      row.name === EVERYTHING ||
      row.name === namespaceName(namespace) ||
      row.name === keyName(namespace, value.key) ||
      value.names.includes(row.name)
    ) {
      return true;
    }
  }
  return false;
}

function live({ pg, snap, namespace, nowMs }: Writing, key: string, entry: Entry): boolean {
  return entry.expiresAtMs > nowMs && !killed(pg, snap, namespace, { ...entry, key });
}

function metaSeen(pg: ModelPostgres, snap: Snap): Meta | undefined {
  const meta = pg.meta.rows.get(META)?.seen(snap, undefined);
  return meta !== undefined && pg.without.has('incarnations') ? { ...meta, incarnation: 'the only one' } : meta;
}

export function* look(pg: ModelPostgres, _tx: Tx, last: string | undefined, rowsMax: number): Steps<LookResult> {
  const snap = pg.snapshot();
  const meta = metaSeen(pg, snap);
  const found = [];
  if (meta !== undefined && last !== undefined) {
    const { xmax, running } = parseSnap(last);
    for (const row of pg.logSeen(snap)) {
      const isNew =
        row.xid >= xmax || (running.includes(row.xid) && !pg.without.has('transactions that ran at the last look'));
      if (isNew && visible(snap, row.xid)) found.push(row);
    }
  }
  yield PAUSE;
  return {
    incarnation: meta?.incarnation,
    snapshot: meta === undefined ? '' : snapText(snap),
    logFloor: String(meta?.logFloor ?? 0),
    rows:
      found.length > rowsMax
        ? undefined
        : found.map(({ xid, name, namespace, keys }) =>
            name === undefined ? { xid: BigInt(xid), namespace, keys } : { xid: BigInt(xid), name },
          ),
  };
}

export function* incarnate(pg: ModelPostgres, tx: Tx): Steps<boolean> {
  yield* pg.holdFloor(tx, 'exclusive', 1000);
  const chain = pg.meta.chain(META);
  yield* pg.hold(tx, chain, 1000);
  if (chain.newest !== undefined) return false;
  pg.incarnations += 1;
  pg.put(tx, chain, { incarnation: `i${pg.incarnations}`, tableFloor: 0, logFloor: 0 });
  yield PAUSE;
  if (!pg.without.has('everything under prepared transactions')) {
    for (const other of pg.transactions) {
      if (other.state === 'prepared') pg.insertLog(tx, { xid: other.xid as number, name: EVERYTHING });
    }
  }
  return true;
}

export function* read(pg: ModelPostgres, _tx: Tx, namespace: string, keys: readonly string[]): Steps<ReadResult> {
  const snap = pg.snapshot();
  const meta = metaSeen(pg, snap);
  const found = [];
  for (const key of meta === undefined ? [] : keys) {
    const entry = pg.space(namespace).rows.get(key)?.seen(snap, undefined);
    if (entry === undefined || overAtMs(entry) <= pg.world.nowMs) continue;
    if (!pg.without.has('names on read') && killed(pg, snap, namespace, { ...entry, key })) continue;
    found.push({
      key,
      bytes: entry.counter !== undefined ? counterBytes(entry.counter) : (entry.bytes as Uint8Array),
      isCounter: entry.counter !== undefined && !pg.without.has('no counters in memory'),
      names: entry.names,
      leftMs: entry.expiresAtMs - pg.world.nowMs,
      ...(entry.graceMs > 0 && { graceMs: entry.graceMs }),
    });
  }
  yield PAUSE;
  return { incarnation: meta?.incarnation, snapshot: meta === undefined ? '' : snapText(snap), found };
}

export function* fill(pg: ModelPostgres, tx: Tx, namespace: string, fills: readonly Fill[]): Steps<FillResult> {
  yield* pg.holdFloor(tx, 'shared', FILL_LOCK_TIMEOUT_MS);
  const snap = pg.snapshot();
  const meta = metaSeen(pg, snap);
  if (meta === undefined) return { incarnation: undefined, stored: [] };
  const accepted = fills.filter((each) => {
    const base = parseSnap(each.base);
    if (!pg.without.has('incarnation of a fill') && each.incarnation !== meta.incarnation) return false;
    if (!pg.without.has('floor of a fill') && base.xmin < meta.tableFloor) return false;
    return pg.without.has('names of a fill') || !killed(pg, snap, namespace, { ...each, base });
  });
  yield PAUSE;
  const stored: string[] = [];
  for (const each of accepted) {
    const chain = pg.space(namespace).chain(each.key);
    pg.xidOf(tx);
    yield* pg.hold(tx, chain, FILL_LOCK_TIMEOUT_MS);
    const base = parseSnap(each.base);
    const before = chain.newest;
    if (before !== undefined && !visible(base, before.xid) && !pg.without.has('row of a fill')) continue;
    const { nowMs } = pg.world;
    if (
      before !== undefined &&
      before.expiresAtMs > nowMs &&
      !killed(pg, snap, namespace, { ...before, key: each.key })
    ) {
      pg.truth.replaced(idOf(each.bytes));
    }
    const expiresAtMs = nowMs + each.ttlMs;
    const xid = pg.xidOf(tx);
    const { bytes, names, graceMs = 0 } = each;
    pg.put(tx, chain, { bytes, counter: undefined, expiresAtMs, graceMs, names, xid, base });
    tx.effects.push({ kind: 'expiry', id: idOf(each.bytes), expiresAtMs });
    stored.push(each.key);
    yield PAUSE;
  }
  return { incarnation: meta.incarnation, stored };
}

/** What one call of the write function carries from step to step. */
interface Writing {
  readonly pg: ModelPostgres;
  readonly tx: Tx;
  readonly namespace: string;
  readonly host: string;
  readonly snap: Snap;
  readonly nowMs: number;
  readonly fromMs: number;
  readonly lockTimeoutMs: number;
}

type Answer = [string, string, number | undefined];

export function* write(
  pg: ModelPostgres,
  tx: Tx,
  host: string,
  namespace: string,
  batch: WriteBatch,
): Steps<WriteResult> {
  const { nowMs } = pg.world;
  yield* pg.holdFloor(tx, 'shared', batch.lockTimeoutMs);
  const meta = metaSeen(pg, pg.snapshot());
  if (meta === undefined) return { state: 'lost' };
  const { number } = batch;
  if (number === undefined) throw new Error('the model numbers every batch');
  const writer = pg.writers.chain(`${number.host} ${namespace}`);
  yield PAUSE;
  if (batch.again && !pg.without.has('kept answers')) {
    const kept = writer.seen(pg.snapshot(), undefined);
    if (kept !== undefined && !isLess(kept, number)) {
      if (isLess(number, kept)) return { state: 'superseded' };
      const { xid, snapshot, answer } = kept;
      return done(pg, tx, namespace, batch, meta.incarnation, { xid, snapshot, answer });
    }
  }
  // What is reported is the first snapshot; the upsert has one of its own, taken under the transaction's id.
  const reported = pg.snapshot();
  yield PAUSE;
  const xid = pg.xidOf(tx);
  yield PAUSE;
  const snap = pg.snapshot();
  const fromMs = nowMs - batch.ageMs;
  const writing: Writing = { pg, tx, namespace, host, snap, nowMs, fromMs, lockTimeoutMs: batch.lockTimeoutMs };
  const offers = expiresFound(writing, batch.items);
  yield PAUSE;
  const answer: Answer[] = [];
  const written: string[] = [];
  const byKey = (a: WriteItem, b: WriteItem) => (a.key < b.key ? -1 : 1);
  for (const item of pg.without.has('sorted upserts') ? batch.items : [...batch.items].sort(byKey)) {
    yield* writeItem(writing, item, offers.get(item.key), answer, written);
    yield PAUSE;
  }
  for (const name of batch.invalidated) {
    pg.insertLog(tx, { name });
    tx.effects.push({ kind: 'kill', name, host });
  }
  for (const { op, key } of batch.items) if (op === 'delete') pg.insertLog(tx, { name: partName(namespace, key) });
  if (batch.invalidated.length > 0 || batch.items.some(({ op }) => op === 'delete')) {
    pg.insertLog(tx, { name: anyName(namespace) });
  }
  if (written.length > 0) pg.insertLog(tx, { namespace, keys: written });
  yield PAUSE;
  yield* pg.hold(tx, writer, batch.lockTimeoutMs);
  if (writer.newest !== undefined && !isLess(writer.newest, number) && !pg.without.has('numbers')) {
    throw new SqlError(NUMBER_TAKEN, 'taken by another statement');
  }
  pg.put(tx, writer, { start: number.start, batch: number.batch, xid, snapshot: reported, answer });
  yield PAUSE;
  return done(pg, tx, namespace, batch, meta.incarnation, { xid, snapshot: reported, answer });
}

const isLess = (a: { start: number; batch: number }, b: { start: number; batch: number }) =>
  a.start < b.start || (a.start === b.start && a.batch < b.batch);

/** An expire offers the row that the statement's snapshot finds alive. */
function expiresFound(writing: Writing, items: readonly WriteItem[]): Map<string, Entry> {
  const { pg, namespace, snap } = writing;
  const offers = new Map<string, Entry>();
  for (const { op, key } of items) {
    const entry = op === 'expire' ? pg.space(namespace).rows.get(key)?.seen(snap, undefined) : undefined;
    if (entry !== undefined && live(writing, key, entry)) offers.set(key, entry);
  }
  return offers;
}

/** One key's upsert: the row's newest version is what counts, all else is as the statement's snapshot has it. */
function* writeItem(
  writing: Writing,
  item: WriteItem,
  offer: Entry | undefined,
  answer: Answer[],
  written: string[],
): Steps<void> {
  const { pg, tx, namespace, snap, fromMs } = writing;
  const { key, op } = item;
  if (op === 'expire' && offer === undefined) return;
  const chain = pg.space(namespace).chain(key) as Chain<Entry>;
  yield* pg.hold(tx, chain, writing.lockTimeoutMs);
  const before = chain.newest;
  const isLive = before !== undefined && live(writing, key, before);
  const place = placeOf(namespace, key);
  const { names = [], graceMs = 0 } = item;
  const common = { names, graceMs, xid: pg.xidOf(tx), base: snap };
  const expiresAtMs = fromMs + item.ttlMs;
  const { host } = writing;
  if (op === 'set' || op === 'add') {
    if (op === 'add' && isLive) return;
    const bytes = item.bytes as Uint8Array;
    pg.put(tx, chain, { ...common, bytes, counter: undefined, expiresAtMs });
    tx.effects.push({ kind: 'put', id: idOf(bytes), place, host }, { kind: 'expiry', id: idOf(bytes), expiresAtMs });
  } else if (op === 'delete') {
    const dead = { ...common, graceMs: 0, bytes: undefined, counter: undefined, expiresAtMs: Number.NEGATIVE_INFINITY };
    pg.put(tx, chain, pg.without.has('dead rows') ? undefined : dead);
    tx.effects.push({ kind: 'kill', name: `w:${place}`, host });
    tx.effects.push({ kind: 'kill', name: partName(namespace, key), host });
  } else if (op === 'expire') {
    const kept = before ?? (offer as Entry);
    if (before !== undefined && !isLive) return;
    pg.put(tx, chain, { ...kept, xid: common.xid, expiresAtMs });
    if (kept.bytes !== undefined) tx.effects.push({ kind: 'expiry', id: idOf(kept.bytes), expiresAtMs });
  } else {
    const delta = item.delta as number;
    if (isLive && before.counter === undefined) return;
    if (isLive && Math.abs((before.counter as number) + delta) > COUNTER_MAX) return;
    const goesOn = isLive ? before : undefined;
    const counter = (goesOn?.counter ?? 0) + delta;
    pg.put(tx, chain, {
      ...common,
      bytes: undefined,
      counter,
      expiresAtMs: goesOn?.expiresAtMs ?? expiresAtMs,
      base: goesOn?.base ?? snap,
    });
    tx.effects.push({ kind: 'count', place, delta, from: goesOn?.counter });
    if (goesOn === undefined) tx.effects.push({ kind: 'kill', name: `w:${place}`, host });
    answer.push([key, op, counter]);
    if (counter === delta) written.push(key);
    return;
  }
  if (op !== 'set') answer.push([key, op === 'delete' && !isLive ? 'nothing' : op, undefined]);
  written.push(key);
}

function done(
  pg: ModelPostgres,
  tx: Tx,
  namespace: string,
  batch: WriteBatch,
  incarnation: string,
  kept: { xid: number; snapshot: Snap; answer: readonly Answer[] },
): WriteResult {
  const snap = pg.snapshot();
  const refused: Record<string, 'not a counter' | 'overflow'> = {};
  for (const { key, op } of batch.items) {
    if (op !== 'incr' || kept.answer.some(([answered]) => answered === key)) continue;
    const entry = pg.space(namespace).rows.get(key)?.seen(snap, tx.xid);
    refused[key] = entry?.counter === undefined ? 'not a counter' : 'overflow';
  }
  return {
    state: 'done',
    incarnation,
    xid: String(kept.xid),
    snapshot: snapText(kept.snapshot),
    results: kept.answer.map(([key, op, counter]) => ({ key, existed: op !== 'nothing', counter })),
    refused,
  };
}
