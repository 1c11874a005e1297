import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { Packr } from 'msgpackr';
import { test } from 'uvu';
import { pack, unpack } from '../../shared/codec.js';
import { CacheError } from '../../shared/errors.js';
import { LIMIT } from '../../shared/protocol.js';
import { assertSame } from '../support/same.js';

const there = <T>(value: T): T => unpack(pack(value)) as T;

function refused(value: unknown, path: RegExp): void {
  assert.throws(
    () => pack(value),
    (error: unknown) => error instanceof CacheError && error.code === 'ERR_INVALID_VALUE' && path.test(error.message),
  );
}

function holes(length: number, items: Record<number, unknown> = {}): unknown[] {
  return Object.assign(new Array(length), items);
}

const KINDS: Record<string, unknown> = {
  null: null,
  booleans: [true, false],
  integers: [0, 1, -1, 127, 128, 255, 256, 65535, 65536, 2 ** 31, 2 ** 32, -(2 ** 31) - 1, 2 ** 53, -(2 ** 53)],
  fractions: [0.1, -1.5, 5e-324, 1.7976931348623157e308, 1e21],
  'numbers that JSON loses': [Number.NaN, Infinity, -Infinity, -0, [-0]],
  strings: ['', 'a', 'é', '漢', '🙂', 'x'.repeat(31), 'x'.repeat(32), 'é'.repeat(300), 'y'.repeat(70_000)],
  'strings with NUL': ['\0', 'a\0b', `\0${'x'.repeat(100)}`],
  'lone surrogates': ['\ud800', 'a\udfff', `${'x'.repeat(100)}\ud834`, '\udc00\ud800'],
  'byte order marks': ['\ufeff', `\ufeff${'x'.repeat(100)}`, `x\ufeff${'x'.repeat(100)}`],
  bigints: [0n, -1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)],
  'big bigints': [2n ** 64n, -(2n ** 63n) - 1n, 10n ** 400n, -(2n ** 9000n)],
  dates: [new Date(0), new Date(1.7e12 + 1), new Date(-1), new Date(8.64e15), new Date(-8.64e15), new Date(NaN)],
  'an invalid date in the rich form': [new Date(NaN), -0],
  'regular expressions': [/a+/gi, /\u{1F600}/u, /(?<year>\d)/dsy, /(?:)/, /\//],
  maps: new Map<unknown, unknown>([
    ['a', 1],
    [{ key: 1 }, new Map([[1, [2]]])],
    [Number.NaN, -0],
  ]),
  sets: new Set<unknown>([1, 'a', { b: 1 }, new Set([2])]),
  buffers: [Buffer.from('hello'), Buffer.alloc(0), Buffer.alloc(70_000, 7)],
  'typed arrays': [
    Int8Array.of(-1),
    Uint8Array.of(255),
    Uint8ClampedArray.of(255),
    Int16Array.of(-2),
    Uint16Array.of(65535),
    Int32Array.of(-3),
    Uint32Array.of(4294967295),
    Float32Array.of(0.5, Number.NaN),
    Float64Array.of(-0, 0.1),
    BigInt64Array.of(-5n),
    BigUint64Array.of(2n ** 64n - 1n),
    new Float64Array(0),
  ],
  'array buffers': [Uint8Array.of(1, 2, 3).buffer, new DataView(Uint8Array.of(4, 5).buffer)],
  'undefined inside': { a: undefined, b: [undefined, 1, undefined] },
  'sparse arrays': [holes(3, { 0: 1, 2: 3 }), holes(2), holes(3, { 2: undefined }), holes(100_001, { 100000: 1 })],
  '__proto__ keys': JSON.parse('{"__proto__":{"polluted":1},"a":{"__proto__":null},"constructor":{"prototype":1}}'),
  'keys that look like methods': { hasOwnProperty: 1, toJSON: 2, constructor: 3, valueOf: 4, length: 5 },
  'keys out of order': { z: 1, a: 2, 10: 3, 9: 4, '': 5, '\ud800': 6, 'a\0': 7 },
  'many keys': Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}`, i])),
  'boxed primitives': [Object('a'), Object(-0), Object(false), Object(2n ** 70n)],
};

for (const [name, value] of Object.entries(KINDS)) {
  test(`round trip: ${name}`, () => {
    assertSame(there(value), value);
    assertSame(there({ inside: [value] }), { inside: [value] });
    if (Array.isArray(value)) for (const item of value) if (item !== undefined) assertSame(there(item), item);
  });
}

test('the order of keys, of Map entries and of Set members is kept', () => {
  assert.deepEqual(Object.keys(there({ z: 1, a: 2, m: -0 })), ['z', 'a', 'm']);
  assert.deepEqual([...there(new Map(Object.entries({ z: 1, a: 2 }))).keys()], ['z', 'a']);
});

test('errors keep class, name, message, stack, cause and scalar fields', () => {
  for (const Class of [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]) {
    const error = Object.assign(new Class('broken', { cause: new Error('deeper') }), { code: 'E_X', socket: {} });
    const back = there(error);
    assert.ok(back instanceof Class && Object.getPrototypeOf(back) === Class.prototype);
    assert.equal(back.message, 'broken');
    assert.equal(back.stack, error.stack);
    assert.equal((back.cause as Error).message, 'deeper');
    assert.deepEqual(Object.entries(back), [['code', 'E_X']]);
  }
  const several = there(new AggregateError([new TypeError('a'), 7], 'several'));
  assert.ok(several instanceof AggregateError && several.errors[0] instanceof TypeError);
  assert.equal(several.errors[1], 7);
  const cacheError = there(new CacheError('ERR_TIMEOUT', 'slow'));
  assert.equal(cacheError.name, 'CacheError');
  assert.equal(cacheError.code, 'ERR_TIMEOUT');
  assert.equal(Object.hasOwn(there(new Error()), 'message'), false);
});

test('cycles and shared references', () => {
  const self: Record<string, unknown> = { list: [] };
  self.self = self;
  (self.list as unknown[]).push(self.list, new Map([[self, new Set([self])]]));
  const back = there(self) as { self: unknown; list: [unknown, Map<unknown, Set<unknown>>] };
  assert.equal(back.self, back);
  assert.equal(back.list[0], back.list);
  assert.ok(back.list[1].get(back)?.has(back));
  const shared = new Date(5);
  const twice = there({ a: [shared], b: shared, c: Array.from({ length: 20 }, () => ({})) });
  assert.equal(twice.a[0], twice.b);
  const many: object[] = Array.from({ length: 40 }, (_, i) => ({ i }));
  assertSame(there([...many, many[30], many[3]]), [...many, many[30], many[3]]);
  const error = new Error('round');
  error.cause = error;
  const loop = there(error);
  assert.equal(loop.cause, loop);
});

test('instances and null-prototype objects come back as plain objects of their own fields', () => {
  class User {
    name = 'Ada';
    #secret = 1;
    get secret() {
      return this.#secret;
    }
    toJSON() {
      return 'never asked';
    }
  }
  assert.deepEqual(there({ user: new User() }), { user: { name: 'Ada' } });
  assert.deepEqual(there(Object.assign(Object.create(null), { a: 1 })), { a: 1 });
  assert.deepEqual(there(Object.assign(Object.create(Date.prototype), { a: 1 })), { a: 1 });
  class Names extends Array<string> {}
  assert.deepEqual(there(Names.of('a', 'b')), ['a', 'b']);
  class Index extends Map<string, number> {}
  assert.deepEqual(there(new Index([['a', 1]])), new Map([['a', 1]]));
});

test('values of another realm are told by what they are', () => {
  const foreign = runInNewContext(`({ o: { a: [1] }, d: new Date(3), m: new Map([[1, 2]]), e: new TypeError('x') })`);
  const back = there(foreign) as Record<string, unknown>;
  assert.deepEqual({ ...back, e: 0 }, { o: { a: [1] }, d: new Date(3), m: new Map([[1, 2]]), e: 0 });
  assert.equal((back.e as Error).message, 'x');
});

test('a RegExp match keeps its names', () => {
  const match = /(?<word>\w+)/.exec('- abc')!;
  const back = there(match);
  assert.deepEqual([back[0], back.index, back.input, back.groups?.word], ['abc', 2, '- abc', 'abc']);
});

test('bytes come back as copies that keep nothing else alive', () => {
  const pool = Buffer.alloc(1_000_000);
  const packed = pack({ part: pool.subarray(10, 13), floats: new Float64Array(pool.buffer, 8, 2) });
  const frame = Buffer.concat([Buffer.alloc(5000), packed]);
  const back = unpack(frame.subarray(5000)) as { part: Buffer; floats: Float64Array };
  assert.ok(Buffer.isBuffer(back.part));
  assert.equal(back.floats.buffer.byteLength, 16);
  const plain = unpack(pack({ part: Buffer.from('abc') })) as { part: Buffer };
  assert.equal(plain.part.buffer.byteLength, 3);
  plain.part[0] = 0;
  assert.deepEqual(unpack(packed), unpack(frame.subarray(5000)));
  assert.deepEqual(Object.keys(frame.subarray(5000)).length, packed.length);
});

test('a small packed value does not hold on to the slab of a large one', () => {
  pack('x'.repeat(3_000_000));
  assert.ok(pack({ a: 1 }).buffer.byteLength <= Math.max(16 * 1024, Buffer.poolSize));
});

test('packed values stay as they are while others are packed', () => {
  const first = pack({ n: 1 });
  for (let n = 2; n < 5000; n++) pack({ n });
  assert.deepEqual(unpack(first), { n: 1 });
});

test('functions, symbols and what is not data are refused by path', () => {
  refused(undefined, /undefined/);
  refused(() => 1, /a function at \$ /);
  refused({ user: { onClick: () => 1 } }, /a function at \$\.user\.onClick /);
  refused({ a: [0, { 'b c': Symbol('s') }] }, /a symbol at \$\.a\[1\]\["b c"\] /);
  refused(new Map([['k', { f: () => 1 }]]), /a function at \$\.get\("k"\)\.f /);
  refused(new Set([1, () => 1]), /a function at \$\.values\(\)\[1\] /);
  refused({ p: Promise.resolve(1) }, /a Promise at \$\.p /);
  refused([new WeakMap()], /a WeakMap at \$\[0\] /);
  refused(new WeakSet(), /WeakSet/);
  refused({ w: new WeakRef({}) }, /WeakRef at \$\.w/);
  refused(new URL('http://localhost/'), /a URL/);
  refused({ g: (function* () {})() }, /Generator at \$\.g/);
  refused(new SharedArrayBuffer(1), /SharedArrayBuffer/);
  refused(Object(Symbol('boxed')), /symbol/);
  refused(new Error('x', { cause: () => 1 }), /a function at \$\.cause /);
  refused(holes(2, { 1: () => 1 }), /a function at \$\[1\] /);
});

test('what throws while it is read is refused, with the cause', () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  refused({ proxy }, /revoked/);
  const getter = {
    get broken(): never {
      throw new TypeError('no luck');
    },
  };
  refused(getter, /no luck/);
  const endless = (): object => new Proxy({ a: 1 }, { get: endless });
  refused(endless(), /deeper/);
});

test('a getter may itself pack and unpack', () => {
  const value = {
    a: [1, 2],
    get b() {
      return unpack(pack({ c: new Map([[1, 'x'.repeat(9000)]]) }));
    },
    d: 'e',
  };
  assert.deepEqual(there(value), { a: [1, 2], b: { c: new Map([[1, 'x'.repeat(9000)]]) }, d: 'e' });
});

function nested(levels: number, leaf: unknown = 1): unknown {
  let value = leaf;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

test('nesting up to the limit, in both forms, and no further', () => {
  for (const leaf of [1, -0, '\ud800', 2n ** 80n]) {
    assert.deepEqual(there(nested(LIMIT.valueDepthMax, leaf)), nested(LIMIT.valueDepthMax, leaf));
    refused(nested(LIMIT.valueDepthMax + 1, leaf), /deeper than 1000/);
  }
  refused(nested(100_000), /deeper than 1000/);
});

const isRecords = (bytes: Uint8Array) => bytes[0] === 0xc9 && bytes[5] === 0x51;
const rows = (count: number) =>
  Array.from({ length: count }, (_, id) => ({ id, size: 60 + id, nested: { id, list: [id] } }));

test('lists of objects have the record form, which takes fewer bytes; few objects do not', () => {
  assert.equal(isRecords(pack(rows(3))), false);
  assert.equal(isRecords(pack({ a: rows(2), b: rows(2) })), false);
  const packed = pack({ items: rows(50) });
  assert.equal(isRecords(packed), true);
  assertSame(unpack(packed), { items: rows(50) });
  assert.ok(packed.length < 0.7 * new Packr({ useRecords: false }).pack({ items: rows(50) }).length);
});

test('lists with more shapes, or more fields, than a reader takes have the plain form', () => {
  const shapes = (count: number) => Array.from({ length: count }, (_, i) => ({ [`field ${i}`]: i }));
  const wide = (count: number) =>
    new Array(4).fill(0).map(() => Object.fromEntries(shapes(count).flatMap(Object.entries)));
  for (const [value, expected] of [
    [shapes(64), true],
    [shapes(65), false],
    [wide(256), true],
    [wide(257), false],
  ] as const) {
    const packed = pack(value);
    assert.equal(isRecords(packed), expected);
    assertSame(unpack(packed), value);
  }
});

test('the record form keeps what the plain form keeps, and a value that was packed before it is read', () => {
  const list = rows(6).map((row) => ({
    ...row,
    none: undefined,
    big: 5n,
    at: new Date(7),
    bytes: Buffer.from([1]),
    '': {},
  }));
  assert.equal(isRecords(pack(list)), true);
  assertSame(unpack(pack(list)), list);
  const before = new Packr({ useRecords: false, variableMapSize: true }).pack(rows(50));
  assertSame(unpack(before), rows(50));
});

test('values of more kinds than readers are kept for, in turns, and each time again', () => {
  const kinds = Array.from({ length: 300 }, (_, kind) =>
    rows(4).map((row) => ({ ...row, [`of kind ${kind}`]: kind, nested: { [`n${kind % 7}`]: row.nested } })),
  );
  const packed = kinds.map((kind) => pack(kind));
  assert.equal(packed.every(isRecords), true);
  for (let turn = 0; turn < 3; turn++) {
    for (const [kind, bytes] of packed.entries()) assertSame(unpack(bytes), kinds[kind]);
    for (let again = 0; again < 5; again++) assertSame(unpack(packed[0]!), kinds[0]);
  }
});

test('small objects of more shapes than are remembered, wide ones, and dictionaries among them', () => {
  for (let turn = 0; turn < 2; turn++) {
    for (let kind = 0; kind < 6_000; kind++) {
      const value = { id: kind, [`field ${kind % 5_000}`]: { [`k${kind}`]: 'x', list: [kind, null, -kind, kind / 3] } };
      assertSame(unpack(pack(value)), value);
    }
  }
  for (const count of [15, 16, 63, 64, 65, 200]) {
    const wide = Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${at}`, at % 3 === 0 ? 'é' : at]));
    for (let again = 0; again < 20; again++) assertSame(unpack(pack(wide)), wide);
  }
});

test('reading leaves the bytes as they are, however many', () => {
  for (const count of [4, 50, 2_000, 20_000]) {
    const bytes = pack(rows(count));
    const copy = Buffer.from(bytes);
    for (let again = 0; again < 3; again++) assertSame(unpack(bytes), rows(count));
    assert.ok(copy.equals(bytes), `${count} rows`);
  }
});

test.run();
