import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OwedDeletes } from '../../client/owed.js';

/** Deletes that are out until they are told how they ended. */
function owedDeletes() {
  const out: { keys: readonly string[] | 'all'; done(): void; fail(): void }[] = [];
  const act = (keys: readonly string[] | 'all') =>
    new Promise<void>((resolve, reject) => {
      out.push({ keys, done: resolve, fail: () => reject(new Error('away')) });
    });
  const owed = new OwedDeletes({ deleteKeys: act, clear: () => act('all') }, () => 1);
  const sent = () => out.map(({ keys }) => keys);
  return { owed, out, sent };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let ended = false;
  promise.then(
    () => {
      ended = true;
    },
    () => {},
  );
  await turn();
  return ended;
}

test('a key is deleted once for all who wait for it, and they wait for no other key', async () => {
  const { owed, out, sent } = owedDeletes();
  owed.add(['a', 'b']);
  const first = owed.settle(['a']);
  const second = owed.settle(['a', 'b', 'c']);
  assert.equal(sent(), [['a'], ['b']]);
  out[0]!.done();
  assert.ok(await isDone(first));
  assert.not(await isDone(second));
  assert.equal([owed.has('a'), owed.has('b'), owed.has('c')], [false, true, false]);
  out[1]!.done();
  assert.ok(await isDone(second));
  assert.not(owed.any);
  owed.stop();
});

test('a key whose delete is out is waited for, though it was deleted by somebody meanwhile', async () => {
  const { owed, out, sent } = owedDeletes();
  owed.add(['a']);
  const settling = owed.settleAll();
  owed.forget(['a'], owed.count);
  assert.ok(owed.any && owed.has('a'), 'a set that went out now would be undone by the delete');
  const writer = owed.settle(['a']);
  assert.not(await isDone(writer));
  assert.equal(sent(), [['a']]);
  out[0]!.done();
  assert.ok((await isDone(writer)) && (await isDone(settling)));
  assert.not(owed.any);
  owed.stop();
});

test('a delete that fails stays owed, and fails those who wait for its keys alone', async () => {
  const { owed, out, sent } = owedDeletes();
  owed.add(['down', 'up']);
  const both = owed.settleAll().catch((error) => error.message);
  out[0]!.fail();
  assert.is(await both, 'away');
  assert.ok(owed.has('down') && owed.has('up'));
  const up = owed.settle(['up']);
  const down = owed.settle(['down']).catch((error) => error.message);
  assert.equal(sent(), [['down', 'up'], ['up'], ['down']]);
  out[1]!.done();
  out[2]!.fail();
  assert.ok(await isDone(up));
  assert.is(await down, 'away');
  assert.equal([owed.has('down'), owed.has('up')], [true, false]);
  owed.stop();
});

test('a key that is dropped while its delete is out is owed another', async () => {
  const { owed, out, sent } = owedDeletes();
  owed.add(['a']);
  const settling = owed.settleAll();
  owed.add(['a']);
  out[0]!.done();
  await settling;
  assert.ok(owed.has('a'));
  const again = owed.settle(['a']);
  assert.equal(sent(), [['a'], ['a']]);
  out[1]!.done();
  await again;
  assert.not(owed.any);
  owed.stop();
});

test('what is owed is tried again by itself until it is done', async () => {
  const { owed, out } = owedDeletes();
  owed.add(['a']);
  const keepsAlive = setInterval(() => {}, 1000);
  for (let i = 0; i < 3; i++) {
    while (out.length === i) await turn();
    if (i < 2) out[i]!.fail();
    else out[i]!.done();
  }
  await turn();
  assert.not(owed.any);
  clearInterval(keepsAlive);
});

test('it is tried ever less often, also while the deletes of other keys succeed', async () => {
  const { owed, out } = owedDeletes();
  const keepsAlive = setInterval(() => {}, 1000);
  const sentMs: number[] = [];
  owed.add(['down']);
  for (let tries = 0; tries < 4; tries++) {
    const before = out.length;
    while (out.length === before) await turn();
    sentMs.push(performance.now());
    out.at(-1)!.fail();
    await turn();
    owed.add(['up']);
    const up = owed.settle(['up']);
    out.at(-1)!.done();
    await up;
  }
  // 50, 100, 200, 400 ms; a timer is never early.
  assert.ok(sentMs[3]! - sentMs[2]! > 350, `${sentMs}`);
  owed.stop();
  clearInterval(keepsAlive);
});

test('more keys than are remembered: all are owed, one by one until a clear is done, which comes last', async () => {
  const { owed, out, sent } = owedDeletes();
  const keys = Array.from({ length: 10_000 }, (_, i) => `k${i}`);
  owed.add(keys);
  assert.not(owed.has('one more'));
  owed.add(['one more']);
  assert.ok(owed.has('one more') && owed.has('any other'));

  const one = owed.settle(['any other']);
  assert.equal(sent(), [['any other']], 'nobody waits for a clear, which may fail for the sake of other keys');
  out[0]!.done();
  assert.ok(await isDone(one));
  assert.equal([owed.has('any other'), owed.has('another')], [false, true]);
  owed.add(['any other']);
  assert.ok(owed.has('any other'), 'dropped again');

  const all = owed.settleAll();
  assert.equal(sent()[1], keys);
  out[1]!.done();
  await turn();
  assert.equal(sent().slice(2), ['all']);
  owed.forgetAll(owed.count);
  assert.ok(owed.has('k1'), 'the clear is still out');
  const writer = owed.settle(['k1']);
  assert.not(await isDone(writer));
  out[2]!.done();
  assert.ok((await isDone(writer)) && (await isDone(all)));
  assert.not(owed.any);
  owed.stop();
});

test('nothing is cleared while the keys that are remembered cannot be deleted', async () => {
  const { owed, out, sent } = owedDeletes();
  owed.add(Array.from({ length: 10_001 }, (_, i) => `k${i}`));
  const all = owed.settleAll().catch((error) => error.message);
  out[0]!.fail();
  assert.is(await all, 'away');
  assert.is(sent().length, 1);
  assert.ok(owed.has('k0') && owed.has('any other'));
  owed.stop();
});

test.run();
