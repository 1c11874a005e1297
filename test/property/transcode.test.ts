import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'uvu';
import { unpackedToJson } from '../../shared/codec/json.js';
import { textBytesMax, transcode, wasOrdered } from '../../shared/codec/transcode.js';
import { pack, packedToJson } from '../../shared/codec.js';

// A failure prints its seed and path; fc.assert(…, { seed, path }) repeats it.

const FENCE = 0xa5;

/** The short way's answer, and that it stayed within its room. */
function short(bytes: Uint8Array): { json: string; ordered: boolean } | undefined {
  // Records need more for the names, unless it is refused.
  const room = Buffer.alloc(3 + 2 * textBytesMax(bytes.length) + 8, FENCE);
  const into = room.subarray(0, room.length - 8);
  const end = transcode(bytes, into, 3);
  assert.ok(room.subarray(into.length).every((byte) => byte === FENCE) && room[2] === FENCE);
  return end < 0 ? undefined : { json: into.toString('utf8', 3, end), ordered: wasOrdered() };
}

const text = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 12 }) },
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc
    .array(fc.constantFrom('\\', '"', 'u0000', '\n', '\x01', '\x1f', '\x7f', '\u2028', 'é'), { maxLength: 8 })
    .map((parts) => parts.join('')),
  fc.constantFrom(
    '',
    '__proto__',
    '__',
    'toJSON',
    '\ufeffx',
    '0',
    '10',
    '1x',
    '-1',
    'x'.repeat(300),
    'x'.repeat(70_000),
  ),
);
const number = fc.oneof(
  fc.integer({ min: -70_000, max: 70_000 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.constantFrom(-0, 2 ** 53, -(2 ** 53), 2 ** 32, 2 ** 31, -(2 ** 31), 127, 128, -32, -33, 255, 256, 5e-324, 1e20),
);
const scalar = fc.oneof(
  { weight: 5, arbitrary: text },
  { weight: 5, arbitrary: number },
  { weight: 3, arbitrary: fc.constantFrom(null, true, false) },
  { weight: 1, arbitrary: fc.constantFrom(undefined, 1n, new Date(0), Buffer.from('x')) },
);

const { value: tree } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    { weight: 4, arbitrary: scalar },
    { weight: 2, arbitrary: fc.array(tie('value'), { maxLength: 17 }) },
    { weight: 3, arbitrary: fc.dictionary(text, tie('value'), { maxKeys: 17 }) },
    // Rows of few shapes, which are packed as records.
    {
      weight: 2,
      arbitrary: fc
        .tuple(
          fc.uniqueArray(text, { maxLength: 18 }),
          fc.array(fc.array(scalar, { maxLength: 4 }), { minLength: 4, maxLength: 6 }),
        )
        .map(([names, rows]) => rows.map((row) => Object.fromEntries(names.map((name, at) => [name, row[at] ?? at])))),
    },
  ),
}));

test('the short way to JSON text gives what the long way gives', () => {
  let taken = 0;
  let records = 0;
  const property = fc.property(tree, (value) => {
    if (value === undefined) return;
    const bytes = pack(value);
    const found = short(bytes);
    if (found === undefined) return;
    taken++;
    if (bytes[0] === 0xc9) records++;
    assert.deepEqual(found, unpackedToJson(bytes));
    assert.deepEqual(packedToJson(bytes), found);
  });
  fc.assert(property, { numRuns: 2500 });
  assert.ok(taken > 500 && records > 50, `${taken} took it, ${records} of them records`);
});

test('records within records are refused rather than written beyond the room', () => {
  const row = (items: readonly unknown[]) => ({
    items,
    ...Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`${'n'.repeat(190)}${at}x`, 1])),
  });
  let taken = 0;
  let refused = 0;
  // The last row's names still have to be written when its items have filled the room.
  for (let count = 60; count < 240; count += 3) {
    const items = Array.from({ length: count }, () => ({ ['k'.repeat(60)]: 1, ['l'.repeat(60)]: 2 }));
    const bytes = pack([row([]), row([]), row([]), row(items)]);
    const room = Buffer.alloc(textBytesMax(bytes.length));
    const end = transcode(bytes, room, 0);
    const json = unpackedToJson(bytes)?.json;
    if (end < 0) refused++;
    else taken++;
    if (end >= 0) assert.equal(room.toString('utf8', 0, end), json, `${count} items`);
    assert.equal(packedToJson(bytes)?.json, json, `${count} items`);
  }
  assert.ok(taken > 0 && refused > 0, `${taken} taken, ${refused} refused`);
});

test('what is plain JSON, small and no deeper than most takes the short way', () => {
  const simple = fc.jsonValue({ maxDepth: 5, stringUnit: 'grapheme-ascii' });
  const property = fc.property(simple, (value) => {
    const bytes = pack(value);
    if (Object.is(value, -0) || bytes[0] === 0xc9 || /"\d|"__|-0|\\u/.test(JSON.stringify(value))) return;
    const long = unpackedToJson(bytes);
    assert.deepEqual(short(bytes), long);
  });
  fc.assert(property, { numRuns: 1500 });
});

test('bytes that nobody packed are refused, or read as the long way reads them', () => {
  let taken = 0;
  const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 });
  const property = fc.property(
    fc.oneof(tree, fc.constant('x')),
    flips,
    fc.uint8Array({ maxLength: 3 }),
    (value, changes, tail) => {
      if (value === undefined) return;
      const bytes = Buffer.concat([pack(value), tail]);
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      const found = short(bytes);
      if (found === undefined) return;
      taken++;
      const long = unpackedToJson(bytes);
      // A key that stands there twice: Postgres and JavaScript both take the last.
      if (found.json !== long?.json) {
        assert.equal(found.ordered, false);
        assert.equal(JSON.stringify(JSON.parse(found.json)), long?.json);
      } else assert.equal(found.ordered, long.ordered);
    },
  );
  fc.assert(property, { numRuns: 3000 });
  assert.ok(taken > 100, `${taken}`);
});

test.run();
