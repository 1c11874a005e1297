import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ERROR_CODES } from '../../shared/errors.js';
import { FLAG, OP, PUSH, STATUS } from '../../shared/protocol.js';
import { RawClient, startTestServer } from '../support/transport.js';

const MIB = 1024 * 1024;

function gate(): { closed: Promise<void>; open: () => void } {
  let open = () => {};
  const closed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { closed, open };
}

function codeOf(message: unknown[] | undefined, at: number): string | undefined {
  return ERROR_CODES[message?.[at] as number];
}

test('a client that does not read is cut off at a number of bytes, and what it held is free', async () => {
  const { path, server, main, log } = await startTestServer({ limits: { unreadBytesMax: 4 * MIB } });
  await main.set('big', Buffer.alloc(MIB), undefined, []);
  const client = await RawClient.ready(path);
  client.send([4, OP.load, 0, 0, 'held', 0, 0]);
  await client.until(() => client.messages.length === 1);
  client.socket.pause();
  for (let i = 0; i < 20; i++) client.send([10 + i, OP.get, 0, FLAG.fromTable, 'big']);
  const other = await RawClient.ready(path);
  other.send([5, OP.load, 0, 0, 'held', 0, 0]);
  await other.until(() => other.messages.length === 1);
  assert.is(other.messages[0]![1], STATUS.load, 'the load passes on');
  assert.ok(log.some(({ message }) => message.includes('does not read')));
  client.close();
  other.close();
  await server.close();
});

test('a client that asks for more than it has read waits, and gets everything in order', async () => {
  const limits = { unreadBytesPause: MIB, unreadBytesMax: 4 * MIB };
  const { path, server, main, log } = await startTestServer({ limits });
  await main.set('big', Buffer.alloc(MIB / 4), undefined, []);
  const client = await RawClient.ready(path);
  const ids = Array.from({ length: 200 }, (_, i) => 10 + i);
  client.send(...ids.map((id) => [id, OP.get, 0, 0, 'big']));
  await client.until(() => client.messages.length === 200);
  assert.equal(
    client.messages.map(([id]) => id),
    ids,
  );
  assert.equal(log, []);
  client.close();
  await server.close();
});

test('a client whose requests wait and who never reads is cut off in time', async () => {
  const limits = { unreadBytesPause: MIB, unreadBytesMax: 4 * MIB, unreadMsMax: 200 };
  const { path, server, main, log } = await startTestServer({ limits });
  await main.set('big', Buffer.alloc(MIB / 4), undefined, []);
  const deaf = await RawClient.ready(path);
  deaf.socket.pause();
  deaf.send(...Array.from({ length: 200 }, (_, i) => [10 + i, OP.get, 0, 0, 'big']));
  await deaf.until(() => server.connections === 0);
  assert.match(JSON.stringify(log), /not read within 200 ms/);
  deaf.close();
  await server.close();
});

test('requests beyond the limit of pending ones are refused, those before are answered', async () => {
  const { path, server, main } = await startTestServer({ limits: { pendingPerConnectionMax: 3 } });
  const { closed, open } = gate();
  main.gate = closed;
  const client = await RawClient.ready(path);
  client.send(...[10, 11, 12, 13].map((id) => [id, OP.set, 0, 'k', Buffer.from([1]), null, null, 0]));
  await client.until(() => client.messages.length === 1);
  assert.equal([client.messages[0]![0], codeOf(client.messages[0], 2)], [13, 'ERR_OVERLOADED']);
  open();
  await client.until(() => client.messages.length === 4);
  assert.equal(
    client.messages.slice(1),
    [10, 11, 12].map((id) => [id, STATUS.ok]),
  );
  client.close();
  await server.close();
});

test('a connection beyond the limit is told so and closed', async () => {
  const { path, server } = await startTestServer({ limits: { connectionsMax: 2 } });
  const clients = [await RawClient.ready(path), await RawClient.ready(path)];
  const third = await RawClient.connect(path);
  await third.until(() => third.closed);
  assert.is(codeOf(third.messages[0], 2), 'ERR_OVERLOADED');
  clients[0]!.close();
  await clients[1]!.until(() => server.connections === 1);
  const fourth = await RawClient.ready(path);
  for (const client of [...clients, fourth]) client.close();
  await server.close();
});

test('a drain answers what is pending, refuses what comes after, says goodbye, and removes the socket', async () => {
  const { path, server, main } = await startTestServer();
  const { closed, open } = gate();
  main.gate = closed;
  const client = await RawClient.ready(path);
  const idle = await RawClient.ready(path);
  client.send([10, OP.set, 0, 'k', Buffer.from([1]), null, null, 0], [11, OP.count, 0]);
  await client.until(() => client.messages.length === 1);
  const drained = server.drain(10_000);
  await idle.until(() => idle.closed);
  assert.equal([idle.messages[0]?.[1], codeOf(idle.messages[0], 2)], [PUSH.goodbye, 'ERR_UNAVAILABLE']);
  client.send([12, OP.count, 0]);
  await client.until(() => client.messages.length === 2);
  assert.equal([client.messages[1]![0], codeOf(client.messages[1], 2)], [12, 'ERR_UNAVAILABLE']);
  const refused = await RawClient.connect(path).then(
    () => 'connected',
    (error: NodeJS.ErrnoException) => error.code,
  );
  assert.is(refused, 'ENOENT');
  open();
  await client.until(() => client.closed);
  assert.equal(client.messages[2], [10, STATUS.ok]);
  assert.is(codeOf(client.messages[3], 2), 'ERR_UNAVAILABLE');
  await drained;
});

test('a drain ends in time, whatever is pending', async () => {
  const { path, server, main } = await startTestServer();
  main.gate = new Promise<void>(() => {});
  const client = await RawClient.ready(path);
  client.send([10, OP.set, 0, 'k', Buffer.from([1]), null, null, 0], [11, OP.count, 0]);
  await client.until(() => client.messages.length === 1);
  await server.drain(50);
  await client.until(() => client.closed);
});

test.run();
