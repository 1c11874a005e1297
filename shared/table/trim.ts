import { incarnation } from './core-sql.js';
import { migrateSpace, type Schema, SPACE_VERSION } from './migrate.js';
import { EVERYTHING, type SpaceNames } from './names.js';
import type { PoolLike, Queryable } from './queryable.js';
import { listSpaces } from './spaces.js';
import { type Kills, movedSql } from './trim-sql.js';

/** A chunk begins small, and then takes as many blocks as are read in about this time: it holds up whoever waits for its rows. */
const CHUNK_MS = 20;
const CHUNK_BLOCKS = { first: 128, min: 16, max: 4_096 } as const;
/** Rows removed in one chunk, at most. More than a page can hold (sweepFunction). */
const CHUNK_ROWS = 2_000;
/** After a sweep of more than a chunk the next waits for this many times as long as it took: it is 1 % of a core at most… */
const REST_FACTOR = 100;
/** …unless so many rows a block were dead, a fifth or so of the table: the more there are, the sooner the next one comes. */
const WORTHWHILE_ROWS_PER_BLOCK = 5;
/** How often a trim that goes on says so, lest others begin one. */
const GOING_ON_MS = 1_000;

interface TrimOptions {
  readonly floor: string;
  readonly incarnation: string;
  readonly onlySpaces?: readonly SpaceNames[];
  readonly progress?: (removed: number) => boolean;
}

/**
 * All namespaces' tables: the log may be cut only when each was trimmed. Those of an earlier version are upgraded; where
 * the database refuses that, they are left to whoever may, and the log stays.
 */
async function allSpaces(db: PoolLike, schema: Schema): Promise<{ spaces: SpaceNames[]; whole: boolean }> {
  const spaces: SpaceNames[] = [];
  const known = await listSpaces(db, schema);
  for (const { names, table, version } of known) {
    const current = version >= SPACE_VERSION ? names : migrateSpace(db, schema, names.namespace, table);
    const space = await Promise.resolve(current).catch(() => undefined);
    if (space !== undefined) spaces.push(space);
  }
  return { spaces, whole: spaces.length === known.length };
}

/**
 * Trims expired and killed rows of the given tables, and where these are all and nothing was skipped the log too.
 * @param options.floor a transaction id that was the xmin of some snapshot of this incarnation; what is younger stays
 * @param options.incarnation the incarnation that the floor belongs to; in another one nothing happens
 * @param options.onlySpaces only these tables, and not the log (`cleanup()` of one namespace)
 * @param options.progress called after each chunk with the rows removed so far; stops when it returns false
 * @param clock milliseconds of a monotonic clock
 * @returns rows removed from the tables
 */
export async function trim(
  db: PoolLike,
  schema: Schema,
  options: TrimOptions,
  clock: () => number = () => performance.now(),
): Promise<number> {
  const { core } = schema;
  const raised = await db.query({
    text: `SELECT ${core.fn('raise_floor')}($1::text, $2::xid8)::text AS floor`,
    values: [options.incarnation, options.floor],
  });
  const floor = raised.rows[0]?.floor as string | null;
  if (floor === null || floor === undefined) return 0;
  const sweep = new Sweep(db, schema, { ...options, floor }, clock);
  const { onlySpaces } = options;
  const { spaces, whole } = onlySpaces ? { spaces: onlySpaces, whole: false } : await allSpaces(db, schema);
  const before = await killers(db, schema, floor, spaces);
  for (const space of spaces) {
    const kills = killsOf(space, before.names);
    if (!(await sweep.space(space, kills))) return sweep.removed;
    if (kills === 'nothing' || !sweep.complete) continue;
    const values = [before.snapshot, space.namespace, floor];
    const moved = await db.query({ text: movedSql(core, space), values });
    if (moved.rows[0]?.any) sweep.complete = false;
  }
  if (onlySpaces !== undefined) return sweep.removed;
  // A table that was written anew meanwhile (VACUUM FULL, CLUSTER) has its rows elsewhere than the sweep thought.
  const sameFiles = (await killers(db, schema, floor, spaces)).files === before.files;
  if (whole && sweep.complete && sameFiles) {
    await db.query({ text: `SELECT ${core.fn('cut_log')}($1::text, $2::xid8)`, values: [options.incarnation, floor] });
  }
  await sweep.rest();
  return sweep.removed;
}

interface KillerName {
  readonly kind: string;
  readonly namespace: string | null;
}

/** Which kinds of names the log has below the floor; and what tells whether rows were moved since. */
async function killers(db: Queryable, { core }: Schema, floor: string, spaces: readonly SpaceNames[]) {
  const kind = `split_part(l.name, ':', 1)`;
  const { rows } = await db.query({
    text: `SELECT pg_current_snapshot()::text AS snapshot,
        (SELECT string_agg(pg_relation_filenode(t::regclass)::text, ' ') FROM unnest($2::text[]) AS t) AS files,
        (SELECT jsonb_agg(k) FROM (
          SELECT DISTINCT ${kind} AS kind, CASE WHEN ${kind} IN ('k', 'n') THEN split_part(l.name, ':', 2) END AS namespace
          FROM ${core.log} AS l WHERE l.name IS NOT NULL AND l.xid < $1::xid8) AS k) AS names`,
    values: [floor, spaces.map((space) => space.table)],
  });
  const [row] = rows as { snapshot: string; files: string; names: KillerName[] | null }[];
  return { snapshot: row?.snapshot, files: row?.files, names: row?.names ?? [] };
}

function killsOf(space: SpaceNames, names: readonly KillerName[]): Kills {
  const isOwn = ({ kind, namespace }: KillerName) => kind === EVERYTHING || namespace === space.namespace;
  if (names.some(isOwn)) return 'anything';
  return names.length > 0 ? 'carried' : 'nothing';
}

/** The second step: all tables, chunk by chunk. */
class Sweep {
  readonly #db: Queryable;
  readonly #schema: Schema;
  readonly #options: TrimOptions;
  readonly #clock: () => number;
  readonly #beganMs: number;
  #saidMs: number;
  #blocks = 0;
  #isLong = false;
  removed = 0;
  /** Whether nothing that was to be removed was left behind. */
  complete = true;

  constructor(db: Queryable, schema: Schema, options: TrimOptions, clock: () => number) {
    this.#db = db;
    this.#schema = schema;
    this.#options = options;
    this.#clock = clock;
    this.#beganMs = clock();
    this.#saidMs = this.#beganMs;
  }

  /** @returns false where it was called off */
  async space(space: SpaceNames, kills: Kills): Promise<boolean> {
    const { incarnation: inc, floor, progress } = this.#options;
    const text = `SELECT o_removed::float8 AS removed, o_seen::float8 AS seen, o_next::float8 AS next
      FROM ${space.fn('sweep')}($1::text, $2::xid8, $3::text, $4::bigint, $5::int, $6::int)`;
    let blocks: number = CHUNK_BLOCKS.first;
    for (let from: number | null = 0; from !== null; ) {
      const sentMs = this.#clock();
      const { rows } = await this.#db.query({ text, values: [inc, floor, kills, from, blocks, CHUNK_ROWS] });
      const chunk = rows[0] as { removed: number; seen: number; next: number | null };
      const tookMs = this.#clock() - sentMs;
      this.removed += chunk.removed;
      if (chunk.seen > chunk.removed) this.complete = false;
      if (!(progress?.(this.removed) ?? true)) return false;
      if (chunk.next !== null) {
        this.#isLong = true;
        this.#blocks += chunk.next - from;
        await this.#goOn();
      }
      const fitting = Math.round(blocks * Math.min(2, CHUNK_MS / Math.max(tookMs, 1)));
      blocks = Math.min(CHUNK_BLOCKS.max, Math.max(CHUNK_BLOCKS.min, fitting));
      from = chunk.next;
    }
    return true;
  }

  /** Others leave it alone for as long as it goes on. */
  async #goOn(): Promise<void> {
    if (this.#clock() - this.#saidMs < GOING_ON_MS) return;
    this.#saidMs = this.#clock();
    await this.#say(0);
  }

  /** Until when nobody need sweep again. What fits into a chunk costs nothing to speak of. */
  async rest(): Promise<void> {
    if (!this.#isLong) return;
    const dead = Math.min(1, this.removed / (this.#blocks * WORTHWHILE_ROWS_PER_BLOCK));
    await this.#say((this.#clock() - this.#beganMs) * REST_FACTOR * (1 - dead));
  }

  /** A trim in the future is one that nobody need begin before. */
  async #say(aheadMs: number): Promise<void> {
    const text = `UPDATE ${this.#schema.core.meta} AS m SET trimmed_at = clock_timestamp() + $1::float8 * interval '1 millisecond'
      WHERE ${incarnation('m', this.#schema.logged)} = $2`;
    await this.#db.query({ text, values: [aheadMs, this.#options.incarnation] });
  }
}

/** When the cache was last trimmed (below 0: it was, and rests), and under which snapshot and incarnation this was read. */
export async function trimState(db: Queryable, schema: Schema) {
  const { rows } = await db.query({
    text: `SELECT ${incarnation('m', schema.logged)} AS incarnation, pg_current_snapshot()::text AS snapshot,
      least(extract(epoch FROM clock_timestamp() - m.trimmed_at) * 1000, 1e15)::float8 AS ms_ago FROM ${schema.core.meta} AS m`,
  });
  return rows[0] as { incarnation: string; snapshot: string; ms_ago: number } | undefined;
}
