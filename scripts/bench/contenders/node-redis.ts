import { createClient } from 'redis';
import type { Addresses, Caller } from '../contenders.js';
import { counterAt, HOT_COUNTER, LIFE_S } from '../data.js';
import { inParts, tens } from './parts.js';

export async function callNodeRedis({ redisSocket }: Addresses): Promise<Caller> {
  const redis = await createClient({ socket: { path: redisSocket!, tls: false } }).connect();
  const get = async (key: string) => JSON.parse((await redis.get(key))!);
  return {
    calls: {
      'get-hit': (index, data) => get(data.keyAt(index)),
      set: (index, data) => redis.set(data.writtenAt(index), JSON.stringify(data.valueAt(index)), { EX: LIFE_S }),
      'getMany(10)': async (index, data) =>
        tens((await redis.mGet(data.manyAt(index))).map((text) => JSON.parse(text!))),
      incr: (index) => redis.incr(counterAt(index)),
      'incr-hot': () => redis.incr(HOT_COUNTER),
    },
    fill: (data) =>
      inParts(data, (from, keys) =>
        Promise.all(keys.map((key, each) => redis.set(key, JSON.stringify(data.valueAt(from + each))))),
      ),
    async close() {
      redis.destroy();
    },
  };
}

export async function callNodeRedisCached({ redisSocket }: Addresses): Promise<Caller> {
  const redis = await createClient({
    socket: { path: redisSocket!, tls: false },
    RESP: 3,
    clientSideCache: { ttl: 0, maxEntries: 20_000, evictPolicy: 'LRU' },
  }).connect();
  const get = async (key: string) => JSON.parse((await redis.get(key)) as string);
  return {
    calls: { 'near-hit': (index, data) => get(data.nearKeyAt(index)) },
    fill: (data) =>
      inParts(data, (from, keys) =>
        Promise.all(keys.map((key, each) => redis.set(key, JSON.stringify(data.valueAt(from + each))))),
      ),
    async warm(data) {
      await Promise.all(data.nearKeys.map(get));
    },
    async close() {
      redis.destroy();
    },
  };
}
