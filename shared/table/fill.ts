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
  options: { storage: Storage; prepare: boolean; lockTimeoutMs: number },
): Promise<FillResult> {
  const columns = fills.map((fill) => toColumns(fill.bytes, options.storage));
  const values = [
    options.lockTimeoutMs,
    fills.map((fill) => fill.key),
    columns.map((column) => column.value),
    columns.map((column) => column.packed),
    fills.map((fill) => fill.ttlMs),
    fills.map((fill) => arrayLiteral(fill.names)),
    fills.map((fill) => fill.base),
    fills.map((fill) => fill.incarnation),
    fills.map((fill) => fill.graceMs ?? null),
    fills.map((fill) => fill.deltaMs ?? null),
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
