import { Cacheable } from 'cacheable';
import { Redis } from 'ioredis';
import type { Addresses, Caller } from '../contenders.js';
import { inParts, tens } from './parts.js';

/** Keyv's store on ioredis: no package for it is among ours, and it takes no more than this. */
function redisStore(redis: Redis) {
  return {
    opts: {},
    get: async (key: string) => (await redis.get(key)) ?? undefined,
    set: (key: string, value: string, ttlMs?: number) =>
      ttlMs === undefined ? redis.set(key, value) : redis.set(key, value, 'PX', ttlMs),
    delete: async (key: string) => (await redis.del(key)) === 1,
    clear: async () => {},
    has: async (key: string) => (await redis.exists(key)) === 1,
    on: () => undefined,
  };
}

export async function callCacheable({ redisSocket }: Addresses): Promise<Caller> {
  const redis = new Redis({ path: redisSocket!, keyPrefix: 'cacheable:' });
  const cache = new Cacheable({ secondary: redisStore(redis) as never });
  return {
    calls: {
      'near-hit': (index, data) => cache.get(data.nearKeyAt(index)),
      'getOrSet-hit': (index, data) => cache.getOrSet(data.nearKeyAt(index), async () => data.valueAt(index)),
      set: (index, data) => cache.set(data.writtenAt(index), data.valueAt(index), '5m'),
    },
    fill: (data) =>
      inParts(data, (from, keys) =>
        cache.setMany(keys.map((key, each) => ({ key, value: data.valueAt(from + each) }))),
      ),
    async warm(data) {
      tens((await cache.getMany([...data.nearKeys])).slice(0, 10));
    },
    async close() {
      redis.disconnect();
    },
  };
}
