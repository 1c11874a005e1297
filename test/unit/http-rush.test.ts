/** Who waited in vain for a page does not run his handler together with all the others. */
// gate: cost=1 timeout=60
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cacheHandler } from '../../client/http/index.js';
import { RUSH_FIRST, RUSH_GROWTH, RUSH_WAIT_MS, Rush } from '../../client/http/rush.js';
import { LocMemCache } from '../../client/index.js';

const test = suite('http: rush');
const turns = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));

/** Work that ends when it is told to, and a clock that goes when it is told to. */
function workshop() {
  const running: (() => void)[] = [];
  const timers = new Set<() => void>();
  const clock = {
    now: () => 0,
    after: (ms: number, callback: () => void) => {
      assert.is(ms, RUSH_WAIT_MS);
      timers.add(callback);
      return () => timers.delete(callback);
    },
  };
  const rush = new Rush(clock);
  const start = (count: number, key = 'k') =>
    Array.from({ length: count }, (_, i) =>
      rush.run(key, async () => {
        await new Promise<void>((resolve) => running.push(resolve));
        if (i === 1) throw new Error('no');
        return i;
      }),
    );
  const end = async () => {
    for (const finish of running.splice(0)) finish();
    await turns();
  };
  return { rush, running, timers, start, end };
}

test('a few begin, each that ends lets more begin, and a failure counts as an end', async () => {
  const { running, start, end, timers } = workshop();
  const all = Promise.allSettled(start(40));
  await turns();
  const waves = [];
  while (running.length > 0) {
    waves.push(running.length);
    await end();
  }
  assert.equal(waves, [RUSH_FIRST, RUSH_FIRST * RUSH_GROWTH, 40 - RUSH_FIRST * (1 + RUSH_GROWTH)]);
  assert.equal(
    (await all).map((one) => (one.status === 'fulfilled' ? one.value : one.reason.message)),
    Array.from({ length: 40 }, (_, i) => (i === 1 ? 'no' : i)),
  );
  assert.is(timers.size, 0);
  const again = Promise.allSettled(start(40));
  await turns();
  assert.is(running.length, RUSH_FIRST, 'a line that is over begins anew');
  while (running.length > 0) await end();
  await again;
});

test('keys have lines of their own, and nobody waits for ever', async () => {
  const { running, start, end, timers } = workshop();
  const all = Promise.allSettled([...start(RUSH_FIRST + 2), ...start(1, 'other')]);
  await turns();
  assert.is(running.length, RUSH_FIRST + 1);
  assert.is(timers.size, 2);
  for (const late of [...timers]) late();
  await turns();
  assert.is(running.length, RUSH_FIRST + 3);
  await end();
  await all;
});

for (const [name, answer] of [
  ['fails', () => new Response('no', { status: 500 })],
  ['is not to be stored', () => new Response('mine', { headers: { 'cache-control': 'private' } })],
] as const) {
  test(`of those who wait for a page that ${name}, a few ask at a time, and all are answered`, async () => {
    const running: (() => void)[] = [];
    const handler = cacheHandler(
      async () => {
        await new Promise<void>((resolve) => running.push(resolve));
        return answer();
      },
      { cache: new LocMemCache(), ttl: 60 },
    );
    const all = Array.from({ length: 50 }, () => handler(new Request('http://site.example/page')));
    await turns();
    const waves = [];
    while (running.length > 0) {
      waves.push(running.length);
      for (const finish of running.splice(0)) finish();
      await turns();
    }
    assert.equal(waves, [1, RUSH_FIRST, RUSH_FIRST * RUSH_GROWTH, 49 - RUSH_FIRST * (1 + RUSH_GROWTH)]);
    const answers = await Promise.all(all);
    assert.ok(answers.every(({ status }) => status === answer().status));
    assert.is(new Set(await Promise.all(answers.map((one) => one.text()))).size, 1);
  });
}

test.run();
