import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from '../../client/index.js';
import { CacheError } from '../../shared/errors.js';
import { LIMIT } from '../../shared/protocol.js';
import { rejectsCode, throwsCode } from '../support/errors.js';
import { until } from '../support/process.js';
import { startTestServer } from '../support/transport.js';

const daemon = await startTestServer();
const cache = connect({ socket: daemon.path, onUnavailable: 'throw' });
test.before.each(() => cache.clear());
test.after(async () => {
  await cache.close();
  await daemon.server.close();
});

test('every call of the interface does what it says', async () => {
  await cache.ready();
  assert.is(await cache.get('a'), undefined);
  assert.is(await cache.get('a', 'default'), 'default');
  await cache.set('a', { list: [1, null, new Date(5)] }, '5m');
  assert.equal(await cache.get('a'), { list: [1, null, new Date(5)] });
  await cache.set('null', null);
  assert.is(await cache.get('null', 'default'), null);
  assert.equal([await cache.has('null'), await cache.has('none')], [true, false]);
  assert.equal([await cache.add('a', 1), await cache.add('b', 2)], [false, true]);
  assert.is(await cache.count(), 3);
  assert.equal([await cache.delete('b'), await cache.delete('b')], [true, false]);
  assert.equal([await cache.incr('n'), await cache.incr('n', 10), await cache.decr('n', 2)], [1, 11, 9]);
  await rejectsCode('ERR_NOT_A_COUNTER', () => cache.incr('a'));
  assert.equal([await cache.expire('n', 100), await cache.expire('none', 100)], [true, false]);
  const left = await cache.ttl('n');
  assert.ok(left !== undefined && left > 90 && left <= 100, `${left}`);
  await cache.set('forever', 1, Number.POSITIVE_INFINITY);
  assert.equal([await cache.ttl('forever'), await cache.ttl('none')], [Number.POSITIVE_INFINITY, undefined]);
  await cache.setMany({ x: 1, y: 2 }, { ttl: 60, tags: ['t'] });
  await cache.setMany(new Map([['z', 3]]));
  assert.equal(
    [...(await cache.getMany(['x', 'none', 'z']))],
    [
      ['x', 1],
      ['z', 3],
    ],
  );
  await cache.invalidateTags(['t']);
  assert.equal([...(await cache.getMany(['x', 'y', 'z'])).keys()], ['z']);
  assert.is(await cache.deleteMany(['z', 'z', 'none']), 1);
  assert.is((await cache.stats()).hitRate, 0);
  assert.is(await cache.cleanup(), 0);
  assert.equal(await cache.status(), { pid: process.pid });
});

test('long and odd keys work, and getMany answers under the keys that were asked', async () => {
  const keys = ['k'.repeat(300), `${'k'.repeat(299)}x`, 'ü'.repeat(200), 'lone \ud800', '😀'];
  await cache.setMany(new Map(keys.map((key, i) => [key, i])));
  assert.equal(
    [...(await cache.getMany(keys))],
    keys.map((key, i) => [key, i]),
  );
  assert.is(await cache.get(keys[1]!), 1);
});

test('more keys than one call takes go in several', async () => {
  const keys = Array.from({ length: LIMIT.keysPerCallMax + 5 }, (_, i) => `k${i}`);
  await cache.setMany(new Map(keys.map((key) => [key, key])));
  assert.is(await cache.count(), keys.length);
  assert.equal([...(await cache.getMany(keys)).values()], keys);
  assert.is(await cache.deleteMany(keys), keys.length);
});

test('bad arguments are refused before anything is sent', async () => {
  for (const key of ['', 'a\0b', 5 as never]) await rejectsCode('ERR_INVALID_KEY', () => cache.get(key));
  for (const ttl of [0, -1, Number.NaN, '5 parsecs'])
    await rejectsCode('ERR_INVALID_TTL', () => cache.set('k', 1, ttl));
  for (const value of [undefined, () => 1, Symbol('s')]) {
    await rejectsCode('ERR_INVALID_VALUE', () => cache.set('k', value));
  }
  await rejectsCode('ERR_INVALID_TAG', () => cache.set('k', 1, { tags: [''] }));
  await rejectsCode('ERR_INVALID_ARGUMENT', () => cache.incr('k', 0.5));
  await rejectsCode('ERR_INVALID_ARGUMENT', () => cache.getOrSet('k', 5 as never));
  const wrong = { inherit: true, beta: -1, softTimeout: 1, coalesce: 'world', onStale: 5 };
  for (const [option, value] of Object.entries(wrong)) {
    const error = await rejectsCode('ERR_INVALID_ARGUMENT', () => cache.getOrSet('k', () => 1, { [option]: value }));
    assert.ok(error.message.includes(option));
  }
  for (const option of ['grace', 'softTimeout', 'hardTimeout']) {
    const error = await rejectsCode('ERR_INVALID_TTL', () => cache.getOrSet('k', () => 1, { grace: 5, [option]: -1 }));
    assert.ok(error.message.includes(option));
  }
  await rejectsCode('ERR_INVALID_ARGUMENT', () => cache.lease('k', { beta: Number.NaN }));
  throwsCode('ERR_INVALID_NAMESPACE', () => connect({ namespace: 'No' }));
  throwsCode('ERR_INVALID_ARGUMENT', () => connect({ timeoutMs: 0 }));
  throwsCode('ERR_INVALID_ARGUMENT', () => connect({ sokcet: daemon.path } as never));
  throwsCode('ERR_INVALID_ARGUMENT', () => connect(daemon.path as never));
  throwsCode('ERR_INVALID_ARGUMENT', () => connect(null as never));
  throwsCode('ERR_INVALID_ARGUMENT', () => connect({ onUnavailable: 'explode' as never }));
  throwsCode('ERR_SOCKET', () => connect({ socket: `/${'x'.repeat(LIMIT.socketPathBytesMax)}` }));
});

test('a value over the limit of the namespace is refused with both sizes, before it is sent', async () => {
  await cache.ready();
  const error = await rejectsCode('ERR_VALUE_TOO_LARGE', () => cache.set('k', Buffer.alloc(9 * 1024 * 1024)));
  assert.match(error.message, /takes 94371\d\d bytes, the limit of namespace default is 8388608/);
  await cache.set('k', Buffer.alloc(8 * 1024 * 1024 - 100, 5));
  assert.equal(await cache.get('k'), Buffer.alloc(8 * 1024 * 1024 - 100, 5));
});

test('what one turn asks goes out in one write, and its hits come back in one', async () => {
  await cache.set('k', 'v');
  const before = daemon.server.connections;
  const reads = Array.from({ length: 1000 }, (_, i) => cache.get(i % 2 === 0 ? 'k' : 'none'));
  assert.equal(new Set(await Promise.all(reads)), new Set(['v', undefined]));
  assert.is(daemon.server.connections, before);
});

test('clients of one process share a connection, which closes with the last of them', async () => {
  const other = connect({ socket: daemon.path, namespace: 'other' });
  await other.set('a', 'theirs');
  await cache.set('a', 'ours');
  assert.equal([await other.get('a'), await cache.get('a')], ['theirs', 'ours']);
  assert.is(daemon.server.connections, 1);
  await other.close();
  assert.is(await cache.get('a'), 'ours');
  await rejectsCode('ERR_CLOSED', () => other.get('a'));
  await rejectsCode('ERR_CLOSED', () => other.ready());
  const lonely = await startTestServer();
  const one = connect({ socket: lonely.path });
  await one.set('k', 1);
  await one.close();
  await until('the connection is closed', () => lonely.server.connections === 0);
  await lonely.server.close();
});

test('closing fails what waits with ERR_CLOSED, and aborts the load that runs', async () => {
  const client = connect({ socket: daemon.path, namespace: 'closing' });
  let signal: AbortSignal | undefined;
  const loading = client.getOrSet('k', (context) => {
    signal = context.signal;
    return new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason)));
  });
  const waiting = client.getOrSet('k', () => 'never');
  await until('the load runs', () => signal !== undefined);
  const closed = client.close();
  await rejectsCode('ERR_CLOSED', () => loading);
  await rejectsCode('ERR_CLOSED', () => waiting);
  assert.ok(signal?.aborted);
  await closed;
  await client.close();
});

test('one load for a hundred callers, whatever it comes to', async () => {
  let loads = 0;
  const ask = (load: () => unknown) => {
    loads = 0;
    const counted = async () => {
      loads++;
      await new Promise((resolve) => setTimeout(resolve, 5));
      return load();
    };
    return Promise.allSettled(Array.from({ length: 100 }, () => cache.getOrSet('k', counted, 60)));
  };
  const values = await ask(() => ({ v: 1 }));
  assert.is(loads, 1);
  for (const result of values) assert.equal(result, { status: 'fulfilled', value: { v: 1 } });
  assert.equal(await cache.get('k'), { v: 1 });

  await cache.clear();
  await ask(() => null);
  assert.is(loads, 1);
  assert.is(await cache.get('k', 'default'), null);

  await cache.clear();
  for (const result of await ask(() => undefined)) assert.equal(result, { status: 'fulfilled', value: undefined });
  assert.is(loads, 1);
  assert.not(await cache.has('k'));

  class NotFound extends Error {}
  const thrown = new NotFound('no such user');
  for (const result of await ask(() => Promise.reject(thrown))) {
    assert.is((result as PromiseRejectedResult).reason, thrown, 'the very error, for all of this process');
  }
  assert.is(loads, 1);
  assert.not(await cache.has('k'));
  assert.is(await cache.getOrSet('k', () => 'again'), 'again');
});

test('a load may be synchronous, set its TTL and tags, and ask not to be stored', async () => {
  assert.is(await cache.getOrSet('sync', () => 5), 5);
  await cache.getOrSet('context', (context) => {
    assert.is(context.stale, undefined);
    context.setTtl('10s');
    context.setTags(['mine']);
    return 1;
  });
  assert.ok((await cache.ttl('context'))! <= 10);
  await cache.invalidateTags(['mine']);
  assert.not(await cache.has('context'));
  let loads = 0;
  const skipping = () =>
    cache.getOrSet('skip', async (context) => {
      context.skip();
      await new Promise((resolve) => setTimeout(resolve, 5));
      return ++loads;
    });
  assert.equal((await Promise.all([skipping(), skipping(), skipping()])).sort(), [1, 2, 3]);
  assert.not(await cache.has('skip'));
});

test('a load whose value cannot be cached rejects for all who wait, and the next may load', async () => {
  const results = await Promise.allSettled([
    cache.getOrSet('k', async () => () => 'a function'),
    cache.getOrSet('k', async () => 'never asked'),
  ]);
  for (const result of results) {
    assert.is(((result as PromiseRejectedResult).reason as CacheError).code, 'ERR_INVALID_VALUE');
  }
  await rejectsCode('ERR_VALUE_TOO_LARGE', () => cache.getOrSet('k', () => Buffer.alloc(9 * 1024 * 1024)));
  assert.is(await cache.getOrSet('k', () => 'fine'), 'fine');
});

test('an error of the daemon comes with its code, its problem and our advice, once', async () => {
  daemon.main.failure = new CacheError('ERR_DATABASE', 'the table is on fire');
  const error = await rejectsCode('ERR_DATABASE', () => cache.get('k'));
  daemon.main.failure = undefined;
  assert.is(error.message, new CacheError('ERR_DATABASE', 'the table is on fire').message);
});

test.run();
