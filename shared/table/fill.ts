import { type Arrays, PLAIN_ARRAYS, unlessEmpty } from './binary.js';
import type { SpaceNames } from './names.js';
import type { Queryable } from './queryable.js';
import { type Storage, toColumns } from './value.js';
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

/** Offers values to the table. Each key at most once. */
export async function offerFills(
  db: Queryable,
  space: SpaceNames,
  fills: readonly Fill[],
  options: { storage: Storage; prepare: boolean; lockTimeoutMs: number; arrays?: Arrays },
): Promise<FillResult> {
  const columns = fills.map((fill) => toColumns(fill.bytes, options.storage));
  const { arrays = PLAIN_ARRAYS } = options;
  const values = [
    options.lockTimeoutMs,
    arrays.text(fills.map((fill) => fill.key)),
    arrays.text(columns.map((column) => column.value)),
    unlessEmpty(
      columns.map((column) => column.packed),
      arrays.bytea,
    ),
    arrays.float8(fills.map((fill) => fill.ttlMs)),
    unlessEmpty(
      fills.map((fill) => arrayLiteral(fill.names)),
      arrays.text,
    ),
    fills.map((fill) => fill.base),
    arrays.text(fills.map((fill) => fill.incarnation)),
    unlessEmpty(
      fills.map((fill) => fill.graceMs ?? null),
      arrays.float8,
    ),
    unlessEmpty(
      fills.map((fill) => fill.deltaMs ?? null),
      arrays.float8,
    ),
  ];
  const text = `SELECT o_incarnation, o_stored FROM ${space.fn('fill')}(
    $1::int, $2::text[], $3::text[], $4::bytea[], $5::float8[], $6::text[], $7::pg_snapshot[], $8::text[],
    $9::float8[], $10::float8[])`;
  const { rows } = await db.query(
    options.prepare ? { name: `pgcached fill ${space.id}`, text, values } : { text, values },
  );
  return {
    incarnation: (rows[0]?.o_incarnation as string | null) ?? undefined,
    stored: (rows[0]?.o_stored as string[] | null) ?? [],
  };
}
