import { Redis } from 'ioredis';
import { pack, unpack } from 'msgpackr';
import type { Addresses, Caller } from '../contenders.js';
import { counterAt, HOT_COUNTER, LIFE_S } from '../data.js';
import { inParts, tens } from './parts.js';

export interface IoredisMode {
  readonly msgpackr: boolean;
  readonly pipelined: boolean;
}

export async function callIoredis({ redisSocket }: Addresses, { msgpackr, pipelined }: IoredisMode): Promise<Caller> {
  const redis = new Redis({ path: redisSocket!, enableAutoPipelining: pipelined });
  const prefix = msgpackr ? 'packed:' : '';
  const write = msgpackr ? (value: unknown) => pack(value) : (value: unknown) => JSON.stringify(value);
  const get = msgpackr
    ? async (key: string) => unpack((await redis.getBuffer(prefix + key))!)
    : async (key: string) => JSON.parse((await redis.get(key))!);
  const getMany = msgpackr
    ? async (keys: string[]) => (await redis.mgetBuffer(keys.map((key) => prefix + key))).map((value) => unpack(value!))
    : async (keys: string[]) => (await redis.mget(keys)).map((value) => JSON.parse(value!));
  return {
    calls: {
      'get-hit': (index, data) => get(data.keyAt(index)),
      set: (index, data) => redis.set(prefix + data.writtenAt(index), write(data.valueAt(index)), 'EX', LIFE_S),
      'getMany(10)': async (index, data) => tens(await getMany(data.manyAt(index))),
      ...(msgpackr ? {} : { incr: (index) => redis.incr(counterAt(index)), 'incr-hot': () => redis.incr(HOT_COUNTER) }),
      // What one writes by hand where the client has no getOrSet.
      'getOrSet-hit': async (index, data) => (await get(data.keyAt(index))) ?? data.valueAt(index),
    },
    async fill(data) {
      await inParts(data, (from, keys) =>
        Promise.all(keys.map((key, each) => redis.set(prefix + key, write(data.valueAt(from + each))))),
      );
    },
    async close() {
      redis.disconnect();
    },
  };
}
