import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LocMemCache } from '../../client/backends/loc-mem-cache.js';
import { TwoTierCache, type TwoTierCacheOptions } from '../../client/backends/two-tier-cache.js';
import { CacheError } from '../../shared/errors.js';
import { type Around, asyncCache } from '../support/async-cache.js';
import { rejectsCode, throwsCode } from '../support/errors.js';

function setUp(options: Partial<TwoTierCacheOptions> = {}) {
  const time = { nowMs: 0 };
  const clock = () => time.nowMs;
  const l1 = new LocMemCache({ clock });
  const calls: string[] = [];
  const fault = { error: undefined as unknown };
  const around: Around = async (call, _args, act) => {
    calls.push(call);
    await new Promise(setImmediate);
    if (fault.error !== undefined) throw fault.error;
    return act();
  };
  const l2 = asyncCache({ clock }, around);
  return { time, l1, l2, calls, fault, cache: new TwoTierCache({ l1, l2, clock, ...options }) };
}

/** Lets the fills that nobody waits for come to their end. */
async function idle(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
}

test('a value is asked of l2 once, then answered by l1 until l1Ttl', async () => {
  const { cache, l2, l1, time, calls } = setUp();
  l2.behind.set('k', 'v', 100);
  assert.is(await cache.get('k'), 'v');
  await idle();
  assert.equal(calls, ['get', 'ttl']);
  assert.is(await cache.get('k'), 'v');
  assert.equal(calls, ['get', 'ttl']);
  assert.is(l1.ttl('k'), 10);
  time.nowMs = 10_001;
  assert.is(await cache.get('k'), 'v');
  assert.equal(calls.slice(2, 3), ['get']);
});

test('a cached null is a hit in both tiers', async () => {
  const { cache, l2, calls } = setUp();
  await cache.set('k', null, 60);
  assert.is(await cache.get('k', 'default'), null);
  assert.equal(calls, ['set']);
  l2.behind.set('far', null);
  assert.is(await cache.get('far', 'default'), null);
  await idle();
  assert.is(await cache.get('far', 'default'), null);
  let loads = 0;
  assert.is(await cache.getOrSet('k', () => ++loads), null);
  assert.is(await cache.getOrSet('far', () => ++loads), null);
  const loadNull = (): null => {
    loads++;
    return null;
  };
  assert.is(await cache.getOrSet<unknown>('new', loadNull), null);
  assert.is(await cache.getOrSet<unknown>('new', () => ++loads), null);
  assert.is(loads, 1);
  assert.equal(
    [...(await cache.getMany(['k', 'far', 'none']))],
    [
      ['k', null],
      ['far', null],
    ],
  );
});

test('l1 never keeps a value past its life in l2: after a set, a fill, a load, an expire', async () => {
  const { cache, l1, l2, time } = setUp();
  await cache.set('set', 1, 3);
  assert.is(l1.ttl('set'), 3);
  l2.behind.set('fill', 1, 5);
  time.nowMs = 1000;
  await cache.get('fill');
  await idle();
  assert.is(l1.ttl('fill'), 4);
  await cache.getOrSet('load', () => 1, '2s');
  await idle();
  assert.is(l1.ttl('load'), 2);
  await cache.set('long', 1, 100);
  assert.is(l1.ttl('long'), 10);
  await cache.expire('long', 1);
  assert.is(l1.has('long'), false);
  await cache.get('long');
  await idle();
  assert.is(l1.ttl('long'), 1);
  await cache.add('add', 1, 2);
  assert.is(l1.ttl('add'), 2);
  await cache.setMany({ a: 1, b: 2 }, 7);
  assert.is(l1.ttl('a'), 7);
});

test('time that passes while l2 is asked counts against the life in l1', async () => {
  const time = { nowMs: 0 };
  const clock = () => time.nowMs;
  const l1 = new LocMemCache({ clock });
  const l2 = asyncCache({ clock }, async (_call, _args, act) => {
    const answer = act();
    time.nowMs += 400;
    return answer;
  });
  const cache = new TwoTierCache({ l1, l2, clock });
  await cache.set('k', 1, 1);
  assert.is(l1.ttl('k'), 0.6);
  await cache.set('gone', 1, 0.3);
  assert.is(l1.has('gone'), false);
});

test('a set without a ttl lives as long as l2 says; l1 learns how long from the next get', async () => {
  const clock = () => 0;
  const l1 = new LocMemCache({ clock });
  const cache = new TwoTierCache({ l1, l2: new LocMemCache({ clock, defaultTtl: 2 }), clock });
  await cache.set('k', 1);
  assert.is(l1.has('k'), false);
  await cache.get('k');
  await idle();
  assert.is(l1.ttl('k'), 2);
});

test('100 concurrent misses ask l2 once, and 100 callers of getOrSet load once', async () => {
  const { cache, l2, calls } = setUp();
  l2.behind.set('k', 'v', 60);
  const answers = await Promise.all(Array.from({ length: 100 }, () => cache.get('k')));
  assert.ok(answers.every((answer) => answer === 'v'));
  assert.is(calls.filter((call) => call === 'get').length, 1);
  let loads = 0;
  await Promise.all(Array.from({ length: 100 }, () => cache.getOrSet('load', async () => ++loads)));
  assert.is(loads, 1);
  assert.is(calls.filter((call) => call === 'getOrSet').length, 1);
});

test('a failing load reaches every waiter and is not remembered', async () => {
  const { cache } = setUp({ failSilently: true });
  let loads = 0;
  const load = async () => {
    if (++loads === 1) throw new Error('not yet');
    return 'there';
  };
  const outcomes = await Promise.allSettled([cache.getOrSet('k', load), cache.getOrSet('k', load)]);
  assert.equal(
    outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.message),
    ['not yet', 'not yet'],
  );
  assert.is(await cache.getOrSet('k', load), 'there');
  assert.is(loads, 2);
  assert.is(await cache.getOrSet('nothing', () => undefined), undefined);
  await idle();
  assert.is(await cache.has('nothing'), false);
});

test('incr counts in l2 and drops what l1 had; clear and invalidateTags empty both', async () => {
  const { cache, l1, l2 } = setUp();
  assert.is(await cache.incr('n', 2, 60), 2);
  assert.is(await cache.get('n'), 2);
  await idle();
  assert.is(l1.get('n'), 2);
  assert.is(await cache.decr('n'), 1);
  assert.is(l1.has('n'), false);
  assert.is(await cache.get('n'), 1);
  await cache.set('tagged', 1, { ttl: 60, tags: ['t'] });
  await cache.set('other', 1, 60);
  await cache.invalidateTags(['t']);
  assert.is(l1.count(), 0);
  assert.is(await cache.get('tagged'), undefined);
  assert.is(await cache.get('other'), 1);
  await cache.clear();
  assert.is(l2.behind.count(), 0);
  assert.is(l1.count(), 0);
});

test('delete, deleteMany and add speak of l2, and leave l1 without the key', async () => {
  const { cache, l1 } = setUp();
  await cache.setMany(
    new Map([
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ]),
    60,
  );
  assert.is(await cache.delete('a'), true);
  assert.is(await cache.delete('a'), false);
  assert.is(await cache.add('b', 9, 60), false);
  assert.is(l1.has('b'), false);
  assert.is(await cache.get('b'), 2);
  assert.is(await cache.add('d', 4, 60), true);
  assert.is(l1.get('d'), 4);
  assert.is(await cache.deleteMany(['b', 'c', 'x']), 2);
  assert.is(l1.has('c'), false);
  assert.is(await cache.count(), 1);
});

test('setMany, getMany and deleteMany are one call of l2 each', async () => {
  const { cache, calls } = setUp();
  await cache.setMany({ a: 1, b: 2 }, 60);
  await cache.getMany(['a', 'b', 'c', 'd']);
  await cache.deleteMany(['a', 'b']);
  assert.equal(calls, ['setMany', 'getMany', 'deleteMany']);
});

test('the tiers may each be synchronous or not', async () => {
  const kinds = [() => new LocMemCache(), () => asyncCache()];
  for (const l1 of kinds) {
    for (const l2 of kinds) {
      const cache = new TwoTierCache({ l1: l1(), l2: l2() });
      await cache.set('k', { deep: [1] }, 60);
      assert.equal(await cache.get('k'), { deep: [1] });
      assert.is(await cache.getOrSet('l', () => 5, 60), 5);
      assert.is(await cache.delete('k'), true);
      assert.is(await cache.get('k'), undefined);
      await cache.close();
    }
  }
});

test('statistics tell the tiers apart', async () => {
  const { cache, l2 } = setUp();
  l2.behind.set('k', 1, 60);
  await cache.get('k');
  await idle();
  await cache.get('k');
  await cache.get('none');
  const { hits, misses, hitRate, tiers } = await cache.stats();
  assert.equal([hits, misses, hitRate], [2, 1, 2 / 3]);
  assert.equal([tiers.l1!.hits, tiers.l1!.misses, tiers.l2!.hits, tiers.l2!.misses], [1, 2, 1, 1]);
  assert.is(tiers.l1!.entries, 1);
});

test('with failSilently an l2 that is away is a miss, and what l1 has is answered', async () => {
  const { cache, fault } = setUp({ failSilently: true });
  await cache.set('near', 1, 60);
  fault.error = new CacheError('ERR_UNAVAILABLE', 'away');
  assert.is(await cache.get('near'), 1);
  assert.is(await cache.get('far', 'default'), 'default');
  assert.is(await cache.has('far'), false);
  assert.equal([...(await cache.getMany(['near', 'far']))], [['near', 1]]);
  assert.is(await cache.getOrSet('far', () => 'loaded'), 'loaded');
  assert.is(await cache.ttl('near'), 10);
  await cache.stats();
  assert.ok(cache.l2Failures >= 5);
});

test('with failSilently a set that l2 did not take leaves l1 without the key, so that nobody reads the older value', async () => {
  const { cache, l1, fault } = setUp({ failSilently: true });
  await cache.setMany({ k: 1, m: 1 }, 60);
  fault.error = new Error('connection reset');
  await cache.set('k', 2, 60);
  await cache.setMany({ m: 2 }, 60);
  assert.is(l1.has('k'), false);
  assert.is(l1.has('m'), false);
});

test('with failSilently invalidations and counters reject all the same, once l1 has dropped what they name', async () => {
  const { cache, l1, fault } = setUp({ failSilently: true });
  const calls: [string, () => Promise<unknown>][] = [
    ['delete', () => cache.delete('k')],
    ['deleteMany', () => cache.deleteMany(['k'])],
    ['expire', () => cache.expire('k', 5)],
    ['incr', () => cache.incr('k')],
    ['add', () => cache.add('k', 2)],
    ['clear', () => cache.clear()],
    ['invalidateTags', () => cache.invalidateTags(['t'])],
  ];
  for (const [name, call] of calls) {
    fault.error = undefined;
    await cache.set('k', 1, 60);
    fault.error = new CacheError('ERR_UNAVAILABLE', 'away');
    await rejectsCode('ERR_UNAVAILABLE', call);
    assert.is(l1.has('k'), false, name);
  }
});

test('with failSilently a load that has run is the answer, once, whatever l2 says after it', async () => {
  const { cache, l1, l2 } = setUp({ failSilently: true });
  const original = l2.behind.getOrSet.bind(l2.behind);
  l2.behind.getOrSet = ((key: string, load: () => unknown) => {
    void Promise.resolve(original(key, load));
    throw new CacheError('ERR_TIMEOUT', 'no answer to the fill');
  }) as never;
  let loads = 0;
  assert.is(await cache.getOrSet('k', async () => ++loads), 1);
  assert.is(loads, 1);
  await idle();
  assert.is(l1.has('k'), false);
});

test('failSilently does not hide what the caller did wrong', async () => {
  const { cache } = setUp({ failSilently: true });
  await rejectsCode('ERR_INVALID_KEY', () => cache.get(''));
  await rejectsCode('ERR_INVALID_KEY', () => cache.set('', 1));
  await rejectsCode('ERR_INVALID_TTL', () => cache.set('k', 1, 0));
  await rejectsCode('ERR_INVALID_VALUE', () => cache.set('k', undefined));
  await rejectsCode('ERR_INVALID_ARGUMENT', () => cache.getMany('k'));
  await cache.set('k', 'text', 60);
  await rejectsCode('ERR_NOT_A_COUNTER', () => cache.incr('k'));
  assert.is(await cache.get('k'), 'text');
});

test('without failSilently the failures of l2 reach the caller', async () => {
  const { cache, fault } = setUp();
  fault.error = new CacheError('ERR_UNAVAILABLE', 'away');
  for (const call of [
    () => cache.get('k'),
    () => cache.set('k', 1),
    () => cache.getOrSet('k', () => 1),
    () => cache.count(),
  ]) {
    await rejectsCode('ERR_UNAVAILABLE', call);
  }
});

test('a value whose life l2 does not tell is answered, and l1 left without it', async () => {
  const l1 = new LocMemCache();
  const l2 = new LocMemCache();
  l2.set('k', 'v', 60);
  l2.ttl = () => {
    throw new Error('no');
  };
  assert.is(await new TwoTierCache({ l1, l2 }).get('k'), 'v');
  assert.is(l1.has('k'), false);
});

test('bad options are refused', () => {
  const l1 = new LocMemCache();
  throwsCode('ERR_INVALID_ARGUMENT', () => new TwoTierCache({ l1, l2: undefined as never }));
  throwsCode('ERR_INVALID_TTL', () => new TwoTierCache({ l1, l2: l1, l1Ttl: 0 }));
});

test.run();
