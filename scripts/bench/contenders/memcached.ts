import { createRequire } from 'node:module';
import type { Addresses, Caller } from '../contenders.js';
import { counterAt, HOT_COUNTER, LIFE_S } from '../data.js';
import { inParts } from './parts.js';

/** As much of memjs as is used here; it comes without types. */
interface Memjs {
  get(key: string): Promise<{ value: Buffer | null }>;
  set(key: string, value: string, options: { expires: number }): Promise<boolean>;
  increment(
    key: string,
    amount: number,
    options: { initial: number; expires: number },
  ): Promise<{ value: number | null }>;
  close(): void;
}
interface MemjsModule {
  Client: new (servers: readonly unknown[], options: object) => Memjs;
  Server: new (host: string, port: string, user: undefined, password: undefined, options: object) => unknown;
}

/** Seconds; with its half of one, a call that waits behind a long batch fails. */
const OPTIONS = { timeout: 10, retries: 2, retry_delay: 0.2, expires: 0, failover: false, logger: console };

export async function callMemcached({ memcachedSocket }: Addresses): Promise<Caller> {
  const memjs = createRequire(import.meta.url)('memjs') as MemjsModule;
  // A path in place of the port is one to node:net.
  const server = new memjs.Server('localhost', memcachedSocket!, undefined, undefined, OPTIONS);
  const cache = new memjs.Client([server], OPTIONS);
  const get = async (key: string) => JSON.parse((await cache.get(key)).value!.toString());
  const incr = (key: string) => cache.increment(key, 1, { initial: 1, expires: 0 });
  return {
    calls: {
      'get-hit': (index, data) => get(data.keyAt(index)),
      set: (index, data) => cache.set(data.writtenAt(index), JSON.stringify(data.valueAt(index)), { expires: LIFE_S }),
      incr: (index) => incr(counterAt(index)),
      'incr-hot': () => incr(HOT_COUNTER),
    },
    fill: (data) =>
      inParts(data, (from, keys) =>
        Promise.all(keys.map((key, each) => cache.set(key, JSON.stringify(data.valueAt(from + each)), { expires: 0 }))),
      ),
    async close() {
      cache.close();
    },
  };
}
