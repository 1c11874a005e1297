import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Adaptive, type JudgedCall } from '../../client/query/adaptive.js';

// gate: cost=1 timeout=60

const test = suite('statements that go through the cache or directly');

/** A pool of which nothing is asked but to tell of its connections; a clock that stands still; looks that end when they are told to. */
function world() {
  const looks: (() => void)[] = [];
  const connected: (() => void)[] = [];
  let nowMs = 0;
  const pool = {
    on(_event: string, listener: () => void) {
      connected.push(listener);
      return pool;
    },
  };
  const adaptive = new Adaptive(
    pool as never,
    () => new Promise<void>((resolve) => looks.push(resolve)),
    () => nowMs,
  );
  const ask = (text: string, ...values: string[]): JudgedCall =>
    adaptive.call({ text, parameters: values.map((sent) => ({ given: sent, sent })) });
  return { adaptive, looks, ask, connected, pass: (ms: number) => (nowMs += ms) };
}

const isDone = async (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([promise.then(() => true), new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))]);

/** Lets calls of a statement miss until it goes directly. @returns the reasons that were told */
function lose(adaptive: Adaptive, call: JudgedCall): string[] {
  const told: string[] = [];
  for (let n = 0; n < 64 && !adaptive.isDirect(call); n++) {
    const reason = adaptive.took(call, 5, 1);
    if (reason !== undefined) told.push(reason);
  }
  assert.ok(adaptive.isDirect(call));
  return told;
}

test('texts that differ in values, and in how many they list, are one statement; their keys are their own', () => {
  const { ask } = world();
  const one = ask("SELECT * FROM a1 WHERE id = 7 AND name = 'it''s' AND k IN (1, 2)");
  const other = ask("SELECT * FROM a1 WHERE id = 12.5 AND name = '' AND k IN (1, 2, 3)");
  assert.is(other.statement, one.statement);
  assert.is.not(other.key, one.key);
  assert.is(ask('SELECT $1, 1', 'a').statement, ask('SELECT $2, 2', 'a').statement);
  assert.is.not(ask('SELECT * FROM a2 WHERE id = 7').statement, ask('SELECT * FROM a1 WHERE id = 7').statement);
  assert.is(ask('SELECT $1', 'a').key, ask('SELECT $1', 'a').key);
  assert.is.not(ask('SELECT $1', 'a').key, ask('SELECT $1', 'b').key);
  assert.is.not(ask('SELECT $1', 'a', 'bc').key, ask('SELECT $1', 'ab', 'c').key);
});

test('why a statement goes directly is told once', () => {
  const { adaptive, ask } = world();
  const call = ask('SELECT 1 FROM a');
  const told = lose(adaptive, call);
  assert.is(told.length, 1);
  assert.match(told[0]!, /0 % are hits, and others take 4\.00 ms more than the 1\.00 ms of the query itself/);
  assert.is(adaptive.took(call, 5, 1), undefined, 'a call that had begun before');
});

test('the time in which a connection was made counts for nothing', async () => {
  const { adaptive, ask, connected, pass } = world();
  const watch = adaptive.stopwatch();
  pass(3);
  assert.is(watch(), 3);
  for (const connect of connected) connect();
  assert.ok(Number.isNaN(watch()));
  const call = ask('SELECT 1 FROM a');
  for (let n = 0; n < 1_000; n++) assert.is(adaptive.took(call, watch(), 1), undefined);
  for (let n = 0; n < 1_000; n++) assert.is(adaptive.took(call, 5, watch()), undefined);
});

test('beyond eight direct runs of one query at a time calls share a run', async () => {
  const { adaptive, ask } = world();
  const call = ask('SELECT $1 FROM a', 'hot');
  lose(adaptive, call);
  const ends: (() => void)[] = [];
  const runs = Array.from({ length: 8 }, () => {
    assert.ok(adaptive.isDirect(call));
    return adaptive.direct(call, () => new Promise<void>((resolve) => ends.push(resolve)));
  });
  assert.not(adaptive.isDirect(call));
  assert.ok(adaptive.isDirect(ask('SELECT $1 FROM a', 'other')));
  ends[0]!();
  await runs[0];
  assert.ok(adaptive.isDirect(call));
  for (const end of ends) end();
  await Promise.all(runs);
});

test('after a direct run the next call through the cache waits for one look at the commits; others wait for the same', async () => {
  const { adaptive, ask, looks } = world();
  const call = ask('SELECT 1 FROM a');
  assert.ok(await isDone(adaptive.seeDirectRuns(call)), 'none has run');
  await adaptive.direct(call, async () => 1);
  const [first, second] = [adaptive.seeDirectRuns(call), adaptive.seeDirectRuns(call)];
  assert.is(looks.length, 1);
  assert.not(await isDone(first));
  looks[0]!();
  assert.ok((await isDone(first)) && (await isDone(second)));
  assert.ok(await isDone(adaptive.seeDirectRuns(call)));
  assert.is(looks.length, 1);
});

test('a direct run that ends while the daemon looks, or fails, is looked after by another look', async () => {
  const { adaptive, ask, looks } = world();
  const call = ask('SELECT 1 FROM a');
  await adaptive.direct(call, async () => 1);
  const first = adaptive.seeDirectRuns(call);
  await adaptive.direct(call, () => Promise.reject(new Error('of the query'))).catch(() => {});
  const second = adaptive.seeDirectRuns(call);
  assert.is(looks.length, 2);
  looks[0]!();
  assert.ok(await isDone(first));
  assert.not(await isDone(second));
  looks[1]!();
  assert.ok(await isDone(second));
});

test('also of a statement that was forgotten meanwhile', async () => {
  const { adaptive, ask, looks } = world();
  const call = ask('SELECT 1 FROM a');
  let end = () => {};
  await adaptive.direct(call, async () => 1);
  const late = adaptive.direct(call, () => new Promise<void>((resolve) => (end = resolve)));
  for (let n = 0; n < 3_000; n++) ask(`SELECT 1 FROM b${n}`);
  const again = ask('SELECT 1 FROM a');
  assert.is.not(again.statement, call.statement);
  const first = adaptive.seeDirectRuns(again);
  assert.is(looks.length, 1);
  looks[0]!();
  assert.ok(await isDone(first));
  end();
  await late;
  const same = adaptive.seeDirectRuns(ask('SELECT 1 FROM a'));
  assert.is(looks.length, 2, 'the run that ended was of this very text');
  looks[1]!();
  assert.ok(await isDone(same));
  await adaptive.direct(call, async () => 1);
  const newer = ask('SELECT 1 FROM c');
  void adaptive.seeDirectRuns(newer);
  assert.is(looks.length, 3);
});

test.run();
