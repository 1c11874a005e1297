// gate: cost=2 timeout=60

import { Socket } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Channel } from '../../client/channel.js';
import { Connection } from '../../client/connection.js';
import { openLink } from '../../client/link.js';
import * as ops from '../../client/ops.js';
import { systemClock } from '../../shared/clock.js';
import { pack } from '../../shared/codec.js';
import { RELEASE } from '../../shared/release.js';
import { type TestServer, testServer } from '../support/daemon.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';

const test = suite('what one turn asks, as it leaves');
let database: TestDatabase;
let server: TestServer;
let connection: Connection;
/** Writes of the client and of the daemon to their sockets, since they were last counted. */
let sendings = 0;
let tellings = 0;

/** Sockets of a server, of which there is only the daemon's here. */
const write = Socket.prototype.write;
const countedWrite = function (this: Socket & { server?: unknown }, ...args: Parameters<typeof write>): boolean {
  if (this.server !== undefined && this.server !== null) tellings += 1;
  return write.apply(this, args);
} as typeof write;

test.before(async () => {
  Socket.prototype.write = countedWrite;
  database = await testDatabase();
  server = await testServer(database.url, { namespaces: { ram: { tiers: 'memory' } } });
  connection = new Connection({
    path: join(server.folder, 'run', 'pgcached.sock'),
    release: RELEASE,
    random: Math.random,
    clock: systemClock,
    openLink: (path, events) => {
      const link = openLink(path, events);
      return {
        ...link,
        write(bytes) {
          sendings += 1;
          return link.write(bytes);
        },
      };
    },
  });
});

test.after(async () => {
  Socket.prototype.write = write;
  await connection.close();
  await server.close();
  await database.close();
});

async function channelOf(namespace: string): Promise<Channel> {
  const channel = new Channel(connection, namespace, 5_000, () => {});
  await channel.ready(5_000);
  return channel;
}

/** @returns how often the socket was written to for so many calls of one turn, which all came to what they should */
async function sendingsOf(calls: readonly (() => Promise<unknown>)[], expected: unknown): Promise<number> {
  sendings = 0;
  tellings = 0;
  const results = await Promise.all(calls.map((call) => call()));
  for (const result of results) assert.equal(result, expected);
  return sendings;
}

const times = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));
const set = (channel: Channel) => (at: number) => () => channel.call(ops.SET, [`k${at}`, pack('value'), 60_000, [], 0]);
const get = (channel: Channel) => (at: number) => () => channel.call(ops.GET, [0, `k${at % 64}`, undefined, undefined]);

test('few calls leave together, many reads in parts, many writes to a table together', async () => {
  const channel = await channelOf('default');
  assert.is(await sendingsOf(times(64, set(channel)), undefined), 1);
  assert.is(await sendingsOf(times(15, get(channel)), 'value'), 1);
  assert.is(await sendingsOf(times(64, get(channel)), 'value'), 4);
  assert.is(await sendingsOf(times(70, get(channel)), 'value'), 5);
  channel.close();
});

test('those who wrote together are told together', async () => {
  const channel = await channelOf('default');
  for (let again = 0; again < 30; again++) {
    await sendingsOf(times(64, set(channel)), undefined);
    assert.is(tellings, 1);
  }
  channel.close();
});

test('many writes to memory leave in parts, and so do their answers', async () => {
  const channel = await channelOf('ram');
  assert.is(await sendingsOf(times(64, set(channel)), undefined), 4);
  assert.ok(tellings >= 4, `${tellings}`);
  channel.close();
});

test('what is long leaves as soon as it is 64 kB', async () => {
  const channel = await channelOf('ram');
  const long = pack('x'.repeat(40_000));
  const calls = times(4, (at) => () => channel.call(ops.SET, [`long${at}`, long, 60_000, [], 0]));
  assert.is(await sendingsOf(calls, undefined), 2);
  channel.close();
});

test.run();
