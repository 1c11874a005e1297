import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { connect, type PgCachedClient } from '../../client/index.js';
import { type EmbeddedPostgres, startPostgres } from '../../daemon/embedded.js';
import { Application } from './application.js';
import type { Children } from './children.js';
import { loadCities, type Place } from './cities.js';
import type { Acknowledged } from './messages.js';

const SERVERS = ['A', 'B'] as const;
const APPLICATIONS_PER_SERVER = 2;
const CONNECT_LIMIT_MS = 30_000;

/** One "server": a daemon with its socket, and how the demo asks it for its statistics. */
export interface DemoServer {
  readonly name: string;
  readonly pid: number;
  readonly socket: string;
  readonly client: PgCachedClient;
}

/** The Postgres of the demo and the folder for everything. */
export class Ground {
  readonly folder: string;
  readonly #postgres: EmbeddedPostgres;

  private constructor(folder: string, postgres: EmbeddedPostgres) {
    this.folder = folder;
    this.#postgres = postgres;
  }

  static async prepare(): Promise<Ground> {
    const folder = mkdtempSync(join(tmpdir(), 'pgcached-demo-'));
    chmodSync(folder, 0o711); // as root, Postgres runs as another user, who must be able to walk through
    try {
      const postgres = await startPostgres({
        dataDir: folder,
        onParentDeath: 'immediate',
        removeOnParentDeath: [folder],
      });
      return new Ground(folder, postgres);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get url(): string {
    return this.#postgres.url;
  }

  get pid(): number {
    return this.#postgres.pid;
  }

  async load(): Promise<Place[]> {
    const client = new pg.Client({ connectionString: this.url });
    client.on('error', () => {}); // the query under way rejects by itself
    await client.connect();
    try {
      return await loadCities(client);
    } finally {
      await client.end();
    }
  }

  async remove(): Promise<void> {
    await this.#postgres.stop('immediate');
    for (const folder of [this.folder, this.#postgres.dataDir]) rmSync(folder, { recursive: true, force: true });
  }
}

/** They are ready when their clients are. */
export function startServers(ground: Ground, children: Children): DemoServer[] {
  return SERVERS.map((name): DemoServer => {
    const home = join(ground.folder, `server-${name}`);
    const socket = join(home, 'run', 'pgcached.sock');
    const { pid = 0 } = children.daemon(`the daemon of server ${name}`, socket, join(home, 'state'), ground.url);
    return { name, pid, socket, client: connect({ socket, timeoutMs: CONNECT_LIMIT_MS, onUnavailable: 'throw' }) };
  });
}

/** @param port of the first, the next follow; 0 for any */
export function startApplications(
  ground: Ground,
  servers: readonly DemoServer[],
  children: Children,
  port: number,
  acknowledged: (from: Application, writes: readonly Acknowledged[]) => void,
): Application[] {
  return servers.flatMap(({ name: server, socket }, at) =>
    Array.from({ length: APPLICATIONS_PER_SERVER }, (_, index) => {
      const name = `${server}${index + 1}`;
      const ownPort = port === 0 ? 0 : port + at * APPLICATIONS_PER_SERVER + index;
      const child = children.app(`application ${name}`, { databaseUrl: ground.url, socket, port: ownPort });
      return new Application(name, server, child, acknowledged);
    }),
  );
}
