import { Redis } from 'ioredis';
import { connect } from '../../client/index.js';
import { DATA } from './data.js';
import { LOOP_IN_FLIGHT, loop, STORED_AT_ONCE } from './growth-loop.js';
import { progress } from './machine.js';
import type { Servers } from './servers.js';

/** At so many entries: time and CPU a call in microseconds, and what an entry takes of memory, in bytes. */
export interface ByEntries {
  readonly entries: number;
  readonly getUs: number;
  readonly daemonGetCpuUs: number | undefined;
  readonly setUs: number;
  readonly daemonSetCpuUs: number | undefined;
  readonly postgresSetCpuUs: number | undefined;
  readonly daemonBytes: number | undefined;
  readonly redisBytes: number | undefined;
}

const UNDER_WAY = 4;
const FILLED_SETTLE_MS = 500;

const keyOf = (index: number) => `entry:${index}:profile`;
const { valueAt } = DATA['200B'];

/** @param steps numbers of entries, rising: each step adds what is missing */
export async function measureEntries(
  steps: readonly number[],
  durationMs: number,
  servers: Servers,
): Promise<ByEntries[]> {
  const cache = connect({ socket: servers.addresses.daemonSockets[0], onUnavailable: 'throw' });
  await cache.ready();
  const path = servers.addresses.redisSocket;
  const redis = path === undefined ? undefined : new Redis({ path });
  await cache.clear();
  await redis?.flushall();
  await settle();
  const empty = { daemon: servers.rss('daemon'), redis: servers.rss('redis') };
  const found: ByEntries[] = [];
  let filled = 0;
  for (const entries of steps) {
    progress(`${entries} entries`);
    await fill(filled, entries, (from, to) => cache.setMany(range(from, to), Infinity));
    if (redis !== undefined) await fill(filled, entries, (from, to) => storeInRedis(redis, from, to));
    filled = entries;
    await settle();
    const eachOf = (name: 'daemon' | 'redis') => {
      const rss = servers.rss(name);
      return rss === undefined || empty[name] === undefined ? undefined : (rss - empty[name]) / entries;
    };
    const memory = { daemonBytes: eachOf('daemon'), redisBytes: eachOf('redis') };
    const random = () => Math.floor(Math.random() * entries);
    const get = await timed(() => cache.get(keyOf(random())), durationMs, servers);
    const set = await timed((index) => cache.set(keyOf(random()), valueAt(index), Infinity), durationMs, servers);
    found.push({
      entries,
      getUs: get.us,
      daemonGetCpuUs: get.daemonUs,
      setUs: set.us,
      daemonSetCpuUs: set.daemonUs,
      postgresSetCpuUs: set.postgresUs,
      ...memory,
    });
  }
  redis?.disconnect();
  await cache.close();
  return found;
}

async function timed(call: (index: number) => Promise<unknown>, durationMs: number, servers: Servers) {
  await loop(call, LOOP_IN_FLIGHT, durationMs / 2);
  const before = servers.cpu();
  const { calls, ms } = await loop(call, LOOP_IN_FLIGHT, durationMs);
  const after = servers.cpu();
  const spent = (of: 'daemon' | 'postgres') =>
    before[of] === undefined || after[of] === undefined ? undefined : (after[of] - before[of]) / calls;
  return { us: (ms * 1000) / calls, daemonUs: spent('daemon'), postgresUs: spent('postgres') };
}

async function fill(from: number, to: number, store: (from: number, to: number) => Promise<unknown>): Promise<void> {
  let next = from;
  const lane = async () => {
    while (next < to) {
      const start = next;
      next = Math.min(next + STORED_AT_ONCE, to);
      await store(start, next);
    }
  };
  await Promise.all(Array.from({ length: UNDER_WAY }, lane));
}

function range(from: number, to: number): Map<string, object> {
  return new Map(Array.from({ length: to - from }, (_, each) => [keyOf(from + each), valueAt(from + each)]));
}

async function storeInRedis(redis: Redis, from: number, to: number): Promise<void> {
  const pipeline = redis.pipeline();
  for (const [key, value] of range(from, to)) pipeline.set(key, JSON.stringify(value));
  await pipeline.exec();
}

const settle = () => new Promise((resolve) => setTimeout(resolve, FILLED_SETTLE_MS));
