// gate: timeout=240
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ConsistentHashRing } from '../../client/index.js';
import { databasesOf } from '../../daemon/databases.js';
import { eventually, type TestServer, testServer } from '../support/daemon.js';
import { runSql, type TestCluster, testCluster } from '../support/postgres.js';

/** Two clusters, one of which stops: its keys miss, the others work. */
const test = suite<{ clusters: TestCluster[]; server: TestServer; keys: string[][] }>('one of two databases fails');

const STALE_BOUND_MS = 500;
const PER_SHARD = 20;

test.before(async (context) => {
  context.clusters = [await testCluster(), await testCluster()];
  const databaseUrl = context.clusters.map(({ url }) => url);
  context.server = await testServer(databaseUrl, {
    staleBoundMs: STALE_BOUND_MS,
    pollIntervalMs: 100,
    namespaces: { first: { database: databasesOf({ databaseUrl, databaseWeights: undefined })[0]!.name } },
  });
  context.keys = keysOf(databaseUrl);
});

test.after(async ({ server, clusters }) => {
  await server?.close();
  for (const cluster of clusters ?? []) await cluster.close();
});

/** Keys of each database, as the ring that anybody can make says. */
function keysOf(databaseUrl: readonly string[]): string[][] {
  const names = databasesOf({ databaseUrl, databaseWeights: undefined }).map(({ name }) => name);
  const ring = new ConsistentHashRing({ nodes: Object.fromEntries(names.map((name, at) => [name, at])) });
  const keys: string[][] = names.map(() => []);
  for (let n = 0; keys.some((some) => some.length < PER_SHARD); n++) {
    const some = keys[ring.getNode(`key ${n}`)!]!;
    if (some.length < PER_SHARD) some.push(`key ${n}`);
  }
  return keys;
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error) => error.code as string,
  );

test('the keys of the one that is down miss, all others are read and written; it comes back by itself', async ({
  clusters,
  server,
  keys,
}) => {
  const client = server.client();
  const strict = server.client({ onUnavailable: 'throw' });
  const [up, down] = keys as [string[], string[]];
  const all = [...up, ...down];
  await client.setMany(new Map(all.map((key) => [key, `${key} v1`])));
  assert.is((await client.getMany(all)).size, all.length);
  await clusters[1]!.stop('fast');
  await eventually('memory gives up what it can no longer vouch for', async () => {
    return (await client.get(down[0]!)) === undefined;
  });

  assert.equal([...(await client.getMany(all)).keys()], up, 'a call about both answers what it can');
  assert.is(await codeOf(strict.getMany(all)), 'ERR_DATABASE', 'unless all or nothing was asked for');
  for (const key of down) assert.is(await codeOf(strict.get(key)), 'ERR_DATABASE');
  for (const key of up) assert.is(await strict.get(key), `${key} v1`);
  for (const key of up) await strict.set(key, `${key} v2`);
  assert.is(await codeOf(strict.set(down[0]!, 'lost')), 'ERR_DATABASE');
  assert.is(await codeOf(client.set(down[1]!, 'dropped')), 'done');
  assert.equal([...(await client.getMany(all)).keys()], up, 'a delete that is owed for one key keeps no others away');
  assert.is(await codeOf(client.delete(down[2]!)), 'ERR_DATABASE');
  assert.is(await codeOf(client.clear()), 'ERR_DATABASE');
  assert.is(await codeOf(client.count()), 'ERR_DATABASE');
  assert.is(await client.getOrSet(down[3]!, () => 'computed'), 'computed');
  assert.is(await client.getOrSet(`${up[0]} new`, () => 'computed'), 'computed');
  const pinned = server.client({ namespace: 'first', onUnavailable: 'throw' });
  await pinned.set('k', 1, { tags: ['t'] });
  await pinned.invalidateTags(['t']);
  assert.is(await pinned.get('k'), undefined);

  let shards: { fresh: boolean; database: string }[] = [];
  await eventually('the one that is up is fresh', async () => {
    shards = Object.values((await client.status()).shards as Record<string, { fresh: boolean; database: string }>);
    return shards[0]!.fresh;
  });
  assert.not(shards[1]!.fresh);
  assert.is(shards[0]!.database, 'ok');
  assert.is.not(shards[1]!.database, 'ok');
  assert.not(server.daemon.isFresh());

  await clusters[1]!.start();
  await eventually('sight of both', () => server.daemon.isFresh());
  // Not what `client` says: to it a key that is owed a delete is missing even where that could not be done yet.
  await eventually('the dropped key is deleted', async () => !(await strict.has(down[1]!).catch(() => true)));
  assert.is(await client.get(down[4]!), `${down[4]} v1`, 'a clean restart keeps the table');
  await strict.clear();
  assert.is(await strict.count(), 0);
});

test('a crash that takes the tables and the record of one database: it is taken in again by itself', async ({
  clusters,
  server,
  keys,
}) => {
  const [up, down] = keys as [string[], string[]];
  const strict = server.client({ onUnavailable: 'throw' });
  await strict.setMany(new Map([...up, ...down].map((key) => [key, 1])));
  const records = 'SELECT layout, epoch FROM hyper_cache_topology';
  const before = await runSql(clusters[1]!.url, records);
  await runSql(clusters[1]!.url, 'DELETE FROM hyper_cache_topology');
  await clusters[1]!.restart('immediate');
  await eventually('the record is there again', async () => (await runSql(clusters[1]!.url, records)).length === 1);
  assert.equal(await runSql(clusters[1]!.url, records), before);
  await eventually('writes go on', async () => (await codeOf(strict.set(down[0]!, 2))) === 'done');
  assert.equal(
    await strict.getMany([up[0]!, down[0]!, down[1]!]),
    new Map([
      [up[0]!, 1],
      [down[0]!, 2],
    ]),
  );
});

test('a daemon that starts while one is down serves the other, and takes the one in when it is up', async ({
  clusters,
  keys,
}) => {
  const [up, down] = keys as [string[], string[]];
  await clusters[1]!.stop('fast');
  const server = await testServer(
    clusters.map(({ url }) => url),
    { staleBoundMs: STALE_BOUND_MS, pollIntervalMs: 100 },
  );
  try {
    const strict = server.client({ onUnavailable: 'throw' });
    await eventually('writes to the one that is up', async () => (await codeOf(strict.set(up[0]!, 1))) === 'done');
    assert.is(await codeOf(strict.set(down[0]!, 1)), 'ERR_DATABASE');
    await clusters[1]!.start();
    await eventually('writes to the other', async () => (await codeOf(strict.set(down[0]!, 1))) === 'done');
    assert.equal(await strict.getMany([up[0]!, down[0]!]), new Map([up[0]!, down[0]!].map((key) => [key, 1])));
  } finally {
    await server.close();
  }
});

test.run();
