import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Crowd } from '../../daemon/crowd.js';
import { Follower } from '../../daemon/follower.js';
import { HandClock, SmallTable } from '../support/small-table.js';

const POLL_MS = 250;

/** A follower that has looked once, and when it looks from then on. */
async function world(gapMs: number) {
  const clock = new HandClock();
  const database = new SmallTable(clock).database();
  const looksMs: number[] = [];
  const follower = new Follower({
    database: {
      look: (last) => {
        looksMs.push(clock.now());
        return database.look(last);
      },
      incarnate: () => database.incarnate(),
    },
    clock,
    staleBoundMs: 1000,
    pollIntervalMs: POLL_MS,
    gapMs: () => gapMs,
    apply: () => {},
    reset: () => {},
    onSight: () => {},
  });
  await follower.look();
  const startMs = clock.now();
  looksMs.length = 0;
  const pass = (ms: number) => clock.pass(ms);
  return { follower, pass, looks: () => looksMs.map((ms) => ms - startMs) };
}

test('a stream of wake-ups is answered once a gap, and nothing written costs a look a poll', async () => {
  const { follower, pass, looks } = await world(20);
  for (let ms = 0; ms < 60; ms++) {
    follower.wake();
    await pass(1);
  }
  assert.equal(looks(), [20, 40, 60]);
  for (let ms = 0; ms < 2 * POLL_MS; ms++) await pass(1);
  assert.equal(looks().slice(3), [60 + POLL_MS, 60 + 2 * POLL_MS]);
});

test('a wake-up after a pause, and whoever waits for a look, are not held up', async () => {
  const { follower, pass, looks } = await world(20);
  await pass(100);
  follower.wake();
  await pass(0);
  assert.equal(looks(), [100]);
  follower.wake();
  await pass(5);
  await follower.look();
  assert.equal(looks(), [100, 105]);
});

test('a gap is never longer than a poll', async () => {
  const { follower, pass, looks } = await world(10 * POLL_MS);
  follower.wake();
  for (let ms = 0; ms < POLL_MS; ms++) await pass(1);
  assert.equal(looks(), [POLL_MS]);
});

test('the more follow, the less often each looks; alone it hardly waits', () => {
  const crowd = new Crowd();
  assert.ok(crowd.lookGapMs < 1 && crowd.wakeupGapMs < 1);
  crowd.listeners = 64;
  assert.ok(64 / crowd.lookGapMs < 2, 'looks a millisecond of all together');
  crowd.listeners = 0;
  assert.ok(crowd.lookGapMs > 0);
});

test.run();
