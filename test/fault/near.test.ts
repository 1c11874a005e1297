import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect, type PgCachedClient } from '../../client/index.js';
import { ERROR_CODES } from '../../shared/errors.js';
import { OP, STATUS } from '../../shared/protocol.js';
import { eventually, testServer } from '../support/daemon.js';
import { greet, startFakeDaemon } from '../support/fake-daemon.js';
import { runSql, type TestCluster, testCluster } from '../support/postgres.js';
import { postgresProxy } from '../support/postgres-proxy.js';
import { freeze } from '../support/process.js';
import { projectRoot } from '../support/source.js';

/** What the near tier does when Postgres or the daemon fails: it stops, in time, and comes back by itself. */
const STALE_BOUND_MS = 500;
const test = suite<{ cluster: TestCluster }>('near faults');

test.before(async (context) => {
  context.cluster = await testCluster();
});
test.after(async ({ cluster }) => {
  await cluster?.close();
});

async function held(client: PgCachedClient, key: string): Promise<void> {
  await eventually(`${key} in the near tier`, async () => {
    await client.get(key);
    return client.peek(key) !== undefined;
  });
}

test('a Postgres that is stopped silences it at the bound, and it comes back', async ({ cluster }) => {
  const server = await testServer(cluster.url, { staleBoundMs: STALE_BOUND_MS, pollIntervalMs: 50 });
  const client = server.client({ near: true });
  await client.set('k', 1);
  await held(client, 'k');
  const goOn = freeze(cluster.pid);
  const stoppedMs = performance.now();
  let lastMs = 0;
  try {
    const isSilent = () => {
      const afterMs = performance.now() - stoppedMs;
      const answer = client.peek('k');
      if (answer !== undefined) lastMs = afterMs;
      // A process that was not scheduled meanwhile can't tell.
      if (afterMs < STALE_BOUND_MS / 2) assert.is(answer, 1, 'before the bound');
      return answer === undefined;
    };
    await eventually('silence', isSilent, 5000);
    assert.ok(lastMs <= STALE_BOUND_MS, `answered after ${lastMs} ms`);
  } finally {
    goOn();
  }
  await held(client, 'k');
  await server.close();
});

test('a process that slept through a drop does not answer from before it', async ({ cluster }) => {
  const server = await testServer(cluster.url, { staleBoundMs: STALE_BOUND_MS, pollIntervalMs: 50 });
  const client = server.client({ near: true });
  await client.set('k', 1);
  await held(client, 'k');
  // Neither the daemon (of this process) nor the client runs; what was said meanwhile lies in the socket, unread.
  const end = performance.now() + STALE_BOUND_MS + 50;
  while (performance.now() < end);
  assert.is(client.peek('k'), undefined);
  await held(client, 'k');
  await server.close();
});

async function startDaemonProcess(socket: string, databaseUrl: string): Promise<ChildProcess> {
  const main = join(projectRoot, 'dist', 'daemon', 'cli', 'main.js');
  const args = ['daemon', '--socket', socket, '--database-url', databaseUrl, '--log-level', 'silent'];
  return spawn(process.execPath, [main, ...args], { stdio: 'ignore' });
}

test('a daemon that is killed takes the near tier with it; the next one fills it anew', async ({ cluster }) => {
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-near-'));
  const socket = join(folder, 'd', 's.sock');
  let daemon = await startDaemonProcess(socket, cluster.url);
  const client = connect({ socket, near: true });
  const writer = connect({ socket, timeoutMs: 10_000 });
  try {
    await eventually(
      'the daemon',
      () =>
        client.ready().then(
          () => true,
          () => false,
        ),
      20_000,
    );
    await client.set('k', 1);
    await held(client, 'k');
    daemon.kill('SIGKILL');
    await eventually('the loss', () => client.peek('k') === undefined);
    assert.is(await client.get('k'), undefined, 'degraded');
    daemon = await startDaemonProcess(socket, cluster.url);
    await eventually(
      'another key',
      async () => {
        await client.set('other', 1);
        await client.get('other');
        return client.peek('other') !== undefined;
      },
      20_000,
    );
    assert.is(client.peek('k'), undefined, 'nothing is left of before');
    await held(client, 'k');
    await writer.set('k', 2);
    assert.is.not(client.peek('k'), 1);
    await held(client, 'k');
    assert.is(client.peek('k'), 2);
    daemon.kill('SIGTERM');
    await eventually('the goodbye', () => client.peek('k') === undefined);
  } finally {
    daemon.kill('SIGKILL');
    await Promise.all([client.close(), writer.close()]);
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a set that is dropped leaves no older value in the process that was told so', async ({ cluster }) => {
  const server = await testServer(cluster.url, { staleBoundMs: 60_000, pollIntervalMs: 50 });
  const client = server.client({ near: true });
  await client.set('k', 'old');
  await held(client, 'k');
  await cluster.stop();
  try {
    assert.is(client.peek('k'), 'old', 'the bound is long');
    await client.set('k', 'new');
    assert.equal([client.dropped, client.peek('k'), await client.get('k')], [1, undefined, undefined]);
  } finally {
    await cluster.start();
  }
  await eventually(
    'the delete that is owed',
    async () => (await client.add('k', 'newest').catch(() => false)) === true,
  );
  assert.is(await client.get('k'), 'newest');
  await server.close();
});

test('a daemon that refuses to open the namespace once is asked again, without a new connection', async () => {
  let [opens, hellos, agreed] = [0, 0, 0];
  const { path, server } = await startFakeDaemon((request) => {
    const [id, op] = request;
    if (op === OP.hello) hellos += 1;
    if (op === OP.near) agreed += 1;
    if (op === OP.near) return [[id, STATUS.ok, 0, 1e12]];
    // Both ask: the client for its calls, and the near tier.
    if (op === OP.open && ++opens <= 2)
      return [[id, STATUS.error, ERROR_CODES.indexOf('ERR_OVERLOADED'), 'too many', null]];
    return greet(request);
  });
  const client = connect({ socket: path, near: true });
  try {
    await eventually('the near tier is turned on', () => agreed > 0);
    assert.ok(opens >= 3);
    assert.is(hellos, 1);
  } finally {
    await client.close();
    server.close();
  }
});

test('a backend that is killed takes the log along: no tier answers what was invalidated just before', async ({
  cluster,
}) => {
  const proxy = await postgresProxy(cluster.url);
  const server = await testServer(proxy.url, { staleBoundMs: STALE_BOUND_MS, pollIntervalMs: 50 });
  try {
    const client = server.client({ near: true });
    const other = server.client({ namespace: 'default' });
    await client.set('k', 'old', { ttl: 3600 });
    await held(client, 'k');
    const before = (await client.status()).incarnation;
    // The daemon can't learn of it: the row is in an UNLOGGED table, which the crash empties.
    proxy.switchTo('postgres://postgres@/postgres?host=/nowhere');
    proxy.cut();
    await runSql(cluster.url, `SELECT hyper_cache_invalidate('key', 'k')`);
    const changedMs = performance.now();
    const victim = runSql(cluster.url, 'SELECT pg_sleep(60)').catch(() => {});
    // That one, not one of those that were cut off: they are still there for a moment, and gone in the next.
    const asleep = `SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'`;
    let pid: number | undefined;
    await eventually('a backend to kill', async () => {
      pid = (await runSql<{ pid: number }>(cluster.url, asleep))[0]?.pid;
      return pid !== undefined;
    });
    process.kill(pid as number, 'SIGKILL');
    await victim;
    proxy.switchTo(cluster.url);
    let youngestMs = Number.NEGATIVE_INFINITY;
    await eventually('another incarnation', async () => {
      const askedMs = performance.now();
      const answers = [client.peek('k'), await client.get('k'), await other.get('k')];
      if (answers.includes('old')) youngestMs = askedMs - changedMs;
      return server.daemon.isFresh() && (await client.status()).incarnation !== before;
    });
    assert.ok(youngestMs <= STALE_BOUND_MS, `answered ${youngestMs} ms after its end`);
    assert.equal([client.peek('k'), await client.get('k'), await other.get('k')], [undefined, undefined, undefined]);
    await client.set('k', 'new');
    assert.is(await other.get('k'), 'new');
    await held(client, 'k');
  } finally {
    await server.close();
    await proxy.close();
  }
});

test.run();
