import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ConsistentHashRing } from '../../client/index.js';
import type { ConfigInput } from '../../daemon/config.js';
import { databasesOf } from '../../daemon/databases.js';
import { eventually, type TestServer, testServer } from '../support/daemon.js';
import { rejectsCode } from '../support/errors.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';

/** One cache over several databases: where keys lie, and what becomes of them when the databases change. */
const test = suite<{ databases: TestDatabase[] }>('several databases');

const KEYS = Array.from({ length: 300 }, (_, i) => `clé ${i}`);
const servers: TestServer[] = [];

test.before.each(async (context) => {
  context.databases = await Promise.all([testDatabase(), testDatabase(), testDatabase()]);
});

test.after.each(async ({ databases }) => {
  for (const server of servers.splice(0)) await server.close();
  for (const database of databases) await database.close();
});

async function start(databases: readonly TestDatabase[], options: ConfigInput = {}): Promise<TestServer> {
  const server = await testServer(
    databases.map(({ url }) => url),
    { pollIntervalMs: 50, ...options },
  );
  servers.push(server);
  return server;
}

async function stop(server: TestServer): Promise<void> {
  servers.splice(servers.indexOf(server), 1);
  await server.close();
}

const nameOf = ({ url }: TestDatabase) => databasesOf({ databaseUrl: url, databaseWeights: undefined })[0]!.name;
const strict = (server: TestServer, namespace = 'default') => server.client({ namespace, onUnavailable: 'throw' });

/** The database of a key, as any ketama ring has it. */
function ringOf(databases: readonly TestDatabase[], weights: readonly number[] = []) {
  const ring = new ConsistentHashRing({
    nodes: Object.fromEntries(
      databases.map((database, at) => [nameOf(database), { database, weight: weights[at] ?? 1 }]),
    ),
    weightFn: (_, { weight }) => weight,
  });
  return (key: string) => ring.getNode(key)!.database;
}

const setAll = (server: TestServer, value: string) => strict(server).setMany(new Map(KEYS.map((key) => [key, value])));

/** Checks that exactly the keys that may be there are. */
async function assertKept(server: TestServer, value: string, isKept: (key: string) => boolean): Promise<void> {
  const found = await strict(server).getMany(KEYS);
  const kept = KEYS.filter(isKept);
  assert.equal([...found.keys()], kept);
  assert.equal(new Set(found.values()), new Set(kept.length === 0 ? [] : [value]));
}

test('each key lies where the ring says, by weight, and on no other', async ({ databases: [a, b] }) => {
  const two = [a!, b!];
  const server = await start(two, { databaseWeights: [1, 3] });
  await setAll(server, 'v');
  const ownerOf = ringOf(two, [1, 3]);
  for (const database of two) {
    const rows = await runSql<{ key: string }>(database.url, 'SELECT key FROM hyper_cache');
    assert.equal(rows.map(({ key }) => key).sort(), KEYS.filter((key) => ownerOf(key) === database).sort());
  }
  assert.is(await strict(server).count(), KEYS.length);
});

test('two servers are coherent, whatever the order in which they name the databases', async ({ databases }) => {
  const [here, there] = [await start(databases), await start([...databases].reverse())];
  const [mine, theirs] = [strict(here), strict(there)];
  for (const round of [1, 2]) {
    await setAll(here, `v${round}`);
    await eventually('the new values', async () =>
      [...(await theirs.getMany(KEYS)).values()].every((v) => v === `v${round}`),
    );
    assert.is((await theirs.getMany(KEYS)).size, KEYS.length);
  }
  assert.is(await mine.incr('n'), 1);
  assert.is(await theirs.incr('n'), 2);
  await theirs.clear();
  await eventually('the clear', async () => (await mine.getMany(KEYS)).size === 0);
});

test('a namespace that lies whole on one database has tags; one that is spread says why not', async ({ databases }) => {
  const [a, b] = databases as [TestDatabase, TestDatabase];
  const server = await start([a, b], {
    namespaces: { tagged: { placement: 'whole' }, pinned: { database: nameOf(b) } },
  });
  const owner = ringOf([a, b])('tagged');
  for (const [namespace, home] of [
    ['tagged', owner],
    ['pinned', b],
  ] as const) {
    const client = strict(server, namespace);
    await client.set('k', 1, { tags: ['t'] });
    await client.set('l', 1);
    await client.invalidateTags(['t']);
    assert.equal([await client.get('k'), await client.get('l')], [undefined, 1]);
    const sql = `SELECT to_regclass('hyper_cache_ns_${namespace}') IS NOT NULL AS there`;
    for (const database of [a, b]) assert.is((await runSql(database.url, sql))[0]!.there, database === home);
  }
  const client = strict(server);
  await rejectsCode('ERR_TAGS_NOT_AVAILABLE', () => client.set('k', 1, { tags: ['t'] }));
  await rejectsCode('ERR_TAGS_NOT_AVAILABLE', () => client.getOrSet('k', () => 1, { tags: ['t'] }));
  await rejectsCode('ERR_TAGS_NOT_AVAILABLE', () => client.invalidateTags(['t']));
  assert.is(await client.get('k'), undefined);
  const { namespaces } = (await client.status()) as { namespaces: Record<string, { place: string }> };
  assert.equal(
    Object.entries(namespaces)
      .map(([name, { place }]) => [name, place])
      .sort(),
    [
      ['default', 'spread'],
      ['pinned', nameOf(b)],
      ['tagged', nameOf(owner)],
    ],
  );
});

test('with a database more, what moves misses once, and the rest stays', async ({ databases }) => {
  const [a, b, c] = databases as [TestDatabase, TestDatabase, TestDatabase];
  const alone = await start([a]);
  await setAll(alone, 'v1');
  await stop(alone);
  const two = await start([a, b]);
  const ofTwo = ringOf([a, b]);
  await assertKept(two, 'v1', (key) => ofTwo(key) === a);
  await setAll(two, 'v2');
  await stop(two);
  const three = await start([a, b, c]);
  const ofThree = ringOf([a, b, c]);
  const moved = KEYS.filter((key) => ofTwo(key) !== ofThree(key)).length;
  assert.ok(moved > 50 && moved < 150, `${moved} of ${KEYS.length} moved`);
  await assertKept(three, 'v2', (key) => ofTwo(key) === ofThree(key));
});

test('a key that went to another database and comes back is not what it was when it left', async ({ databases }) => {
  const [a, b] = databases as [TestDatabase, TestDatabase];
  const ofTwo = ringOf([a, b]);
  const run = async (
    some: readonly TestDatabase[],
    value: string,
    isKept: (key: string) => boolean,
    before: string,
  ) => {
    const server = await start(some);
    await assertKept(server, before, isKept);
    await setAll(server, value);
    await stop(server);
  };
  await run([a], 'v1', () => false, '');
  await run([a, b], 'v2', (key) => ofTwo(key) === a, 'v1');
  await run([a], 'v3', (key) => ofTwo(key) === a, 'v2');
  await run([a, b], 'v4', (key) => ofTwo(key) === a, 'v3');
  // B on its own knows nothing of what happened on A, nor A of this: nothing can be kept.
  await run([b], 'v5', (key) => ofTwo(key) === b, 'v4');
  await run([a], 'v6', (key) => ofTwo(key) === a, 'v4');
  await run([a, b], 'v7', () => false, '');
});

test('a namespace that changes its place is not what it was when it left', async ({ databases }) => {
  const [a, b] = databases as [TestDatabase, TestDatabase];
  for (const [value, home] of [
    ['on A', a],
    ['on B', b],
    ['on A again', a],
  ] as const) {
    const server = await start([a, b], { namespaces: { n: { database: nameOf(home) } } });
    const client = strict(server, 'n');
    assert.is(await client.get('k'), undefined);
    await client.set('k', value);
    await stop(server);
  }
});

test('of two daemons with different databases the one that started first says so, and answers nothing', async ({
  databases,
}) => {
  const [a, b, c] = databases as [TestDatabase, TestDatabase, TestDatabase];
  const old = await start([a, b]);
  await setAll(old, 'v1');
  const young = await start([a, c]);
  const ofOld = ringOf([a, b]);
  const key = KEYS.find((each) => ofOld(each) === b)!;
  await eventually('the older one is barred', async () => {
    return strict(old)
      .get(key)
      .then(
        () => false,
        (error: Error) => /another way/.test(error.message),
      );
  });
  for (const each of KEYS.slice(0, 20)) await rejectsCode('ERR_DATABASE', () => strict(old).get(each));
  await rejectsCode('ERR_DATABASE', () => strict(old).set(key, 'lost'));
  assert.is(await old.client().get(key), undefined);
  const { shards } = (await strict(old).status()) as { shards: Record<string, { refused: string }> };
  for (const { refused } of Object.values(shards)) assert.match(refused, /started later/);
  await setAll(young, 'v2');
  assert.is((await strict(young).getMany(KEYS)).size, KEYS.length);

  const third = await start([b, a]);
  await setAll(third, 'v3');
  await eventually('the older one goes on', async () => (await old.client().get(key)) === 'v3');
  await eventually('the younger one is barred', async () => (await young.client().get(key)) === undefined);
});

test('daemons that start at once with a new database agree, and keep what stays', async ({ databases }) => {
  const [a, b, c] = databases as [TestDatabase, TestDatabase, TestDatabase];
  const first = await start([a, b]);
  await setAll(first, 'v1');
  await stop(first);
  const all = await Promise.all(Array.from({ length: 4 }, () => start([a, b, c])));
  const [before, after] = [ringOf([a, b]), ringOf([a, b, c])];
  for (const server of all) await assertKept(server, 'v1', (key) => before(key) === after(key));
});

test('a database that is named twice is used once', async ({ databases: [a] }) => {
  const again = { ...a!, url: a!.url.replace(/host=([^&]+)/, 'host=$1/.').replace('@localhost', '@127.0.0.1') };
  assert.is.not(nameOf(again), nameOf(a!), 'another name for the same');
  const server = await start([a!, again]);
  const { shards } = (await strict(server).status()) as { shards: Record<string, { refused: string | null }> };
  const refused = Object.values(shards).map((shard) => shard.refused);
  assert.is(refused.filter((reason) => reason === null).length, 1);
  assert.match(refused.find((reason) => reason !== null)!, /names of the same tables/);
});

test.run();
