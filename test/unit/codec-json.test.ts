import assert from 'node:assert/strict';
import { test } from 'uvu';
import { jsonToPacked, pack, packCounter, packedToJson, unpack } from '../../shared/codec.js';
import { CacheError } from '../../shared/errors.js';
import { assertSame } from '../support/same.js';

const form = (value: unknown) => packedToJson(pack(value));
const fromJson = (json: string) => unpack(jsonToPacked(json));

function isInvalid(run: () => unknown): void {
  assert.throws(run, (error: unknown) => error instanceof CacheError && error.code === 'ERR_INVALID_VALUE');
}

test('JSON-like values have a JSON form', () => {
  const value = { id: 1, text: 'é🙂', value: [null, true, 0.1, -5, 5e-324, Number.MAX_SAFE_INTEGER, '"\\\n', {}, []] };
  assert.deepEqual(form(value), { json: JSON.stringify(value), ordered: true });
  for (const scalar of [null, false, 0, '', 'text']) {
    assert.deepEqual(form(scalar), { json: JSON.stringify(scalar), ordered: true });
  }
});

test('instances have the JSON form of their fields, and toJSON is not asked', () => {
  class Point {
    x = 1;
    toJSON = 'a field';
  }
  assert.deepEqual(form({ point: new Point() })?.json, '{"point":{"x":1,"toJSON":"a field"}}');
});

test('what JSONB would lose has no JSON form', () => {
  const shared = {};
  const lost: unknown[] = [
    Number.NaN,
    Infinity,
    -0,
    undefined,
    1n,
    2n ** 70n,
    new Date(0),
    Buffer.from('a'),
    new Map(),
  ];
  lost.push('\0', 'a\0', '\ud800', /x/, new Error('x'), JSON.parse('{"__proto__":1}'), new Array(2), [shared, shared]);
  lost.push({ 'a\0': 1 }, { '\udfff': 1 }, new Uint8Array(1), new Set(), 2 ** 53, -1e21, 1.7976931348623157e308);
  for (const value of lost) {
    assert.equal(form([value]), undefined, String(value));
    assert.equal(form({ deep: [{ value }] }), undefined);
    if (value !== undefined) assert.equal(form(value), undefined);
  }
});

test('forged numbers of plain MessagePack have none either', () => {
  for (const hex of [
    'cb8000000000000000',
    'cb7ff8000000000000',
    'ca7f800000',
    'cf0000000000000001',
    'd3ffffffffffffffff',
  ]) {
    assert.equal(packedToJson(Buffer.from(hex, 'hex')), undefined);
  }
});

test('ordered tells whether JSONB keeps the order of keys', () => {
  const orders: [boolean, string[]][] = [
    [true, ['a', 'b', 'aa', 'ab', 'aaa']],
    [false, ['b', 'a']],
    [false, ['aa', 'b']],
    [true, ['b', 'é']], // 1 byte, 2 bytes
    [false, ['漢', 'é']],
    [true, ['zz', 'é']], // 2 bytes each, 0x7a before 0xc3
    [false, ['é', 'zz']],
    [true, ['\uffee\u0061', '🙂']], // both 4 bytes, 0xef before 0xf0, though 0xffee comes after 0xd83d in UTF-16
    [false, ['🙂', '\uffee\u0061']],
    [true, ['', 'a']],
    [true, ['a', 'B'].reverse()],
  ];
  for (const [ordered, keys] of orders) {
    const value = Object.fromEntries(keys.map((key) => [key, 1]));
    assert.equal(form(value)?.ordered, ordered, keys.join());
    assert.equal(form([0, { k: value }])?.ordered, ordered, keys.join());
  }
});

test('indexes as keys are in order by themselves', () => {
  assert.equal(form({ 10: 1, 9: 2, a: 3 })?.ordered, true);
  assert.equal(form({ 4294967294: 1, b: 1, a: 2 })?.ordered, false);
  assert.equal(form({ 5: 1, '05': 1, x: 1 })?.ordered, false);
  assert.equal(form({ 4294967295: 1, a: 1 })?.ordered, false);
});

test('bytes that are no packed value are an error', () => {
  isInvalid(() => packedToJson(Buffer.from('c1', 'hex')));
  isInvalid(() => packedToJson(Buffer.alloc(0)));
});

test('JSON text becomes the value that it says', () => {
  assertSame(fromJson('{"b": [1, 2.50, "x"], "aa": null, "n": -0.5}'), { b: [1, 2.5, 'x'], aa: null, n: -0.5 });
  assertSame(fromJson('5'), 5);
  assertSame(fromJson('null'), null);
});

test('integers beyond 2^53−1 become bigints, everything around them stays', () => {
  const digits = '12345678901234567890';
  assertSame(fromJson(digits), BigInt(digits));
  assertSame(fromJson(`[-${digits}, 9007199254740991, -9007199254740991, 9007199254740992]`), [
    -BigInt(digits),
    9007199254740991,
    -9007199254740991,
    9007199254740992n,
  ]);
  assertSame(fromJson(`{"id": ${digits}, "card": "${digits}", "half": ${digits}.5, "e": 1e3}`), {
    id: BigInt(digits),
    card: digits,
    half: Number(`${digits}.5`),
    e: 1000,
  });
  assertSame(fromJson(`1${'0'.repeat(400)}`), 10n ** 400n);
  assertSame(fromJson(`[${digits}, "\\"${digits}\\\\", "\\\\\\"", {"${digits}": "," }]`), [
    BigInt(digits),
    `"${digits}\\`,
    '\\"',
    { [digits]: ',' },
  ]);
});

test('no string is taken for a long integer', () => {
  const texts = ['\0', '\0i123', '\0s', '\0\0i1', 'i1', '\\u0000i1'];
  for (const text of texts) {
    assertSame(fromJson(`[12345678901234567890, ${JSON.stringify(text)}]`), [12345678901234567890n, text]);
    assertSame(fromJson(`{${JSON.stringify(text)} : 12345678901234567890}`), { [text]: 12345678901234567890n });
  }
});

test('a long string beside a long integer', () => {
  const text = `"\\${'x'.repeat(5_000_000)}`;
  assertSame(fromJson(JSON.stringify([text, 1]).replace(',1]', ',12345678901234567890]')), [
    text,
    12345678901234567890n,
  ]);
});

test('a __proto__ key is a field', () => {
  for (const number of ['1', '12345678901234567890']) {
    const value = fromJson(`{"__proto__": {"polluted": ${number}}}`) as Record<string, unknown>;
    assert.deepEqual(Object.keys(value), ['__proto__']);
    assert.equal(value.polluted, undefined);
  }
});

test('text that is no JSON, or nested too deeply, is an error', () => {
  for (const json of ['', '{', 'undefined', '[1,]', '"a', '1234567890123456789a', '"12345678901234567']) {
    isInvalid(() => jsonToPacked(json));
  }
  isInvalid(() => jsonToPacked('['.repeat(5000) + ']'.repeat(5000)));
  isInvalid(() => jsonToPacked(`${'['.repeat(100_000)}12345678901234567890${']'.repeat(100_000)}`));
});

test('counters are numbers as long as numbers are exact', () => {
  assertSame(unpack(packCounter('42')), 42);
  assertSame(unpack(packCounter('-0')), 0);
  assertSame(unpack(packCounter(-0)), 0);
  assertSame(unpack(packCounter(-7n)), -7);
  assertSame(unpack(packCounter('9007199254740991')), Number.MAX_SAFE_INTEGER);
  assertSame(unpack(packCounter('-9223372036854775808')), -(2n ** 63n));
  for (const none of ['', '1.5', 'x', Number.NaN, 1.5, Infinity]) isInvalid(() => packCounter(none));
});

test('a list of objects, which is packed as records, is JSON all the same', () => {
  const list = Array.from({ length: 20 }, (_, id) => ({ at: `n ${id}`, id }));
  assert.equal(pack(list)[5], 0x51);
  assert.deepEqual(form(list), { json: JSON.stringify(list), ordered: true });
  assert.deepEqual(fromJson(JSON.stringify(list)), list);
});

test.run();
