import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sleep, type TestServer, testServer } from '../support/daemon.js';
import { LoaderProcess } from '../support/loader-process.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';

/** One load a key, among real processes on two servers, whatever becomes of the one that loads. */
const test = suite<{ db: TestDatabase; a: TestServer; b: TestServer; onA: LoaderProcess[]; onB: LoaderProcess[] }>(
  'loads among processes',
);

const PROCESSES = 4;

test.before(async (context) => {
  context.db = await testDatabase();
  context.a = await testServer(context.db.url, { loadTimeoutMs: 1000 });
  context.b = await testServer(context.db.url, { loadTimeoutMs: 1000 });
});

test.before.each(async (context) => {
  const start = (server: TestServer) =>
    Promise.all(Array.from({ length: PROCESSES }, () => LoaderProcess.start(server.daemon.socketPath)));
  [context.onA, context.onB] = await Promise.all([start(context.a), start(context.b)]);
});

test.after.each(({ onA, onB }) => {
  for (const loader of [...(onA ?? []), ...(onB ?? [])]) loader.signal('SIGKILL');
});

test.after(async (context) => {
  await context.a?.close();
  await context.b?.close();
  await context.db?.close();
});

async function ends(loaders: readonly LoaderProcess[]) {
  const done = await Promise.all(loaders.map((loader) => loader.done()));
  return {
    loads: done.reduce((sum, { loads }) => sum + loads, 0),
    values: new Set(done.flatMap(({ values }) => values)),
  };
}

test('500 calls in 4 processes: one load', async ({ onA }) => {
  for (const loader of onA) loader.begin({ key: 'hot', calls: 125, loadMs: 100 });
  const { loads, values } = await ends(onA);
  assert.is(loads, 1);
  assert.is(values.size, 1);
});

test('coalesce: cluster: 8 processes on 2 servers, one load; without it, one each', async ({ onA, onB }) => {
  const all = [...onA, ...onB];
  const job = { calls: 25, loadMs: 150 };
  for (const loader of all) loader.begin({ key: 'cluster', ...job, options: { coalesce: 'cluster' } });
  const once = await ends(all);
  assert.is(once.loads, 1);
  assert.is(once.values.size, 1);
  for (const loader of all) loader.begin({ key: 'hosts', ...job });
  assert.is((await ends(all)).loads, 2);
});

test('the process that loads is killed: the next takes over at once, on its host and on the other', async ({
  onA,
  onB,
  db,
}) => {
  for (const coalesce of ['host', 'cluster'] as const) {
    const [victim, ...others] = coalesce === 'host' ? onA : [onA[1]!, ...onB];
    const job = { key: `killed ${coalesce}`, options: { coalesce } };
    victim!.begin({ ...job, loadMs: 60_000 });
    await victim!.loading();
    for (const loader of others) loader.begin({ ...job, calls: 5, loadMs: 10 });
    await sleep(100);
    const fromMs = performance.now();
    victim!.signal('SIGKILL');
    const { loads, values } = await ends(others);
    const tookMs = performance.now() - fromMs;
    assert.is(loads, 1, coalesce);
    assert.is(values.size, 1);
    assert.ok(tookMs < 900, `before the time of the load was up: after ${tookMs} ms`);
  }
  await sleep(100);
  assert.equal(await runSql(db.url, 'SELECT FROM hyper_cache_leases'), [], 'no lease is left');
});

test('the time of a load is up: the next takes over, and what the first brings later is not stored over it', async ({
  onA,
  a,
}) => {
  const [slow, next] = onA as [LoaderProcess, LoaderProcess];
  slow.begin({ key: 'slow', loadMs: 1600 });
  await slow.loading();
  next.begin({ key: 'slow', loadMs: 10 });
  const { loads, values } = await next.done();
  assert.is(loads, 1);
  assert.equal(values, [next.pid]);
  assert.equal((await slow.done()).values, [next.pid], 'its own is refused: it finds the other’s');
  assert.is(await a.client().get('slow'), next.pid);
});

test('a stopped process: the next takes over when its time is up', async ({ onA }) => {
  const [stopped, next] = onA as [LoaderProcess, LoaderProcess];
  stopped.begin({ key: 'stopped', loadMs: 50 });
  await stopped.loading();
  stopped.signal('SIGSTOP');
  next.begin({ key: 'stopped', loadMs: 10 });
  assert.equal((await next.done()).values, [next.pid]);
  stopped.signal('SIGCONT');
  assert.equal((await stopped.done()).values, [next.pid]);
});

test('a server that dies with a lease of the cluster: another takes over when that is over', async ({ onB, db }) => {
  await runSql(
    db.url,
    `INSERT INTO hyper_cache_leases VALUES ('default', 'orphan', gen_random_uuid(), clock_timestamp() + interval '0.5 s')`,
  );
  const [loader] = onB as [LoaderProcess];
  const fromMs = performance.now();
  loader.begin({ key: 'orphan', options: { coalesce: 'cluster' } });
  assert.equal((await loader.done()).values, [loader.pid]);
  const tookMs = performance.now() - fromMs;
  assert.ok(tookMs > 400 && tookMs < 2500, `${tookMs} ms`);
});

test.run();
