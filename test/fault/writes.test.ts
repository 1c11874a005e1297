import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PgCachedClient } from '../../client/index.js';
import { sleep, type TestServer, testServer } from '../support/daemon.js';
import { backendsOf, runSql, type TestCluster, testCluster } from '../support/postgres.js';
import { type PostgresProxy, postgresProxy } from '../support/postgres-proxy.js';

/** A write survives a broken connection, takes effect once and in order; or its caller is told that nobody knows. */
const test = suite<{ cluster: TestCluster; proxy: PostgresProxy; server: TestServer }>(
  'writes over broken connections',
);

const COUNTERS = 20;
const WRITERS = 10;
const STEPS = 500;

test.before(async (context) => {
  context.cluster = await testCluster();
  context.proxy = await postgresProxy(context.cluster.url);
  context.server = await testServer(context.proxy.url, { statementTimeoutMs: 2000 });
});

test.after(async (context) => {
  await context.server?.close();
  await context.proxy?.close();
  await context.cluster?.close();
});

interface Tally {
  applied: number;
  unknown: number;
  refused: number;
}

/** Counts up, one step after the other; what a caller is told must be one more than it was told before, or higher. */
async function count(client: PgCachedClient, key: string, tally: Tally): Promise<void> {
  let last = 0;
  for (let step = 0; step < STEPS; step++) {
    try {
      const value = await client.incr(key, 1, Number.POSITIVE_INFINITY);
      assert.ok(value > last, `${key} went from ${last} to ${value}`);
      last = value;
      tally.applied += 1;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === 'ERR_UNKNOWN_OUTCOME') tally.unknown += 1;
      else if (code === 'ERR_DATABASE') tally.refused += 1;
      else throw error;
      await sleep(5);
    }
  }
}

/** Sets one key to 1, 2, 3, …; what it reads between is the last value it was told of, or that of a set in doubt. */
async function overwrite(client: PgCachedClient, key: string): Promise<number> {
  let acknowledged = 0;
  for (let step = 1; step <= STEPS; step++) {
    try {
      await client.set(key, step, Number.POSITIVE_INFINITY);
      acknowledged = step;
    } catch {
      await sleep(5);
    }
    const read = await client.get<number>(key).catch(() => acknowledged);
    assert.ok((read ?? 0) >= acknowledged && (read ?? 0) <= step, `${key}: read ${read}, acknowledged ${acknowledged}`);
  }
  return acknowledged;
}

/** @returns false where it has gone meanwhile, as one that was cut off or ended a moment ago does */
function stops(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGSTOP');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    return false;
  }
}

async function sabotage(
  { proxy, cluster }: { proxy: PostgresProxy; cluster: TestCluster },
  until: () => boolean,
): Promise<number> {
  let faults = 0;
  for (let round = 0; !until(); round++) {
    await sleep(20 + (round % 5) * 17);
    if (round % 4 === 0) proxy.cutAnswers(1);
    else if (round % 4 === 1) proxy.cut();
    else {
      const backends = await backendsOf(cluster.url);
      const victim = backends[round % Math.max(1, backends.length)];
      if (victim === undefined) continue;
      if (round % 4 === 2) await runSql(cluster.url, `SELECT pg_terminate_backend(${victim})`);
      else {
        // Stopped in the middle of whatever it does, cut off, and let go on: it must write nothing late.
        if (!stops(victim)) continue;
        await sleep(30);
        proxy.cut();
        await sleep(30);
        process.kill(victim, 'SIGCONT');
      }
    }
    faults += 1;
  }
  return faults;
}

test('increments and sets take effect exactly once, in order', async ({ cluster, proxy, server }) => {
  const clients = Array.from({ length: WRITERS }, () => server.client({ timeoutMs: 10_000, onUnavailable: 'throw' }));
  const tallies = Array.from({ length: COUNTERS }, () => ({ applied: 0, unknown: 0, refused: 0 }));
  let done = false;
  const setting = clients.map((client, writer) => overwrite(client, `set${writer}`));
  const writing = clients.flatMap((client, writer) => [
    count(client, `counter${writer}`, tallies[writer] as Tally),
    count(client, `counter${writer + WRITERS}`, tallies[writer + WRITERS] as Tally),
  ]);
  const faults = sabotage({ cluster, proxy }, () => done);
  await Promise.all(writing);
  const acknowledged = await Promise.all(setting);
  done = true;
  const injected = await faults;

  const rows = await runSql<{ key: string; counter: string }>(
    cluster.url,
    `SELECT key, counter FROM hyper_cache WHERE counter IS NOT NULL`,
  );
  const counters = new Map(rows.map(({ key, counter }) => [key, Number(counter)]));
  tallies.forEach((tally, index) => {
    const counter = counters.get(`counter${index}`) ?? 0;
    assert.ok(counter >= tally.applied, `counter${index}: ${counter} < ${tally.applied} acknowledged`);
    assert.ok(
      counter <= tally.applied + tally.unknown,
      `counter${index}: ${counter} > ${tally.applied} acknowledged + ${tally.unknown} unknown`,
    );
  });
  const sets = await runSql<{ key: string; value: number }>(
    cluster.url,
    `SELECT key, value FROM hyper_cache WHERE key LIKE 'set%'`,
  );
  const values = new Map(sets.map(({ key, value }) => [key, value]));
  acknowledged.forEach((step, writer) => {
    assert.ok((values.get(`set${writer}`) ?? 0) >= step, `set${writer}: ${values.get(`set${writer}`)} < ${step}`);
  });
  const sum = (field: keyof Tally) => tallies.reduce((total, tally) => total + tally[field], 0);
  assert.ok(injected > 10, `only ${injected} faults`);
  assert.ok(sum('applied') > (COUNTERS * STEPS) / 4, `only ${sum('applied')} of ${COUNTERS * STEPS} acknowledged`);
  console.log(
    `  ${injected} faults; increments: ${sum('applied')} applied, ${sum('unknown')} unknown, ${sum('refused')} refused`,
  );
});

test.run();
