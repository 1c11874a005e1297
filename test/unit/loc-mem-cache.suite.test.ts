import { LocMemCache } from '../../client/backends/loc-mem-cache.js';
import { cacheSuite } from '../support/cache-suite.js';

const test = cacheSuite(
  'LocMemCache',
  async () => {
    let nowMs = 0;
    const cache = new LocMemCache({ clock: () => nowMs });
    return {
      cache,
      other: new LocMemCache(),
      advance: (ms) => {
        nowMs += ms;
      },
      close: () => cache.close(),
    };
  },
  { byReference: true, eternalByDefault: true },
);

const realTime = cacheSuite(
  'LocMemCache in real time',
  async () => {
    const cache = new LocMemCache();
    return { cache, close: () => cache.close() };
  },
  { byReference: true, eternalByDefault: true },
);

test.run();
realTime.run();
