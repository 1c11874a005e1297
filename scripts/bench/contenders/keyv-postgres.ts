import { KeyvPostgres } from '@keyv/postgres';
import { Keyv } from 'keyv';
import type { Addresses, Caller } from '../contenders.js';
import { LIFE_S } from '../data.js';
import { inParts, tens } from './parts.js';

export async function callKeyvPostgres({ databaseUrl }: Addresses): Promise<Caller> {
  const store = new KeyvPostgres({ uri: databaseUrl, useUnloggedTable: true, table: 'bench_keyv' });
  const cache = new Keyv({ store });
  return {
    calls: {
      // It has no memory: the table answers a hit, too.
      'get-hit': (index, data) => cache.get(data.keyAt(index)),
      'get-miss': (index, data) => cache.get(data.keyAt(index)),
      set: (index, data) => cache.set(data.writtenAt(index), data.valueAt(index), LIFE_S * 1000),
      'getMany(10)': async (index, data) => tens(await cache.getMany(data.manyAt(index))),
    },
    fill: (data) =>
      inParts(data, (from, keys) =>
        cache.setMany(keys.map((key, each) => ({ key, value: data.valueAt(from + each) }))),
      ),
    close: () => cache.disconnect(),
  };
}
