import { connect } from '../../../client/index.js';
import type { Addresses, Caller } from '../contenders.js';
import { counterAt, HOT_COUNTER, KEYS, keyAt, manyAt, valueAt } from '../workloads.js';

/** Its memory holds far fewer entries than are read in turn, so that the table answers each time. */
export const SMALL_NAMESPACE = { name: 'small', maxEntries: 64 } as const;

const FILL_AT_ONCE = 500;

/** The daemon of the first server, through the client. */
export async function callPgcached({ daemonSockets: [socket] }: Addresses): Promise<Caller> {
  const cache = connect({ socket, onUnavailable: 'throw' });
  const small = connect({ socket, onUnavailable: 'throw', namespace: SMALL_NAMESPACE.name });
  await Promise.all([cache.ready(), small.ready()]);
  return {
    calls: {
      'get-hit': async (index) => found(await cache.get(keyAt(index))),
      'get-miss': async (index) => found(await small.get(keyAt(index))),
      set: (index) => cache.set(keyAt(index), valueAt(index)),
      'getMany(10)': async (index) => found((await cache.getMany(manyAt(index))).size === 10 || undefined),
      incr: (index) => cache.incr(counterAt(index)),
      'incr-hot': () => cache.incr(HOT_COUNTER),
    },
    async fill() {
      for (let from = 0; from < KEYS; from += FILL_AT_ONCE) {
        const part = Array.from({ length: FILL_AT_ONCE }, (_, each) => from + each);
        const entries = new Map(part.map((index) => [keyAt(index), valueAt(index)]));
        await cache.setMany(entries, Infinity);
        await small.setMany(entries, Infinity);
      }
    },
    async close() {
      await Promise.all([cache.close(), small.close()]);
    },
  };
}

function found(value: unknown): unknown {
  if (value === undefined) throw new Error('a value that was stored is not there: nothing of this run counts');
  return value;
}
