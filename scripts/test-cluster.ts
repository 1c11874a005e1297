import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedPostgres, startPostgres } from '../daemon/embedded.js';
import { findNative } from '../daemon/embedded-native.js';

/** Clusters for tests: nothing is kept, so nothing is synced. */
export const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_prepared_transactions: 10,
  max_connections: 200,
  shared_buffers: '64MB',
} as const;

export interface TestCluster {
  /** The database `postgres` of the cluster. Stays the same over restarts. */
  readonly url: string;
  readonly dataDir: string;
  /** The process id of the postmaster as it runs now. */
  readonly pid: number;
  stop(mode?: 'smart' | 'fast' | 'immediate'): Promise<void>;
  start(): Promise<void>;
  /** Stop and start; 'immediate' loses what is in UNLOGGED tables, 'fast' keeps it. */
  restart(mode?: 'fast' | 'immediate'): Promise<void>;
  /** Stops the cluster and removes its folder. */
  close(): Promise<void>;
}

/** The folder of the kept template; made only where it is ours, since the temporary folder belongs to all. */
export function cacheFolder(): string {
  if (process.env.TEST_CACHE_DIR) return process.env.TEST_CACHE_DIR; // from the gate, which gives each run a temporary folder
  const folder = join(tmpdir(), `pgcached-test-${process.getuid?.() ?? 0}`);
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const { uid } = lstatSync(folder);
  if (uid !== process.getuid?.()) throw new Error(`${folder} belongs to user ${uid}: remove it`);
  return folder;
}

/** Keeps owners, which Postgres insists on; makes no copy of the data where the file system can share it. */
function copyCluster(from: string, to: string): void {
  const flags = process.platform === 'linux' ? ['-a', '--reflink=auto'] : ['-pR'];
  if (spawnSync('cp', [...flags, from, to]).status !== 0) {
    cpSync(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  }
}

/** initdb takes 0.6 s, a copy of its result some 40 ms. Of several that start at once the first rename wins. */
async function template(): Promise<string> {
  const { version } = findNative(process.platform, process.arch);
  const kept = join(cacheFolder(), `cluster-${version}`);
  if (existsSync(join(kept, 'PG_VERSION'))) return kept;
  const draft = mkdtempSync(join(cacheFolder(), 'draft-'));
  try {
    const postgres = await startPostgres({
      dataDir: draft,
      settings: SETTINGS,
      onParentDeath: 'immediate',
    });
    await postgres.stop('fast');
    renameSync(join(postgres.dataDir, 'cluster'), kept);
  } catch (error) {
    if (!existsSync(join(kept, 'PG_VERSION'))) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return kept;
}

/** Puts an initialised cluster into a data folder that has none yet. */
export async function placeCluster(dataDir: string): Promise<void> {
  mkdirSync(dataDir, { recursive: true });
  chmodSync(dataDir, 0o711); // as root, Postgres runs as another user, who must be able to walk through
  copyCluster(await template(), join(dataDir, 'cluster'));
}

/**
 * Starts a cluster of its own for a test file (some 150 ms). It and its folder vanish with close(), and when this process
 * ends in any other way.
 * @param settings of postgresql.conf, beside those for tests
 */
export async function testCluster(settings: Readonly<Record<string, string | number>> = {}): Promise<TestCluster> {
  const dataDir = mkdtempSync(join(tmpdir(), 'pgcached-pg-'));
  const lines: string[] = [];
  const launch = (): Promise<EmbeddedPostgres> =>
    startPostgres({
      dataDir,
      settings: { ...SETTINGS, ...settings },
      log: (line) => lines.push(line),
      onParentDeath: 'immediate',
      removeOnParentDeath: [dataDir],
    });
  await placeCluster(dataDir);
  let current = await launch();
  const start = async (): Promise<void> => {
    current = await launch();
  };
  return {
    url: current.url,
    dataDir,
    get pid() {
      return current.pid;
    },
    stop: (mode = 'fast') => current.stop(mode),
    start,
    async restart(mode = 'fast') {
      await current.stop(mode);
      await start();
    },
    async close() {
      await current.stop('immediate');
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
