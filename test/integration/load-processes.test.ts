import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, sleep, type TestServer, testServer } from '../support/daemon.js';
import { LoaderProcess } from '../support/loader-process.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';

/** One load a key, among real processes on two servers, whatever becomes of the one that loads. */
interface Context {
  db: TestDatabase;
  a: TestServer;
  b: TestServer;
  /** Whose loads may take a second. */
  brief: TestServer;
  onA: LoaderProcess[];
  onB: LoaderProcess[];
}
const test = suite<Context>('loads among processes');

const PROCESSES = 4;
const LOAD_TIMEOUT_MS = 30_000;

test.before(async (context) => {
  context.db = await testDatabase();
  // Long, or a load would be taken over where the machine stalls for as long.
  context.a = await testServer(context.db.url, { loadTimeoutMs: LOAD_TIMEOUT_MS });
  context.b = await testServer(context.db.url, { loadTimeoutMs: LOAD_TIMEOUT_MS });
  context.brief = await testServer(context.db.url, { loadTimeoutMs: 1000 });
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
  await context.brief?.close();
  await context.db?.close();
});

const two = async ({ daemon }: TestServer) =>
  [await LoaderProcess.start(daemon.socketPath), await LoaderProcess.start(daemon.socketPath)] as const;

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
  // Long enough for those of the other server to have asked before it ends.
  for (const loader of all) loader.begin({ key: 'hosts', ...job, loadMs: 3000 });
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
    assert.ok(tookMs < LOAD_TIMEOUT_MS / 3, `before the time of the load was up: after ${tookMs} ms`);
  }
  await eventually(
    'no lease is left',
    async () => (await runSql(db.url, 'SELECT FROM hyper_cache_leases')).length === 0,
  );
});

test('the time of a load is up: the next takes over, and what the first brings later is not stored over it', async ({
  brief,
}) => {
  const [slow, next] = await two(brief);
  slow.begin({ key: 'slow', loadMs: 4000 });
  await slow.loading();
  next.begin({ key: 'slow', loadMs: 10 });
  const { loads, values } = await next.done();
  assert.is(loads, 1);
  assert.equal(values, [next.pid]);
  assert.equal((await slow.done()).values, [next.pid], 'its own is refused: it finds the other’s');
  assert.is(await brief.client().get('slow'), next.pid);
  for (const loader of [slow, next]) loader.signal('SIGKILL');
});

test('a stopped process: the next takes over when its time is up', async ({ brief }) => {
  const [stopped, next] = await two(brief);
  stopped.begin({ key: 'stopped', loadMs: 50, stops: true });
  await stopped.loading();
  next.begin({ key: 'stopped', loadMs: 10 });
  assert.equal((await next.done()).values, [next.pid]);
  const goOn = setInterval(() => stopped.signal('SIGCONT'), 100);
  assert.equal((await stopped.done()).values, [next.pid]);
  clearInterval(goOn);
  for (const loader of [stopped, next]) loader.signal('SIGKILL');
});

test('a server that dies with a lease of the cluster: another takes over when that is over', async ({ onB, db }) => {
  const fromMs = performance.now();
  await runSql(
    db.url,
    `INSERT INTO hyper_cache_leases VALUES ('default', 'orphan', gen_random_uuid(), clock_timestamp() + interval '0.5 s')`,
  );
  const [loader] = onB as [LoaderProcess];
  loader.begin({ key: 'orphan', options: { coalesce: 'cluster' } });
  assert.equal((await loader.done()).values, [loader.pid]);
  const tookMs = performance.now() - fromMs;
  assert.ok(tookMs > 400 && tookMs < LOAD_TIMEOUT_MS / 3, `${tookMs} ms`);
});

test.run();
