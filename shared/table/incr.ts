import { REFUSED } from './incr-sql.js';
import type { SpaceNames } from './names.js';
import { type Reader, textRowsOf } from './queryable.js';
import type { WriteBatch, WriteItem, WriteResult } from './write.js';

/** An increment by itself, the first time that it is sent. */
export async function incrOne(
  db: Reader,
  space: SpaceNames,
  { number, ageMs, lockTimeoutMs }: WriteBatch,
  { key, delta, ttlMs }: WriteItem,
  prepare: boolean,
): Promise<WriteResult> {
  const { host = null, start = 0, batch = 0 } = number ?? {};
  const values = [host, start, batch, ageMs, lockTimeoutMs, key, delta, ttlMs];
  const text = `SELECT ${space.fn('incr_one')}($1, $2, $3, $4, $5, $6, $7, $8) AS told`;
  const name = `pgcached incr ${space.id}`;
  const [row] = await textRowsOf(db, prepare ? { name, text, values } : { text, values }, ['told']);
  const told = row?.[0] ?? null;
  if (told === null) return { state: 'lost' };
  const [incarnation = '', xid = '', snapshot = '', counter = ''] = told.split(' ');
  const done = { state: 'done', incarnation, xid, snapshot } as const;
  if (counter === REFUSED.other) return { ...done, results: [], refused: { [key]: 'not a counter' } };
  if (counter === REFUSED.overflow) return { ...done, results: [], refused: { [key]: 'overflow' } };
  return { ...done, results: [{ key, existed: true, counter: Number(counter) }], refused: {} };
}
