import { encode } from 'msgpackr';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ERROR_CODES } from '../../shared/errors.js';
import { encodeFrame } from '../../shared/frame.js';
import { LIMIT, OP, PROTOCOL_VERSION, PUSH, STATUS } from '../../shared/protocol.js';
import { random } from '../support/random.js';
import { RawClient, startTestServer } from '../support/transport.js';

const shared = await startTestServer();
test.after(() => shared.server.close());

/** Waits for the end of the connection, and returns why the daemon said it closed. */
async function goodbyeOf(client: RawClient): Promise<{ code: string; problem: string }> {
  await client.until(() => client.closed);
  const last = client.messages.at(-1) ?? [];
  assert.equal(last.slice(0, 2), [0, PUSH.goodbye], JSON.stringify(client.messages));
  return { code: ERROR_CODES[last[2] as number]!, problem: last[3] as string };
}

const NESTED = Buffer.concat([Buffer.alloc(5000, 0x91), Buffer.from([0xc0])]);
const HELLO = [1, OP.hello, PROTOCOL_VERSION, 'raw'];

/** What is sent, before or after the greeting, and what the daemon has to say to it. */
const REFUSED: [name: string, greeted: boolean, bytes: Buffer, problem: RegExp][] = [
  ['declares 4 GB', true, Buffer.from([0xff, 0xff, 0xff, 0xff]), /4294967295 bytes was declared/],
  ['declares 4 GB before hello', false, Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2]), /4294967295 bytes was declared/],
  ['declares a byte more than the limit', true, Buffer.from([0x04, 0, 0, 1]), /67108865 bytes was declared/],
  ['nests 5,000 deep', true, encodeFrame(NESTED), /id: expected a number, found an array/],
  [
    'nests 5,000 deep in a key',
    true,
    encodeFrame(Buffer.concat([Buffer.from([0x95, 9, 2, 0, 0]), NESTED])),
    /key: expected a string, found an array/,
  ],
  [
    'has trailing bytes',
    true,
    encodeFrame(Buffer.concat([encode([9, OP.status]), Buffer.from([0])])),
    /1 trailing byte/,
  ],
  ['has an additional field', true, encodeFrame(encode([9, OP.status, 1])), /1 more field/],
  ['lacks a field', true, encodeFrame(encode([9, OP.get, 0, 0])), /key: missing/],
  [
    'has a field of another type',
    true,
    encodeFrame(encode([9, OP.get, 0, 0, 5])),
    /key: expected a string, found a whole/,
  ],
  ['has an unknown op', true, encodeFrame(encode([9, 99])), /op: 99 is not an operation/],
  ['has a namespace that is not open', true, encodeFrame(encode([9, OP.get, 3, 0, 'k'])), /ns: 3 was not opened/],
  ['has id 0', true, encodeFrame(encode([0, OP.status])), /id: 0 is kept/],
  ['is empty', true, encodeFrame(Buffer.alloc(0)), /the message ends too early/],
  ['is a map', true, encodeFrame(encode({ a: 1 })), /expected an array, found a map/],
  ['is a string', true, encodeFrame(encode('hello')), /expected an array, found a string/],
  [
    'has a key that is not UTF-8',
    true,
    encodeFrame(Buffer.from([0x95, 9, 2, 0, 0, 0xa1, 0xff])),
    /key: not valid UTF-8/,
  ],
  ['is HTTP', false, Buffer.from('GET / HTTP/1.1\r\n\r\n'), /1195725856 bytes was declared/],
  [
    'speaks another version',
    false,
    encodeFrame(encode([1, OP.hello, 99, '9.9.9', 'more'])),
    /client speaks protocol 99 \(release 9\.9\.9\), this daemon speaks protocol 1 \(release 0\.0\.0-test\)/,
  ],
  ['says hello twice', true, encodeFrame(encode(HELLO)), /hello a second time/],
  ['asks before hello', false, encodeFrame(encode([1, OP.get, 0, 0, 'k'])), /get before hello/],
];

for (const [name, greeted, bytes, problem] of REFUSED) {
  test(`a client that ${name} is told so and closed; others go on`, async () => {
    const other = await RawClient.ready(shared.path);
    const client = greeted ? await RawClient.ready(shared.path) : await RawClient.connect(shared.path);
    const sentAt = performance.now();
    client.socket.write(bytes);
    const goodbye = await goodbyeOf(client);
    const tookMs = performance.now() - sentAt;
    assert.is(goodbye.code, 'ERR_PROTOCOL');
    assert.match(goodbye.problem, problem);
    // Ten are asked of an idle machine.
    assert.ok(tookMs < 5000, `${tookMs} ms`);
    other.send([5, OP.set, 0, 'k', Buffer.from([1]), null, null, 0]);
    await other.until(() => other.messages.length === 1);
    assert.equal(other.messages, [[5, STATUS.ok]]);
    other.close();
  });
}

test('a conversation that is cut at any byte harms nobody', async () => {
  const messages = [
    HELLO,
    [2, OP.open, 'default'],
    [3, OP.set, 0, 'cut', Buffer.from('value'), 1000, ['t'], 0],
    [4, OP.load, 0, 0, 'lease', 0, 0],
  ];
  const bytes = Buffer.concat(messages.map((message) => encodeFrame(encode(message))));
  for (let cut = 0; cut <= bytes.length; cut++) {
    const client = await RawClient.connect(shared.path);
    client.socket.end(bytes.subarray(0, cut));
    await client.until(() => client.closed);
  }
  // Whoever held the load is gone: it is there to be taken.
  const client = await RawClient.ready(shared.path);
  client.send([5, OP.load, 0, 0, 'lease', 0, 0]);
  await client.until(() => client.messages.length === 1);
  assert.is(client.messages[0]![1], STATUS.load);
  client.close();
});

test('garbage closes its own connection only', async () => {
  const { seed, next } = random(7);
  for (let round = 0; round < 200; round++) {
    const client = round % 2 === 0 ? await RawClient.ready(shared.path) : await RawClient.connect(shared.path);
    const bytes = Buffer.from(Array.from({ length: 1 + next(200) }, () => next(256)));
    client.socket.end(round % 3 === 0 ? encodeFrame(bytes) : bytes);
    await client.until(() => client.closed);
  }
  const client = await RawClient.ready(shared.path);
  client.send([5, OP.count, 0]);
  await client.until(() => client.messages.length === 1);
  assert.is(client.messages[0]![1], STATUS.ok, `seed ${seed}`);
  client.close();
});

test('wrong arguments are answered with their code, and the connection stays', async () => {
  const client = await RawClient.ready(shared.path);
  const value = Buffer.from([1]);
  const tags = Array.from({ length: LIMIT.tagsPerEntryMax + 1 }, (_, i) => `t${i}`);
  const wrong: [string, unknown[]][] = [
    ['ERR_INVALID_KEY', [OP.get, 0, 0, '']],
    ['ERR_INVALID_KEY', [OP.get, 0, 0, 'a\0b']],
    ['ERR_INVALID_KEY', [OP.get, 0, 0, 'é'.repeat(128)]],
    ['ERR_INVALID_KEY', [OP.getMany, 0, 0, ['a', '']]],
    ['ERR_INVALID_KEY', [OP.deleteMany, 0, ['é'.repeat(128)]]],
    ['ERR_INVALID_TTL', [OP.set, 0, 'k', value, 0, null, 0]],
    ['ERR_INVALID_TTL', [OP.set, 0, 'k', value, -1, null, 0]],
    ['ERR_INVALID_TTL', [OP.set, 0, 'k', value, Number.NaN, null, 0]],
    ['ERR_INVALID_TTL', [OP.expire, 0, 'k', 0]],
    ['ERR_INVALID_TAG', [OP.set, 0, 'k', value, 1000, [''], 0]],
    ['ERR_INVALID_TAG', [OP.set, 0, 'k', value, 1000, tags, 0]],
    ['ERR_INVALID_TAG', [OP.invalidateTags, 0, ['x'.repeat(256)]]],
    ['ERR_INVALID_ARGUMENT', [OP.incr, 0, 'k', 0.5, null]],
    ['ERR_INVALID_ARGUMENT', [OP.setMany, 0, ['a', 'b'], [value], null, null, 0]],
    ['ERR_INVALID_ARGUMENT', [OP.getMany, 0, 0, Array(LIMIT.keysPerCallMax + 1).fill('k')]],
    ['ERR_INVALID_ARGUMENT', [OP.set, 0, 'k', value, 1000, null, -1]],
    ['ERR_INVALID_ARGUMENT', [OP.load, 0, 0, 'k', Number.NaN, 0]],
    ['ERR_INVALID_ARGUMENT', [OP.load, 0, 0, 'k', 0, -1]],
    ['ERR_INVALID_ARGUMENT', [OP.fill, 0, 0, 1, value, null, null, 0, -1]],
    ['ERR_INVALID_TOKEN', [OP.fill, 0, 0, 12345, value, null, null, 0, 1]],
    ['ERR_INVALID_TOKEN', [OP.abandon, 0, 0, 0, null]],
    ['ERR_INVALID_NAMESPACE', [OP.open, 'No Such Name']],
    ['ERR_VALUE_TOO_LARGE', [OP.set, 0, 'k', Buffer.alloc(8 * 1024 * 1024 + 1), null, null, 0]],
  ];
  for (const [i, [code, request]] of wrong.entries()) {
    client.send([10 + i, ...request]);
    await client.until(() => client.messages.length > i);
    const [id, status, number] = client.messages[i]!;
    const seen = [id, status, ERROR_CODES[number as number]];
    assert.equal(seen, [10 + i, STATUS.error, code], JSON.stringify(client.messages[i]));
  }
  assert.not(client.closed);
  client.close();
});

test('an operation that throws is an error of that call, logged, and nothing else', async () => {
  const { path, server, log } = await startTestServer({
    status: () => {
      throw new TypeError('a secret detail');
    },
  });
  const client = await RawClient.ready(path);
  client.send([5, OP.status], [6, OP.count, 0]);
  await client.until(() => client.messages.length === 2);
  const failed = client.messages.find(([id]) => id === 5)!;
  assert.is(ERROR_CODES[failed[2] as number], 'ERR_INTERNAL');
  assert.not.match(failed[3] as string, /secret/);
  const logged = log
    .filter(({ level }) => level === 'error')
    .map(({ details }) => `${(details as { err: Error }).err}`);
  assert.equal(logged, ['TypeError: a secret detail']);
  client.close();
  await server.close();
});

test('one connection can not open every namespace; what it has open goes on', async () => {
  const server = await startTestServer({ limits: { namespacesPerConnectionMax: 2 } });
  const client = await RawClient.ready(server.path);
  client.send([2, OP.open, 'second'], [3, OP.open, 'third'], [4, OP.open, 'second'], [5, OP.count, 1]);
  await client.until(() => client.messages.length === 4);
  assert.equal(
    client.messages.map(([id, status]) => [id, status]),
    [
      [2, STATUS.ok],
      [3, STATUS.error],
      [4, STATUS.ok],
      [5, STATUS.ok],
    ],
  );
  assert.is(ERROR_CODES[client.messages[1]![2] as number], 'ERR_OVERLOADED');
  const other = await RawClient.ready(server.path);
  other.send([2, OP.open, 'third']);
  await other.until(() => other.messages.length === 1);
  assert.is(other.messages[0]![1], STATUS.ok);
  client.close();
  other.close();
  await server.server.close();
});

test.run();
