import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../../daemon/embedded.js';
import { SETTINGS } from '../../scripts/test-cluster.js';
import { runSql, type TestCluster } from './postgres.js';

/** A hot standby that streams from a cluster of the tests, over its Unix socket. */
export interface TestStandby {
  readonly url: string;
  /** Resolves when it has replayed all that the primary has written. */
  caughtUp(): Promise<void>;
  /** Makes it a primary of a timeline of its own; resolves when it takes writes. */
  promote(): Promise<void>;
  close(): Promise<void>;
}

/** @param primary is stopped for the copy and started again: connect to it afterwards */
export async function testStandby(primary: TestCluster): Promise<TestStandby> {
  const dataDir = mkdtempSync(join(tmpdir(), 'pgcached-standby-'));
  chmodSync(dataDir, 0o711); // as root, Postgres runs as another user, who must be able to walk through
  await primary.stop('fast');
  const cluster = join(dataDir, 'cluster');
  const copied = spawnSync('cp', ['-pR', join(primary.dataDir, 'cluster'), cluster], { encoding: 'utf8' });
  if (copied.status !== 0) throw new Error(`the cluster can't be copied: ${copied.stderr}`);
  writeFileSync(join(cluster, 'standby.signal'), '');
  await primary.start();
  const parameters = new URLSearchParams(primary.url.split('?')[1]);
  const postgres = await startPostgres({
    dataDir,
    settings: {
      ...SETTINGS,
      primary_conninfo: `user=postgres host=${parameters.get('host')} port=${parameters.get('port') ?? 5432}`,
    },
    onParentDeath: 'immediate',
    removeOnParentDeath: [dataDir],
  });
  return {
    url: postgres.url,
    async caughtUp() {
      // Commits of the tests are not synced at once, so what was written is not all yet.
      const [row] = await runSql<{ lsn: string }>(primary.url, 'SELECT pg_current_wal_insert_lsn()::text AS lsn');
      const replayed = `SELECT pg_last_wal_replay_lsn() >= '${row?.lsn}' AS yes`;
      for (const endMs = performance.now() + 10_000; performance.now() < endMs; ) {
        const [now] = await runSql<{ yes: boolean }>(postgres.url, replayed);
        if (now?.yes) return;
      }
      throw new Error(`the standby has not replayed ${row?.lsn} within 10 s`);
    },
    async promote() {
      const [row] = await runSql<{ done: boolean }>(postgres.url, 'SELECT pg_promote(true, 30) AS done');
      if (row?.done !== true) throw new Error('the standby was not promoted within 30 s');
    },
    async close() {
      await postgres.stop('immediate');
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
