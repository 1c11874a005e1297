import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DatabaseFailure } from '../../daemon/database.js';
import { Fills } from '../../daemon/fills.js';
import type { Fill, FillResult } from '../../shared/table/fill.js';

const test = suite('fills');

interface Statement {
  readonly keys: readonly string[];
  store(...refused: string[]): void;
  fail(error: Error): void;
}

/** A database whose statements end when the test says so. */
function stage() {
  const statements: Statement[] = [];
  const database = {
    fill: (_namespace: string, fills: readonly Fill[]) =>
      new Promise<FillResult>((resolve, reject) => {
        const keys = fills.map(({ key }) => key);
        const store = (...refused: string[]) =>
          resolve({ incarnation: 'i', stored: keys.filter((key) => !refused.includes(key)) });
        statements.push({ keys, store, fail: reject });
      }),
  };
  let nowMs = 0;
  const clock = { now: () => ++nowMs } as never;
  const fills = new Fills({ namespace: 'n', database, clock, defer: queueMicrotask });
  const offer = (key: string) =>
    fills.offer({ key, bytes: Buffer.alloc(9), ttlMs: 1, names: [], base: '1:1:', incarnation: 'i' });
  return { statements, offer, turn: () => new Promise((resolve) => setImmediate(resolve)) };
}

test('what comes while two statements are out goes into the next one, a key once', async () => {
  const { statements, offer, turn } = stage();
  const first = ['a', 'b'].map(offer);
  await turn();
  const second = offer('c');
  await turn();
  const rest = ['d', 'e', 'd', 'a'].map(offer);
  await turn();
  assert.equal(
    statements.map(({ keys }) => keys.join()),
    ['a,b', 'c'],
  );
  statements[1]!.store();
  assert.is((await second).stored, true);
  await turn();
  assert.is(statements[2]!.keys.join(), 'd,e', 'a is out, and d is there already');
  statements[0]!.store('b');
  assert.equal(
    (await Promise.all(first)).map(({ stored }) => stored),
    [true, false],
  );
  await turn();
  assert.is(statements[3]!.keys.join(), 'a');
  statements[2]!.store();
  await turn();
  assert.is(statements[4]!.keys.join(), 'd');
  for (const at of [3, 4]) statements[at]!.store();
  assert.equal(
    (await Promise.all(rest)).map(({ stored }) => stored),
    [true, true, true, true],
  );
});

test('one that is refused by the server does not take the others along; what is not known to be undone fails them', async () => {
  const { statements, offer, turn } = stage();
  const all = ['a', 'locked', 'c'].map((key) =>
    offer(key).then(
      ({ stored }) => stored,
      (error: Error) => error.message,
    ),
  );
  await turn();
  statements[0]!.fail(new DatabaseFailure('refused', 'lock timeout', '55P03'));
  for (let at = 1; at <= 3; at++) {
    await turn();
    const { keys, store, fail } = statements[at]!;
    assert.is(keys.length, 1);
    if (keys[0] === 'locked') fail(new DatabaseFailure('refused', 'lock timeout', '55P03'));
    else store();
  }
  assert.equal(await Promise.all(all), [true, 'lock timeout', true]);
  const lost = ['a', 'b'].map((key) => offer(key).catch((error: Error) => error.message));
  await turn();
  statements[4]!.fail(new DatabaseFailure('unknown', 'connection lost'));
  assert.equal(await Promise.all(lost), ['connection lost', 'connection lost']);
  assert.is(statements.length, 5);
});

test.run();
