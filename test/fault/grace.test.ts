import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, sleep, type TestServer, testServer } from '../support/daemon.js';
import { type TestCluster, testCluster } from '../support/postgres.js';
import { freeze } from '../support/process.js';

/** Postgres goes away or hangs: whoever asks with a grace has an answer, and is told what kind of one it is. */
const test = suite<{ cluster: TestCluster; server: TestServer }>('grace without Postgres');

const STALE_BOUND_MS = 500;
const STATEMENT_TIMEOUT_MS = 10_000;

test.before.each(async (context) => {
  context.cluster = await testCluster();
  context.server = await testServer(context.cluster.url, {
    staleBoundMs: STALE_BOUND_MS,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
  });
});

test.after.each(async (context) => {
  await context.server?.close();
  await context.cluster?.close();
});

const codesOf = (reasons: unknown[]) => reasons.map((reason) => (reason as { code?: string }).code);

for (const onUnavailable of ['degrade', 'throw'] as const) {
  test(`an outage, ${onUnavailable}: answers under grace, marked, with one load or none, and all is well after it`, async ({
    cluster,
    server,
  }) => {
    const client = server.client({ onUnavailable });
    const reasons: unknown[] = [];
    const options = { ttl: 60, grace: 3600, onStale: (reason: unknown) => reasons.push(reason) };
    let loads = 0;
    const load = () => {
      loads += 1;
      return `load ${loads}`;
    };
    assert.is(await client.getOrSet('graced', load, options), 'load 1');
    await client.set('expired', 'old', { ttl: 0.01, grace: 3600 });
    await client.set('bare', 'no grace');
    await client.getOrSet('expired', async () => Promise.reject(new Error('warms memory')), options);
    reasons.length = 0;
    await cluster.stop('fast');
    await eventually('the end of the bound', () => !server.daemon.isFresh());
    for (let i = 0; i < 3; i++) assert.is(await client.getOrSet('graced', load, options), 'load 1');
    assert.is(await client.getOrSet('expired', load, options), 'old');
    assert.equal(codesOf(reasons), Array(4).fill('ERR_DATABASE'));
    assert.is(loads, 1, 'the origin is left alone');
    const bare = await client.getOrSet('bare', load, options).catch((error) => error.code);
    assert.is(bare, onUnavailable === 'degrade' ? 'load 2' : 'ERR_DATABASE');
    assert.is(
      await client.get('graced').catch((error) => error.code),
      onUnavailable === 'degrade' ? undefined : 'ERR_DATABASE',
    );
    await cluster.start();
    await eventually('the daemon sees again', () => server.daemon.isFresh());
    assert.is(await client.getOrSet('graced', load, options), 'load 1');
    assert.is(reasons.length, 4, 'not stale any more');
    assert.is(await client.get('graced'), 'load 1');
  });
}

test('what there was before a set that was dropped is no answer under grace', async ({ cluster, server }) => {
  const client = server.client({ timeoutMs: 1000 });
  const options = { ttl: 60, grace: 3600 };
  await client.set('k', 'old', options);
  assert.is(await client.getOrSet('k', () => 'loaded', options), 'old');
  const holder = new pg.Client({ connectionString: cluster.url });
  holder.on('error', () => {});
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query(`SELECT FROM hyper_cache WHERE key = 'k' FOR UPDATE`);
  await client.set('k', 'new', options);
  assert.is(client.dropped, 1, 'the row is locked, and its delete is held up as well');
  assert.is(await client.getOrSet('k', () => 'loaded', { ...options, softTimeout: 0.1 }), 'loaded');
  await holder.end();
});

test('a Postgres that hangs: softTimeout answers, hardTimeout ends', async ({ cluster, server }) => {
  const client = server.client({ timeoutMs: 10_000 });
  const reasons: unknown[] = [];
  const onStale = (reason: unknown) => reasons.push(reason);
  await client.set('k', 'v', { ttl: 60, grace: 60 });
  assert.is(await client.get('k'), 'v');
  const goOn = freeze(cluster.pid);
  try {
    await eventually('blind', () => !server.daemon.isFresh(), 5000);
    const fromMs = performance.now();
    const never = () => 'loaded';
    assert.is(await client.getOrSet('k', never, { grace: 60, softTimeout: 0.1, onStale }), 'v');
    const late = await client.getOrSet('other', never, { hardTimeout: 0.1 }).catch((error) => error.code);
    assert.is(late, 'ERR_TIMEOUT');
    assert.ok(performance.now() - fromMs < STATEMENT_TIMEOUT_MS / 2, 'neither waits for Postgres');
    assert.equal(codesOf(reasons), ['ERR_TIMEOUT']);
  } finally {
    goOn();
  }
  await eventually('sight', () => server.daemon.isFresh(), 15_000);
});

test('a crash that empties the tables takes what was kept for grace along', async ({ cluster, server }) => {
  const client = server.client();
  await client.set('gone', 'v', { ttl: 0.01, grace: 3600 });
  await sleep(30);
  const failing = async () => Promise.reject(new Error('no origin'));
  assert.is(await client.getOrSet('gone', failing, { grace: 3600 }), 'v');
  await cluster.restart('immediate');
  await eventually('a set goes through', () =>
    server
      .client({ onUnavailable: 'throw' })
      .set('new', 1)
      .then(
        () => true,
        () => false,
      ),
  );
  assert.is(await client.getOrSet('gone', failing, { grace: 3600 }).catch((error) => error.message), 'no origin');
});

test.run();
