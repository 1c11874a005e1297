import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLog } from '../../daemon/log.js';
import { eventually, medianToSee, sleep, type TestServer, testServer } from '../support/daemon.js';
import { runSql, type TestCluster, testCluster } from '../support/postgres.js';
import { type PostgresProxy, postgresProxy } from '../support/postgres-proxy.js';
import { type TestStandby, testStandby } from '../support/standby.js';

// gate: cost=2 timeout=120

/** The primary is killed and its standby is promoted, behind an address that moves with it. Nobody restarts a daemon. */
const test = suite('a standby is promoted');

const STALE_BOUND_MS = 1000;
const LOG_ROWS = 'SELECT count(*)::int AS n FROM hyper_cache_log';

interface World {
  readonly primary: TestCluster;
  readonly standby: TestStandby;
  readonly proxy: PostgresProxy;
  readonly servers: readonly [TestServer, TestServer];
  /** What the daemons have logged. */
  readonly lines: readonly string[];
}

/** Two servers on the primary, with a standby that has everything; in the end all of it goes. */
async function inWorld(logged: boolean, play: (world: World) => Promise<void>): Promise<void> {
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const primary = await testCluster();
    closing.push(() => primary.close());
    const standby = await testStandby(primary);
    closing.push(() => standby.close());
    const proxy = await postgresProxy(primary.url);
    closing.push(() => proxy.close());
    const lines: string[] = [];
    const log = createLog({ level: 'info', stream: { write: (line) => lines.push(line) } });
    // A poll that is rare beside a wake-up: what arrives faster was heard.
    const options = { staleBoundMs: STALE_BOUND_MS, pollIntervalMs: 450, statementTimeoutMs: 2000, logged };
    const servers = [];
    for (let at = 0; at < 2; at++) {
      const server = await testServer(proxy.url, options, { log });
      closing.push(() => server.close());
      servers.push(server);
    }
    await play({ primary, standby, proxy, servers: servers as [TestServer, TestServer], lines });
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

/** As kill -9 of the whole server: no word to anybody. */
async function kill({ primary, proxy }: World): Promise<void> {
  process.kill(primary.pid, 'SIGKILL');
  await primary.stop('immediate');
  proxy.cut();
}

const incarnationOf = async (server: TestServer) => String((await server.client().status()).incarnation);

/** Asks for the key all the time; @returns the age of the youngest answer that was `old`, in ms after the instant. */
function watch(server: TestServer, old: unknown, near: boolean): (changedMs: number) => Promise<number> {
  const client = server.client({ near });
  let lastMs = Number.NEGATIVE_INFINITY;
  let going = true;
  const loop = (async () => {
    while (going) {
      const askedMs = performance.now();
      if ((await client.get('k')) === old) lastMs = askedMs;
      await sleep(2);
    }
  })();
  return async (changedMs) => {
    going = false;
    await loop;
    return lastMs - changedMs;
  };
}

async function worksAgain({ servers }: World): Promise<void> {
  const [a, b] = servers.map((server) => server.client({ onUnavailable: 'throw' }));
  const done = (promise: Promise<unknown>) => promise.then(() => true).catch(() => false);
  for (const client of [a!, b!]) await eventually('a set goes through', () => done(client.set('new', 1)), 20_000);
  await b!.set('seen', 0);
  assert.is(await b!.get('seen'), 0);
  assert.is(await a!.incr('n'), 1);
  assert.is(await b!.incr('n'), 2);
  // The listeners come back by themselves; then a change elsewhere is seen without a poll.
  for (const client of [a!, b!])
    await eventually('hearing', async () => (await client.status()).listen === 'ok', 20_000);
  const tookMs = await medianToSee(a!, b!, 'seen');
  assert.ok(tookMs < 100, `heard, not polled: ${tookMs} ms`);
}

for (const logged of [false, true]) {
  const kind = logged ? 'regular' : 'UNLOGGED';
  test(`${kind} tables: what was changed just before is not answered past the bound, and all goes on`, async () => {
    await inWorld(logged, async (world) => {
      const { primary, standby, proxy, servers } = world;
      const [a, b] = servers;
      await runSql(primary.url, 'CREATE TABLE source (v text)');
      await runSql(primary.url, `INSERT INTO source VALUES ('old')`);
      const load = async () => (await runSql<{ v: string }>(standby.url, 'SELECT v FROM source'))[0]?.v;
      await standby.caughtUp();
      for (const server of servers) assert.is(await server.client().getOrSet('k', load, { tags: ['t'] }), 'old');
      const before = await incarnationOf(a);
      const watches = [watch(a, 'old', false), watch(b, 'old', true)];
      // The daemons are cut off at the moment of the change: they can't learn of it from the primary any more.
      proxy.switchTo('postgres://postgres@/postgres?host=/nowhere');
      proxy.cut();
      await runSql(
        primary.url,
        `BEGIN; UPDATE source SET v = 'new'; SELECT hyper_cache_invalidate('tag', 't'); COMMIT`,
      );
      const changedMs = performance.now();
      await standby.caughtUp();
      await kill(world);
      for (const { daemon } of servers) await eventually('blind', () => !daemon.isFresh(), 3_000);
      await standby.promote();
      if (!logged) assert.is((await runSql(standby.url, LOG_ROWS))[0]?.n, 0, 'UNLOGGED tables are empty on a standby');
      proxy.switchTo(standby.url);
      for (const { daemon } of servers) await eventually('sight', () => daemon.isFresh(), 10_000);
      assert.is(await a.client().get('k'), undefined);
      for (const youngestMs of await Promise.all(watches.map((stop) => stop(changedMs))))
        assert.ok(youngestMs <= STALE_BOUND_MS, `the old value was answered ${youngestMs} ms after its change`);
      for (const server of servers) assert.is(await server.client().getOrSet('k', load, { tags: ['t'] }), 'new');
      const after = await incarnationOf(a);
      assert.is.not(after, before);
      assert.is(await incarnationOf(b), after, 'both follow one incarnation');
      if (logged)
        assert.is(after.split('/')[0], before.split('/')[0], 'of regular tables only the timeline is another');
      await worksAgain(world);
    });
  });
}

test('the address leads to the standby before that is promoted: said, degraded, and over by itself', async () => {
  await inWorld(false, async (world) => {
    const { standby, proxy, servers, lines } = world;
    const [a] = servers;
    const client = a.client();
    const strict = a.client({ onUnavailable: 'throw' });
    await client.set('k', 'v');
    await standby.caughtUp();
    proxy.switchTo(standby.url);
    await kill(world);
    await eventually('blind', () => !a.daemon.isFresh(), 3_000);
    await eventually('the line', () => lines.some((line) => line.includes('is a standby')));
    assert.match(String((await client.status()).database), /give the address of the primary/);
    assert.is(await client.get('k', 'default'), 'default', 'degraded');
    assert.is(await client.getOrSet('k', () => 'computed'), 'computed');
    assert.is(await client.set('k', 1), undefined, 'dropped');
    for (const call of [
      () => strict.get('k'),
      () => strict.set('k', 1),
      () => strict.delete('k'),
      () => strict.incr('n'),
    ]) {
      const code = await call().then(
        () => 'done',
        (error: { code: string }) => error.code,
      );
      assert.is(code, 'ERR_DATABASE');
    }
    // A daemon that starts now comes up, and waits.
    const late = await testServer(proxy.url);
    try {
      assert.is(late.daemon.isFresh(), false);
      await standby.promote();
      for (const { daemon } of [...servers, late]) await eventually('sight', () => daemon.isFresh(), 10_000);
      await worksAgain(world);
      assert.is(await late.client().get('new'), 1);
    } finally {
      await late.close();
    }
  });
});

test.run();
