import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { pack, unpack } from '../../shared/codec.js';
import { ERROR_CODES } from '../../shared/errors.js';
import { OP, STATUS } from '../../shared/protocol.js';
import { type TestServer, testServer } from '../support/daemon.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';
import { RawClient } from '../support/transport.js';

/** Lease tokens that are not the sender's to use, by hand over the socket of a real daemon: refused, and nothing has changed. */
const test = suite<{ db: TestDatabase; server: TestServer; one: RawClient; two: RawClient }>('lease tokens');

test.before(async (context) => {
  context.db = await testDatabase();
  context.server = await testServer(context.db.url, { namespaces: { lone: { tiers: 'memory' } } });
});

test.after(async (context) => {
  await context.server?.close();
  await context.db?.close();
});

/** Of the two kinds of namespaces, table and memory alone. */
const NAMESPACES = { default: 0, lone: 1 } as const;

test.before.each(async (context) => {
  const { socketPath } = context.server.daemon;
  context.one = await RawClient.ready(socketPath);
  context.two = await RawClient.ready(socketPath);
  for (const client of [context.one, context.two]) await ask(client, OP.open, 'lone');
});

test.after.each(({ one, two }) => {
  one.close();
  two.close();
});

let ids = 100;

/** @returns the answer without its id */
async function ask(client: RawClient, op: number, ...args: unknown[]): Promise<unknown[]> {
  const id = ++ids;
  const find = () => client.messages.find(([answered]) => answered === id);
  client.send([id, op, ...args]);
  await client.until(() => find() !== undefined);
  return find()!.slice(1);
}

const fill = (client: RawClient, ns: number, token: unknown, value: string) =>
  ask(client, OP.fill, ns, 0, token, Buffer.from(pack(value)), 60_000, null, 0, 1);
const codeOf = ([status, code]: unknown[]) => (status === STATUS.error ? ERROR_CODES[code as number] : status);

async function load(client: RawClient, ns: number, key: string): Promise<number> {
  const [status, token] = await ask(client, OP.load, ns, 0, key, 0, 0);
  assert.is(status, STATUS.load);
  return token as number;
}

async function get(client: RawClient, ns: number, key: string): Promise<unknown> {
  const [status, bytes] = await ask(client, OP.get, ns, 0, key);
  return status === STATUS.miss ? undefined : unpack(bytes as Uint8Array);
}

for (const [name, ns] of Object.entries(NAMESPACES)) {
  test(`${name}: one that was never given out`, async ({ one, two }) => {
    const token = await load(one, ns, 'never');
    for (const other of [token + 1, 0, 2 ** 40]) {
      assert.is(codeOf(await fill(one, ns, other, 'x')), 'ERR_INVALID_TOKEN');
      assert.is(codeOf(await ask(one, OP.abandon, ns, 0, other, null)), 'ERR_INVALID_TOKEN');
    }
    assert.is(await get(two, ns, 'never'), undefined);
    assert.is(codeOf(await fill(one, ns, token, 'v')), STATUS.ok, 'its own is as good as before');
    assert.is(await get(two, ns, 'never'), 'v');
  });

  test(`${name}: one of another session`, async ({ one, two }) => {
    const token = await load(one, ns, 'foreign');
    assert.is(codeOf(await fill(two, ns, token, 'x')), 'ERR_INVALID_TOKEN');
    assert.is(codeOf(await ask(two, OP.abandon, ns, 0, token, null)), 'ERR_INVALID_TOKEN');
    assert.is(await get(two, ns, 'foreign'), undefined);
    assert.is(codeOf(await fill(one, ns, token, 'v')), STATUS.ok);
    assert.is(await get(two, ns, 'foreign'), 'v');
  });

  test(`${name}: one that was used`, async ({ one, two }) => {
    const filled = await load(one, ns, 'used');
    assert.is(codeOf(await fill(one, ns, filled, 'v')), STATUS.ok);
    assert.is(codeOf(await fill(one, ns, filled, 'twice')), 'ERR_INVALID_TOKEN');
    assert.is(codeOf(await ask(one, OP.abandon, ns, 0, filled, null)), 'ERR_INVALID_TOKEN');
    assert.is(await get(two, ns, 'used'), 'v');
    const abandoned = await load(one, ns, 'abandoned');
    await ask(one, OP.abandon, ns, 0, abandoned, null);
    assert.is(codeOf(await fill(one, ns, abandoned, 'late')), 'ERR_INVALID_TOKEN');
    assert.is(await get(two, ns, 'abandoned'), undefined);
  });

  test(`${name}: one of another namespace, or a bad tag beside it`, async ({ one, two }) => {
    const token = await load(one, ns, 'elsewhere');
    assert.is(codeOf(await fill(one, 1 - ns, token + 1_000_000, 'x')), 'ERR_INVALID_TOKEN');
    for (const tags of [[''], ['x'.repeat(256)], Array.from({ length: 65 }, (_, at) => `t${at}`)]) {
      const bad = await ask(one, OP.fill, ns, 0, token, Buffer.from(pack('x')), 60_000, tags, 0, 1);
      assert.is(codeOf(bad), 'ERR_INVALID_TAG');
    }
    assert.is(await get(two, ns, 'elsewhere'), undefined);
    assert.is(codeOf(await fill(one, ns, token, 'v')), STATUS.ok, 'the lease is as good as before');
  });
}

test.run();
