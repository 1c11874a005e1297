import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PgCachedClient } from '../../client/index.js';
import { FLAG, OP, PUSH, STATUS } from '../../shared/protocol.js';
import { eventually, sleep, type TestServer, testServer } from '../support/daemon.js';
import { runSql, type TestDatabase, testDatabase } from '../support/postgres.js';
import { RawClient } from '../support/transport.js';

/** Near tiers of clients of two servers over one Postgres. Both clients of one server here share a near tier. */
const test = suite<{ db: TestDatabase; a: TestServer; b: TestServer; near: PgCachedClient; far: PgCachedClient }>(
  'near',
);

/** Long, or copies would end where the machine stalls for as long. */
const STALE_BOUND_MS = 4000;

test.before(async (context) => {
  context.db = await testDatabase();
  context.a = await testServer(context.db.url, { staleBoundMs: STALE_BOUND_MS });
  context.b = await testServer(context.db.url, { staleBoundMs: STALE_BOUND_MS });
  context.near = context.a.client({ near: true });
  context.far = context.b.client();
});

test.after(async (context) => {
  await context.a?.close();
  await context.b?.close();
  await context.db?.close();
});

const nearOf = async (client: PgCachedClient) => (await client.stats()).tiers.near;

/** Reads until the near tier holds the key: memory may have to learn of the table's value first. */
async function fetched(client: PgCachedClient, key: string): Promise<unknown> {
  await eventually(`${key} in the near tier`, async () => {
    await client.get(key);
    return client.peek(key) !== undefined;
  });
  return client.peek(key);
}

test('what was read once is there at once', async ({ near }) => {
  await near.set('k', { a: [1, { b: 2 }] });
  assert.is(near.peek('k'), undefined, 'a write fills nothing');
  const value = await near.get('k');
  assert.equal(value, { a: [1, { b: 2 }] });
  assert.is(near.peek('k'), value, 'the very object');
  assert.is(await near.get('k'), value);
  assert.equal([await near.has('k'), near.peek('none')], [true, undefined]);
  assert.is(await near.getOrSet('k', () => 'not called'), value);
  assert.equal(await near.getMany(['none', 'k']), new Map([['k', value]]));
  const tier = await nearOf(near);
  assert.ok(tier !== undefined && tier.hits >= 3 && tier.entries >= 1 && tier.bytes > 0, JSON.stringify(tier));
});

test('null, getMany, and what waited for a load are kept as well', async ({ near }) => {
  await near.setMany({ x: 1, y: null, z: 'three' });
  await near.getMany(['x', 'y', 'z']);
  assert.equal([near.peek('x'), near.peek('y'), near.peek('z')], [1, null, 'three']);
  await near.getOrSet('loaded', () => 'by me');
  await near.getOrSet('loaded', () => 'not called');
  assert.is(near.peek('loaded'), 'by me');
});

test('a write is followed by its drop before it is acknowledged', async ({ a, near }) => {
  const other = a.client();
  for (let round = 0; round < 50; round++) {
    await near.set('own', round);
    assert.is(await near.get('own'), round);
    const writes = [
      () => near.set('own', 'next'),
      () => other.set('own', 'next'),
      () => near.delete('own'),
      () => near.deleteMany(['own']),
      () => near.expire('own', 1000),
      () => near.setMany({ own: 'next' }),
      () => near.clear(),
      () => near.invalidateTags(['none', `round`]).then(() => near.delete('own')),
    ];
    await writes[round % writes.length]?.();
    assert.is(near.peek('own'), undefined, `write ${round % writes.length}`);
  }
});

test('clear and tags empty what they name, on both servers', async ({ near, far }) => {
  for (const [from, invalidate] of [
    ['here', () => near.invalidateTags(['t'])],
    ['there', () => far.invalidateTags(['t'])],
    ['here', () => near.clear()],
    ['there', () => far.clear()],
  ] as const) {
    await near.setMany({ one: 1, two: 2 }, { tags: ['t'] });
    await fetched(near, 'one');
    await fetched(near, 'two');
    await invalidate();
    if (from === 'there')
      await eventually('the drop', () => near.peek('one') === undefined && near.peek('two') === undefined);
    assert.equal([near.peek('one'), near.peek('two')], [undefined, undefined], from);
    assert.is(await near.get('one'), undefined);
  }
});

test('a commit from SQL drops what it names', async ({ db, near }) => {
  await near.set('sql', 1, { tags: ['orders'] });
  await fetched(near, 'sql');
  await runSql(db.url, `SELECT hyper_cache_invalidate('tag', 'orders')`);
  await eventually('the drop', () => near.peek('sql') === undefined);
  assert.is(await near.get('sql'), undefined);
});

test('only the sessions that hold a key are told', async ({ a, near }) => {
  await near.set('told', 1);
  await fetched(near, 'told');
  const before = (await nearOf(near))?.invalidations ?? 0;
  const other = a.client();
  for (let i = 0; i < 20; i++) await other.set(`untold-${i}`, i);
  await other.set('told', 2);
  assert.is(((await nearOf(near))?.invalidations ?? 0) - before, 1);
});

test('an entry expires near as it does elsewhere', async ({ near }) => {
  await near.set('short', 1, 3);
  await near.get('short');
  assert.is(near.peek('short'), 1);
  await eventually('expiry', () => near.peek('short') === undefined);
  // Copies expire no later than the table's row, and perhaps a moment earlier.
  await eventually('expiry in the table', async () => (await near.get('short')) === undefined);
});

test('what memory evicts leaves the near tier', async ({ db }) => {
  const small = await testServer(db.url, { maxEntries: 2 });
  const client = small.client({ near: true });
  await client.setMany({ e1: 1, e2: 2, e3: 3 });
  await client.get('e1');
  await client.get('e1');
  assert.is(client.peek('e1'), 1);
  await client.get('e2');
  await client.get('e3');
  assert.is(client.peek('e1'), undefined);
  await small.close();
});

test('a near tier has limits of its own', async ({ db }) => {
  const server = await testServer(db.url);
  const client = server.client({ near: { maxEntries: 2 }, namespace: 'small' });
  await client.setMany({ l1: 1, l2: 2, l3: 3 });
  for (const key of ['l1', 'l2', 'l3']) await client.get(key);
  assert.equal([client.peek('l1'), client.peek('l2'), client.peek('l3')], [undefined, 2, 3]);
  assert.is((await nearOf(client))?.evictions, 1);
  await server.close();
});

test('counters are never held', async ({ near }) => {
  await near.incr('visits');
  assert.is(await near.get('visits'), 1);
  assert.is(await near.get('visits'), 1);
  assert.is(near.peek('visits'), undefined);
});

test('what one caller does to a value does not reach another', async ({ near }) => {
  await near.set('tree', { list: [{ n: 1 }] });
  const tree = await near.get<{ list: { n: number }[] }>('tree');
  assert.throws(() => {
    (tree?.list[0] as { n: number }).n = 2;
  }, TypeError);
  assert.throws(() => tree?.list.push({ n: 3 }), TypeError);
  const rich = { date: new Date(5), set: new Set([1]), bytes: Buffer.from('abc') };
  await near.set('rich', rich);
  const got = await near.get<typeof rich>('rich');
  got?.date.setTime(0);
  got?.set.add(2);
  got?.bytes.fill(0);
  assert.equal(await near.get('rich'), rich);
  assert.equal(near.peek('rich'), rich);
  assert.is.not(near.peek('rich'), near.peek('rich'));
});

test('values are frozen on a near miss too', async ({ near }) => {
  const loaded = await near.getOrSet('frozen', () => ({ a: { b: 1 } }));
  assert.ok(Object.isFrozen(loaded) && Object.isFrozen(loaded.a));
  assert.ok(Object.isFrozen(await near.get('frozen')));
});

test('clients without a near tier on the same connection get values of their own', async ({ a, near }) => {
  const plain = a.client();
  await near.set('plain', { n: 1 });
  const value = await plain.get<{ n: number }>('plain');
  (value as { n: number }).n = 2;
  assert.equal(await near.get('plain'), { n: 1 });
  assert.is(plain.peek('plain'), undefined);
});

test('the near tier ends with its last client', async ({ a }) => {
  const [one, two] = [a.client({ near: true, namespace: 'ends' }), a.client({ near: true, namespace: 'ends' })];
  await one.set('k', 1);
  await one.get('k');
  assert.is(two.peek('k'), 1);
  await one.close();
  assert.equal([one.peek('k'), two.peek('k')], [undefined, 1]);
  await two.set('k', 2);
  assert.is(await two.get('k'), 2);
  await two.close();
  assert.is(two.peek('k'), undefined);
  const three = a.client({ near: true, namespace: 'ends' });
  assert.is(await three.get('k'), 2);
  await eventually('a new one', async () => {
    await three.get('k');
    return three.peek('k') === 2;
  });
});

test('on the wire: the drop comes before the acknowledgement, and once', async ({ a }) => {
  const [one, two] = [await RawClient.ready(a.daemon.socketPath), await RawClient.ready(a.daemon.socketPath)];
  const value = Buffer.from([7]);
  const ask = async (client: RawClient, ...request: unknown[]) => {
    client.messages.length = 0;
    client.send([9, ...request]);
    await client.until(() => client.messages.some(([id]) => id === 9));
    return client.messages.filter(([id, push]) => id === 9 || push === PUSH.drop);
  };
  const [on] = await ask(one, OP.near, 0, true);
  assert.ok(on !== undefined && (on[3] as number) > (on[2] as number), 'now, and fresh until later');
  await ask(one, OP.set, 0, 'wire', value, null, null, 0);
  const [kept] = await ask(one, OP.get, 0, FLAG.near, 'wire');
  assert.is(typeof kept?.[3], 'number');
  const [notNear] = await ask(two, OP.get, 0, FLAG.near, 'wire');
  assert.equal(notNear?.slice(1), [STATUS.ok, value, null], 'who keeps no near copies is told so');
  assert.equal(await ask(one, OP.set, 0, 'wire', value, null, null, 0), [
    [0, PUSH.drop, 0, ['wire']],
    [9, STATUS.ok],
  ]);
  assert.equal(await ask(one, OP.set, 0, 'wire', value, null, null, 0), [[9, STATUS.ok]]);
  await ask(one, OP.get, 0, FLAG.near, 'wire');
  await ask(two, OP.clear, 0);
  await one.until(() => one.messages.some(([, push]) => push === PUSH.drop));
  assert.equal(
    one.messages.filter(([, push]) => push === PUSH.drop),
    [[0, PUSH.drop, 0, null]],
  );
  await ask(one, OP.set, 0, 'wire', value, null, null, 0);
  await ask(one, OP.near, 0, false);
  assert.is((await ask(one, OP.get, 0, FLAG.near, 'wire'))[0]?.[3], null);
  one.close();
  two.close();
});

test('a namespace spread over two databases has a near tier too', async () => {
  const databases = [await testDatabase(), await testDatabase()];
  const spread = { placement: 'spread' } as const;
  const databaseUrl = databases.map(({ url }) => url).join(',');
  const [here, there] = [await testServer(databaseUrl, spread), await testServer(databaseUrl, spread)];
  const [near, far] = [here.client({ near: true }), there.client()];
  const keys = Array.from({ length: 20 }, (_, i) => `spread-${i}`);
  await near.setMany(Object.fromEntries(keys.map((key) => [key, key])));
  for (const key of keys) assert.is(await fetched(near, key), key);
  await near.set(keys[0]!, 'new');
  assert.is(near.peek(keys[0]!), undefined);
  await far.deleteMany(keys.slice(0, 10));
  await eventually('the drops', () => keys.slice(0, 10).every((key) => near.peek(key) === undefined));
  assert.equal(
    keys.slice(10).map((key) => near.peek(key)),
    keys.slice(10),
    'and no others',
  );
  await near.clear();
  assert.ok(keys.every((key) => near.peek(key) === undefined));
  await Promise.all([here.close(), there.close()]);
  await Promise.all(databases.map((database) => database.close()));
});

test('a quiet near tier goes on past the bound', async ({ near }) => {
  await near.set('quiet', 1);
  await fetched(near, 'quiet');
  const fromMs = performance.now();
  for (let ms = 0; ms < 1.25 * STALE_BOUND_MS; ms = performance.now() - fromMs) {
    await sleep(50);
    assert.is(near.peek('quiet'), 1, `after ${ms} ms`);
  }
});

test.run();
