import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from '../../client/index.js';
import { CLUSTER_LEASE_MS } from '../../daemon/cluster-leases.js';
import { eventually, sleep, testServer } from '../support/daemon.js';
import { runSql, testDatabase } from '../support/postgres.js';
import { projectRoot } from '../support/source.js';
import { temporaryFolder } from '../support/transport.js';

/** `coalesce: 'cluster'`, and the server that computes is gone without a word. */
const test = suite('a cluster lease');

const CLUSTER = { coalesce: 'cluster', ttl: 60 } as const;
const UNTIL = 'SELECT (extract(epoch FROM until - clock_timestamp()) * 1000)::int AS ms FROM hyper_cache_leases';
const LEASES = 'SELECT key, until > clock_timestamp() AS holds FROM hyper_cache_leases';

test('its daemon is killed: another server waits until its time is up, then computes', async () => {
  const db = await testDatabase();
  const socket = join(temporaryFolder(), 'd', 's.sock');
  const main = join(projectRoot, 'dist', 'daemon', 'cli', 'main.js');
  const args = ['daemon', '--socket', socket, '--database-url', db.url, '--log-level', 'silent', '--workers', '1'];
  const dying = spawn(process.execPath, [main, ...args], { stdio: 'ignore' });
  const there = connect({ socket, timeoutMs: 20_000 });
  const server = await testServer(db.url);
  const here = server.client({ timeoutMs: 20_000 });
  let finish = (_value: string) => {};
  try {
    const ready = () =>
      there.ready().then(
        () => true,
        () => false,
      );
    await eventually('the daemon', ready, 20_000);
    let isLoading = false;
    const first = there.getOrSet(
      'k',
      () =>
        new Promise<string>((resolve) => {
          isLoading = true;
          finish = resolve;
        }),
      CLUSTER,
    );
    await eventually('the first load', () => isLoading);
    let loads = 0;
    const load = () => {
      loads += 1;
      return 'of the second';
    };
    const waiting = Promise.all([here.getOrSet('k', load, CLUSTER), here.getOrSet('k', load, CLUSTER)]);
    await sleep(CLUSTER_LEASE_MS + 500);
    assert.is(loads, 0, 'it is renewed while the load runs');
    assert.equal(await runSql(db.url, LEASES), [{ key: 'k', holds: true }]);
    dying.kill('SIGKILL');
    await once(dying, 'exit');
    const askedMs = performance.now();
    const [left] = await runSql<{ ms: number }>(db.url, UNTIL);
    assert.equal(await waiting, ['of the second', 'of the second']);
    const tookMs = performance.now() - askedMs;
    assert.is(loads, 1);
    assert.ok(left !== undefined && left.ms > 0, 'it outlives its daemon');
    assert.ok(tookMs >= left!.ms - 1 && tookMs < CLUSTER_LEASE_MS + 5000, `${tookMs} ms, of which it had ${left!.ms}`);
    await eventually('its own lease is released', async () => (await runSql(db.url, LEASES)).length === 0);
    finish('of the first');
    assert.is(await first, 'of the first', 'who asked has what it computed');
    assert.is(await here.get('k'), 'of the second', 'and nobody else');
  } finally {
    finish('');
    dying.kill('SIGKILL');
    await Promise.all([there.close(), server.close()]);
    await db.close();
  }
});

test.run();
