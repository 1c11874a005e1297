import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeFrame, FrameReader } from '../../shared/frame.js';
import { throwsCode } from '../support/errors.js';

const BODIES = ['', 'a', 'hello', 'x'.repeat(300), '', 'end'].map((text) => Buffer.from(text));
const BYTES = Buffer.concat(BODIES.map(encodeFrame));

function collect(bodyBytesMax = 1000): { frames: Buffer[]; reader: FrameReader } {
  const frames: Buffer[] = [];
  const reader = new FrameReader(bodyBytesMax, (buffer, start, end) => {
    frames.push(Buffer.from(buffer.subarray(start, end)));
  });
  return { frames, reader };
}

test('frames come out whole wherever the bytes are cut in two', () => {
  for (let cut = 0; cut <= BYTES.length; cut++) {
    const { frames, reader } = collect();
    reader.push(BYTES.subarray(0, cut));
    reader.push(BYTES.subarray(cut));
    assert.equal(frames, BODIES, `cut at ${cut}`);
  }
});

test('frames come out whole in pieces of every size', () => {
  for (let size = 1; size <= BYTES.length; size++) {
    const { frames, reader } = collect();
    for (let at = 0; at < BYTES.length; at += size) reader.push(BYTES.subarray(at, at + size));
    assert.equal(frames, BODIES, `pieces of ${size}`);
  }
});

test('a frame comes out with its last byte, not later', () => {
  const { frames, reader } = collect();
  const frame = encodeFrame(Buffer.from('abc'));
  reader.push(frame.subarray(0, 6));
  assert.is(frames.length, 0);
  reader.push(frame.subarray(6));
  assert.is(frames.length, 1);
});

test('a frame that lies in one chunk is handed on without a copy', () => {
  const seen: Buffer[] = [];
  const reader = new FrameReader(1000, (buffer) => seen.push(buffer));
  reader.push(BYTES);
  assert.is(seen.length, BODIES.length);
  for (const buffer of seen) assert.is(buffer, BYTES);
});

test('a length over the limit is refused with the fourth byte of it, however it is cut', () => {
  for (const lengths of [
    [0xff, 0xff, 0xff, 0xff],
    [0, 0, 3, 0xe9],
  ]) {
    for (let cut = 0; cut < 4; cut++) {
      const { reader } = collect(1000);
      reader.push(Buffer.from(lengths.slice(0, cut)));
      const error = throwsCode('ERR_PROTOCOL', () => reader.push(Buffer.from(lengths.slice(cut))));
      assert.match(error.message, /the limit is 1000/);
    }
  }
  const { frames, reader } = collect(1000);
  reader.push(encodeFrame(Buffer.alloc(1000)));
  assert.is(frames[0]?.length, 1000);
});

test('a declared length costs no memory before its bytes are there', () => {
  const before = process.memoryUsage().arrayBuffers;
  const readers: FrameReader[] = [];
  for (let i = 0; i < 100; i++) {
    const { reader } = collect(64 * 1024 * 1024);
    reader.push(Buffer.from([0x03, 0xff, 0xff, 0xff, 1, 2, 3]));
    readers.push(reader);
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 8 * 1024 * 1024);
  assert.is(readers.length, 100);
});

test('a large frame in small chunks is copied a bounded number of times', () => {
  const body = Buffer.alloc(4 * 1024 * 1024, 7);
  const frame = encodeFrame(body);
  const copy = Buffer.prototype.copy;
  let copied = 0;
  Buffer.prototype.copy = function (this: Buffer, ...args: Parameters<typeof copy>): number {
    const bytes = copy.apply(this, args);
    copied += bytes;
    return bytes;
  } as typeof copy;
  const { frames, reader } = collect(body.length);
  try {
    for (let at = 0; at < frame.length; at += 1000) reader.push(frame.subarray(at, at + 1000));
  } finally {
    Buffer.prototype.copy = copy;
  }
  assert.ok(frames[0]?.equals(body));
  assert.ok(copied < 4 * body.length, `${copied} bytes copied for a frame of ${body.length}`);
});

test('a reader that is paused hands on nothing, and everything in order when it goes on', () => {
  for (let size = 1; size <= BYTES.length; size += 7) {
    const frames: Buffer[] = [];
    const reader = new FrameReader(1000, (buffer, start, end) => {
      frames.push(Buffer.from(buffer.subarray(start, end)));
      reader.pause();
    });
    for (let at = 0; at < BYTES.length; at += size) reader.push(BYTES.subarray(at, at + size));
    assert.is(frames.length, 1, `pieces of ${size}`);
    for (let count = 2; count <= BODIES.length; count++) {
      reader.resume();
      assert.is(frames.length, count, `pieces of ${size}`);
    }
    reader.resume();
    assert.equal(frames, BODIES);
  }
});

test.run();
