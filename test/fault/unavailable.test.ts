import { spawnSync } from 'node:child_process';
import { encode } from 'msgpackr';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from '../../client/index.js';
import { runTransaction } from '../../client/transaction.js';
import { CacheError, ERROR_CODES } from '../../shared/errors.js';
import { encodeFrame } from '../../shared/frame.js';
import { OP, PUSH, STATUS } from '../../shared/protocol.js';
import { rejectsCode } from '../support/errors.js';
import { greet, startFakeDaemon } from '../support/fake-daemon.js';
import { until } from '../support/process.js';
import { RawClient, startTestServer, temporaryFolder, temporarySocket } from '../support/transport.js';

/** What is said of every call that must not be hidden. */
async function rejectsInEitherMode(code: 'ERR_UNAVAILABLE' | 'ERR_DATABASE', cache: ReturnType<typeof connect>) {
  await rejectsCode(code, () => cache.delete('k'));
  await rejectsCode(code, () => cache.deleteMany(['k', 'l']));
  await rejectsCode(code, () => cache.expire('other', 5));
  await rejectsCode(code, () => cache.clear());
  await rejectsCode(code, () => cache.invalidateTags(['t']));
  await rejectsCode(code, () => cache.add('other', 1));
  await rejectsCode(code, () => cache.incr('other'));
  await rejectsCode(code, () => cache.count());
}

test('degrade, no daemon: reads miss, loads run once in the process, sets are dropped and counted', async () => {
  const cache = connect({ socket: temporarySocket(), timeoutMs: 2000 });
  assert.is(await cache.get('k', 'default'), 'default');
  assert.equal([await cache.has('k'), await cache.ttl('k')], [false, undefined]);
  assert.is((await cache.getMany(['k', 'l'])).size, 0);
  await cache.set('k', 1);
  await cache.setMany({ k: 1, l: 2 });
  assert.is(cache.dropped, 3);
  let loads = 0;
  const load = async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return ++loads;
  };
  assert.equal(await Promise.all([cache.getOrSet('k', load), cache.getOrSet('k', load)]), [1, 1]);
  assert.is(await cache.getOrSet('k', load), 2);
  await rejectsInEitherMode('ERR_UNAVAILABLE', cache);
  await rejectsCode('ERR_INVALID_KEY', () => cache.get(''));
  await rejectsCode('ERR_INVALID_VALUE', () => cache.set('k', undefined));
  await cache.close();
});

test('degrade, no daemon: a load that runs is not for those who come later; one more answers them all', async () => {
  const cache = connect({ socket: temporarySocket(), timeoutMs: 2000 });
  await cache.get('k');
  let version = 1;
  let loads = 0;
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const load = async () => {
    loads++;
    const read = version;
    await opened;
    return read;
  };
  const early = [cache.getOrSet('k', load), cache.getOrSet('k', load)];
  await until('the load runs', () => loads === 1);
  version = 2; // an update that is acknowledged here
  const late = [cache.getOrSet('k', load), cache.getOrSet('k', load), cache.getOrSet('k', load)];
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.is(loads, 1, 'one at a time');
  open();
  assert.equal(await Promise.all([...early, ...late]), [1, 1, 2, 2, 2]);
  assert.is(loads, 2);
  const failing = cache.getOrSet('f', () => Promise.reject(new Error('no'))).catch((error) => error.message);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal([await cache.getOrSet('f', () => 'after'), await failing], ['after', 'no']);
  await cache.close();
});

test('throw, no daemon: everything rejects, with the path and the reason', async () => {
  const socket = temporarySocket();
  const cache = connect({ socket, timeoutMs: 1500, onUnavailable: 'throw' });
  const error = await rejectsCode('ERR_UNAVAILABLE', () => cache.get('k'));
  assert.ok(error.message.includes(socket) && error.message.includes('ENOENT'), error.message);
  await rejectsCode('ERR_UNAVAILABLE', () => cache.set('k', 1));
  await rejectsCode('ERR_UNAVAILABLE', () => cache.getMany(['k']));
  await rejectsCode('ERR_UNAVAILABLE', () => cache.getOrSet('k', () => 1));
  await rejectsInEitherMode('ERR_UNAVAILABLE', cache);
  await rejectsCode('ERR_UNAVAILABLE', () => cache.ready());
  assert.is(cache.dropped, 0);
  await cache.close();
});

test('ready says why it waited in vain, and what to do', async () => {
  const why = async (socket: string) => {
    const cache = connect({ socket, timeoutMs: 1500 });
    const { message } = await rejectsCode('ERR_UNAVAILABLE', () => cache.ready());
    await cache.close();
    assert.ok(message.startsWith(`not connected to ${socket} within 1500 ms: `), message);
    return message;
  };
  const absent = await why(temporarySocket());
  assert.match(absent, /: connect ENOENT \S+ \(no daemon has its socket there\) \[ERR_UNAVAILABLE\]: start the daemon/);
  assert.match(absent, /npx pgcached dev/);
  assert.match(absent, /PGCACHED_SOCKET/);
  const left = `${temporaryFolder()}/left.sock`;
  // Ends without a chance to remove its socket.
  const script = `require('net').createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  assert.match(await why(left), /ECONNREFUSED \S+ \(a socket is there, but its daemon is gone\)/);
  const silent = await startFakeDaemon(() => undefined);
  assert.match(await why(silent.path), 'nothing there has answered');
  silent.server.close();
  const full = await startFakeDaemon(([id, op]) =>
    op === OP.hello
      ? greet([id, op])
      : [[id, STATUS.error, ERROR_CODES.indexOf('ERR_UNAVAILABLE'), 'the database is away', null]],
  );
  assert.match(await why(full.path), 'the database is away');
  full.server.close();
});

test('a client that was there before its daemon finds it, and comes back to it after a restart', async () => {
  const path = temporarySocket();
  const cache = connect({ socket: path, onUnavailable: 'throw' });
  await rejectsCode('ERR_UNAVAILABLE', () => cache.get('k'));
  const first = await startTestServer({}, path);
  await cache.ready();
  await cache.set('k', 1);
  await first.server.close();
  await until('the loss is known', () =>
    cache.get('k').then(
      () => false,
      () => true,
    ),
  );
  const second = await startTestServer({}, path, first.main);
  await cache.ready();
  assert.is(await cache.get('k'), 1);
  await cache.close();
  await second.server.close();
});

test('a daemon that goes away in the middle: reads and unsent writes fail, sent writes are of unknown outcome', async () => {
  const path = temporarySocket();
  const first = await startTestServer({}, path);
  const cache = connect({ socket: path, onUnavailable: 'throw' });
  await cache.set('k', 'old');
  await cache.set('l', 'old');
  first.main.gate = new Promise<void>(() => {});
  const sent = [cache.set('k', 'new'), cache.incr('n'), cache.delete('x')];
  const outcomes = Promise.allSettled(sent);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await first.server.drain(0);
  const codes = (await outcomes).map((outcome) => ((outcome as PromiseRejectedResult).reason as CacheError).code);
  assert.equal(codes, ['ERR_UNKNOWN_OUTCOME', 'ERR_UNKNOWN_OUTCOME', 'ERR_UNKNOWN_OUTCOME']);

  first.main.gate = undefined;
  const second = await startTestServer({}, path, first.main);
  await cache.ready();
  const before = second.main.fromTableReads;
  assert.is(await cache.get('l'), 'old');
  assert.is(second.main.fromTableReads, before, 'of l nothing is in doubt');
  await cache.get('k');
  assert.is(second.main.fromTableReads, before + 1, 'k is looked up in the table');
  await cache.get('k');
  assert.is(second.main.fromTableReads, before + 1, 'once');
  await cache.close();
  await second.server.close();
});

test('a clear of unknown outcome puts every key in doubt, each once', async () => {
  const path = temporarySocket();
  const first = await startTestServer({}, path);
  const cache = connect({ socket: path });
  await cache.setMany({ a: 1, b: 2 });
  first.main.gate = new Promise<void>(() => {});
  const clearing = cache.clear();
  clearing.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 20));
  await first.server.drain(0);
  await rejectsCode('ERR_UNKNOWN_OUTCOME', () => clearing);
  first.main.gate = undefined;
  const second = await startTestServer({}, path, first.main);
  await cache.ready();
  for (const key of ['a', 'b', 'a', 'b']) await cache.get(key);
  assert.is(second.main.fromTableReads, 2);
  await cache.close();
  await second.server.close();
});

test('getOrSet too looks past memory at a key in doubt, once, and deletes first what is owed', async () => {
  const path = temporarySocket();
  const first = await startTestServer({}, path);
  const cache = connect({ socket: path });
  const load = () => 'loaded';
  await cache.set('k', 'old');
  first.main.gate = new Promise<void>(() => {});
  const deleting = cache.delete('k');
  deleting.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 20));
  await first.server.drain(0);
  await rejectsCode('ERR_UNKNOWN_OUTCOME', () => deleting);
  first.main.gate = undefined;
  const second = await startTestServer({}, path, first.main);
  await cache.ready();
  for (const reads of [1, 1]) {
    assert.is(await cache.getOrSet('k', load, '5m'), 'old');
    assert.is(second.main.fromTableReads, reads, 'of the table');
  }

  second.main.failure = new CacheError('ERR_DATABASE', 'away');
  await cache.set('k', 'dropped');
  assert.is(cache.dropped, 1);
  second.main.failure = undefined;
  assert.is(await cache.getOrSet('k', load, '5m'), 'loaded', 'not what was there before the set');
  await cache.close();
  await second.server.close();
});

test('a set that succeeds is not deleted for one that was dropped before it', async () => {
  const path = temporarySocket();
  const { server, main } = await startTestServer({}, path);
  const cache = connect({ socket: path });
  await cache.ready();
  main.failure = new CacheError('ERR_DATABASE', 'away');
  await cache.set('k', 'dropped');
  main.failure = undefined;
  await cache.set('k', 'stored');
  assert.is(await cache.get('k'), 'stored');
  await cache.close();
  await server.close();
});

test('a set waits for the delete that is owed for the one before it: on its way, it would undo it', async () => {
  const path = temporarySocket();
  const { server, main } = await startTestServer({}, path);
  const cache = connect({ socket: path });
  await cache.ready();
  main.failure = new CacheError('ERR_DATABASE', 'away');
  await cache.setMany({ k: 'dropped', l: 'dropped' });
  main.failure = undefined;
  let open = () => {};
  main.gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const reading = cache.getMany(['k', 'l']);
  await new Promise((resolve) => setTimeout(resolve, 20));
  main.gate = undefined; // for what comes after the deletes
  const setting = [cache.set('k', 'stored'), cache.setMany({ l: 'stored', m: 'stored' })];
  await cache.set('other', 'not held up');
  open();
  await Promise.all([reading, ...setting]);
  assert.is(cache.dropped, 2);
  assert.equal([...(await cache.getMany(['k', 'l', 'm'])).values()], ['stored', 'stored', 'stored']);
  await cache.close();
  await server.close();
});

/** The database is back, and `k` is still what it was before a set that was dropped. */
async function afterDroppedSet() {
  const { path, server, main } = await startTestServer();
  const cache = connect({ socket: path });
  await cache.set('k', 'old');
  main.failure = new CacheError('ERR_DATABASE', 'away');
  await cache.set('k', 'dropped');
  main.failure = undefined;
  return { cache, server };
}

test('an invalidation of tags, which the key need not have, settles no delete that is owed', async () => {
  const { cache, server } = await afterDroppedSet();
  await cache.invalidateTags(['t']);
  assert.is(await cache.get('k'), undefined);
  await cache.close();
  await server.close();
});

test('in a transaction too, a key that is owed a delete is deleted before it is read', async () => {
  const { cache, server } = await afterDroppedSet();
  assert.is(await runTransaction({ query: async () => {} }, 'invalidate', () => cache.get('k', 'absent')), 'absent');
  await cache.close();
  await server.close();
});

test('nobody reads an older value after a set that was dropped: its key is deleted when the daemon is back', async () => {
  const path = temporarySocket();
  const first = await startTestServer({}, path);
  const cache = connect({ socket: path });
  await cache.set('k', 'old');
  await first.server.close();
  await until('the loss is known', () => cache.get('k').then((value) => value === undefined));
  await cache.set('k', 'new');
  assert.is(cache.dropped, 1);
  const second = await startTestServer({}, path, first.main);
  await cache.ready();
  assert.is(await cache.get('k'), undefined);
  assert.not(second.main.entries.has('k'), 'nor does any other process');
  await cache.set('k', 'newer');
  assert.is(await cache.get('k'), 'newer');
  await cache.close();
  await second.server.close();
});

test('degrade, no database: reads miss, sets are dropped, and the older value is gone before anybody reads', async () => {
  const { path, server, main } = await startTestServer();
  const cache = connect({ socket: path });
  await cache.setMany({ k: 'old', other: 1 });
  main.failure = new CacheError('ERR_DATABASE', 'no database');
  assert.is(await cache.get('k'), undefined);
  await cache.set('k', 'new');
  assert.is(cache.dropped, 1);
  assert.is(await cache.getOrSet('other', () => 'loaded'), 'loaded');
  await rejectsInEitherMode('ERR_DATABASE', cache);
  main.failure = undefined;
  assert.is(await cache.get('k'), undefined);
  assert.is(await cache.get('other'), 1);
  assert.not(main.entries.has('k'));

  main.failure = new CacheError('ERR_DATABASE', 'no database');
  await cache.set('other', 2);
  main.failure = undefined;
  await until('it is deleted without being asked for', () => !main.entries.has('other'));
  await cache.close();
  await server.close();
});

test('degrade, the daemon goes away while a load runs: its value is the answer', async () => {
  const { path, server } = await startTestServer();
  const cache = connect({ socket: path });
  const strict = connect({ socket: path, onUnavailable: 'throw' });
  let go = () => {};
  const going = new Promise<void>((resolve) => {
    go = resolve;
  });
  let running = 0;
  const load = async () => {
    running++;
    await going;
    return 'value';
  };
  const loading = cache.getOrSet('k', load);
  const loadingStrictly = strict.getOrSet('l', load);
  loadingStrictly.catch(() => {});
  await until('the loads run', () => running === 2);
  await server.drain(0);
  await until('the loss is known', () =>
    strict.get('x').then(
      () => false,
      () => true,
    ),
  );
  go();
  assert.is(await loading, 'value');
  await rejectsCode('ERR_UNAVAILABLE', () => loadingStrictly);
  await cache.close();
  await strict.close();
});

test('a deadline ends every call: a read is late, a write that was sent is of unknown outcome', async () => {
  const { path, server, main } = await startTestServer();
  const cache = connect({ socket: path, timeoutMs: 1000, onUnavailable: 'throw' });
  await cache.set('k', 1);
  main.gate = new Promise<void>(() => {});
  const started = performance.now();
  const error = await rejectsCode('ERR_UNKNOWN_OUTCOME', () => cache.set('k', 2));
  const tookMs = performance.now() - started;
  assert.is((error.cause as CacheError).code, 'ERR_TIMEOUT');
  assert.ok(tookMs >= 999 && tookMs < 6000, `${tookMs} ms`);
  const before = main.fromTableReads;
  await cache.get('k');
  assert.is(main.fromTableReads, before + 1);
  await cache.close();
  await server.close();
});

test('a daemon that accepts and says nothing: calls wait for their deadline, not longer', async () => {
  const { path, server } = await startFakeDaemon(() => undefined);
  const strict = connect({ socket: path, timeoutMs: 100, onUnavailable: 'throw' });
  const lenient = connect({ socket: path, timeoutMs: 100 });
  await rejectsCode('ERR_TIMEOUT', () => strict.get('k'));
  await rejectsCode('ERR_TIMEOUT', () => strict.set('k', 1));
  assert.is(await lenient.get('k'), undefined);
  assert.is(await lenient.getOrSet('k', () => 'loaded'), 'loaded');
  await strict.close();
  await lenient.close();
  server.close();
});

test('who waits for the load of another waits as long as it takes, while the daemon lives', async () => {
  const { path, server } = await startTestServer();
  const holder = await RawClient.ready(path);
  holder.send([5, OP.load, 0, 0, 'k', 0, 0]);
  await holder.until(() => holder.messages.length === 1);
  const cache = connect({ socket: path, timeoutMs: 100, onUnavailable: 'throw' });
  const waiting = cache.getOrSet('k', () => 'not mine to load');
  await new Promise((resolve) => setTimeout(resolve, 600));
  holder.send([6, OP.fill, 0, 0, holder.messages[0]![2], encode('theirs'), null, null, 0, 1]);
  assert.is(await waiting, 'theirs');
  holder.close();
  await cache.close();
  await server.close();
});

test('who waits for a load learns within its time that the daemon is silent', async () => {
  const { path, server } = await startFakeDaemon(greetOnce());
  const cache = connect({ socket: path, timeoutMs: 1500, onUnavailable: 'throw' });
  await cache.ready();
  const started = performance.now();
  await rejectsCode('ERR_TIMEOUT', () => cache.getOrSet('k', () => 1));
  assert.ok(performance.now() - started < 6000);
  await cache.close();
  server.close();
});

/** Greets, opens once, and is silent from then on. */
function greetOnce(): typeof greet {
  let opened = false;
  return (request) => {
    if (request[1] === OP.open && opened) return undefined;
    opened ||= request[1] === OP.open;
    return greet(request);
  };
}

test('a load passes to a waiter in another process when its holder is gone, and its error travels', async () => {
  const { path, server } = await startTestServer();
  const holder = await RawClient.ready(path);
  holder.send([5, OP.load, 0, 0, 'k', 0, 0]);
  await holder.until(() => holder.messages.length === 1);
  const cache = connect({ socket: path });
  const waiting = cache.getOrSet('k', () => 'taken over');
  await cache.has('k');
  holder.close();
  assert.is(await waiting, 'taken over');

  const other = await RawClient.ready(path);
  const failing = cache.getOrSet('e', async () => {
    other.send([5, OP.load, 0, 0, 'e', 0, 0], [6, OP.count, 0]);
    await other.until(() => other.messages.length === 1);
    throw new RangeError('out of range');
  });
  assert.instance(await failing.catch((error: unknown) => error), RangeError);
  await other.until(() => other.messages.length === 2);
  assert.is(ERROR_CODES[other.messages[1]![2] as number], 'ERR_LOAD_FAILED');
  other.close();
  await cache.close();
  await server.close();
});

test('a daemon of another version: ready says so, naming both; calls degrade or reject', async () => {
  const problem = 'the client speaks protocol 1 (release 0.1.0), this daemon speaks protocol 2 (release 3.0.0)';
  const { path, server } = await startFakeDaemon((_request, socket) => {
    socket.end(encodeFrame(encode([0, PUSH.goodbye, ERROR_CODES.indexOf('ERR_PROTOCOL'), problem])));
    return undefined;
  });
  const cache = connect({ socket: path });
  const error = await rejectsCode('ERR_PROTOCOL', () => cache.ready());
  assert.ok(error.message.includes(problem));
  assert.is(await cache.get('k'), undefined);
  const refused = await rejectsCode('ERR_UNAVAILABLE', () => cache.delete('k'));
  assert.ok(refused.message.includes(problem));
  await cache.close();
  server.close();
});

test('an older daemon that greets in its own version is refused, naming both', async () => {
  const { path, server } = await startFakeDaemon(([id]) => [[id, STATUS.ok, 0, '0.0.1', 'run']]);
  const cache = connect({ socket: path, timeoutMs: 1500 });
  const error = await rejectsCode('ERR_UNAVAILABLE', () => cache.ready());
  assert.match(
    (error.cause as Error).message,
    /daemon speaks protocol 0 \(release 0\.0\.1\), this client speaks protocol 1/,
  );
  await cache.close();
  server.close();
});

test('a daemon that answers nonsense is left, and the call says why', async () => {
  const nonsense = [
    Buffer.from([0xff, 0xff, 0xff, 0xff]),
    encodeFrame(Buffer.from([0xc0])),
    encodeFrame(Buffer.from([0x93, 3, 0, 0xa1, 0x61])),
    encodeFrame(Buffer.concat([encode([3, STATUS.miss]), Buffer.from([0])])),
  ];
  for (const bytes of nonsense) {
    const { path, server } = await startFakeDaemon((request) => greet(request) ?? bytes);
    const cache = connect({ socket: path, onUnavailable: 'throw', timeoutMs: 2000 });
    await cache.ready();
    const error = await rejectsCode('ERR_UNAVAILABLE', () => cache.get('k'));
    assert.is((error.cause as CacheError).code, 'ERR_PROTOCOL');
    await cache.close();
    server.close();
  }
});

test('what one turn asks goes out in one write', async () => {
  const { path, server, chunks } = await startFakeDaemon((request) => greet(request) ?? [[request[0], STATUS.miss]]);
  const cache = connect({ socket: path });
  await cache.ready();
  const before = chunks.length;
  await Promise.all(Array.from({ length: 100 }, (_, i) => cache.get(`k${i}`)));
  assert.is(chunks.length, before + 1);
  await cache.close();
  server.close();
});

test.run();
