import type { CheckedDatabaseCacheOptions } from './database-cache-options.js';
import { type Fill, offerFills } from './fill.js';
import type { Schema } from './migrate.js';
import { countEntries, type ReadResult, readEntries, readTtls, sizeOfTable } from './read.js';
import { LOCK_WAIT_MS, type TableAccess } from './table-access.js';
import { trim, trimState } from './trim.js';
import { type WriteItem, type WriteResult, writeBatch } from './write.js';

export type WriteDone = Extract<WriteResult, { state: 'done' }>;

type Options = Pick<CheckedDatabaseCacheOptions, 'storage' | 'prepare' | 'clock'>;

/** The statements of a cache without a daemon, one a call. Each rejects as TableAccess does. */
export class TableStatements {
  readonly #access: TableAccess;
  readonly #options: Options;

  constructor(access: TableAccess, options: Options) {
    this.#access = access;
    this.#options = options;
  }

  /** Makes what is missing, the incarnation included. */
  async ensure(): Promise<Schema> {
    const { schema } = await this.#access.run(
      'read',
      async (db, { schema }) => ({ schema, state: await trimState(db, schema) }),
      ({ state }) => state === undefined,
    );
    return schema;
  }

  read(keys: readonly string[]): Promise<ReadResult> {
    return this.#access.run(
      'read',
      (db, { schema, space }) => readEntries(db, schema, space, keys, this.#options.prepare),
      (result) => result.incarnation === undefined,
    );
  }

  async msLeft(key: string): Promise<number | undefined> {
    const left = await this.#access.run('read', (db, { schema, space }) => readTtls(db, schema, space, [key]));
    return left.get(key);
  }

  count(): Promise<number> {
    return this.#access.run('read', (db, { schema, space }) => countEntries(db, schema, space));
  }

  size(): Promise<{ entries: number; bytes: number }> {
    return this.#access.run('read', async (db, { schema, space }) => ({
      entries: await countEntries(db, schema, space),
      bytes: await sizeOfTable(db, space),
    }));
  }

  /** Unnumbered: a write whose connection broke is not sent again, the caller is told. */
  async write(items: readonly WriteItem[], invalidated: readonly string[]): Promise<WriteDone> {
    const { storage, prepare, clock } = this.#options;
    const sentMs = clock();
    const result = await this.#access.run(
      'write',
      (db, { space }) => {
        const ageMs = clock() - sentMs;
        const batch = { number: undefined, again: false, ageMs, lockTimeoutMs: LOCK_WAIT_MS, invalidated, items };
        return writeBatch(db, space, batch, { storage, prepare });
      },
      ({ state }) => state !== 'done',
    );
    return result as WriteDone;
  }

  /** @returns whether the value was stored */
  async offer(fill: Fill): Promise<boolean> {
    const { storage, prepare } = this.#options;
    const { stored } = await this.#access.run(
      'write',
      (db, { space }) => offerFills(db, space, [fill], { storage, prepare, lockTimeoutMs: LOCK_WAIT_MS }),
      (result) => result.incarnation === undefined,
    );
    return stored.length > 0;
  }

  /** @returns rows removed: all that has expired or was killed, up to this moment */
  cleanup(): Promise<number> {
    return this.#access.run('read', async (db, { schema, space }) => {
      const state = await trimState(db, schema);
      if (state === undefined) return 0;
      const floor = state.snapshot.split(':')[0] as string;
      return trim(db, schema, { floor, incarnation: state.incarnation, onlySpaces: [space] });
    });
  }
}
