import { jsonToPacked, packCounter } from '../codec.js';
import { BINARY_ARRAYS, PLAIN_ARRAYS } from './binary.js';
import { incarnation } from './core-sql.js';
import type { Schema } from './migrate.js';
import type { SpaceNames } from './names.js';
import { type Queryable, type Reader, type TextRow, textRowsOf } from './queryable.js';
import { live, liveOrStale } from './space-sql.js';

/** One entry, as of the statement's snapshot: live, or (where asked for) expired within its grace. */
export interface FoundEntry<Bytes = Uint8Array> {
  readonly key: string;
  readonly bytes: Bytes;
  readonly isCounter: boolean;
  readonly names: readonly string[];
  /** Milliseconds left when the statement began on the server; Infinity for none, 0 or less for one that has expired. */
  readonly leftMs: number;
  /** How long past its expiry it may be served by loads that fail or are slow. */
  readonly graceMs?: number | undefined;
  /** How long it took to compute, where that was measured. */
  readonly deltaMs?: number | undefined;
}

export interface ReadResult<Bytes = Uint8Array> {
  /** Undefined where the meta row is gone: then nothing was read. */
  readonly incarnation: string | undefined;
  readonly snapshot: string;
  readonly found: readonly FoundEntry<Bytes>[];
}

const LEFT_MS = `CASE WHEN e.expires_at = 'infinity' THEN 'Infinity'
  ELSE (date_part('epoch', e.expires_at - statement_timestamp()) * 1000)::text END`;

/** Which most entries have none of: names, grace, how long it took to compute, the count of a counter. */
const TERMS = `CASE WHEN e.names IS NOT NULL OR e.grace IS NOT NULL OR e.delta_ms IS NOT NULL OR e.counter IS NOT NULL
  THEN json_build_array(e.names, date_part('epoch', e.grace) * 1000, e.delta_ms::float8, e.counter::text)::text END`;

/** Base64 is what takes the least to read as text: three quarters of the bytes of hex, and half the time. */
const PACKED = `encode(e.packed, 'base64')`;
const VALUE = 'CASE WHEN e.packed IS NULL THEN e.value::text END';

/** Of what takes up few bytes in the table, which its header tells: big values are not even read from disk. */
const IS_SMALL = 'coalesce(pg_column_size(e.packed), pg_column_size(e.value), 0) <= $2::int';
/** In place of JSON, which is never empty: the value is bigger than asked for. */
const TOO_BIG = '';

/**
 * A first row without a key says under which incarnation and snapshot the statement ran; one follows for each entry. Few
 * columns, all of them texts, since each takes its time on the way.
 */
const COLUMNS = ['key', 'left_ms', 'terms', 'packed', 'value'] as const;

function selectEntries(schema: Schema, space: SpaceNames, condition: string, isForStale: boolean, isOfSmall: boolean) {
  const test = (isForStale ? liveOrStale : live)(schema.core, space, 'statement_timestamp()');
  const packed = isOfSmall ? `CASE WHEN ${IS_SMALL} THEN ${PACKED} END` : PACKED;
  const value = isOfSmall ? `CASE WHEN ${IS_SMALL} THEN ${VALUE} ELSE '${TOO_BIG}' END` : VALUE;
  return `
    SELECT NULL::text AS key, ${incarnation('m', schema.logged)} AS left_ms, pg_current_snapshot()::text AS terms,
      NULL::text AS packed, NULL::text AS value FROM ${schema.core.meta} AS m
    UNION ALL
    SELECT e.key::text, ${LEFT_MS}, ${TERMS}, ${packed}, ${value} FROM ${space.table} AS e WHERE ${condition} AND ${test}`;
}

type Kind = 'read' | 'any' | 'small';
type NamedText = { readonly name: string; readonly text: string };
type Statements = Partial<Record<Kind, { readonly one: NamedText; readonly many: NamedText }>>;

/** Their texts are long, and an object of names is made once a table. */
const statementsOf = new WeakMap<SpaceNames, Statements>();

/** A statement is prepared under a name of its own for one key: `= ANY` is planned anew each time. */
function statementOf(schema: Schema, space: SpaceNames, kind: Kind, isOne: boolean): NamedText {
  let statements = statementsOf.get(space);
  if (statements === undefined) {
    statements = {};
    statementsOf.set(space, statements);
  }
  statements[kind] ??= {
    one: namedText(schema, space, kind, 'one', 'e.key = $1::text'),
    many: namedText(schema, space, kind, 'many', 'e.key = ANY ($1::text[])'),
  };
  return statements[kind][isOne ? 'one' : 'many'];
}

function namedText(schema: Schema, space: SpaceNames, kind: Kind, number: string, condition: string): NamedText {
  const text = selectEntries(schema, space, condition, kind !== 'read', kind === 'small');
  return { name: `pgcached ${kind} ${number} ${space.id}`, text };
}

/** How an array of keys is given to a driver of which nothing is known, and to one that takes binary parameters. */
function parameterOf(db: Reader, keys: readonly string[]): unknown {
  if (keys.length === 1) return keys[0];
  return ('rows' in db ? BINARY_ARRAYS : PLAIN_ARRAYS).text(keys, (key) => key);
}

/**
 * Reads entries in one statement.
 * @param prepare whether to use a named statement (not through a pooler in transaction mode)
 * @param withStale whether also those that have expired within their grace
 */
export async function readEntries(
  db: Reader,
  schema: Schema,
  space: SpaceNames,
  keys: readonly string[],
  prepare: boolean,
  withStale = false,
): Promise<ReadResult> {
  const { name, text } = statementOf(schema, space, withStale ? 'any' : 'read', keys.length === 1);
  const values = [parameterOf(db, keys)];
  const rows = await textRowsOf(db, prepare ? { name, text, values } : { text, values }, COLUMNS);
  return resultOf(rows, toBytes);
}

/**
 * The same, stale ones included, for who has no time for big values.
 * @param valueBytesMax of each value, as it is stored
 * @returns undefined where a value is bigger
 */
export async function readSmallEntries(
  db: Reader,
  schema: Schema,
  space: SpaceNames,
  keys: readonly string[],
  options: { prepare: boolean; valueBytesMax: number },
): Promise<ReadResult<Packed> | undefined> {
  const { name, text } = statementOf(schema, space, 'small', keys.length === 1);
  const values = [parameterOf(db, keys), options.valueBytesMax];
  const rows = await textRowsOf(db, options.prepare ? { name, text, values } : { text, values }, COLUMNS);
  return rows.some((row) => row[4] === TOO_BIG) ? undefined : resultOf(rows, toPacked);
}

/** A packed value as bytes, or as the same bytes in the characters of a latin1 string. */
type Packed = Uint8Array | string;

const toBytes = (base64: string): Uint8Array => Buffer.from(base64, 'base64');

const SCRATCH = Buffer.allocUnsafeSlow(1024);

/** Small ones without a Buffer of their own, which takes longer to make than to fill. */
function toPacked(base64: string): Packed {
  if (base64.length > SCRATCH.length) return toBytes(base64);
  return SCRATCH.toString('latin1', 0, SCRATCH.write(base64, 'base64'));
}

const NO_NAMES: readonly string[] = [];

/** Names, milliseconds of grace (perhaps 'Infinity'), milliseconds to compute, the count. */
type Terms = readonly [readonly string[] | null, number | string | null, number | null, string | null];

function resultOf<Bytes extends Packed>(
  rows: readonly TextRow[],
  decode: (base64: string) => Bytes,
): ReadResult<Bytes | Uint8Array> {
  let incarnation: string | undefined;
  let snapshot = '';
  const found: FoundEntry<Bytes | Uint8Array>[] = [];
  for (const row of rows) {
    const key = row[0];
    if (typeof key === 'string') {
      found.push(entryOf(key, row, decode));
    } else {
      incarnation = row[1] as string;
      snapshot = row[2] as string;
    }
  }
  // Without a meta row nothing counts.
  return { incarnation, snapshot, found: incarnation === undefined ? [] : found };
}

function entryOf<Bytes extends Packed>(
  key: string,
  row: TextRow,
  decode: (base64: string) => Bytes,
): FoundEntry<Bytes | Uint8Array> {
  const terms = row[2];
  const packed = row[3];
  const leftMs = Number(row[1]);
  // A counter counts before a value, packed bytes before JSONB.
  const bytesOf = () => (typeof packed === 'string' ? decode(packed) : jsonToPacked(row[4] ?? 'null'));
  if (typeof terms !== 'string') return { key, bytes: bytesOf(), isCounter: false, names: NO_NAMES, leftMs };
  const [names, grace, deltaMs, counter] = JSON.parse(terms) as Terms;
  return {
    key,
    bytes: counter === null ? bytesOf() : packCounter(counter),
    isCounter: counter !== null,
    names: names ?? NO_NAMES,
    leftMs,
    graceMs: grace === null ? undefined : Number(grace),
    deltaMs: deltaMs ?? undefined,
  };
}

/** @returns milliseconds left by key, for the live ones among the keys */
export async function readTtls(
  db: Queryable,
  schema: Schema,
  space: SpaceNames,
  keys: readonly string[],
): Promise<Map<string, number>> {
  const text = `SELECT e.key, ${LEFT_MS} AS left_ms FROM ${space.table} AS e
    WHERE e.key = ANY ($1::text[]) AND ${live(schema.core, space, 'statement_timestamp()')}
    AND EXISTS (SELECT FROM ${schema.core.meta})`;
  const { rows } = await db.query({ text, values: [keys] });
  return new Map(rows.map((row) => [row.key as string, Number(row.left_ms)]));
}

/** @returns how many entries are live */
export async function countEntries(db: Queryable, schema: Schema, space: SpaceNames): Promise<number> {
  const text = `SELECT count(*)::float8 AS count FROM ${space.table} AS e WHERE ${live(schema.core, space)}
    AND EXISTS (SELECT FROM ${schema.core.meta})`;
  const { rows } = await db.query({ text });
  return rows[0]?.count as number;
}

/** @returns bytes of the namespace's table on disk, indexes included */
export async function sizeOfTable(db: Queryable, space: SpaceNames): Promise<number> {
  const text = 'SELECT pg_total_relation_size($1::regclass)::float8 AS bytes';
  const { rows } = await db.query({ text, values: [space.table] });
  return rows[0]?.bytes as number;
}
