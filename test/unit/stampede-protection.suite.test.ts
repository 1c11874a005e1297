import { LocMemCache } from '../../client/backends/loc-mem-cache.js';
import { StampedeProtection } from '../../client/backends/stampede-protection.js';
import { TwoTierCache } from '../../client/backends/two-tier-cache.js';
import type { CacheAdapter } from '../../shared/cache.js';
import { asyncCache } from '../support/async-cache.js';
import { cacheSuite, type Subject } from '../support/cache-suite.js';
import { random } from '../support/random.js';

function subject(makeBackend: (clock: () => number) => CacheAdapter): Subject {
  const time = { nowMs: 1 };
  const clock = () => time.nowMs;
  const { next } = random(4);
  const make = () =>
    new StampedeProtection({ backend: makeBackend(clock), clock, random: () => next(2 ** 32) / 2 ** 32 });
  const cache = make();
  return {
    cache,
    other: make(),
    advance: (ms) => {
      time.nowMs += ms;
    },
    close: () => cache.close(),
  };
}

const backends: Record<string, (clock: () => number) => CacheAdapter> = {
  LocMemCache: (clock) => new LocMemCache({ clock }),
  'an asynchronous cache': (clock) => asyncCache({ clock }),
  TwoTierCache: (clock) => new TwoTierCache({ l1: new LocMemCache({ clock }), l2: asyncCache({ clock }), clock }),
};

for (const [name, makeBackend] of Object.entries(backends)) {
  cacheSuite(`StampedeProtection over ${name}`, async () => subject(makeBackend), { byReference: true }).run();
}
