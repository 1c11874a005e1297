import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Memory } from '../../daemon/memory.js';

const test = suite('memory');

test('a value that is kept does not hold on to the frame that it came in', () => {
  const clock = { now: () => 0, after: () => () => {} };
  const memory = new Memory({ namespace: 'default', clock, maxEntries: 10, maxBytes: 10_000 });
  const frame = Buffer.alloc(1_000_000, 1);
  const base = { snapshot: { xmin: 1n, xmax: 1n, running: [] }, ownXid: undefined, incarnation: '' };
  memory.fill('k', { bytes: frame.subarray(10, 20), base, names: [] }, Number.POSITIVE_INFINITY);
  assert.is(memory.peek('k')?.bytes.length, 10);
  assert.is(memory.peek('k')?.bytes.buffer.byteLength, 10);
});

test.run();
