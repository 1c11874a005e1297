import type pg from 'pg';
import { CacheError } from '../../shared/errors.js';
import type { DriverClient } from './session.js';

/** What the server refused, or we did: the connection is as good as before. */
const isHarmless = (error: Error) =>
  error instanceof CacheError || (error as { severity?: unknown }).severity === 'ERROR';

/** Runs work on a connection of the pool; one that broke, that may still be busy or is left in a transaction is thrown away. */
export async function withClient<T>(pool: pg.Pool, work: (client: DriverClient) => Promise<T>): Promise<T> {
  const client = (await pool.connect()) as DriverClient;
  let failed: Error | undefined;
  // Without a listener an error beside those of its queries would end the process; the query under way rejects with it.
  const onError = (error: Error) => {
    failed ??= error;
  };
  client.on('error', onError);
  try {
    return await work(client);
  } catch (error) {
    const isOver = client.getTransactionStatus?.() === 'I';
    if (!isOver || !isHarmless(error as Error)) failed ??= error as Error;
    throw error;
  } finally {
    client.removeListener('error', onError);
    client.release(failed);
  }
}
