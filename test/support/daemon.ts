import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectOptions, connect, type PgCachedClient } from '../../client/index.js';
import type { ConfigInput } from '../../daemon/config.js';
import { type RunningDaemon, type StartOptions, startDaemon } from '../../daemon/index.js';

/** A "server": a daemon of its own socket and state folder, and clients to it. */
export interface TestServer {
  readonly daemon: RunningDaemon;
  readonly folder: string;
  client(options?: Omit<ConnectOptions, 'socket'>): PgCachedClient;
  close(): Promise<void>;
}

/** Starts a real daemon in this process; its Postgres is that of the URL. */
export async function testServer(
  databaseUrl: string | readonly string[],
  options: ConfigInput = {},
  start: StartOptions = {},
): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-test-'));
  const socket = join(folder, 'run', 'pgcached.sock');
  const own = { databaseUrl, socket, stateDir: join(folder, 'state'), logLevel: 'silent', workers: 1 } as const;
  const daemon = await startDaemon({ ...own, ...options }, start);
  const clients: PgCachedClient[] = [];
  return {
    daemon,
    folder,
    client(clientOptions = {}) {
      const client = connect({ socket, ...clientOptions });
      clients.push(client);
      return client;
    },
    async close() {
      await Promise.all(clients.map((client) => client.close()));
      await daemon.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Waits until `check` is true, looking every few ms. */
export async function eventually(
  what: string,
  check: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<number> {
  const from = performance.now();
  while (!(await check())) {
    if (performance.now() - from > timeoutMs) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await sleep(5);
  }
  return performance.now() - from;
}

/** The median, of 15 changes, of the milliseconds that `there` takes to see what `here` wrote: an interval if it polls. */
export async function medianToSee(here: PgCachedClient, there: PgCachedClient, key: string): Promise<number> {
  const tookMs: number[] = [];
  for (let round = 1; round <= 15; round++) {
    await here.set(key, round);
    tookMs.push(await eventually('the change', async () => (await there.get(key)) === round));
  }
  return tookMs.sort((a, b) => a - b)[7] as number;
}
