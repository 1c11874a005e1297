import type pg from 'pg';
import type { DriverClient } from './session.js';

/** How long a server is waited for that may be at work for a connection that broke, and how often it is looked for. */
const ENDED_WAIT_MS = 2000;
const ENDED_POLL_MS = 10;

/** Whether an error is what the server answered: then the statement is over, and has done nothing. */
export const isOfServer = (error: unknown) => (error as { severity?: unknown } | null)?.severity === 'ERROR';

/** Whether more can be sent on it, as far as the driver knows. */
export function isConnected(client: DriverClient): boolean {
  const { _queryable, _ending } = client as unknown as { _queryable?: boolean; _ending?: boolean };
  return _queryable !== false && _ending !== true;
}

/**
 * Resolves when the server's process behind a connection that broke has gone: then what it was at is committed or never will
 * be. It is asked on a connection of its own, since the pool's may all be in use, and not for ever: a write of which nobody
 * knows takes effect within the bound on staleness all the same.
 */
export async function ended(pool: pg.Pool, client: DriverClient): Promise<void> {
  const { processID } = client as unknown as { processID?: number | null };
  const { Client, options } = pool as unknown as { Client: new (options: unknown) => pg.Client; options: object };
  if (typeof processID !== 'number') return;
  const endMs = performance.now() + ENDED_WAIT_MS;
  const asking = new Client({ ...options, connectionTimeoutMillis: ENDED_WAIT_MS, query_timeout: ENDED_WAIT_MS });
  asking.on('error', () => {});
  try {
    await asking.connect();
    const query = { text: 'SELECT FROM pg_catalog.pg_stat_activity WHERE pid = $1', values: [processID] };
    while ((await asking.query(query)).rowCount !== 0 && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, ENDED_POLL_MS));
    }
  } catch {
    // The server is away, and nothing can be asked of it.
  } finally {
    await asking.end().catch(() => {});
  }
}
