import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { test } from 'uvu';
import { decodePlain, GIVEN_UP } from '../../shared/codec/plain-decode.js';
import { scan } from '../../shared/codec/scan.js';
import { jsonToPacked, pack, packedToJson, unpack } from '../../shared/codec.js';
import { CacheError } from '../../shared/errors.js';
import { storedKey } from '../../shared/key.js';
import { LIMIT } from '../../shared/protocol.js';
import { assertSame } from '../support/same.js';

// A failure prints its seed and path; fc.assert(…, { seed, path }) repeats it.

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme', maxLength: 100 }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.constantFrom('__proto__', 'constructor', 'toJSON', 'length', '\ufeff', '0', '10', '4294967295'),
);

const bytes = fc.uint8Array({ maxLength: 64 });
const TYPED = [Int8Array, Uint8ClampedArray, Uint16Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array];

const scalar = fc.oneof(
  fc.constantFrom(null, undefined, true, false, -0, Number.NaN, Infinity, -Infinity),
  fc.integer(),
  fc.double(),
  fc.maxSafeInteger(),
  text,
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
  fc.bigInt({ min: -(2n ** 600n), max: 2n ** 600n }),
);

const leaf = fc.oneof(
  { weight: 6, arbitrary: scalar },
  fc.date({ noInvalidDate: false }),
  bytes.map((item) => Buffer.from(item)),
  bytes.map((item) => item.slice().buffer),
  bytes.map((item) => new DataView(item.slice().buffer)),
  fc.tuple(fc.constantFrom(...TYPED), fc.integer({ min: 0, max: 8 }), bytes).map(([Class, length, fill]) => {
    const array = new Class(length);
    new Uint8Array(array.buffer).set(fill.subarray(0, array.byteLength));
    return array;
  }),
  fc
    .tuple(fc.constantFrom('a+', '(?:)', '\\/', '[^\\]]', '\ud83d'), fc.constantFrom('', 'g', 'imsy', 'u'))
    .map(([source, flags]) => new RegExp(source, flags)),
  fc.tuple(fc.constantFrom(Error, TypeError, RangeError), text).map(([Class, message]) => new Class(message)),
  fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.bigInt()).map((item) => Object(item) as object),
);

function objectOf(entries: [string, unknown][]): object {
  const object = {};
  for (const [key, value] of entries) {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return object;
}

const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 20 }),
    fc.array(fc.tuple(text, tie('value')), { maxLength: 20 }).map(objectOf),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 6 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 6 }).map((members) => new Set(members)),
    fc
      .array(fc.tuple(fc.nat(3000), tie('value')), { maxLength: 4 })
      .map((items) => Object.assign([], Object.fromEntries(items))),
    fc.tuple(tie('value'), tie('value')).map(([a, b]) => [a, b, a, { b }]),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => {
      items.push(items);
      return items;
    }),
  ),
}));

test('any value comes back the same, alone and as a part', () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      assertSame(unpack(pack([value])), [value]);
      if (value !== undefined) assertSame(unpack(pack(value)), value);
    }),
    { numRuns: 3000 },
  );
});

test('plain trees come back the same', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6, stringUnit: 'grapheme' }), (value) =>
      assertSame(unpack(pack(value)), value),
    ),
    { numRuns: 1000 },
  );
});

/** Whatever bytes say: a value, or a CacheError, and neither after a long time. */
function settles(data: Uint8Array): void {
  const start = performance.now();
  try {
    const value = unpack(data);
    const again = value === undefined ? undefined : unpack(pack([value]));
    assert.ok(again === undefined || Array.isArray(again));
    packedToJson(data);
  } catch (error) {
    assert.ok(error instanceof CacheError && error.code === 'ERR_INVALID_VALUE', String(error));
  }
  assert.ok(performance.now() - start < 2000);
}

const shape = fc.uniqueArray(fc.oneof({ weight: 9, arbitrary: fc.string({ maxLength: 8 }) }, text), { maxLength: 6 });
const field = fc.oneof({ weight: 60, arbitrary: fc.integer({ min: -200, max: 300 }) }, { weight: 1, arbitrary: leaf });
const rowsOfShapes = fc.array(shape, { minLength: 1, maxLength: 3 }).chain((shapes) =>
  fc.array(
    fc
      .tuple(fc.nat(shapes.length - 1), fc.array(field, { minLength: 6, maxLength: 6 }))
      .map(([which, values]) => objectOf(shapes[which]!.map((name, at) => [name, values[at]]))),
    { minLength: 4, maxLength: 40 },
  ),
);

test('lists of objects of few shapes come back the same, and with a few bytes changed they settle', () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  let records = 0;
  fc.assert(
    fc.property(rowsOfShapes, changes, (rows, edits) => {
      const packed = Buffer.from(pack(rows));
      assertSame(unpack(packed), rows);
      if (packed[0] === 0xc9 && packed[5] === 0x51) records++;
      for (const [position, byte] of edits) packed[position % packed.length] = byte;
      settles(packed);
    }),
    { numRuns: 1000 },
  );
  assert.ok(records > 100, `${records} had the record form`);
});

const reference = new Packr({ useRecords: false, copyBuffers: true });

/** A value that was given up may be given up for some time. @returns whether one was decoded */
function decodesAlike(data: Buffer): boolean {
  let value = decodePlain(data);
  for (let again = 0; value === GIVEN_UP && again < 65; again++) value = decodePlain(data);
  if (value === GIVEN_UP) return false;
  assert.equal(scan(data, data.length, LIMIT.valueDepthMax), undefined);
  assertSame(value, reference.unpack(Buffer.from(data)));
  return true;
}

test('small plain values are decoded as msgpackr decodes them, whatever their bytes', () => {
  const tree = fc.jsonValue({ maxDepth: 4, stringUnit: 'grapheme' });
  const record = fc.dictionary(fc.constantFrom('id', 'name', 'a', 'b', 'äöü', '1', ''), fc.oneof(tree, leaf), {
    maxKeys: 7,
  });
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
  let decoded = 0;
  let changed = 0;
  fc.assert(
    fc.property(fc.oneof(tree, record, fc.array(record, { maxLength: 3 })), changes, (value, edits) => {
      const packed = Buffer.from(pack(value));
      if (decodesAlike(packed)) decoded++;
      for (let end = 0; end < packed.length; end += 7) decodesAlike(packed.subarray(0, end));
      for (const [position, byte] of edits) packed[position % packed.length] = byte;
      if (decodesAlike(packed)) changed++;
    }),
    { numRuns: 3000 },
  );
  assert.ok(decoded > 1000 && changed > 100, `${decoded} were decoded, and ${changed} with bytes changed`);
});

test('random bytes settle', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), settles), { numRuns: 5000 });
});

test('random bytes in a rich header settle', () => {
  const kinds = fc.tuple(fc.integer({ min: 0x90, max: 0x9f }), fc.integer({ min: 0, max: 17 }), fc.uint8Array());
  const bodies = fc.oneof(
    fc.uint8Array({ minLength: 1 }),
    kinds.map(([array, kind, rest]) => Uint8Array.of(array, kind, ...rest)),
    fc.array(kinds).map((items) => Uint8Array.from(items.flatMap(([array, kind, rest]) => [array, kind, ...rest]))),
  );
  const framed = bodies.map((body) => Buffer.from([0xc9, 0, 0, body.length >> 8, body.length & 0xff, 0x50, ...body]));
  fc.assert(fc.property(framed, settles), { numRuns: 5000 });
});

test('packed values with a few bytes changed settle', () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(anyValue, changes, (value, edits) => {
      const packed = Buffer.from(pack([value]));
      for (const [position, byte] of edits) packed[position % packed.length] = byte;
      settles(packed);
    }),
    { numRuns: 3000 },
  );
  assert.equal(Object.keys(Object.prototype).length, 0);
});

/** What Postgres does to JSON text on its way through JSONB, as far as it matters here: it sorts the keys. */
function throughJsonb(json: string): string {
  const sort = (value: unknown): string => {
    if (Array.isArray(value)) return `[${value.map(sort).join(', ')}]`;
    if (typeof value !== 'object' || value === null) return JSON.stringify(value);
    const byLengthThenBytes = (a: Buffer, b: Buffer) => a.length - b.length || Buffer.compare(a, b);
    const keys = Object.keys(value).map((key) => Buffer.from(key));
    const fields = keys.sort(byLengthThenBytes).map(String);
    return `{${fields.map((key) => `${JSON.stringify(key)}: ${sort((value as Record<string, unknown>)[key])}`).join(', ')}}`;
  };
  return sort(JSON.parse(json));
}

/** Order of keys apart, or not. */
function canonical(value: unknown, ordered: boolean): string {
  return ordered ? JSON.stringify(value) : throughJsonb(JSON.stringify(value));
}

test('what goes through JSONB comes back the same, in order where it says so', () => {
  const values = fc.oneof(
    fc.jsonValue({ maxDepth: 5, stringUnit: 'grapheme' }),
    fc.jsonValue({ stringUnit: 'binary' }),
    anyValue,
  );
  let carried = 0;
  let unordered = 0;
  const property = fc.property(values, (value) => {
    const form = value === undefined ? undefined : packedToJson(pack(value));
    if (form === undefined) return;
    carried++;
    const back = unpack(jsonToPacked(throughJsonb(form.json)));
    assert.equal(canonical(back, form.ordered), canonical(value, form.ordered));
    if (form.ordered) return assertSame(back, value);
    unordered++;
    assert.notEqual(JSON.stringify(back), JSON.stringify(value));
  });
  fc.assert(property, { numRuns: 3000 });
  assert.ok(carried > 500 && unordered > 20, `${carried} carried, ${unordered} of them unordered`);
});

test('stored keys are short, well-formed, and differ where the keys do', () => {
  const stored = new Map<string, string>();
  const key = fc.oneof(
    text,
    fc.string({ minLength: 80, maxLength: 400 }),
    fc.string({ unit: 'binary', minLength: 50, maxLength: 300 }),
  );
  fc.assert(
    fc.property(key, (raw) => {
      if (raw === '' || raw.includes('\0')) return;
      const short = storedKey(raw);
      assert.ok(Buffer.byteLength(short) <= 255 && Buffer.from(short).toString() === short);
      assert.equal(stored.get(short) ?? raw, raw);
      stored.set(short, raw);
      if (short !== raw) assert.notEqual(storedKey(short), short);
    }),
    { numRuns: 5000 },
  );
});

test.run();
