import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PgCachedClient } from '../../client/index.js';
import { createLog } from '../../daemon/log.js';
import { eventually, sleep, testServer } from '../support/daemon.js';
import { runSql, testCluster } from '../support/postgres.js';
import { postgresProxy } from '../support/postgres-proxy.js';

// gate: cost=0 timeout=180

/** Postgres is away for long, after a clean stop and after a crash. Nearly all of this is waiting, so all of it is at once. */
const test = suite('an outage');

const STALE_BOUND_MS = 1000;

/** Asks all the time for what was invalidated; @returns the age of the youngest fresh answer, in ms after that, and how many askings. */
function watch(client: PgCachedClient, key: string) {
  let lastMs = Number.NEGATIVE_INFINITY;
  let asked = 0;
  let slowestMs = 0;
  let going = true;
  const loop = (async () => {
    while (going) {
      const askedMs = performance.now();
      if ((await client.get(key)) === 'old') lastMs = askedMs;
      slowestMs = Math.max(slowestMs, performance.now() - askedMs);
      asked += 1;
      await sleep(50);
    }
  })();
  return async (changedMs: number) => {
    going = false;
    await loop;
    return { youngestMs: lastMs - changedMs, asked, slowestMs };
  };
}

async function outage(lengthMs: number, mode: 'fast' | 'immediate'): Promise<void> {
  const what = `${lengthMs} ms, ${mode}: `;
  const cluster = await testCluster();
  const proxy = await postgresProxy(cluster.url);
  const lines: string[] = [];
  const log = createLog({ level: 'info', stream: { write: (line) => lines.push(line) } });
  const server = await testServer(proxy.url, { staleBoundMs: STALE_BOUND_MS, statementTimeoutMs: 2000 }, { log });
  try {
    const [client, near] = [server.client(), server.client({ near: true })];
    const strict = server.client({ onUnavailable: 'throw' });
    const reasons: { code?: string }[] = [];
    const graced = { ttl: 3600, grace: 3600, onStale: (reason: unknown) => reasons.push(reason as { code?: string }) };
    const failing = async () => Promise.reject(new Error('no origin'));
    await client.set('k', 'old', { ttl: 3600, tags: ['t'] });
    await client.set('kept', 'value', { ttl: 3600 });
    assert.is(await client.getOrSet('graced', () => 'graced', graced), 'graced');
    await near.get('k');
    const watches = [watch(client, 'k'), watch(near, 'k')];
    // What is invalidated just before: the daemon can't learn of it any more.
    proxy.switchTo('postgres://postgres@/postgres?host=/nowhere');
    proxy.cut();
    await runSql(cluster.url, `SELECT hyper_cache_invalidate('tag', 't')`);
    const changedMs = performance.now();
    await cluster.stop(mode);
    proxy.switchTo(cluster.url);
    await eventually('the end of the bound', () => !server.daemon.isFresh(), 5_000);
    while (performance.now() - changedMs < lengthMs) {
      assert.is(await client.get('kept'), undefined, `${what}a miss`);
      assert.is(await client.getOrSet('graced', failing, graced), 'graced', `${what}grace`);
      assert.is(reasons.pop()?.code, 'ERR_DATABASE', `${what}marked`);
      assert.is(await client.getOrSet('loaded', () => 'computed'), 'computed');
      const code = await strict.set('kept', 'lost').catch((error) => error.code);
      assert.is(code, 'ERR_DATABASE');
      await sleep(Math.min(1000, lengthMs / 10));
    }
    await cluster.start();
    await eventually(`${what}sight`, () => server.daemon.isFresh(), 20_000);
    for (const stop of watches) {
      const { youngestMs, asked, slowestMs } = await stop(changedMs);
      assert.ok(youngestMs <= STALE_BOUND_MS, `${what}the old value was answered ${youngestMs} ms after its end`);
      assert.ok(asked > lengthMs / 500, `${what}${asked} answers, the slowest after ${slowestMs} ms`);
    }
    await eventually(`${what}a set`, () =>
      strict.set('new', 1).then(
        () => true,
        () => false,
      ),
    );
    assert.is(await client.get('k'), undefined, `${what}the invalidation counts`);
    // A clean stop keeps UNLOGGED tables, a crash empties them.
    assert.is(await client.get('kept'), mode === 'fast' ? 'value' : undefined);
    assert.is(await client.get('new'), 1);
    const told = (text: string) => lines.filter((line) => line.includes(text)).length;
    assert.is(told('the database does not answer'), 1, `${what}said once that it went`);
    assert.is(told('the database answers'), 2, `${what}at the start, and once that it came back`);
  } finally {
    await server.close();
    await proxy.close();
    await cluster.close();
  }
}

test('of 10 s and of 60 s: nothing old past the bound, stale values marked, and all comes back by itself', async () => {
  await Promise.all([outage(10_000, 'fast'), outage(60_000, 'fast'), outage(60_000, 'immediate')]);
});

test.run();
