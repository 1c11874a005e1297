import { LocMemCache } from '../../client/backends/loc-mem-cache.js';
import { TwoTierCache } from '../../client/backends/two-tier-cache.js';
import type { CacheAdapter } from '../../shared/cache.js';
import { asyncCache } from '../support/async-cache.js';
import { cacheSuite, type Subject } from '../support/cache-suite.js';

/** The behaviour suite over each pair of synchronous and asynchronous tiers, on a clock of its own. */
function subject(
  makeL1: (clock: () => number) => CacheAdapter,
  makeL2: (clock: () => number) => CacheAdapter,
): Subject {
  const time = { nowMs: 1 };
  const clock = () => time.nowMs;
  const make = () => new TwoTierCache({ l1: makeL1(clock), l2: makeL2(clock), clock });
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

const kinds = {
  LocMemCache: (clock: () => number) => new LocMemCache({ clock }),
  'an asynchronous cache': (clock: () => number) => asyncCache({ clock }),
};

for (const [l1, makeL1] of Object.entries(kinds)) {
  for (const [l2, makeL2] of Object.entries(kinds)) {
    const create = async (): Promise<Subject> => subject(makeL1, makeL2);
    cacheSuite(`TwoTierCache of ${l1} and ${l2}`, create, { byReference: true, eternalByDefault: true }).run();
  }
}
