import type pg from 'pg';
import type { DriverClient } from './session.js';

/** Runs work on a connection of the pool; one on which it fails is thrown away, as the pool does after a query of its own. */
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
    failed ??= error as Error;
    throw error;
  } finally {
    client.removeListener('error', onError);
    client.release(failed);
  }
}
