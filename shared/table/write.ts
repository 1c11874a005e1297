import { type Arrays, PLAIN_ARRAYS } from './binary.js';
import { incrOne } from './incr.js';
import type { SpaceNames } from './names.js';
import { type Reader, textRowsOf } from './queryable.js';
import { DELETED_NOTHING, WRITE_OP } from './space-sql.js';
import { type Storage, toColumns } from './value.js';

/** One key's part of a batch. */
export interface WriteItem {
  readonly key: string;
  readonly op: keyof typeof WRITE_OP;
  /** Packed value of a set or an add. */
  readonly bytes?: Uint8Array;
  /** Milliseconds from the first sending of the batch; Infinity for none. */
  readonly ttlMs: number;
  readonly delta?: number;
  /** Names that the entry carries: tags and parts, as the log calls them. */
  readonly names?: readonly string[];
  /** How long past its expiry it may be served by loads that fail or are slow: milliseconds, or Infinity; none where missing. */
  readonly graceMs?: number | undefined;
}

export interface WriteBatch {
  /** Which batch of which start of which host this is; undefined for a writer that does not number. */
  readonly number: { readonly host: string; readonly start: number; readonly batch: number } | undefined;
  /** Whether the batch may have been sent before. */
  readonly again: boolean;
  /** How long ago the batch was first sent. */
  readonly ageMs: number;
  readonly lockTimeoutMs: number;
  /** Names to invalidate. A batch that has any carries no items: see the rule on what a row sees. */
  readonly invalidated: readonly string[];
  readonly items: readonly WriteItem[];
}

/** What became of an item that was not a plain set; an item that is missing did not take effect. */
export interface ItemResult {
  readonly key: string;
  /** Whether a deletion found something alive; true for the others. */
  readonly existed: boolean;
  readonly counter: number | undefined;
}

export type WriteResult =
  /** The meta row is gone: nothing was written. */
  | { readonly state: 'lost' }
  /** A later batch or start of this host came first: nothing was written now, and it is not known what was before. */
  | { readonly state: 'superseded' }
  | {
      readonly state: 'done';
      readonly incarnation: string;
      readonly xid: string;
      readonly snapshot: string;
      readonly results: readonly ItemResult[];
      /** Increments that were refused, and why. */
      readonly refused: Readonly<Record<string, 'not a counter' | 'overflow'>>;
    };

const PARAMETERS =
  '$1::uuid, $2::bigint, $3::bigint, $4::boolean, $5::float8, $6::int, $7::text[], $8::text[], $9::smallint[], ' +
  '$10::text[], $11::bytea[], $12::float8[], $13::bigint[], $14::text[], $15::float8[]';

const ANSWER_COLUMNS = ['o_state', 'o_incarnation', 'o_xid', 'o_snapshot', 'o_answer', 'o_refused'] as const;
const ANSWER = ANSWER_COLUMNS.map((column) => `${column}::text`).join(', ');

/** Arrays of unequal length can't be nested as parameters: names go as the text of an array, one a row. */
export function arrayLiteral(names: readonly string[] | undefined): string | null {
  if (names === undefined || names.length === 0) return null;
  return `{${names.map((name) => `"${name.replace(/[\\"]/g, '\\$&')}"`).join(',')}}`;
}

/**
 * Writes a batch: one transaction, one round trip, at most once for a number.
 * @param options.prepare whether to use a named statement
 * @param options.arrays how to give arrays to the driver
 * @throws what the driver throws; SQLSTATE NUMBER_TAKEN where another statement of the same number won
 */
export async function writeBatch(
  db: Reader,
  space: SpaceNames,
  batch: WriteBatch,
  options: { storage: Storage; prepare: boolean; arrays?: Arrays },
): Promise<WriteResult> {
  const { number, items } = batch;
  const [first] = items;
  if (first !== undefined && items.length === 1 && batch.invalidated.length === 0 && !batch.again) {
    if (first.op === 'set') return setOne(db, space, batch, first, options);
    if (first.op === 'incr') return incrOne(db, space, batch, first, options.prepare);
  }
  const { arrays = PLAIN_ARRAYS } = options;
  const { value, packed } = arrays.values(items, ({ bytes }) => bytes, options.storage);
  const values = [
    number?.host ?? null,
    number?.start ?? 0,
    number?.batch ?? 0,
    batch.again,
    batch.ageMs,
    batch.lockTimeoutMs,
    arrays.text(batch.invalidated, (name) => name),
    arrays.text(items, ({ key }) => key),
    arrays.int2(items, ({ op }) => WRITE_OP[op]),
    value,
    packed,
    arrays.float8(items, ({ ttlMs }) => ttlMs),
    arrays.int8(items, ({ delta }) => delta ?? null),
    arrays.text(items, ({ names }) => arrayLiteral(names)),
    arrays.float8(items, ({ graceMs }) => graceMs ?? null),
  ];
  const text = `SELECT ${ANSWER} FROM ${space.fn('write')}(${PARAMETERS})`;
  const name = `pgcached write ${space.id}`;
  const [row = []] = await textRowsOf(db, options.prepare ? { name, text, values } : { text, values }, ANSWER_COLUMNS);
  const [state, incarnation, xid, snapshot, answer, refused] = row;
  if (state === 'lost' || state === 'superseded') return { state };
  return {
    state: 'done',
    incarnation: String(incarnation),
    xid: String(xid),
    snapshot: String(snapshot),
    results: typeof answer === 'string' ? resultsOf(answer) : NO_RESULTS,
    refused: typeof refused === 'string' ? refusedOf(refused) : NONE_REFUSED,
  };
}

const NO_RESULTS: readonly ItemResult[] = [];
const NONE_REFUSED = {} as const;

function resultsOf(answer: string): ItemResult[] {
  return (JSON.parse(answer) as [string, number, number | null][]).map(([key, op, counter]) => ({
    key,
    existed: op !== DELETED_NOTHING,
    counter: op === WRITE_OP.incr && counter !== null ? counter : undefined,
  }));
}

function refusedOf(refused: string): Record<string, 'not a counter' | 'overflow'> {
  const entries = Object.entries(JSON.parse(refused) as Record<string, boolean>);
  return Object.fromEntries(entries.map(([key, isCounter]) => [key, isCounter ? 'overflow' : 'not a counter']));
}

/** A set by itself, the first time that it is sent. */
async function setOne(
  db: Reader,
  space: SpaceNames,
  { number, ageMs, lockTimeoutMs }: WriteBatch,
  item: WriteItem,
  { storage, prepare }: { storage: Storage; prepare: boolean },
): Promise<WriteResult> {
  const { value, packed } = item.bytes === undefined ? { value: null, packed: null } : toColumns(item.bytes, storage);
  const values = [
    number?.host ?? null,
    number?.start ?? 0,
    number?.batch ?? 0,
    ageMs,
    lockTimeoutMs,
    item.key,
    value,
    packed,
    item.ttlMs,
    arrayLiteral(item.names),
    item.graceMs ?? null,
  ];
  const text = `SELECT ${space.fn('set_one')}($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS told`;
  const name = `pgcached set ${space.id}`;
  const [row] = await textRowsOf(db, prepare ? { name, text, values } : { text, values }, ['told']);
  const told = row?.[0] ?? null;
  if (told === null) return { state: 'lost' };
  const [incarnation = '', xid = '', snapshot = ''] = told.split(' ');
  return { state: 'done', incarnation, xid, snapshot, results: NO_RESULTS, refused: NONE_REFUSED };
}
