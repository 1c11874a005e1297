import { decode, encode } from 'msgpackr';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CacheError } from '../../shared/errors.js';
import { FRAME_HEADER_BYTES, FrameReader } from '../../shared/frame.js';
import { LIMIT } from '../../shared/protocol.js';
import { Slabs } from '../../shared/slabs.js';
import { WireReader } from '../../shared/wire-reader.js';
import { WireWriter } from '../../shared/wire-writer.js';
import { throwsCode } from '../support/errors.js';
import { random } from '../support/random.js';

const STRINGS = [
  '',
  'a',
  'users:42',
  'x'.repeat(31),
  'x'.repeat(32),
  'x'.repeat(64),
  'x'.repeat(65),
  'x'.repeat(255),
  'x'.repeat(256),
  'x'.repeat(70_000),
  'é',
  'é'.repeat(31),
  '😀'.repeat(20),
  '€'.repeat(30_000),
  `${'a'.repeat(60)}é`,
  '\0',
];
const UINTS = [0, 1, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1];
const NUMBERS = [...UINTS, -1, -0, 0.5, 2 ** 32, 2 ** 53 - 1, -(2 ** 53 - 1), Number.POSITIVE_INFINITY, 1e300];
const BINS = [0, 1, 255, 256, 65_535, 65_536].map((bytes) => Buffer.alloc(bytes, 0xab));

function bodyOf(frame: Buffer): Buffer {
  assert.is(frame.readUInt32BE(0), frame.length - FRAME_HEADER_BYTES);
  return frame.subarray(FRAME_HEADER_BYTES);
}

function message(write: (writer: WireWriter) => void, fields: number): Buffer {
  const writer = new WireWriter();
  write(writer.begin(fields + 1, 7));
  writer.end();
  return bodyOf(writer.take());
}

function open(body: Buffer): WireReader {
  const reader = new WireReader().open(body, 0, body.length);
  assert.is(reader.uint('id'), 7);
  return reader;
}

test('every frame is valid MessagePack with the id in its five-byte form', () => {
  const body = message((w) => w.str('k').uint(5).number(0.5).nil().bool(true).strs(['a']).bins([undefined]), 7);
  assert.equal([...body.subarray(0, 6)], [0x98, 0xce, 0, 0, 0, 7]);
  assert.equal(decode(body), [7, 'k', 5, 0.5, null, true, ['a'], [null]]);
});

test('strings come back, and other decoders read them the same', () => {
  for (const text of STRINGS) {
    const body = message((w) => w.str(text), 1);
    assert.is((decode(body) as unknown[])[1], text);
    const reader = open(body);
    assert.is(reader.str('key'), text);
    assert.is(reader.strBytes, Buffer.byteLength(text));
    reader.close();
  }
});

test('numbers come back in every encoding that another writer may choose', () => {
  for (const value of NUMBERS) {
    const body = message((w) => w.number(value), 1);
    assert.is((decode(body) as unknown[])[1], value);
    const reader = open(body);
    assert.ok(Object.is(reader.number('n'), value), `${value}`);
    reader.close();
    const theirs = open(encode([7, value]));
    assert.is(theirs.number('n'), value, `${value} as msgpackr writes it`);
  }
  for (const value of UINTS) assert.is(open(message((w) => w.uint(value), 1)).uint('n'), value);
  for (const value of [-1n, -129n, -40_000n, -(2n ** 40n), 2n ** 53n - 1n]) {
    assert.is(open(Buffer.from(encode([7, value]))).number('n'), Number(value));
  }
});

test('bytes and lists come back; bytes are views on the frame', () => {
  for (const bin of BINS) {
    const body = message((w) => w.bin(bin), 1);
    const read = open(body).bin('value');
    assert.ok(read.equals(bin));
    if (bin.length > 0) assert.is(read.buffer, body.buffer);
  }
  for (const count of [0, 1, 15, 16, 65_535, 65_536]) {
    const keys = Array.from({ length: count }, (_, i) => `k${i}`);
    const bins = keys.map((key, i) => (i % 3 === 0 ? undefined : Buffer.from(key)));
    const reader = open(message((w) => w.strs(keys).bins(bins), 2));
    assert.equal(reader.strs('keys'), keys);
    assert.equal(reader.binsOrNils('values'), bins);
    reader.close();
  }
});

test('several frames of a turn are taken as one, and what was taken is not written to again', () => {
  const writer = new WireWriter();
  const taken: { bytes: Buffer; copy: Buffer }[] = [];
  let expected = 0;
  const seen: unknown[][] = [];
  const reader = new FrameReader(LIMIT.frameBytesMax, (buffer, start, end) => {
    seen.push(decode(buffer.subarray(start, end)) as unknown[]);
  });
  for (let turn = 0; turn < 200; turn++) {
    for (let i = 0; i <= turn % 7; i++) {
      writer
        .begin(3, ++expected)
        .str(`key-${expected}`)
        .bin(Buffer.alloc((turn * 37) % 5000, expected))
        .end();
    }
    const bytes = writer.take();
    assert.is(writer.bytes, 0);
    taken.push({ bytes, copy: Buffer.from(bytes) });
  }
  for (const { bytes, copy } of taken) {
    assert.ok(bytes.equals(copy));
    reader.push(bytes);
  }
  assert.is(seen.length, expected);
  for (const [i, [id, key]] of seen.entries()) assert.equal([id, key], [i + 1, `key-${i + 1}`]);
});

test('slabs go round among writers, and none is written to before all that was taken from it is sent', () => {
  const slabs = new Slabs();
  const writers = [new WireWriter(slabs), new WireWriter(slabs), new WireWriter(slabs)];
  const unsent: { bytes: Buffer; copy: Buffer }[][] = writers.map(() => []);
  const memory = new Set<ArrayBufferLike>();
  for (let turn = 0; turn < 3_000; turn++) {
    const at = turn % writers.length;
    const writer = writers[at]!;
    for (let i = 0; i <= turn % 7; i++) {
      writer
        .begin(2, turn + 1)
        .bin(Buffer.alloc((turn * 37) % 9000, turn))
        .end();
    }
    const bytes = writer.take();
    memory.add(bytes.buffer);
    unsent[at]!.push({ bytes, copy: Buffer.from(bytes) });
    if (turn % 5 > 0) continue;
    for (const each of unsent[at]!) assert.ok(each.bytes.equals(each.copy), `turn ${turn}`);
    unsent[at] = [];
    writer.sent();
  }
  assert.ok(memory.size < 1_000, `${memory.size} slabs for 3,000 turns`);
});

test('what cannot be sent is taken back, and the frames around it stay whole', () => {
  const writer = new WireWriter();
  writer.begin(2, 1).str('before').end();
  throwsCode('ERR_INVALID_ARGUMENT', () => writer.begin(2, 2).str('lone \ud800 surrogate'));
  const huge = { length: LIMIT.frameBytesMax + 1 } as Uint8Array;
  throwsCode('ERR_VALUE_TOO_LARGE', () => writer.begin(2, 3).bin(huge));
  throwsCode('ERR_VALUE_TOO_LARGE', () => writer.begin(2, 4).bins([huge, undefined]));
  writer.begin(2, 5).str('after').end();
  const seen: unknown[] = [];
  new FrameReader(100, (buffer, start, end) => seen.push(decode(buffer.subarray(start, end)))).push(writer.take());
  assert.equal(seen, [
    [1, 'before'],
    [5, 'after'],
  ]);
});

/** A message with one field of each kind, and the reads that take it apart. */
const SAMPLE = message(
  (w) =>
    w
      .uint(300)
      .number(0.25)
      .str('key')
      .str('ü')
      .bool(false)
      .nil()
      .bin(BINS[1]!)
      .strs(['a', 'b'])
      .bins(BINS.slice(0, 2)),
  9,
);

function readSample(body: Buffer): void {
  const reader = open(body);
  reader.uint('uint');
  reader.number('number');
  reader.str('str');
  reader.str('utf8');
  reader.bool('bool');
  reader.numberOrNil('nil');
  reader.bin('bin');
  reader.strs('strs');
  reader.binsOrNils('bins');
  reader.close();
}

test('a message that is cut at any byte is refused', () => {
  readSample(SAMPLE);
  for (let cut = 0; cut < SAMPLE.length; cut++) {
    const error = throwsCode('ERR_PROTOCOL', () => readSample(SAMPLE.subarray(0, cut)));
    assert.match(error.message, /byte \d+ of the message/, `cut at ${cut}`);
  }
});

test('trailing bytes, missing and additional fields are refused', () => {
  const cases: [Buffer, RegExp][] = [
    [Buffer.concat([SAMPLE, Buffer.from([0])]), /1 trailing byte/],
    [message((w) => w.uint(1), 1), /number: missing/],
  ];
  for (const [body, problem] of cases)
    assert.match(throwsCode('ERR_PROTOCOL', () => readSample(body)).message, problem);
  const reader = open(message((w) => w.uint(1).uint(2), 2));
  reader.uint('one');
  assert.match(throwsCode('ERR_PROTOCOL', () => reader.close()).message, /1 more field/);
});

test('a field of another kind is refused with its name, what it is, and where', () => {
  const others = [1, -1, 0.5, 'text', true, null, Buffer.from('b'), ['a'], { a: 1 }, new Date(0)];
  const reads: [string, (reader: WireReader) => unknown, (value: unknown) => boolean][] = [
    ['expected a string', (r) => r.str('f'), (v) => typeof v === 'string'],
    ['expected bytes', (r) => r.bin('f'), (v) => v instanceof Buffer],
    ['expected a boolean', (r) => r.bool('f'), (v) => typeof v === 'boolean'],
    ['expected a number', (r) => r.number('f'), (v) => typeof v === 'number'],
    ['expected an array', (r) => r.strs('f'), (v) => Array.isArray(v)],
  ];
  for (const [expected, read, fits] of reads) {
    for (const other of others.filter((value) => !fits(value))) {
      const error = throwsCode('ERR_PROTOCOL', () => read(open(encode([7, other]))));
      assert.match(error.message, new RegExp(`^f: ${expected}, found .* \\(at byte \\d+`));
    }
  }
  throwsCode('ERR_PROTOCOL', () => open(encode([7, [['nested']]])).strs('f'));
  throwsCode('ERR_PROTOCOL', () => open(encode([7, 0.5])).uint('f'));
  throwsCode('ERR_PROTOCOL', () => open(encode([7, 2n ** 60n])).number('f'));
});

test('strings that are not UTF-8 are refused', () => {
  for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
    const body = Buffer.from([0x92, 7, 0xa0 | bytes.length, ...bytes]);
    assert.match(throwsCode('ERR_PROTOCOL', () => open(body).str('key')).message, /key: not valid UTF-8/);
  }
});

test('a list that claims more elements than there are bytes is refused before anything is gathered', () => {
  const body = Buffer.from([0x92, 7, 0xdd, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
  throwsCode('ERR_PROTOCOL', () => open(body).strs('keys'));
  throwsCode('ERR_PROTOCOL', () => new WireReader().open(Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]), 0, 5));
});

test('whatever is done to the bytes, the reader answers or refuses', () => {
  const { seed, next } = random();
  for (let round = 0; round < 20_000; round++) {
    const body = Buffer.from(SAMPLE);
    for (let i = 0; i <= next(3); i++) body[next(body.length)] = next(256);
    try {
      readSample(body.subarray(0, next(4) === 0 ? next(body.length) : body.length));
    } catch (error) {
      // A changed id is seen by the test's own assertion.
      const known = (error instanceof CacheError && error.code === 'ERR_PROTOCOL') || error instanceof assert.Assertion;
      assert.ok(known, `seed ${seed}, round ${round}: ${(error as Error).stack}`);
    }
  }
});

test('a count beyond the limit is refused before anything is gathered', () => {
  const elements = 5_000_000;
  const body = Buffer.alloc(7 + elements, 0xa0);
  Buffer.from([0x92, 0x07, 0xdd]).copy(body);
  body.writeUInt32BE(elements, 3);
  const from = process.memoryUsage().heapTotal;
  throwsCode('ERR_INVALID_ARGUMENT', () => open(body).strs('keys', 10_000));
  throwsCode('ERR_INVALID_ARGUMENT', () => open(body).bins('values', 10_000));
  assert.ok(process.memoryUsage().heapTotal - from < elements, 'nothing was gathered');
  assert.is(open(body.subarray(0)).strs('keys', elements).length, elements);
});

test.run();
