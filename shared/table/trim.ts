import { incarnation } from './core-sql.js';
import type { Schema } from './migrate.js';
import { type SpaceNames, spaceNames } from './names.js';
import type { Queryable } from './queryable.js';

const CHUNK_ROWS = 5_000;

/** All namespaces' tables: the log may be cut only when each was trimmed. */
export async function listSpaces(db: Queryable, schema: Schema): Promise<SpaceNames[]> {
  const { rows } = await db.query({
    text: `SELECT object, namespace FROM ${schema.core.migrations} WHERE object <> ''`,
  });
  return rows.map((row) => spaceNames(schema.core, row.namespace as string, row.object as string));
}

/**
 * Trims expired and killed rows of the given tables, and where these are all and nothing was skipped the log too.
 * @param options.floor a transaction id that was the xmin of some snapshot of this incarnation; what is younger stays
 * @param options.incarnation the incarnation that the floor belongs to; in another one nothing happens
 * @param options.onlySpaces only these tables, and not the log (`cleanup()` of one namespace)
 * @param options.progress called after each chunk with the rows removed so far; stops when it returns false
 * @returns rows removed from the tables
 */
export async function trim(
  db: Queryable,
  schema: Schema,
  options: {
    floor: string;
    incarnation: string;
    onlySpaces?: readonly SpaceNames[];
    progress?: (removed: number) => boolean;
  },
): Promise<number> {
  const { core } = schema;
  const raised = await db.query({
    text: `SELECT ${core.fn('raise_floor')}($1::text, $2::xid8)::text AS floor`,
    values: [options.incarnation, options.floor],
  });
  const floor = raised.rows[0]?.floor as string | null;
  if (floor === null || floor === undefined) return 0;
  const killers = await db.query({
    text: `SELECT EXISTS (SELECT FROM ${core.log} WHERE name IS NOT NULL AND xid < $1::xid8) AS any`,
    values: [floor],
  });
  let removed = 0;
  let complete = true;
  const keepOn = () => options.progress?.(removed) ?? true;
  for (const space of options.onlySpaces ?? (await listSpaces(db, schema))) {
    const cursors: (string | null)[] = killers.rows[0]?.any ? [null, ''] : [null];
    for (const from of cursors) {
      for (let after = from; ; ) {
        const chunk = await trimChunk(db, space, options.incarnation, floor, after);
        removed += chunk.removed;
        if (chunk.seen > chunk.removed) complete = false;
        if (!keepOn()) return removed;
        if (chunk.last === null) break;
        after = from === null ? null : chunk.last;
      }
    }
  }
  if (complete && options.onlySpaces === undefined) {
    await db.query({ text: `SELECT ${core.fn('cut_log')}($1::text, $2::xid8)`, values: [options.incarnation, floor] });
  }
  return removed;
}

async function trimChunk(db: Queryable, space: SpaceNames, inc: string, floor: string, after: string | null) {
  const { rows } = await db.query({
    text: `SELECT o_removed::float8 AS removed, o_seen::float8 AS seen, o_last AS last
      FROM ${space.fn('trim')}($1::text, $2::xid8, $3::text, $4::int)`,
    values: [inc, floor, after, CHUNK_ROWS],
  });
  return rows[0] as { removed: number; seen: number; last: string | null };
}

/** When the cache was last trimmed, and under which snapshot and incarnation this was read. */
export async function trimState(db: Queryable, schema: Schema) {
  const { rows } = await db.query({
    text: `SELECT ${incarnation('m', schema.logged)} AS incarnation, pg_current_snapshot()::text AS snapshot,
      least(extract(epoch FROM clock_timestamp() - m.trimmed_at) * 1000, 1e15)::float8 AS ms_ago FROM ${schema.core.meta} AS m`,
  });
  return rows[0] as { incarnation: string; snapshot: string; ms_ago: number } | undefined;
}
