import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PgCachedClient } from '../../client/index.js';
import { createLog } from '../../daemon/log.js';
import { eventually, medianToSee, sleep, type TestServer, testServer } from '../support/daemon.js';
import { pgBouncerPath, type TestPooler, testPooler } from '../support/pgbouncer.js';
import { runSql, type TestCluster, testCluster, testDatabase } from '../support/postgres.js';

// gate: skips=7 (PgBouncer is a system's package: where it is not installed only what needs none is tested)

/** Two servers whose only way to Postgres is PgBouncer in transaction mode: LISTEN is swallowed, sessions are shared. */
interface Context {
  cluster: TestCluster;
  pooler: TestPooler;
  a: TestServer;
  b: TestServer;
}

const path = pgBouncerPath();
const STALE_BOUND_MS = 1000;
const POLL_MS = 100;

const suiteOf = suite<Context>('through PgBouncer in transaction mode');
const test = path === undefined ? suiteOf.skip : suiteOf;
if (path === undefined) console.log('PgBouncer is not installed: skipped');

suiteOf.before(async (context) => {
  if (path === undefined) return;
  context.cluster = await testCluster();
  // Fewer connections than the two daemons open: each transaction gets another backend than the one before.
  context.pooler = await testPooler(path, context.cluster.url, 4);
  const options = { pooler: true, staleBoundMs: STALE_BOUND_MS, pollIntervalMs: POLL_MS };
  context.a = await testServer(context.pooler.url, options);
  context.b = await testServer(context.pooler.url, options);
});

suiteOf.after(async (context) => {
  await context.a?.close();
  await context.b?.close();
  await context.pooler?.close();
  await context.cluster?.close();
});

/** Asks until the answer is that value; @returns when it was last asked and answered otherwise, in ms from now: however late that was read. */
async function lastNot(value: unknown, client: PgCachedClient, key: string): Promise<number> {
  const fromMs = performance.now();
  let lastMs = 0;
  await eventually(`${key} is ${value}`, async () => {
    const askedMs = performance.now();
    if ((await client.get(key)) === value) return true;
    lastMs = askedMs - fromMs;
    return false;
  });
  return lastMs;
}

/** @param prefix of the keys, and nothing else is in the cache */
async function everyCall(client: PgCachedClient, prefix: string): Promise<void> {
  const ns = (key: string) => `${prefix}:${key}`;
  await client.set(ns('k'), { some: 'value' }, { tags: ['t'], ttl: 60 });
  assert.equal(await client.get(ns('k')), { some: 'value' });
  assert.is(await client.add(ns('k'), 1), false);
  await client.setMany({ [ns('x')]: 1, [ns('y')]: new Map([[1, 2]]) });
  assert.equal(
    await client.getMany([ns('x'), ns('y')]),
    new Map<string, unknown>([
      [ns('x'), 1],
      [ns('y'), new Map([[1, 2]])],
    ]),
  );
  assert.is(await client.incr(ns('n'), 5), 5);
  assert.is(await client.getOrSet(ns('loaded'), () => 'loaded', { tags: ['t'], coalesce: 'cluster' }), 'loaded');
  assert.ok(((await client.ttl(ns('k'))) ?? 0) > 0);
  assert.is(await client.has(ns('k')), true);
  assert.is(await client.expire(ns('k'), 30), true);
  assert.is(await client.delete(ns('x')), true);
  await client.invalidateTags(['t']);
  assert.is(await client.get(ns('k')), undefined);
  assert.is(await client.get(ns('loaded')), undefined);
  assert.is(typeof (await client.cleanup()), 'number');
  assert.is(await client.count(), 2);
  await client.clear();
  assert.is(await client.count(), 0);
}

suiteOf('with `pooler` every call works without a pooler, too', async () => {
  const db = await testDatabase();
  const server = await testServer(db.url, { pooler: true });
  try {
    const client = server.client({ onUnavailable: 'throw' });
    await everyCall(client, 'direct');
    assert.match(String((await client.status()).listen), /polling alone/);
  } finally {
    await server.close();
    await db.close();
  }
});

test('every call works, on both', async ({ a, b }) => {
  for (const [at, server] of [a, b].entries()) await everyCall(server.client({ onUnavailable: 'throw' }), `${at}`);
});

test('nobody listens through the pooler, and the status says so; no LISTEN stays behind at a backend', async ({
  cluster,
  a,
}) => {
  const { listen, database } = await a.client().status();
  assert.is(database, 'ok');
  assert.match(String(listen), /polling alone/);
  const sql = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE query ILIKE 'listen%' AND pid <> pg_backend_pid()`;
  assert.equal(await runSql(cluster.url, sql), [{ n: 0 }]);
});

test('listenUrl leads past the pooler: changes arrive without a poll', async ({ cluster, pooler, a }) => {
  const pollIntervalMs = 450;
  const options = { pooler: true, listenUrl: cluster.url, staleBoundMs: STALE_BOUND_MS, pollIntervalMs };
  const server = await testServer(pooler.url, options);
  try {
    const [here, there] = [a.client(), server.client()];
    await eventually('hearing', async () => (await there.status()).listen === 'ok');
    const tookMs = await medianToSee(here, there, 'heard');
    assert.ok(tookMs < pollIntervalMs / 4, `${tookMs} ms`);
  } finally {
    await server.close();
  }
});

test('what the other server or SQL changes is seen by the poll, long before the bound', async ({ cluster, a, b }) => {
  const [here, there] = [a.client(), b.client({ near: true })];
  const limitMs = STALE_BOUND_MS;
  for (let round = 0; round < 5; round++) {
    await here.set('k', round, { tags: ['t'] });
    assert.is(await here.get('k'), round);
    const lastMs = await lastNot(round, there, 'k');
    assert.ok(lastMs < limitMs, `${lastMs} ms`);
  }
  await runSql(cluster.url, `SELECT hyper_cache_invalidate('tag', 't')`);
  const lastMs = Math.max(...(await Promise.all([here, there].map((client) => lastNot(undefined, client, 'k')))));
  assert.ok(lastMs < limitMs, `${lastMs} ms`);
});

test('counters and loads are one across the servers', async ({ a, b }) => {
  const clients = [a.client(), b.client()] as const;
  const results = await Promise.all(Array.from({ length: 100 }, (_, at) => clients[at % 2]!.incr('visits')));
  assert.equal(new Set(results).size, 100);
  let loads = 0;
  const load = async () => {
    loads += 1;
    await sleep(50);
    return 'v';
  };
  const ask = (at: number) => clients[at % 2]!.getOrSet('cold', load, { coalesce: 'cluster' });
  assert.equal(await Promise.all(Array.from({ length: 20 }, (_, at) => ask(at))), Array(20).fill('v'));
  assert.is(loads, 1);
});

test('PgBouncer is stopped and started: nothing old past the bound, and all goes on', async ({
  cluster,
  pooler,
  a,
}) => {
  const client = a.client();
  await client.set('k', 'old');
  assert.is(await client.get('k'), 'old');
  await pooler.close();
  await runSql(cluster.url, `SELECT hyper_cache_invalidate('key', 'k')`);
  const lastMs = await lastNot(undefined, client, 'k');
  assert.ok(lastMs <= STALE_BOUND_MS, `${lastMs} ms`);
});

test('without --pooler the daemon says what to do', async ({ cluster }) => {
  const pooler = await testPooler(path as string, cluster.url, 4);
  const lines: string[] = [];
  const log = createLog({ level: 'info', stream: { write: (line) => lines.push(line) } });
  const server = await testServer(pooler.url, {}, { log });
  try {
    await eventually('the advice', () => lines.some((line) => line.includes('set pooler')));
    assert.match(String((await server.client().status()).database), /set pooler/);
  } finally {
    await server.close();
    await pooler.close();
  }
});

suiteOf.run();
