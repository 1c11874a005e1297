import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Memory } from '../../daemon/memory.js';
import { compact, HeapRoom, type HeapUse, isSame, toBytes } from '../../daemon/packed.js';
import { WireReader } from '../../shared/wire-reader.js';
import { WireWriter } from '../../shared/wire-writer.js';

const test = suite('memory');

const ROOM = () => new HeapRoom(() => ({ used_heap_size: 1, heap_size_limit: 100 }));
const NO_ROOM = () => new HeapRoom(() => ({ used_heap_size: 99, heap_size_limit: 100 }));

/** Every byte there is. */
function allBytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 7) & 0xff));
}

test('a value that is kept does not hold on to the frame that it came in', () => {
  const clock = { now: () => 0, after: () => () => {} };
  const memory = new Memory({ namespace: 'default', clock, maxEntries: 10, maxBytes: 10_000 });
  const frame = Buffer.alloc(1_000_000, 1);
  const base = { snapshot: { xmin: 1n, xmax: 1n, running: [] }, ownXid: undefined, incarnation: '' };
  for (const length of [10, 5_000]) {
    memory.fill('k', { bytes: frame.subarray(10, 10 + length), base, names: [] }, Number.POSITIVE_INFINITY);
    const kept = memory.peek('k')!.bytes;
    assert.is(kept.length, length);
    if (typeof kept !== 'string') assert.is(kept.buffer.byteLength, length);
  }
});

test('a value is the same bytes however it is kept, and on the wire', () => {
  for (const length of [0, 1, 256, 1024, 1025, 5000]) {
    const bytes = allBytes(length);
    const forms = [compact(bytes, ROOM()), compact(bytes, NO_ROOM()), bytes];
    assert.is(typeof forms[0] === 'string', length <= 1024);
    assert.ok(forms[1] instanceof Uint8Array);
    for (const form of forms) {
      assert.is(form.length, length);
      assert.ok(bytes.equals(toBytes(form)));
      for (const other of forms) assert.ok(isSame(form, other));
      const different = Buffer.from(bytes);
      if (length > 0) different[length - 1]! ^= 0x80;
      assert.is(isSame(form, different), length === 0);
      assert.is(isSame(form, compact(different, ROOM())), length === 0);
      const writer = new WireWriter();
      writer.begin(2, 1).bin(form).end();
      const frame = writer.take();
      const reader = new WireReader().open(frame, 4, frame.length);
      reader.uint('id');
      assert.ok(bytes.equals(reader.bin('value')));
    }
  }
});

test('text is kept only while the heap has room, which is asked for each megabyte', () => {
  let asked = 0;
  let heap: HeapUse = { used_heap_size: 49, heap_size_limit: 100 };
  const room = new HeapRoom(() => {
    asked += 1;
    return heap;
  });
  assert.is(typeof compact(allBytes(1000), room), 'string');
  heap = { used_heap_size: 50, heap_size_limit: 100 };
  let kept = 1;
  while (typeof compact(allBytes(1000), room) === 'string') kept += 1;
  assert.ok(kept < 1100, `${kept} kept`);
  assert.is(asked, 2);
});

test.run();
