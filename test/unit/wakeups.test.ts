import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Clock } from '../../daemon/clock.js';
import { WAKEUP_GAP_FACTOR, WAKEUP_GAP_MS_MAX, WAKEUP_GAP_MS_MIN, Wakeups } from '../../daemon/wakeups.js';

/** A clock that stands until it is told to go on, and a database that answers when it is told to. */
function world(crowdGapMs = 0) {
  let nowMs = 1000;
  let timers: { atMs: number; run: () => void }[] = [];
  const sentMs: number[] = [];
  let answers: ((failure?: Error) => void)[] = [];
  const clock: Clock = {
    now: () => nowMs,
    after(ms, run) {
      const timer = { atMs: nowMs + ms, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((each) => each !== timer);
      };
    },
  };
  const notify = () =>
    new Promise<void>((resolve, reject) => {
      sentMs.push(nowMs);
      answers.push((failure) => (failure === undefined ? resolve() : reject(failure)));
    });
  return {
    wakeups: new Wakeups({ database: { notify }, clock, defer: (run) => run(), crowdGapMs: () => crowdGapMs }),
    sentMs,
    pass(ms: number) {
      nowMs += ms;
      const due = timers.filter((timer) => timer.atMs <= nowMs);
      timers = timers.filter((timer) => timer.atMs > nowMs);
      for (const { run } of due) run();
    },
    async answer(failure?: Error) {
      const all = answers;
      answers = [];
      for (const each of all) each(failure);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test('the first write after a pause is announced at once', async () => {
  const { wakeups, sentMs, pass, answer } = world();
  wakeups.send();
  assert.equal(sentMs, [1000]);
  await answer();
  pass(WAKEUP_GAP_MS_MIN);
  wakeups.send();
  assert.equal(sentMs, [1000, 1000 + WAKEUP_GAP_MS_MIN]);
});

test('what is written within the gap is announced once, at its end', async () => {
  const { wakeups, sentMs, pass, answer } = world();
  wakeups.send();
  await answer();
  pass(WAKEUP_GAP_MS_MIN / 2);
  wakeups.send();
  wakeups.send();
  assert.equal(sentMs.length, 1);
  pass(WAKEUP_GAP_MS_MIN / 2);
  assert.equal(sentMs, [1000, 1000 + WAKEUP_GAP_MS_MIN]);
  await answer();
  pass(10 * WAKEUP_GAP_MS_MIN);
  assert.equal(sentMs.length, 2, 'and not again');
});

test('what is written while a wake-up is under way is announced by another, later the longer that one took', async () => {
  for (const tookMs of [1, 2, 4, 100]) {
    const { wakeups, sentMs, pass, answer } = world();
    wakeups.send();
    wakeups.send();
    pass(tookMs);
    assert.equal(sentMs.length, 1, 'one at a time');
    await answer();
    const gapMs = Math.min(WAKEUP_GAP_MS_MAX, Math.max(WAKEUP_GAP_MS_MIN, tookMs * WAKEUP_GAP_FACTOR));
    pass(gapMs - tookMs - 0.5);
    assert.equal(sentMs.length, tookMs < gapMs ? 1 : 2, `${tookMs} ms: not yet`);
    pass(0.5);
    assert.equal(sentMs.length, 2, `${tookMs} ms: now`);
  }
});

test('where many listen, wake-ups are as far apart as that asks for', async () => {
  const { wakeups, sentMs, pass, answer } = world(100);
  wakeups.send();
  await answer();
  wakeups.send();
  pass(99);
  assert.equal(sentMs, [1000]);
  pass(1);
  assert.equal(sentMs, [1000, 1100]);
});

test('a wake-up that fails does not keep the next one back', async () => {
  const { wakeups, sentMs, pass, answer } = world();
  wakeups.send();
  await answer(new Error('no database'));
  pass(WAKEUP_GAP_MS_MIN);
  wakeups.send();
  assert.equal(sentMs.length, 2);
});

test.run();
