import assert from 'node:assert/strict';
import { addExtension, Packr } from 'msgpackr';
import { test } from 'uvu';
import { pack, unpack } from '../../shared/codec.js';
import { CacheError } from '../../shared/errors.js';
import { LIMIT } from '../../shared/protocol.js';

function rejects(bytes: Uint8Array, message = /packed value/): void {
  const start = performance.now();
  assert.throws(
    () => unpack(bytes),
    (error: unknown) => {
      assert.ok(error instanceof CacheError, String(error));
      assert.equal(error.code, 'ERR_INVALID_VALUE');
      assert.match(error.message, message);
      return true;
    },
  );
  assert.ok(performance.now() - start < 2000, 'took too long');
}

const bytes = (...parts: (number | string | Uint8Array)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part as string))));

function rich(...item: (number | string | Uint8Array)[]): Buffer {
  const body = bytes(...item);
  const header = Buffer.of(0xc9, 0, 0, 0, 0, 0x50);
  header.writeUInt32BE(body.length, 1);
  return Buffer.concat([header, body]);
}

test('nothing, and what is not bytes', () => {
  rejects(Buffer.alloc(0));
  rejects('text' as unknown as Uint8Array);
  rejects([0x01] as unknown as Uint8Array);
  rejects(null as unknown as Uint8Array);
});

test('every cut of a value, plain or rich, and every byte after it', () => {
  const values = [{ a: [1, 'two', 3.5, null, new Date(5), undefined], b: Buffer.from('xyz') }, new Map([['k', -0]])];
  for (const value of values) {
    const whole = pack(value);
    for (let end = 0; end < whole.length; end++) rejects(whole.subarray(0, end));
    for (const extra of [0x00, 0xc0, 0x90, 0xc1]) rejects(Buffer.concat([whole, Buffer.of(extra)]));
  }
});

test('bytes after a value of 8 MiB', () => rejects(Buffer.concat([pack('x'.repeat(8 << 20)), Buffer.of(0)]), /follow/));

test('lengths beyond the bytes, without allocating them', () => {
  const before = process.memoryUsage().arrayBuffers;
  for (const token of [0xc6, 0xdb]) rejects(bytes(token, 0xff, 0xff, 0xff, 0xff, 0x01), /end too early/);
  for (const token of [0xc5, 0xda]) rejects(bytes(token, 0xff, 0xff, 0x01), /end too early/);
  for (const token of [0xdd, 0xdf]) rejects(bytes(token, 0xff, 0xff, 0xff, 0xff, 0x01), /length exceeds/);
  for (const token of [0xdc, 0xde]) rejects(bytes(token, 0xff, 0xff, 0x01), /length exceeds/);
  rejects(bytes(0xdf, 0x80, 0, 0, 0, 0xa0, 0x80), /length exceeds/);
  for (const token of [0xc4, 0xd9]) rejects(bytes(token, 0xff, 0x01));
  rejects(bytes(0xc9, 0xff, 0xff, 0xff, 0xff, 0x50, 0x01));
  assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 20);
});

test('nesting of 5,000 and of millions of levels', () => {
  for (const levels of [1001, 5000, 8 << 20]) {
    rejects(bytes(Buffer.alloc(levels, 0x91), 0xc0), /deeper/);
    rejects(rich(Buffer.alloc(levels + 1, 0x91), 0xc0), /deeper/);
  }
  rejects(bytes(Buffer.from('81a161'.repeat(5000), 'hex'), 0xc0), /deeper/);
});

test('extension types of msgpackr that were not asked for', () => {
  const forged = {
    record: [0xd4, 0x72, 0x40, 0x91, 0xa1, 'a', 0x01],
    'record, wide': [0xd5, 0x72, 0x40, 0x01, 0x91, 0xa1, 'a', 0x01],
    error: [0xd4, 0x65, 0x00, 0x93, 0xa1, 'a', 0xa1, 'b', 0xc0],
    set: [0xd4, 0x73, 0x00, 0x90],
    regexp: [0xd4, 0x78, 0x00, 0x92, 0xa1, 'a', 0xa1, 'g'],
    'typed array': [0xc7, 0x02, 0x74, 0x01, 0x01],
    bigint: [0xc7, 0x09, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    id: [0xd6, 0x69, 0, 0, 0, 1, 0x91, 0xd6, 0x70, 0, 0, 0, 1],
    pointer: [0xd6, 0x70, 0, 0, 0, 1],
    bundle: [0xd6, 0x62, 0, 0, 0, 4, 0x91, 0xc1, 0x01, 0xa1, 'x', 0xa0],
    'never used': [0xc1],
    unknown: [0xd4, 0x20, 0x00],
  };
  for (const item of Object.values(forged)) {
    rejects(bytes(...item));
    rejects(bytes(0x91, ...item));
    rejects(rich(0x92, 0x04, ...item));
  }
  rejects(new Packr({ structuredClone: true }).pack({ a: new Set([1]) }));
});

test('__proto__ and other keys that are no plain strings', () => {
  rejects(bytes(0x81, 0xa9, '__proto__', 0x81, 0xa1, 'p', 0x01), /__proto__/);
  rejects(bytes(0x81, 0xd9, 9, '__proto__', 0x80), /__proto__/);
  rejects(bytes(0x82, 0xa1, 'a', 0x01, 0xda, 0, 9, '__proto__', 0x80), /__proto__/);
  rejects(bytes(0x81, 0x01, 0x02), /not a string/);
  rejects(bytes(0x81, 0x80, 0x02), /not a string/);
  const proto = rich(0x93, 0x06, 0xa9, '__proto__', 0x93, 0x06, 0xa1, 'p', 0x01);
  const value = unpack(proto) as Record<string, unknown>;
  assert.deepEqual(Object.keys(value), ['__proto__']);
  assert.equal(value.p, undefined);
  assert.equal(({} as Record<string, unknown>).p, undefined);
});

test('rich values that do not fit together', () => {
  const forged = {
    'no kind': [0x90],
    'unknown kind': [0x91, 0x7f],
    'kind of another type': [0x91, 0xa1, 'a'],
    'reference to nothing': [0x92, 0x00, 0x05],
    'reference to a name': [0x92, 0x00, 0xa6, 'length'],
    'text that is none': [0x92, 0x02, 0x01],
    'bigint that is none': [0x92, 0x03, 0xa2, 'zz'],
    'bigint without digits': [0x92, 0x03, 0xa1, '-'],
    'index beyond the length': [0x94, 0x05, 0x01, 0x01, 0xc0],
    'length as a name': [0x94, 0x05, 0x01, 0xa6, 'length', 0x05],
    'negative length': [0x92, 0x05, 0xff],
    'key that is none': [0x93, 0x06, 0xc0, 0xc0],
    'broken RegExp': [0x93, 0x0a, 0xa1, '(', 0xa0],
    'unknown flag': [0x93, 0x0a, 0xa1, 'a', 0xa1, '!'],
    'unknown error': [0x92, 0x0b, 0x63],
    'boxed nothing': [0x92, 0x0c, 0xc0],
    'boxed array': [0x92, 0x0c, 0x91, 0x04],
    'buffer that is none': [0x92, 0x0d, 0x01],
    'unknown typed array': [0x93, 0x10, 0x63, 0xc4, 0],
    'typed array that is misaligned': [0x93, 0x10, 0x08, 0xc4, 3, 'abc'],
    'bare object': [0x80],
    'bare date': [0xd6, 0xff, 0, 0, 0, 1],
  };
  for (const [name, item] of Object.entries(forged)) {
    try {
      rejects(rich(...item));
    } catch (error) {
      throw new Error(name, { cause: error });
    }
  }
  rejects(bytes(0xc9, 0, 0, 0, 0, 0x50));
  rejects(bytes(0xc9, 0, 0, 0, 1, 0x52, 0x01));
});

test('errors by the ten thousand take no stack traces', () => {
  const limit = Error.stackTraceLimit;
  const errors = Buffer.from('920b00'.repeat(65_535), 'hex');
  const value = unpack(rich(0xdd, 0, 1, 0, 0, 0x04, errors)) as Error[];
  assert.equal(value.length, 65_535);
  assert.equal(value[7]?.stack, undefined);
  assert.equal(Error.stackTraceLimit, limit);
});

test('a sparse array of the greatest length costs nothing', () => {
  const before = process.memoryUsage().heapUsed;
  const huge = Array.from({ length: 50 }, () => unpack(rich(0x92, 0x05, 0xce, 0x01, 0xff, 0xff, 0xff)) as unknown[]);
  assert.ok(huge.every((items) => items.length === 0x1ffffff && !(0x1fffffe in items)));
  assert.ok(process.memoryUsage().heapUsed - before < 64 << 20);
});

test('extensions that other code registers with msgpackr do not get into packed values', () => {
  class Money {
    readonly cents: number;
    constructor(cents: number) {
      this.cents = cents;
    }
  }
  addExtension({ Class: Money, type: 0x21, pack: () => Buffer.of(1, 2, 3), unpack: () => 'money' });
  assert.deepEqual(unpack(pack({ price: new Money(5) })), { price: { cents: 5 } });
});

test('what is refused is refused also right after values that were decoded at once', () => {
  const good = pack({ a: 1 });
  const hostile: [Buffer, RegExp][] = [
    [bytes(0x81, 0xa9, '__proto__', 0x01), /__proto__/],
    [bytes(0x82, 0xa1, 'a', 0x01, 0xa9, '__proto__', 0x80), /__proto__/],
    [bytes(0x81, 0xa1, 'a', 0xa5, 'shor'), /too early/],
    [bytes(0x81, 0xa1, 'a'), /too early|exceeds/],
    [bytes(0x81, 0xa1), /too early|exceeds/],
    [bytes(0x81, 0xa1, 'a', 0xcb, 1, 2, 3), /too early/],
    [bytes(0x81, 0xa1, 'a', 0x01, 0x01), /follow/],
    [bytes(0x81, 0x01, 0x01), /not a string/],
    [bytes(0xdd, 0xff, 0xff, 0xff, 0xff), /exceeds/],
    [bytes(0xdc, 0xff, 0xff), /exceeds/],
    [bytes(...new Array(LIMIT.valueDepthMax + 1).fill(0x91), 0x01), /deeper/],
  ];
  for (let again = 0; again < 12; again++) {
    for (const [data, message] of hostile) {
      for (let settled = 0; settled < 70; settled++) assert.deepEqual(unpack(good), { a: 1 });
      rejects(data, message);
    }
  }
});

function records(...item: (number | string | Uint8Array)[]): Buffer {
  const whole = rich(...item);
  whole[5] = 0x51;
  return whole;
}

const SHAPE_A = [0xd4, 0x72, 0x40, 0x91, 0xa1, 'a'] as const;

test('records: shapes that are none, missing, too many or too wide, and names that are no strings or __proto__', () => {
  assert.deepEqual(unpack(records(0x92, ...SHAPE_A, 1, 0x40, 2)), [{ a: 1 }, { a: 2 }]);
  rejects(records(0x92, ...SHAPE_A, 1, 0x41, 2), /no shape/);
  rejects(records(0x40, 2), /no shape/);
  rejects(records(0xd4, 0x72, 0x40, 0x91, 0x01, 0x01));
  rejects(records(0xd4, 0x72, 0x3f, 0x91, 0xa1, 'a', 0x01));
  rejects(records(0xd4, 0x72, 0x40, 0x91, 0xa9, '__proto__', 0x01));
  rejects(records(0xd4, 0x72, 0x40, 0xa1, 'a', 0x01));
  rejects(
    records(0xdc, 0, 65, ...new Array<readonly (number | string)[]>(65).fill([...SHAPE_A, 1]).flat()),
    /too many/,
  );
  const names = (count: number) => new Array<readonly (number | string)[]>(count).fill([0xa1, 'a']).flat();
  rejects(records(0xd4, 0x72, 0x40, 0xdc, 1, 1, ...names(257), ...new Array(257).fill(0x01)));
  rejects(records(0xd4, 0x72, 0x40, 0xdc, 0xff, 0xff));
  // Without the form there are no records: the numbers 64 to 127 are what they always were.
  assert.equal(unpack(bytes(0x40)), 64);
  rejects(bytes(0x92, ...SHAPE_A, 1, 0x40, 2));
});

test('records: shapes that are defined twice, defined again, or never used', () => {
  const shape = (id: number, name: string) => [0xd4, 0x72, id, 0x91, 0xa1, name] as const;
  const twice = records(0x93, ...SHAPE_A, 1, 0x40, 2, ...shape(0x40, 'b'), 3);
  const same = records(0x92, ...SHAPE_A, 1, ...SHAPE_A, 2);
  const apart = records(0x93, ...shape(0x7f, 'c'), 1, ...shape(0x45, 'd'), ...SHAPE_A, 2, 0x7f, 3);
  for (let again = 0; again < 5; again++) {
    assert.deepEqual(unpack(twice), [{ a: 1 }, { a: 2 }, { b: 3 }]);
    assert.deepEqual(unpack(same), [{ a: 1 }, { a: 2 }]);
    assert.deepEqual(unpack(apart), [{ c: 1 }, { d: { a: 2 } }, { c: 3 }]);
    // What another value has defined is nothing to this one.
    rejects(records(0x92, ...SHAPE_A, 1, 0x7f, 2), /no shape/);
    rejects(records(0x7f, 1), /no shape/);
    // No shape at all: an empty list in the record form.
    assert.deepEqual(unpack(records(0x90)), []);
  }
});

test('records: names that are code are names', () => {
  const name = "a:r()})};throw 1;//'`";
  const rows = Array.from({ length: 9 }, (_, i) => ({ [name]: i, "']": i, constructor: i }));
  const packed = pack(rows);
  assert.equal(packed[5], 0x51);
  assert.deepEqual(unpack(packed), rows);
});

test('records: every cut, and every byte after it', () => {
  const whole = pack(
    Array.from({ length: 5 }, (_, i) => ({ id: i * 30, name: `n${i}`, at: new Date(i), none: undefined })),
  );
  assert.equal(whole[5], 0x51);
  for (let end = 0; end < whole.length; end++) rejects(whole.subarray(0, end));
  for (const extra of [0x00, 0xc0, 0x40]) rejects(Buffer.concat([whole, Buffer.of(extra)]));
});

test.run();
