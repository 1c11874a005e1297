import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, sleep, type TestServer, testServer } from '../support/daemon.js';
import { backendsOf, runSql, type TestCluster, testCluster } from '../support/postgres.js';
import { freeze } from '../support/process.js';

/** Postgres goes away, comes back, loses its UNLOGGED tables, hangs: the daemon stays up and tells nothing old. */
const test = suite<{ cluster: TestCluster; server: TestServer }>('the database fails');

const STALE_BOUND_MS = 1000;

test.before.each(async (context) => {
  context.cluster = await testCluster();
  context.server = await testServer(context.cluster.url, { staleBoundMs: STALE_BOUND_MS, statementTimeoutMs: 2000 });
});

test.after.each(async (context) => {
  await context.server?.close();
  await context.cluster?.close();
});

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error) => error.code as string,
  );

/** While the server restarts, sets are dropped and reads miss: wait until one goes through. */
async function worksAgain(server: TestServer): Promise<void> {
  const client = server.client({ onUnavailable: 'throw' });
  await eventually('a set goes through', async () => (await codeOf(client.set('new', 2))) === 'done');
  assert.is(await client.get('new'), 2);
}

{
  const outageMs = 2_000; // longer ones: outage.test.ts
  test(`an outage of ${outageMs} ms: memory answers within the bound, then reads miss; all comes back by itself`, async ({
    cluster,
    server,
  }) => {
    const client = server.client();
    const strict = server.client({ onUnavailable: 'throw' });
    await client.set('kept', 'value');
    assert.is(await client.get('kept'), 'value');
    await cluster.stop('fast');
    const stoppedMs = performance.now();
    let lastMs = 0;
    await eventually('the end of the bound', async () => {
      const afterMs = performance.now() - stoppedMs;
      if ((await client.get('kept')) === undefined) return true;
      lastMs = afterMs;
      return false;
    });
    assert.ok(lastMs <= STALE_BOUND_MS, `memory answered what was asked ${lastMs} ms after the end`);
    assert.is(await codeOf(strict.get('kept')), 'ERR_DATABASE');
    assert.is(await codeOf(client.set('dropped', 1)), 'done', 'a set is dropped');
    assert.is(await codeOf(client.delete('kept')), 'ERR_DATABASE', 'a delete is not lost in silence');
    assert.is(await codeOf(client.incr('n')), 'ERR_DATABASE');
    assert.is(await codeOf(client.clear()), 'ERR_DATABASE');
    assert.is(await client.getOrSet('loaded', () => 'computed'), 'computed');
    await sleep(Math.max(0, outageMs - (performance.now() - stoppedMs)));
    await cluster.start();
    await eventually('the daemon sees again', () => server.daemon.isFresh());
    assert.is(await client.get('kept'), 'value', 'a clean restart keeps the table');
    await client.set('after', 1);
    assert.is(await client.get('after'), 1);
    assert.is(await client.get('dropped'), undefined);
    assert.is(await client.incr('n'), 1);
  });
}

test('a crash that empties the UNLOGGED tables: memory forgets with them, writes go on', async ({
  cluster,
  server,
}) => {
  const client = server.client();
  await client.set('gone', 1);
  await client.incr('counter', 5);
  await cluster.restart('immediate');
  await eventually('memory forgets', async () => (await client.get('gone')) === undefined);
  await worksAgain(server);
  assert.is(await client.incr('counter'), 1);
});

test('one backend killed: the server restarts all of them, and nothing old is answered', async ({
  cluster,
  server,
}) => {
  const client = server.client();
  await client.set('gone', 1);
  const [backend] = await backendsOf(cluster.url);
  process.kill(backend as number, 'SIGKILL');
  await eventually('memory forgets', async () => (await client.get('gone')) === undefined);
  await worksAgain(server);
});

test('backends that stop without a word: past the bound memory is silent; other connections take over', async ({
  cluster,
  server,
}) => {
  const client = server.client();
  await client.set('k', 1);
  const stopped = await backendsOf(cluster.url);
  for (const pid of stopped) process.kill(pid, 'SIGSTOP');
  try {
    await eventually('blind', () => !server.daemon.isFresh(), 3_000);
    await runSql(cluster.url, `INSERT INTO hyper_cache_log (name) VALUES ('k:default:k')`);
    await eventually('sight by another connection', () => server.daemon.isFresh(), 10_000);
    assert.is(await client.get('k'), undefined, 'what was invalidated meanwhile is not answered');
    await client.set('k', 2);
    assert.is(await client.get('k'), 2);
  } finally {
    for (const pid of stopped) process.kill(pid, 'SIGCONT');
  }
});

test('a stopped postmaster with all its backends: no answer past the bound, recovery by itself', async ({
  cluster,
  server,
}) => {
  const client = server.client({ timeoutMs: 1500 });
  await client.set('k', 1);
  const goOn = freeze(cluster.pid);
  try {
    await eventually('blind', () => !server.daemon.isFresh(), 3_000);
    assert.is(await client.get('k'), undefined);
    await sleep(1000);
  } finally {
    goOn();
  }
  await eventually('sight', () => server.daemon.isFresh(), 15_000);
  await eventually('the value', async () => (await client.get('k')) === 1);
});

test.run();

const down = suite('the database is down at the start');

down('the daemon comes up, and works once the database does', async () => {
  const cluster = await testCluster();
  await cluster.stop('fast');
  const server = await testServer(cluster.url);
  try {
    const client = server.client();
    assert.is(await client.get('k', 'default'), 'default');
    assert.is(await codeOf(client.set('k', 1)), 'done');
    assert.is(await codeOf(client.delete('k')), 'ERR_DATABASE');
    await cluster.start();
    await eventually('sight', () => server.daemon.isFresh());
    await client.set('k', 2);
    assert.is(await client.get('k'), 2);
  } finally {
    await server.close();
    await cluster.close();
  }
});

down.run();
