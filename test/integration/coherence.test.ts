import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PgCachedClient } from '../../client/index.js';
import { eventually, sleep, type TestServer, testServer } from '../support/daemon.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';

/** Two servers over one Postgres: what one does, the other must answer for. */
const test = suite<{ db: TestDatabase; a: TestServer; b: TestServer }>('coherence');

test.before(async (context) => {
  context.db = await testDatabase();
  context.a = await testServer(context.db.url);
  context.b = await testServer(context.db.url);
});

test.after(async (context) => {
  await context.a?.close();
  await context.b?.close();
  await context.db?.close();
});

test('a write on one server replaces the value in the memory of the other', async ({ db }) => {
  // Memory answers nothing where the machine stalls for as long as the bound.
  const servers = [
    await testServer(db.url, { staleBoundMs: 10_000 }),
    await testServer(db.url, { staleBoundMs: 10_000 }),
  ];
  const [here, there] = servers.map((server) => server.client()) as [PgCachedClient, PgCachedClient];
  for (let round = 0; round < 30; round++) {
    await here.set('shared', { round });
    await eventually('the new value', async () => (await there.get<{ round: number }>('shared'))?.round === round);
    assert.equal(await there.get('shared'), { round }, 'and no older one after it');
    const before = (await there.stats()).tiers.memory?.hits ?? 0;
    assert.equal(await there.get('shared'), { round });
    assert.equal((await there.stats()).tiers.memory?.hits, before + 1, 'the second answer comes from memory');
  }
  for (const server of servers) await server.close();
});

test('whoever is told of its write reads it, on every client of the host', async ({ a }) => {
  const [one, two] = [a.client(), a.client()];
  for (let round = 0; round < 50; round++) {
    await one.set('own', round);
    assert.equal(await one.get('own'), round);
    assert.equal(await two.get('own'), round);
  }
});

test('delete, clear and an invalidated tag reach the other server', async ({ a, b }) => {
  const [here, there] = [a.client(), b.client()];
  const both = async (key: string, value: unknown) => {
    await here.set(key, value, { tags: ['t'] });
    await eventually(`${key} on both`, async () => (await there.get(key)) === value);
  };
  await both('k', 1);
  assert.equal(await here.delete('k'), true);
  await eventually('the delete', async () => (await there.get('k')) === undefined);
  await both('k', 2);
  await here.invalidateTags(['t']);
  assert.is(await here.get('k'), undefined);
  await eventually('the tag', async () => (await there.get('k')) === undefined);
  await both('k', 3);
  await here.clear();
  assert.is(await here.get('k'), undefined);
  await eventually('the clear', async () => (await there.get('k')) === undefined);
  assert.is(await there.count(), 0);
});

test('counters are one across servers', async ({ a, b }) => {
  const [here, there] = [a.client(), b.client()];
  const steps = 100;
  const results = await Promise.all(
    Array.from({ length: steps }, (_, index) => (index % 2 === 0 ? here : there).incr('visits')),
  );
  assert.equal(
    results.toSorted((x, y) => x - y),
    Array.from({ length: steps }, (_, index) => index + 1),
  );
});

test('one load at a time on a host, and its value for all who asked before it began', async ({ a }) => {
  const clients = Array.from({ length: 4 }, () => a.client());
  let loads = 0;
  const load = async () => {
    loads += 1;
    await sleep(50);
    return { loads };
  };
  const values = await Promise.all(
    Array.from({ length: 100 }, (_, index) => clients[index % 4]?.getOrSet('cold', load)),
  );
  assert.is(loads, 1);
  assert.ok(values.every((value) => value?.loads === 1));
});

test('a value computed before an invalidation elsewhere is not stored after it', async ({ a, b }) => {
  const [here, there] = [a.client(), b.client()];
  let current = 'old';
  let computed = 0;
  const value = await here.getOrSet('late', async () => {
    computed += 1;
    const seen = current;
    if (computed === 1) {
      current = 'new';
      await there.set('late', 'new');
    }
    return seen;
  });
  assert.is(value, 'new', 'the refused load asks anew and finds what was written');
  assert.is(await here.get('late'), 'new');
  assert.is(await there.get('late'), 'new');
});

test('the same with a delete: the second load is stored', async ({ a, b }) => {
  const [here, there] = [a.client(), b.client()];
  let computed = 0;
  const value = await here.getOrSet('deleted', async () => {
    computed += 1;
    if (computed === 1) await there.delete('deleted');
    return computed;
  });
  assert.is(value, 2);
  assert.is(await there.get('deleted'), 2);
});

test('a load that throws is told to all who wait, and nothing is stored', async ({ a }) => {
  const clients = [a.client(), a.client()];
  let loads = 0;
  const load = async () => {
    loads += 1;
    await sleep(20);
    throw new TypeError('no such user');
  };
  const outcomes = await Promise.allSettled(clients.map((client) => client.getOrSet('failing', load)));
  for (const outcome of outcomes) {
    assert.is(outcome.status, 'rejected');
    assert.match(String((outcome as PromiseRejectedResult).reason), /no such user/);
  }
  assert.is(loads, 1);
  assert.is(await clients[0]?.has('failing'), false);
});

test('what SQL invalidates in a transaction is dropped at its commit, and only then', async ({ a, db }) => {
  const client = a.client();
  await client.set('row', 1, { tags: ['rows'] });
  await runSql(db.url, `BEGIN; SELECT hyper_cache_invalidate('tag', 'rows'); ROLLBACK`);
  await sleep(300);
  assert.is(await client.get('row'), 1);
  await runSql(db.url, `SELECT hyper_cache_invalidate('tag', 'rows', 'others')`);
  await eventually('the tag', async () => (await client.get('row')) === undefined, 1500);
  await client.setMany({ row: 2, other: 3 });
  await runSql(db.url, `SET pgcached.notify = off; SELECT hyper_cache_invalidate('key', 'row')`);
  await eventually('the key, by the poll alone', async () => (await client.get('row')) === undefined, 1500);
  assert.is(await client.get('other'), 3);
  await runSql(db.url, `SELECT hyper_cache_invalidate('namespace')`);
  await eventually('the namespace', async () => (await client.get('other')) === undefined, 1500);
  const wrong = await runSql(db.url, `SELECT hyper_cache_invalidate('tags', 'rows')`).catch((error) => error.message);
  assert.is(wrong, 'unknown kind tags');
});

test('invalidations made in a transaction commit or roll back with it, and the process reads its commit', async ({
  a,
  b,
  db,
}) => {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: db.url });
  await client.connect();
  const [here, there] = [a.client(), b.client()];
  await here.set('account', 1, { tags: ['accounts'] });
  await eventually('both have it', async () => (await there.get('account')) === 1);
  const failed = await here
    .withTransaction(client, async (transaction) => {
      await transaction.invalidateTags(['accounts']);
      throw new Error('changed my mind');
    })
    .catch((error) => error.message);
  assert.is(failed, 'changed my mind');
  assert.is(await here.get('account'), 1);
  const refused = await here
    .withTransaction(client, async () => here.set('account', 2))
    .catch((error) => `${error.code}`);
  assert.is(refused, 'ERR_INVALID_ARGUMENT');
  assert.is(await here.get('account'), 1);
  assert.is(await here.withTransaction(client, async (transaction) => transaction.delete('account')), undefined);
  assert.is(await here.get('account'), undefined, 'at once on the host that committed');
  await eventually('the other host', async () => (await there.get('account')) === undefined, 1500);
  const pool = new pg.Pool({ connectionString: db.url });
  const wrong = await here.withTransaction(pool, async () => {}).catch((error) => error.code);
  assert.is(wrong, 'ERR_INVALID_ARGUMENT');
  await pool.end();
  await client.end();
});

test('namespaces are apart, and each has a table of its own', async ({ a, db }) => {
  const [one, two] = [a.client(), a.client({ namespace: 'sessions' })];
  await one.set('same', 1);
  await two.set('same', 2);
  assert.is(await one.get('same'), 1);
  await two.clear();
  assert.is(await one.get('same'), 1);
  assert.is(await two.get('same'), undefined);
  const rows = await runSql(db.url, `SELECT to_regclass('hyper_cache_ns_sessions') IS NOT NULL AS there`);
  assert.equal(rows, [{ there: true }]);
});

test('a key that somebody else holds locked holds up only itself', async ({ a, db }) => {
  const client = a.client();
  await client.setMany({ locked: 1, free: 1 });
  const { default: pg } = await import('pg');
  const other = new pg.Client({ connectionString: db.url });
  await other.connect();
  await other.query(`BEGIN; SELECT FROM hyper_cache WHERE key = 'locked' FOR UPDATE`);
  const held = client.set('locked', 2);
  const started = performance.now();
  await Promise.all(Array.from({ length: 20 }, (_, index) => client.set(`free${index}`, index)));
  const freeMs = performance.now() - started;
  await other.query('COMMIT');
  await other.end();
  await held;
  assert.is(await client.get('locked'), 2);
  assert.ok(freeMs < 3000, `the others took ${freeMs} ms`);
});

test.run();
