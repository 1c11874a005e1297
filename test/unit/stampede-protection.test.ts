import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LocMemCache } from '../../client/backends/loc-mem-cache.js';
import { StampedeProtection, type StampedeProtectionOptions } from '../../client/backends/stampede-protection.js';
import type { LoadContext } from '../../shared/cache.js';
import { type Around, asyncCache } from '../support/async-cache.js';
import { rejectsCode, throwsCode } from '../support/errors.js';
import { random as seeded } from '../support/random.js';

/** Uniform in [0, 1), the same for the same seed. */
function seededRandom(seed: number): () => number {
  const { next } = seeded(seed);
  return () => next(2 ** 32) / 2 ** 32;
}

/** ln(1 − PICK) = −1: a read is picked exactly when δ·β is no less than the time left. */
const PICK = 1 - Math.exp(-1);

function setUp(options: Partial<StampedeProtectionOptions> = {}) {
  const time = { nowMs: 1_000_000 };
  const dice = { next: PICK };
  const clock = () => time.nowMs;
  const backend = new LocMemCache({ clock });
  const cache = new StampedeProtection({ backend, clock, random: () => dice.next, ...options });
  /** A load that takes so long on the clock of the test. */
  const taking =
    <T>(ms: number, value: T) =>
    async (): Promise<T> => {
      time.nowMs += ms;
      return value;
    };
  return { time, dice, clock, backend, cache, taking };
}

async function idle(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
}

test('getOrSet measures the load, and refreshes in the background while everyone gets the current value', async () => {
  const { cache, time, taking } = setUp();
  assert.is(await cache.getOrSet('k', taking(2000, 'old'), 10), 'old');
  time.nowMs += 7999;
  let loads = 0;
  const load = async () => {
    loads++;
    return 'new';
  };
  assert.is(await cache.getOrSet('k', load, 10), 'old');
  assert.is(loads, 0, 'with 2001 ms left and a δ of 2000 nobody is picked');
  time.nowMs += 1;
  const answers = await Promise.all(Array.from({ length: 50 }, () => cache.getOrSet('k', load, 10)));
  assert.ok(answers.every((answer) => answer === 'old'));
  await idle();
  assert.is(loads, 1);
  assert.is(await cache.getOrSet('k', load, 10), 'new');
  assert.equal(cache.refreshes, { completed: 1, failed: 0 });
  assert.is(await cache.ttl('k'), 10);
});

test('a picked get answers as if the value were gone; has does not roll dice, and changes nothing', async () => {
  const { cache, time, dice } = setUp();
  await cache.set('k', 'v', { ttl: 10, computeTimeMs: 3000 });
  time.nowMs += 6999;
  assert.is(await cache.get('k', 'default'), 'v');
  time.nowMs += 1;
  const before = await cache.stats();
  for (let i = 0; i < 100; i++) assert.is(await cache.has('k'), true);
  assert.equal(await cache.stats(), before);
  assert.is(await cache.get('k', 'default'), 'default');
  assert.equal([...(await cache.getMany(['k', 'absent']))], []);
  assert.is((await cache.stats()).misses, before.misses + 3);
  dice.next = 0;
  assert.is(await cache.get('k'), 'v');
  assert.equal([...(await cache.getMany(['k']))], [['k', 'v']]);
});

test('a load that took no measurable time does not switch it off', async () => {
  const { cache, time, taking } = setUp({ beta: 2 });
  await cache.getOrSet('k', taking(0, 'v'), 10);
  await cache.set('plain', 'v', 10);
  time.nowMs += 9997;
  assert.is(await cache.get('k'), 'v');
  time.nowMs += 1;
  assert.is(await cache.get('k'), undefined);
  assert.is(await cache.get('plain'), undefined);
  assert.is(await cache.has('k'), true);
});

test('a value that does not expire, and a beta of 0, never refresh early', async () => {
  const { cache, time, dice } = setUp();
  dice.next = 1 - 2 ** -53;
  await cache.set('forever', 1, { ttl: Number.POSITIVE_INFINITY, computeTimeMs: 1e9 });
  assert.is(await cache.get('forever'), 1);
  let loads = 0;
  await cache.getOrSet('k', () => ++loads, { ttl: 10, beta: 0 });
  time.nowMs += 9999;
  assert.is(await cache.getOrSet('k', () => ++loads, { ttl: 10, beta: 0 }), 1);
  await idle();
  assert.is(loads, 1);
});

test('the probability of being picked with r left is e^(−r ÷ βδ)', async () => {
  const seed = 20_150_408;
  const clockMs = { now: 0 };
  const reads = 4000;
  for (const beta of [0.5, 1, 2]) {
    const clock = () => clockMs.now;
    const backend = new LocMemCache({ clock });
    const cache = new StampedeProtection({ backend, beta, clock, random: seededRandom(seed) });
    for (const leftMs of [250, 1000, 3000]) {
      await cache.set('k', 1, { ttl: 10, computeTimeMs: 1000 });
      clockMs.now += 10_000 - leftMs;
      let picked = 0;
      for (let i = 0; i < reads; i++) if ((await cache.get('k')) === undefined) picked++;
      const expected = Math.exp(-leftMs / (beta * 1000));
      const deviation = Math.sqrt((expected * (1 - expected)) / reads);
      const rate = picked / reads;
      process.stdout.write(`β ${beta}, ${leftMs} ms left: ${rate.toFixed(4)}, expected ${expected.toFixed(4)}\n`);
      assert.ok(Math.abs(rate - expected) < 4 * deviation + 1e-9, `seed ${seed}: ${rate} is not ${expected}`);
    }
  }
});

test('with a real clock and dice, a popular key is refreshed early, and never computed by two at once', async () => {
  const backend = new LocMemCache();
  const cache = new StampedeProtection({ backend, beta: 3, random: seededRandom(9) });
  let running = 0;
  let together = 0;
  const load = async () => {
    running++;
    together = Math.max(together, running);
    await new Promise((resolve) => setTimeout(resolve, 20));
    running--;
    return 'v';
  };
  const until = performance.now() + 600;
  while (performance.now() < until) {
    await Promise.all(Array.from({ length: 10 }, () => cache.getOrSet('k', load, 0.2)));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.is(together, 1);
  assert.ok(cache.refreshes.completed >= 1, JSON.stringify(cache.refreshes));
});

test('a failing refresh leaves the value, and the next one that is picked tries again', async () => {
  const { cache, time, taking } = setUp();
  await cache.getOrSet('k', taking(5000, 'old'), 10);
  time.nowMs += 6000;
  const fail = async () => {
    throw new Error('no');
  };
  assert.is(await cache.getOrSet('k', fail, 10), 'old');
  await idle();
  assert.equal(cache.refreshes, { completed: 0, failed: 1 });
  assert.is(await cache.getOrSet('k', async () => 'new', 10), 'old');
  await idle();
  assert.is(await cache.getOrSet('k', fail, 10), 'new');
});

test('undefined, skip and a failing load store nothing', async () => {
  const { cache, backend } = setUp();
  assert.is(await cache.getOrSet('u', () => undefined), undefined);
  const skipping = (context: LoadContext): number => {
    void context.skip();
    return 5;
  };
  assert.is(await cache.getOrSet('s', skipping), 5);
  await cache.getOrSet('f', () => Promise.reject(new Error('no'))).catch(() => {});
  assert.is(backend.count(), 0);
});

test('a refreshed value has the tags and the ttl that the load set, and sees the former one as stale', async () => {
  const { cache, time, taking, backend } = setUp();
  await cache.getOrSet('k', taking(5000, 'old'), 10);
  time.nowMs += 6000;
  let stale: unknown;
  await cache.getOrSet(
    'k',
    (context) => {
      stale = context.stale;
      context.setTtl(99);
      context.setTags(['late']);
      return 'new';
    },
    { ttl: 10, tags: ['early'] },
  );
  await idle();
  assert.is(stale, 'old');
  assert.is(backend.ttl('k'), 99);
  time.nowMs += 90_000;
  assert.is(await cache.get('k'), 'new', 'and its early end is that of the ttl that the load set');
  await cache.invalidateTags(['late']);
  assert.is(await cache.get('k'), undefined);
});

test('entries that others wrote to the backend are served as they are', async () => {
  const { cache, backend, dice } = setUp();
  dice.next = 1 - 2 ** -53;
  for (const value of [
    5,
    null,
    'text',
    { value: 1 },
    { value: 1, xfetch: 'mine' },
    [1, 2],
    { value: 1, xfetch: [1] },
  ]) {
    backend.set('k', value, 1);
    assert.equal(await cache.get('k'), value);
    assert.equal(await cache.getOrSet('k', () => 'loaded'), value);
  }
  const own = { value: 1, xfetch: [5, 5] };
  await cache.set('own', own, 60);
  dice.next = 0;
  assert.equal(await cache.get('own'), own, 'a value that looks like an envelope is wrapped in one');
});

test('expire moves the early refresh with it', async () => {
  const { cache, time } = setUp();
  await cache.set('k', 'v', { ttl: 10, computeTimeMs: 2000 });
  assert.is(await cache.expire('k', 100), true);
  time.nowMs += 50_000;
  assert.is(await cache.get('k'), 'v');
  time.nowMs += 49_000;
  assert.is(await cache.get('k'), undefined);
});

test('a clock that was wrong when the value was written does not make every read a miss', async () => {
  const clock = () => 5_000_000;
  const backend = new LocMemCache();
  await new StampedeProtection({ backend, clock: () => 0 }).set('k', 'v', { ttl: 60, computeTimeMs: 10 });
  const cache = new StampedeProtection({ backend, clock });
  assert.is(await cache.get('k'), 'v');
});

const WRITES: Record<string, (cache: StampedeProtection) => Promise<unknown>> = {
  delete: (cache) => cache.delete('k'),
  deleteMany: (cache) => cache.deleteMany(['k']),
  clear: (cache) => cache.clear(),
  invalidateTags: (cache) => cache.invalidateTags(['t']),
  set: (cache) => cache.set('k', 'written', 10),
  setMany: (cache) => cache.setMany({ k: 'written' }, 10),
};
const options = { ttl: 10, tags: ['t'] };

for (const [name, write] of Object.entries(WRITES)) {
  test(`a refresh that began before ${name} does not land after it`, async () => {
    const { cache, time, taking } = setUp();
    await cache.getOrSet('k', taking(5000, 'old'), options);
    time.nowMs += 6000;
    let finish = (_value: string) => {};
    await cache.getOrSet('k', () => new Promise<string>((resolve) => (finish = resolve)), options);
    await idle();
    await write(cache);
    finish('late');
    await idle();
    assert.is(await cache.get('k'), name.startsWith('set') ? 'written' : undefined);
    assert.is(cache.refreshes.completed, 0);
  });

  test(`a refresh whose value is on its way to the backend does not land after ${name}`, async () => {
    const waiting: (() => void)[] = [];
    const slow = { sets: false };
    const around: Around = async (call, _args, act) => {
      if (slow.sets && call === 'set') await new Promise<void>((resolve) => waiting.push(resolve));
      return act();
    };
    const time = { nowMs: 1_000_000 };
    const clock = () => time.nowMs;
    const cache = new StampedeProtection({ backend: asyncCache({ clock }, around), clock, random: () => PICK });
    await cache.set('k', 'old', { ...options, computeTimeMs: 5000 });
    time.nowMs += 6000;
    slow.sets = true;
    await cache.getOrSet('k', async () => 'late', options);
    await idle();
    assert.is(waiting.length, 1, 'the refresh is storing');
    slow.sets = false;
    const written = write(cache);
    await idle();
    waiting[0]!();
    await written;
    await idle();
    assert.is(await cache.get('k'), name.startsWith('set') ? 'written' : undefined);
  });

  test(`no refresh begins while ${name} is under way`, async () => {
    const waiting: (() => void)[] = [];
    const around: Around = async (call, _args, act) => {
      if (call === name && waiting.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      return act();
    };
    const time = { nowMs: 1_000_000 };
    const clock = () => time.nowMs;
    const backend = asyncCache({ clock }, around);
    const cache = new StampedeProtection({ backend, clock, random: () => PICK });
    backend.behind.set('k', { value: 'old', xfetch: [5000, time.nowMs + 10_000] }, options);
    time.nowMs += 6000;
    const written = write(cache);
    await idle();
    let loads = 0;
    assert.is(await cache.getOrSet('k', () => ++loads, options), 'old');
    await idle();
    assert.is(loads, 0);
    waiting[0]!();
    await written;
  });
}

test('close tells the refreshes that are out, and nothing of them is stored', async () => {
  const { cache, time, taking, backend } = setUp();
  await cache.getOrSet('k', taking(5000, 'old'), 10);
  time.nowMs += 6000;
  let aborted: unknown;
  await cache.getOrSet('k', async (context) => {
    await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
    aborted = context.signal.reason;
    return 'late';
  });
  await idle();
  await cache.close();
  await idle();
  assert.match(String(aborted), /ERR_CLOSED/);
  assert.is(backend.count(), 0);
});

test('bad options and values are refused with a code', async () => {
  const backend = new LocMemCache();
  throwsCode('ERR_INVALID_ARGUMENT', () => new StampedeProtection({ backend: {} as never }));
  throwsCode('ERR_INVALID_ARGUMENT', () => new StampedeProtection({ backend, beta: -1 }));
  throwsCode('ERR_INVALID_ARGUMENT', () => new StampedeProtection({ backend, beta: Number.NaN }));
  throwsCode('ERR_INVALID_TTL', () => new StampedeProtection({ backend, defaultTtl: 0 }));
  const cache = new StampedeProtection({ backend });
  for (const computeTimeMs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    await rejectsCode('ERR_INVALID_ARGUMENT', () => cache.set('k', 1, { computeTimeMs }));
  }
  await rejectsCode('ERR_INVALID_ARGUMENT', () => cache.getOrSet('k', () => 1, { beta: -1 }));
  await rejectsCode('ERR_INVALID_VALUE', () => cache.set('k', undefined));
  await rejectsCode('ERR_INVALID_VALUE', () => cache.getOrSet('k', () => () => 1));
});

test.run();
