import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { connect } from '../../client/index.js';
import { DATA } from './data.js';
import { LOOP_IN_FLIGHT, loop } from './growth-loop.js';
import { progress } from './machine.js';
import type { Servers } from './servers.js';

/** With so many connections open and used in turn. CPU in microseconds a get; memory in kB a connection. */
export interface ByConnections {
  readonly connections: number;
  readonly opsPerSecond: number;
  readonly daemonCpuUs: number | undefined;
  readonly daemonKb: number | undefined;
  readonly redisOpsPerSecond: number | undefined;
  readonly redisCpuUs: number | undefined;
  readonly redisKb: number | undefined;
}

const READ_KEYS = 1_000;
const CONNECTED_AT_ONCE = 50;

const data = DATA['200B'];
const keyAt = (index: number) => data.keyAt(index % READ_KEYS);

interface Opened {
  readonly gets: readonly ((key: string) => Promise<unknown>)[];
  close(): Promise<void>;
}

export async function measureConnections(
  counts: readonly number[],
  durationMs: number,
  servers: Servers,
): Promise<ByConnections[]> {
  const { daemonSockets, redisSocket } = servers.addresses;
  const writer = connect({ socket: daemonSockets[0], onUnavailable: 'throw' });
  const entries = data.keys.slice(0, READ_KEYS).map((key, index) => [key, data.valueAt(index)] as const);
  await writer.setMany(new Map(entries), Infinity);
  const found: ByConnections[] = [];
  for (const connections of counts) {
    progress(`${connections} connections`);
    const ours = await measure('daemon', () => openOurs(daemonSockets[0], connections), durationMs, servers);
    const theirs =
      redisSocket === undefined
        ? undefined
        : await measure('redis', () => openRedis(redisSocket, connections, entries), durationMs, servers);
    found.push({
      connections,
      opsPerSecond: ours.opsPerSecond,
      daemonCpuUs: ours.cpuUs,
      daemonKb: ours.kb,
      redisOpsPerSecond: theirs?.opsPerSecond,
      redisCpuUs: theirs?.cpuUs,
      redisKb: theirs?.kb,
    });
  }
  await writer.close();
  return found;
}

async function measure(server: 'daemon' | 'redis', open: () => Promise<Opened>, durationMs: number, servers: Servers) {
  const rssBefore = servers.rss(server) ?? 0;
  const opened = await open();
  const kb = ((servers.rss(server) ?? 0) - rssBefore) / 1024 / opened.gets.length;
  const call = (index: number) => opened.gets[index % opened.gets.length]!(keyAt(index));
  await loop(call, LOOP_IN_FLIGHT, durationMs / 2);
  const before = servers.cpu()[server];
  const { calls, ms } = await loop(call, LOOP_IN_FLIGHT, durationMs);
  const after = servers.cpu()[server];
  await opened.close();
  const cpuUs = before === undefined || after === undefined ? undefined : (after - before) / calls;
  return { opsPerSecond: (calls / ms) * 1000, cpuUs, kb };
}

/** The clients of a process share one connection to a path; so each has a path of its own to the same socket. */
async function openOurs(socket: string, count: number): Promise<Opened> {
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-many-'));
  const clients = Array.from({ length: count }, (_, each) => {
    const path = join(folder, `${each}`);
    symlinkSync(socket, path);
    return connect({ socket: path, onUnavailable: 'throw', timeoutMs: 20_000 });
  });
  await Promise.all(clients.map((client) => client.ready()));
  return {
    gets: clients.map((client) => (key: string) => client.get(key)),
    async close() {
      await Promise.all(clients.map((client) => client.close()));
      rmSync(folder, { recursive: true });
    },
  };
}

async function openRedis(
  path: string,
  count: number,
  entries: readonly (readonly [string, object])[],
): Promise<Opened> {
  const clients: Redis[] = [];
  // Some at a time: whoever comes while the queue of its socket is full is turned away.
  for (let open = 0; open < count; open = clients.length) {
    const some = Array.from({ length: Math.min(CONNECTED_AT_ONCE, count - open) }, () => new Redis({ path }));
    await Promise.all(some.map((client) => client.ping()));
    clients.push(...some);
  }
  await Promise.all(entries.map(([key, value]) => clients[0]!.set(key, JSON.stringify(value))));
  return {
    gets: clients.map((client) => async (key: string) => JSON.parse((await client.get(key))!)),
    async close() {
      for (const client of clients) client.disconnect();
    },
  };
}
