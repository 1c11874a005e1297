import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BATCH_ITEMS_MAX, WAITING_CALLS_MAX, type Waiter, WriteQueue } from '../../daemon/write-queue.js';
import type { WriteItem } from '../../shared/table/write.js';
import { throwsCode } from '../support/errors.js';
import { random } from '../support/random.js';

const waiter = (delta = 0): Waiter => ({ delta, resolve: () => {}, reject: () => {} });
const set = (key: string, bytes = new Uint8Array(1)): WriteItem => ({ key, op: 'set', bytes, ttlMs: 1 });
const remove = (key: string): WriteItem => ({ key, op: 'delete', ttlMs: 0 });
const incr = (key: string, delta = 1): WriteItem => ({ key, op: 'incr', delta, ttlMs: 1 });

/** The keys of each batch; an invalidation as its names. */
function batchesOf(queue: WriteQueue, nowMs = 0): string[] {
  const batches: string[] = [];
  for (let batch = queue.take(nowMs); batch !== undefined; batch = queue.take(nowMs)) {
    if (batch.kind === 'items') batches.push(batch.writes.map(({ item }) => `${item.op} ${item.key}`).join(', '));
    else batches.push(batch.invalidations.flatMap(({ names }) => names).join('; '));
  }
  return batches;
}

test('sets and increments of one key merge, any other second write waits for a later batch', () => {
  const queue = new WriteQueue();
  for (const item of [set('a'), set('a'), incr('n'), incr('n'), incr('n', -1), set('b'), remove('a'), set('a')]) {
    queue.push(item, waiter(), 0);
  }
  assert.is(queue.length, 6);
  assert.equal(batchesOf(queue), ['set a, incr n, set b', 'delete a, incr n', 'set a']);
  assert.is(queue.length, 0);
});

test('writes and invalidations keep their order, but for those behind a locked key', () => {
  const queue = new WriteQueue();
  queue.push(set('locked'), waiter(), 0);
  const first = queue.take(0);
  assert.ok(first?.kind === 'items');
  for (const write of first.writes) write.notBeforeMs = 50;
  queue.push(set('free'), waiter(), 0);
  queue.pushInvalidation(['x'], waiter());
  queue.pushInvalidation(['y'], waiter());
  queue.push(remove('locked'), waiter(), 0);
  queue.push(remove('free'), waiter(), 0);
  queue.unshift(first.writes);
  assert.equal(batchesOf(queue), ['set free', 'x; y', 'delete free']);
  assert.is(queue.nextMs, 50);
  assert.is(queue.length, 2);
  assert.equal(batchesOf(queue, 50), ['set locked', 'delete locked']);
});

test('what is asked after an invalidation is not merged into what was held up before it', () => {
  const queue = new WriteQueue();
  queue.push(incr('n'), waiter(), 0);
  const first = queue.take(0);
  assert.ok(first?.kind === 'items');
  for (const write of first.writes) write.notBeforeMs = 50;
  queue.push(incr('n'), waiter(), 0);
  queue.unshift(first.writes);
  queue.push(incr('n'), waiter(), 0);
  assert.is(queue.length, 2, 'nor into one that was sent before');
  queue.pushInvalidation(['x'], waiter());
  assert.equal(batchesOf(queue), ['x']);
  queue.push(incr('n'), waiter(), 0);
  assert.equal(batchesOf(queue, 50), ['incr n', 'incr n', 'incr n']);
});

test('every caller counts for the limit, also where writes merge', () => {
  const queue = new WriteQueue();
  for (let call = 0; call < WAITING_CALLS_MAX; call++) queue.push(incr('hot'), waiter(1), 0);
  assert.is(queue.length, 1);
  throwsCode('ERR_OVERLOADED', () => queue.push(incr('hot'), waiter(1), 0));
  throwsCode('ERR_OVERLOADED', () => queue.pushInvalidation(['x'], waiter()));
  const batch = queue.take(0);
  assert.ok(batch?.kind === 'items');
  // As after an overflow: each increment by itself. So many at once are too many for the arguments of a call.
  const [merged] = batch.writes;
  assert.ok(merged !== undefined);
  queue.unshift(merged.waiters.map((each) => ({ ...merged, waiters: [each], alone: true })));
  assert.is(queue.length, WAITING_CALLS_MAX);
  assert.is(queue.takeAll().length, WAITING_CALLS_MAX);
  queue.push(incr('hot'), waiter(1), 0);
});

test('many waiting writes of one key take time in proportion', () => {
  const queue = new WriteQueue();
  const beganMs = performance.now();
  for (let n = 0; n < WAITING_CALLS_MAX / 2; n++) {
    queue.push(set('k'), waiter(), 0);
    queue.push(remove('k'), waiter(), 0);
  }
  assert.is(batchesOf(queue).length, WAITING_CALLS_MAX);
  assert.ok(performance.now() - beganMs < 5000, 'one look at each for each batch would take a minute');
});

test('a waiting value does not keep its frame alive', () => {
  const queue = new WriteQueue();
  const frame = new Uint8Array(1_000_000);
  queue.push(set('k', frame.subarray(10, 20)), waiter(), 0);
  const batch = queue.take(0);
  assert.ok(batch?.kind === 'items');
  assert.is(batch.writes[0]?.item.bytes?.length, 10);
  assert.ok((batch.writes[0]?.item.bytes?.buffer.byteLength ?? 0) < 1000);
  // What comes with others in a chunk of the usual size is copied only where many wait.
  const chunk = new Uint8Array(60_000);
  const copied: boolean[] = [];
  for (let n = 0; n < 300; n++) queue.push(set(`k${n}`, chunk.subarray(n, n + 1)), waiter(), 0);
  const many = queue.take(0);
  assert.ok(many?.kind === 'items');
  for (const { item } of many.writes) copied.push(item.bytes?.buffer !== chunk.buffer);
  assert.equal([copied.indexOf(true), copied.lastIndexOf(false)], [256, 255]);
});

test('random writes, locks and undone batches: everything comes out once, each key in order', () => {
  const { seed, next: pick } = random();
  const queue = new WriteQueue();
  let pushed = 0;
  let nowMs = 0;
  const out: number[] = [];
  const lastByKey = new Map<string, number>();
  const settle = (batch: NonNullable<ReturnType<WriteQueue['take']>>): void => {
    if (batch.kind === 'names') {
      for (const { waiter: each } of batch.invalidations) out.push(each.delta);
      return;
    }
    const keys = batch.writes.map(({ item }) => item.key);
    assert.is(new Set(keys).size, keys.length, `seed ${seed}: a key twice in a batch`);
    assert.ok(keys.length <= BATCH_ITEMS_MAX);
    if (pick(4) === 0) {
      for (const write of batch.writes) if (pick(2) === 0) write.notBeforeMs = nowMs + pick(20);
      queue.unshift(batch.writes);
      return;
    }
    for (const { item, waiters } of batch.writes) {
      for (const { delta } of waiters) {
        assert.ok(delta > (lastByKey.get(item.key) ?? -1), `seed ${seed}: ${item.key} out of order`);
        lastByKey.set(item.key, delta);
        out.push(delta);
      }
    }
  };
  for (let step = 0; step < 20_000; step++) {
    nowMs += pick(3);
    const key = `k${pick(20)}`;
    const action = pick(12);
    if (action < 3) queue.push(set(key), waiter(pushed++), 0);
    else if (action < 5) queue.push(incr(key), waiter(pushed++), 0);
    else if (action < 6) queue.push(remove(key), waiter(pushed++), 0);
    else if (action < 7) queue.pushInvalidation(['x'], waiter(pushed++));
    else {
      const batch = queue.take(nowMs);
      if (batch !== undefined) settle(batch);
    }
  }
  while (queue.length > 0) {
    const batch = queue.take(nowMs);
    if (batch === undefined) nowMs = Math.max(nowMs + 1, queue.nextMs);
    else settle(batch);
  }
  assert.equal(
    out.sort((a, b) => a - b),
    Array.from({ length: pushed }, (_, index) => index),
    `seed ${seed}`,
  );
});

test.run();
