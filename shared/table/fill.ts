import { type Arrays, PLAIN_ARRAYS } from './binary.js';
import type { SpaceNames } from './names.js';
import { type Reader, textRowsOf } from './queryable.js';
import type { Storage } from './value.js';
import { arrayLiteral } from './write.js';

/** A value that a load computed, and what it is at least as new as. */
export interface Fill {
  readonly key: string;
  readonly bytes: Uint8Array;
  /** Milliseconds of life left, or Infinity. */
  readonly ttlMs: number;
  readonly names: readonly string[];
  /** How long past its expiry it may be served by loads that fail or are slow: milliseconds, or Infinity; none where missing. */
  readonly graceMs?: number | undefined;
  /** How long it took to compute, in milliseconds. */
  readonly deltaMs?: number | undefined;
  /** A snapshot, as text. */
  readonly base: string;
  readonly incarnation: string;
}

export interface FillResult {
  readonly incarnation: string | undefined;
  /** The keys whose values were stored; the others were refused. */
  readonly stored: readonly string[];
}

const COLUMNS = ['o_incarnation', 'o_stored'] as const;

/** Offers values to the table. Each key at most once. */
export async function offerFills(
  db: Reader,
  space: SpaceNames,
  fills: readonly Fill[],
  options: { storage: Storage; prepare: boolean; lockTimeoutMs: number; arrays?: Arrays },
): Promise<FillResult> {
  const { arrays = PLAIN_ARRAYS } = options;
  const { value, packed } = arrays.values(fills, ({ bytes }) => bytes, options.storage);
  const values = [
    options.lockTimeoutMs,
    arrays.text(fills, ({ key }) => key),
    value,
    packed,
    arrays.float8(fills, ({ ttlMs }) => ttlMs),
    arrays.text(fills, ({ names }) => arrayLiteral(names)),
    arrayLiteral(fills.map(({ base }) => base)),
    arrays.text(fills, ({ incarnation }) => incarnation),
    arrays.float8(fills, ({ graceMs }) => graceMs ?? null),
    arrays.float8(fills, ({ deltaMs }) => deltaMs ?? null),
  ];
  const text = `SELECT o_incarnation, array_to_json(o_stored)::text AS o_stored FROM ${space.fn('fill')}(
    $1::int, $2::text[], $3::text[], $4::bytea[], $5::float8[], $6::text[], $7::pg_snapshot[], $8::text[],
    $9::float8[], $10::float8[])`;
  const name = `pgcached fill ${space.id}`;
  const [row = []] = await textRowsOf(db, options.prepare ? { name, text, values } : { text, values }, COLUMNS);
  const [incarnation, stored] = row;
  return {
    incarnation: incarnation ?? undefined,
    stored: typeof stored === 'string' ? (JSON.parse(stored) as string[]) : [],
  };
}
