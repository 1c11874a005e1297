import pg from 'pg';
import { pack, unpack } from '../../shared/codec.js';
import { failingPlainly } from '../../shared/table/failure.js';
import { type Fill, offerFills } from '../../shared/table/fill.js';
import { incarnate, look } from '../../shared/table/look.js';
import { migrateCore, migrateSpace, type Schema } from '../../shared/table/migrate.js';
import type { SpaceNames } from '../../shared/table/names.js';
import type { PoolLike } from '../../shared/table/queryable.js';
import { readEntries } from '../../shared/table/read.js';
import { type WriteBatch, type WriteItem, type WriteResult, writeBatch } from '../../shared/table/write.js';

const HOUR_MS = 3_600_000;

/** The statements of one table, with what most tests don't care about filled in. */
export class TestTable {
  readonly pool: pg.Pool;
  readonly db: PoolLike;
  readonly schema: Schema;
  readonly space: SpaceNames;

  private constructor(pool: pg.Pool, schema: Schema, space: SpaceNames) {
    this.pool = pool;
    this.db = failingPlainly(pool);
    this.schema = schema;
    this.space = space;
  }

  static async open(url: string, options: { table?: string; logged?: boolean } = {}): Promise<TestTable> {
    const pool = new pg.Pool({ connectionString: url, max: 8 });
    pool.on('error', () => {});
    const schema = await migrateCore(pool, { table: options.table ?? 'hyper_cache', logged: options.logged ?? false });
    const space = await migrateSpace(pool, schema, 'default');
    await incarnate(pool, schema);
    return new TestTable(pool, schema, space);
  }

  async sql<Row extends pg.QueryResultRow = pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.pool.query<Row>(text, values)).rows;
  }

  write(items: readonly WriteItem[], batch: Partial<WriteBatch> = {}): Promise<WriteResult> {
    const whole = { number: undefined, again: false, ageMs: 0, lockTimeoutMs: 5000, invalidated: [], items, ...batch };
    return writeBatch(this.db, this.space, whole, { storage: 'jsonb', prepare: true });
  }

  /** @throws where nothing was done */
  async done(items: readonly WriteItem[], batch: Partial<WriteBatch> = {}) {
    const result = await this.write(items, batch);
    if (result.state !== 'done') throw new Error(`the batch is ${result.state}`);
    return result;
  }

  invalidate(...names: string[]) {
    return this.done([], { invalidated: names });
  }

  /** What the table says of a key now: the value, and the base of a load that begins here. */
  async read(key: string): Promise<{ value: unknown; base: string; incarnation: string; names: readonly string[] }> {
    const { found, snapshot, incarnation = '' } = await readEntries(this.db, this.schema, this.space, [key], true);
    const [entry] = found;
    const value = entry === undefined ? undefined : unpack(entry.bytes);
    return { value, base: snapshot, incarnation, names: entry?.names ?? [] };
  }

  async offer(key: string, value: unknown, from: { base: string; incarnation: string }, names: string[] = []) {
    const { base, incarnation } = from;
    const fill: Fill = { key, bytes: pack(value), ttlMs: HOUR_MS, names, base, incarnation };
    const options = { storage: 'jsonb', prepare: true, lockTimeoutMs: 5000 } as const;
    return (await offerFills(this.db, this.space, [fill], options)).stored.length === 1;
  }

  look(last: string | undefined, rowsMax = 100_000) {
    return look(this.db, this.schema, last, { rowsMax, prepare: true });
  }

  close(): Promise<void> {
    return this.pool.end();
  }
}

export const set = (key: string, value: unknown, names: string[] = [], ttlMs = HOUR_MS): WriteItem => ({
  key,
  op: 'set',
  bytes: pack(value),
  ttlMs,
  names,
});
export const add = (key: string, value: unknown): WriteItem => ({ ...set(key, value), op: 'add' });
export const remove = (key: string): WriteItem => ({ key, op: 'delete', ttlMs: 0 });
export const incr = (key: string, delta = 1, ttlMs = HOUR_MS): WriteItem => ({ key, op: 'incr', delta, ttlMs });
export const expire = (key: string, ttlMs: number): WriteItem => ({ key, op: 'expire', ttlMs });
