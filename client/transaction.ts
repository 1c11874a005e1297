import { AsyncLocalStorage } from 'node:async_hooks';
import { CacheError } from '../shared/errors.js';
import { checkTags, storedKey } from '../shared/key.js';
import { LIMIT } from '../shared/protocol.js';

/** The little of a pg Client that a transaction needs. */
export interface TransactionClient {
  query(text: string, values?: unknown[]): Promise<unknown>;
}

/** Invalidations that commit or roll back with the transaction they are made in. */
export interface CacheTransaction {
  /** Drops every entry that has any of the tags. @throws CacheError ERR_INVALID_TAG */
  invalidateTags(tags: Iterable<string>): Promise<void>;
  /** Drops the entry and what was made of it. @throws CacheError ERR_INVALID_KEY */
  delete(key: string): Promise<void>;
  /** Drops everything in the namespace. */
  clear(): Promise<void>;
}

const inTransaction = new AsyncLocalStorage<true | undefined>();

/** Whether the work of a `withTransaction` runs here. */
export function isInTransaction(): boolean {
  return inTransaction.getStore() !== undefined;
}

/** Runs what is no part of the transaction's work, though it is asked there. */
export function outsideTransaction<T>(run: () => T): T {
  return isInTransaction() ? inTransaction.run(undefined, run) : run();
}

/**
 * Within one transaction a snapshot can't tell what came first, so no cache write is made there.
 * @throws CacheError ERR_INVALID_ARGUMENT inside `withTransaction`
 */
export function refuseInTransaction(): void {
  if (inTransaction.getStore() === undefined) return;
  const problem = 'a cache write inside withTransaction: invalidate through its argument, and write after the commit';
  throw new CacheError('ERR_INVALID_ARGUMENT', problem);
}

/**
 * BEGIN, the work, COMMIT; or ROLLBACK where the work throws.
 * @param client a pg Client (a checked-out one, not a Pool: its statements would not share a connection)
 * @param invalidate how SQL calls the function that invalidates in the namespace
 */
export async function runTransaction<T>(
  client: TransactionClient,
  invalidate: string,
  work: (transaction: CacheTransaction) => Promise<T>,
): Promise<T> {
  if (typeof client?.query !== 'function' || 'totalCount' in client) {
    const problem = 'withTransaction needs one connection: a pg Client, or pool.connect()';
    throw new CacheError('ERR_INVALID_ARGUMENT', problem);
  }
  const call = async (kind: string, names: readonly string[]) => {
    await client.query(`SELECT ${invalidate}($1, VARIADIC $2::text[])`, [kind, names]);
  };
  const transaction: CacheTransaction = {
    invalidateTags: async (tags) => call('tag', checkTags(tags, LIMIT.keysPerCallMax)),
    delete: async (key) => call('key', [storedKey(key)]),
    clear: async () => call('namespace', []),
  };
  await client.query('BEGIN');
  let result: T;
  try {
    result = await inTransaction.run(true, () => work(transaction));
  } catch (error) {
    // The work's own error is the one to tell; a connection that can't roll back is broken, and undone by the server.
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
  await client.query('COMMIT');
  return result;
}
