import { type ConnectOptions, connect } from '../../../client/index.js';
import type { Addresses, Caller } from '../contenders.js';
import { counterAt, type Data, HOT_COUNTER } from '../data.js';
import { inParts, tens } from './parts.js';

/** Its memory holds far fewer entries than are read in turn, so that the table answers each time. */
export const SMALL_NAMESPACE = { name: 'small', maxEntries: 64 } as const;
/** Has no table. */
export const MEMORY_NAMESPACE = { name: 'memory', tiers: 'memory' } as const;

const NEAR = { maxEntries: 20_000, maxBytes: 256 * 1024 * 1024 } as const;

const open = async (options: ConnectOptions) => {
  const cache = connect({ onUnavailable: 'throw', ...options });
  await cache.ready();
  return cache;
};

type Client = Awaited<ReturnType<typeof open>>;

async function fill(cache: Client, data: Data): Promise<void> {
  await inParts(data, (from, keys) =>
    cache.setMany(new Map(keys.map((key, each) => [key, data.valueAt(from + each)])), Infinity),
  );
}

const callsOf = (cache: Client): Caller['calls'] => ({
  'get-hit': (index, data) => cache.get(data.keyAt(index)),
  set: (index, data) => cache.set(data.writtenAt(index), data.valueAt(index)),
  'getMany(10)': async (index, data) => tens(await cache.getMany(data.manyAt(index))),
  incr: (index) => cache.incr(counterAt(index)),
  'incr-hot': () => cache.incr(HOT_COUNTER),
  'getOrSet-hit': (index, data) => cache.getOrSet(data.keyAt(index), () => data.valueAt(index)),
});

/** The daemon of the first server, through the client. */
export async function callPgcached({ daemonSockets: [socket] }: Addresses): Promise<Caller> {
  const cache = await open({ socket });
  const small = await open({ socket, namespace: SMALL_NAMESPACE.name });
  return {
    calls: { ...callsOf(cache), 'get-miss': (index, data) => small.get(data.keyAt(index)) },
    async fill(data) {
      await fill(cache, data);
      if (data.size === '200B') await fill(small, data);
    },
    async close() {
      await Promise.all([cache.close(), small.close()]);
    },
  };
}

/** What `pgcached` has stored, read through a near tier. */
export async function callPgcachedNear({ daemonSockets: [socket] }: Addresses): Promise<Caller> {
  const cache = await open({ socket, near: NEAR });
  return {
    calls: {
      'near-hit': (index, data) => cache.get(data.nearKeyAt(index)),
      peek: (index, data) => cache.peek(data.nearKeyAt(index)),
      'getOrSet-hit': (index, data) => cache.getOrSet(data.nearKeyAt(index), () => data.valueAt(index)),
      set: (index, data) => cache.set(data.writtenAt(index), data.valueAt(index)),
    },
    fill: (data) => fill(cache, data),
    async warm(data) {
      await cache.getMany(data.nearKeys);
    },
    close: () => cache.close(),
  };
}

export async function callPgcachedMemory({ daemonSockets: [socket] }: Addresses): Promise<Caller> {
  const cache = await open({ socket, namespace: MEMORY_NAMESPACE.name });
  return { calls: callsOf(cache), fill: (data) => fill(cache, data), close: () => cache.close() };
}
