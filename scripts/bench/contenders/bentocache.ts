import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { redisDriver } from 'bentocache/drivers/redis';
import type { Addresses, Caller } from '../contenders.js';
import { inParts } from './parts.js';

const MAX_ITEMS = 20_000;

/** @param serialize of its memory: its default is true */
export async function callBentocache({ redisSocket }: Addresses, serialize: boolean): Promise<Caller> {
  const cache = new BentoCache({
    default: 'two',
    stores: {
      two: bentostore()
        .useL1Layer(memoryDriver({ maxItems: MAX_ITEMS, serialize }))
        .useL2Layer(redisDriver({ connection: { path: redisSocket! }, prefix: `bento-${serialize}` })),
    },
  });
  return {
    calls: {
      'near-hit': (index, data) => cache.get({ key: data.nearKeyAt(index) }),
      'getOrSet-hit': (index, data) =>
        cache.getOrSetForever({ key: data.nearKeyAt(index), factory: () => data.valueAt(index) }),
      set: (index, data) => cache.set({ key: data.writtenAt(index), value: data.valueAt(index), ttl: '5m' }),
    },
    fill: (data) =>
      inParts(data, (from, keys) =>
        Promise.all(keys.map((key, each) => cache.setForever({ key, value: data.valueAt(from + each) }))),
      ),
    async warm(data) {
      for (const [index, key] of data.nearKeys.entries()) {
        // What it takes over from Redis without a serializer (1.6.1) it cannot read again: there it has to be written.
        if (serialize) await cache.get({ key });
        else await cache.setForever({ key, value: data.valueAt(index) });
      }
    },
    close: () => cache.disconnectAll(),
  };
}
