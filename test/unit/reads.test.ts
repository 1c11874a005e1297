import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DatabaseFailure } from '../../daemon/database.js';
import { Leases } from '../../daemon/leases.js';
import { Memory } from '../../daemon/memory.js';
import { Reads } from '../../daemon/reads.js';
import { CacheError } from '../../shared/errors.js';
import type { ReadResult } from '../../shared/table/read.js';
import { HandClock } from '../support/small-table.js';

/** Reads over a database that answers when it is told to. */
function world() {
  const clock = new HandClock();
  const memory = new Memory({ namespace: 'n', clock, maxEntries: 1000, maxBytes: 1e6 });
  const deferred: (() => void)[] = [];
  const out: { keys: readonly string[]; answer(version: string): void; fail(error: Error): void }[] = [];
  const reads = new Reads({
    namespace: 'n',
    clock,
    leases: new Leases('n', memory),
    follower: { follows: () => true },
    defer: (run) => deferred.push(run),
    database: {
      read: (_, keys) =>
        new Promise<ReadResult<string>>((resolve, fail) => {
          const answer = (version: string) => {
            const found = keys
              .filter((key) => !key.startsWith('absent'))
              .map((key) => ({ key, bytes: `${key} ${version}`, isCounter: false, names: [], leftMs: 1000 }));
            resolve({ incarnation: 'one', snapshot: '7:7:', found });
          };
          out.push({ keys, answer, fail });
        }),
    },
  });
  /** The end of a turn of the loop. */
  const turn = async () => {
    for (const run of deferred.splice(0)) run();
    await new Promise((resolve) => setImmediate(resolve));
  };
  const bytesOf = (key: string) => reads.answerTo(key).then(({ entry }) => entry?.bytes);
  return { reads, memory, out, turn, bytesOf };
}

const keysFrom = (from: number, length: number) => Array.from({ length }, (_, each) => `key:${from + each}`);

test('what is asked in one turn is one statement; while two are out the rest gathers, until many wait', async () => {
  const { out, turn, bytesOf } = world();
  const asked = keysFrom(0, 300).map(bytesOf);
  await turn();
  assert.is(out[0]?.keys.length, 300);
  asked.push(...keysFrom(300, 100).map(bytesOf));
  await turn();
  assert.is(out[1]?.keys.length, 64);
  assert.is(out.length, 2, 'few wait');
  asked.push(...keysFrom(400, 91).map(bytesOf));
  await turn();
  assert.is(out.length, 2, '127 wait');
  asked.push(...keysFrom(491, 1).map(bytesOf));
  await turn();
  assert.is(out[2]?.keys.length, 128);
  asked.push(...keysFrom(492, 2).map(bytesOf));
  out[1]?.answer('v');
  await turn();
  await turn();
  assert.is(out.length, 3, 'two are out still');
  out[2]?.answer('v');
  await turn();
  await turn();
  assert.equal(out[3]?.keys, keysFrom(492, 2));
  out[0]?.answer('v');
  out[3]?.answer('v');
  const answers = await Promise.all(asked);
  assert.equal(
    answers,
    keysFrom(0, 494).map((key) => `${key} v`),
  );
});

test('who asks before the statement is sent shares it, who asks later gets the next one', async () => {
  const { reads, memory, out, turn, bytesOf } = world();
  const early = [bytesOf('k'), bytesOf('k'), bytesOf('absent')];
  assert.is(reads.landed('k'), undefined, 'it is not out yet');
  await turn();
  assert.ok(reads.isOut('k'));
  const late = [bytesOf('k'), bytesOf('k')];
  let hasLanded = false;
  const landed = reads.landed('k')?.then(() => {
    hasLanded = true;
  });
  await turn();
  assert.is(out.length, 1);
  assert.is(hasLanded, false);
  out[0]?.answer('old');
  assert.equal(await Promise.all(early), ['k old', 'k old', undefined]);
  await landed;
  assert.is(memory.get('k')?.bytes, 'k old');
  await turn();
  assert.equal(out[1]?.keys, ['k']);
  out[1]?.answer('new');
  assert.equal(await Promise.all(late), ['k new', 'k new']);
  assert.is(memory.get('k')?.bytes, 'k new');
  assert.is(reads.isOut('k'), false);
});

test('a statement that fails is told to all who had asked, and the next is sent', async () => {
  const { reads, memory, out, turn, bytesOf } = world();
  const first = bytesOf('k');
  await turn();
  out[0]?.answer('v');
  await first;
  const failed = [bytesOf('k'), bytesOf('k'), bytesOf('other')];
  await turn();
  const landed = reads.landed('k');
  const next = bytesOf('k');
  out[1]?.fail(new DatabaseFailure('unreachable', 'nobody there'));
  for (const result of await Promise.allSettled(failed)) {
    assert.is(result.status, 'rejected');
    const { reason } = result as PromiseRejectedResult;
    assert.instance(reason, CacheError);
    assert.is(reason.code, 'ERR_DATABASE');
  }
  await landed;
  assert.is(memory.get('k'), undefined, 'what is in doubt is answered no more');
  await turn();
  out[2]?.answer('again');
  assert.is(await next, 'k again');
});

test.run();
