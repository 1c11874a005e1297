// gate: cost=1 timeout=60
import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect, type GetOrSetOptions, type LoadContext, type PgCachedClient } from '../../client/index.js';
import { eventually, sleep, type TestServer, testServer } from '../support/daemon.js';
import { rejectsCode } from '../support/errors.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';
import { temporarySocket } from '../support/transport.js';

/** A hit of `getOrSet` is answered on a short way: what it must not leave out. */
const test = suite<{ db: TestDatabase; a: TestServer; near: PgCachedClient; plain: PgCachedClient }>('hits');

test.before(async (context) => {
  context.db = await testDatabase();
  // Near copies would end where the machine stalls for as long as the bound.
  context.a = await testServer(context.db.url, { staleBoundMs: 5000 });
  context.near = context.a.client({ near: true });
  context.plain = context.a.client();
});

test.after(async (context) => {
  await context.a?.close();
  await context.db?.close();
});

const LONG = 'l'.repeat(300);
const notCalled = (): never => {
  throw new Error('called, though the value is there');
};

/** The value is there for both clients, and in the near tier of the first. */
async function isThere(near: PgCachedClient, key: string): Promise<void> {
  await near.set(key, 'there', 60);
  await eventually(`${key} in the near tier`, async () => {
    await near.get(key);
    return near.peek(key) !== undefined;
  });
}

test('a call that is wrong is refused though the value is there, near or not', async ({ near, plain }) => {
  const wrong: readonly [unknown, string][] = [
    [0, 'ERR_INVALID_TTL'],
    ['5 parsecs', 'ERR_INVALID_TTL'],
    [null, 'ERR_INVALID_TTL'],
    [[60], 'ERR_INVALID_TTL'],
    [{ ttl: -1 }, 'ERR_INVALID_TTL'],
    [{ tags: [''] }, 'ERR_INVALID_TAG'],
    [{ tag: ['x'] }, 'ERR_INVALID_ARGUMENT'],
    [{ inherit: 'yes' }, 'ERR_INVALID_ARGUMENT'],
    [{ beta: -1 }, 'ERR_INVALID_ARGUMENT'],
    [{ softTimeout: 1 }, 'ERR_INVALID_ARGUMENT'],
    [{ hardTimeout: 0 }, 'ERR_INVALID_TTL'],
    [{ coalesce: 'world' }, 'ERR_INVALID_ARGUMENT'],
    [{ onStale: 5 }, 'ERR_INVALID_ARGUMENT'],
  ];
  for (const key of ['k', LONG]) {
    await isThere(near, key);
    for (const client of [near, plain]) {
      for (const [options, code] of wrong) {
        await rejectsCode(code as 'ERR_INVALID_TTL', () => client.getOrSet(key, notCalled, options as GetOrSetOptions));
      }
      await rejectsCode('ERR_INVALID_ARGUMENT', () => client.getOrSet(key, 'there' as never));
      assert.is(await client.getOrSet(key, notCalled), 'there');
      assert.is(await client.getOrSet(key, notCalled, '5m'), 'there');
      assert.is(await client.getOrSet(key, notCalled, { ttl: 5, tags: ['t'], grace: 0, beta: undefined }), 'there');
    }
  }
  for (const key of ['', 'a\0b', 5 as never]) {
    await rejectsCode('ERR_INVALID_KEY', () => near.getOrSet(key, 5 as never, 0));
  }
});

test('inside withTransaction it is refused, though the value is near', async ({ db, near }) => {
  await isThere(near, 'k');
  const client = new pg.Client(db.url);
  await client.connect();
  const inside = near.withTransaction(client, async () => near.getOrSet('k', notCalled));
  await rejectsCode('ERR_INVALID_ARGUMENT', () => inside);
  await client.end();
});

test('options are those of the call, also where its object was given before', async ({ near, plain }) => {
  for (const client of [near, plain]) {
    const options = { ttl: 60 as number, tags: ['one'] };
    await client.getOrSet('kept', () => 'first', options);
    assert.is(await client.getOrSet('kept', notCalled, options), 'first');
    options.tags.push('two');
    await client.delete('kept');
    await client.getOrSet('kept', () => 'second', options);
    await client.invalidateTags(['two']);
    assert.is(await client.getOrSet('kept', () => 'third', options), 'third');
    options.ttl = -1;
    await rejectsCode('ERR_INVALID_TTL', () => client.getOrSet('kept', notCalled, options));
    await client.delete('kept');
  }
});

test('a load runs in the async context of its caller, whoever else waits and whatever failed', async ({ a, near }) => {
  const request = new AsyncLocalStorage<string>();
  const ofRequest = (client: PgCachedClient, key: string, name: string, options?: GetOrSetOptions) =>
    request.run(name, () => client.getOrSet(key, async () => request.getStore(), options));
  assert.is(await ofRequest(near, 'context', 'miss'), 'miss');
  assert.is(await ofRequest(near, 'patient', 'patient', { hardTimeout: 60 }), 'patient');

  // The second waits for the load of the first, and is told that it has to load for itself.
  const skipping = async (run: LoadContext) => {
    await sleep(30);
    run.skip();
    return request.getStore();
  };
  const first = request.run('first', () => near.getOrSet('skipped', skipping));
  const second = ofRequest(a.client(), 'skipped', 'second');
  assert.equal([await first, await second], ['first', 'second']);

  const alone = connect({ socket: temporarySocket() });
  assert.is(await ofRequest(alone, 'k', 'connecting'), 'connecting');
  assert.is(await ofRequest(alone, 'k', 'away'), 'away');
  await alone.close();
});

test('a near miss is counted once, and a hit once', async ({ a }) => {
  const client = a.client({ near: true, namespace: 'counted' });
  const counts = async () => (await client.stats()).tiers.near;
  for (const key of ['short', LONG]) {
    const before = await counts();
    await client.getOrSet(key, () => 1);
    await client.getOrSet(key, notCalled);
    assert.is(client.peek(key), 1);
    await client.getOrSet(key, notCalled);
    const after = await counts();
    assert.equal([after!.misses - before!.misses, after!.hits - before!.hits], [2, 2], key.slice(0, 9));
  }
});

test.run();
