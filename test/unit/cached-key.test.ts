import { runInNewContext } from 'node:vm';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { argumentsKey } from '../../client/cached-key.js';
import { throwsCode } from '../support/errors.js';

const keyOf = (...args: unknown[]): string => argumentsKey('users', args);

test('plain arguments read as themselves', () => {
  assert.is(keyOf(42), 'users:42');
  assert.is(keyOf(42, { include_posts: true }), 'users:42:include_posts=true');
  assert.is(keyOf('alice', -1.5, true, null), 'users:alice:-1.5:true:null');
  assert.is(keyOf('550e8400-e29b-41d4-a716-446655440000'), 'users:550e8400-e29b-41d4-a716-446655440000');
  assert.is(keyOf('a@example.org'), 'users:a@example.org');
  assert.is(keyOf(), 'users');
  assert.is(keyOf([1, 'a']), 'users:[1,a]');
  assert.is(keyOf({ page: 2, sort: { by: 'name', desc: false } }), 'users:page=2:sort={by=name,desc=false}');
});

test('the order of options does not matter, at any depth', () => {
  assert.is(keyOf(1, { a: 1, b: { c: 2, d: 3 } }), keyOf(1, { b: { d: 3, c: 2 }, a: 1 }));
  assert.is(keyOf({ b: 1, a: 2 }, 0), keyOf({ a: 2, b: 1 }, 0));
});

test('objects of another realm and without a prototype are objects', () => {
  assert.is(keyOf(runInNewContext('({ a: [1] })')), keyOf({ a: [1] }));
  assert.is(keyOf(Object.assign(Object.create(null), { a: 1 })), keyOf({ a: 1 }));
});

const holes: unknown[] = [1];
holes.length = 2;

/** Argument lists of which no two are alike. */
const DIFFERENT: readonly unknown[][] = [
  [],
  [undefined],
  [null],
  ['null'],
  ['undefined'],
  [''],
  [' '],
  [1],
  ['1'],
  [1n],
  ['1n'],
  [-0],
  [0],
  ['0'],
  ['-0'],
  [true],
  ['true'],
  [Number.NaN],
  ['NaN'],
  [Number.POSITIVE_INFINITY],
  ['Infinity'],
  [1e21],
  ['1e+21'],
  ['01'],
  ['a:b'],
  ['a', 'b'],
  [['a', 'b']],
  [['a'], 'b'],
  ['a,b'],
  [['a,b']],
  ['[a,b]'],
  [{}],
  ['{}'],
  [[]],
  ['[]'],
  [[[]]],
  [{ a: 1 }],
  ['a=1'],
  ['{a=1}'],
  [{ a: '1' }],
  [{ a: undefined }],
  [{ 'a=1': 1 }],
  [{ a: 1, b: 2 }],
  [{ 'a=1:b': 2 }],
  [{ a: { b: 2 } }],
  [{ a: 1 }, { b: 2 }],
  [[{ a: 1 }], { b: 2 }],
  [{ a: 1 }, undefined],
  [{ __proto__: null, a: 2 }],
  [JSON.parse('{"__proto__": 1}')],
  [{ constructor: 1 }],
  [new Date(0)],
  ['1970-01-01T00:00:00.000Z'],
  [new Date(Number.NaN)],
  [new Date(1)],
  [new Map([[1, 2]])],
  [new Map([['1', 2]])],
  [new Map([[[1, 2], 3]])],
  [[[1, 2]]],
  [new Map()],
  [new Set()],
  [new Set([1])],
  [new Set([1, 2])],
  [new Set(['1,2'])],
  [Buffer.from('a')],
  [new Uint8Array([97])],
  [new Int8Array([97])],
  [new Uint8Array([97]).buffer],
  [Buffer.from('')],
  ['61'],
  [new Float64Array([0])],
  [new Float64Array([-0])],
  [/a/],
  [/a/g],
  ['/a/'],
  [new URL('http://a/')],
  ['http://a/'],
  [holes],
  [[1, undefined]],
  [[1, null]],
  [[1, '*']],
  [[1]],
  ['\ud800'],
  ['\ud801'],
  ['\ufffd'],
  ['a\u0000'],
  ['a'],
  ['"a"'],
  ['a\\u0000'],
  ['é'],
  ['e\u0301'],
];

test('different arguments never share a key', () => {
  const seen = new Map<string, number>();
  for (const [i, args] of DIFFERENT.entries()) {
    const key = keyOf(...args);
    if (seen.has(key)) assert.unreachable(`lists ${seen.get(key)} and ${i} share ${key}`);
    seen.set(key, i);
    assert.not.ok(key.includes('\u0000'), key);
    assert.is(Buffer.from(key).toString(), key);
  }
});

test('over 200 characters a key is its prefix and a digest, still different for different arguments', () => {
  const at = (length: number): string => keyOf('x'.repeat(length - 'users:'.length));
  assert.is(at(200).length, 200);
  assert.match(at(200), /^users:x+$/);
  assert.match(at(201), /^users:[0-9a-f]{64}$/);
  assert.is.not(at(201), at(202));
  assert.is.not(keyOf('x'.repeat(300), 1), keyOf('x'.repeat(300), '1'));
  const long = 'p'.repeat(400);
  assert.is(argumentsKey(long, [1]).length, 165);
  assert.is.not(argumentsKey(long, []), argumentsKey(`${long}p`, []));
});

test('nobody can name the digest of a long key as an argument', () => {
  const hashed = keyOf('x'.repeat(300));
  assert.is.not(keyOf(hashed.slice('users:'.length)), hashed);
});

class Account {
  readonly id = 1;
}
class Tagged extends Map {}

test('what cannot be told by its data is refused, and the error names it and the way out', () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const bad: [unknown, RegExp][] = [
    [() => 1, /argument 2 is a function/],
    [Symbol('s'), /argument 2 is a symbol/],
    [new Account(), /argument 2 is an instance of Account/],
    [{ by: { account: new Account() } }, /argument 2\.by\.account is an instance of Account/],
    [[1, () => 1], /argument 2\[1\] is a function/],
    [new Tagged(), /an instance of Tagged/],
    [new Error('e'), /an instance of Error/],
    [Promise.resolve(), /an instance of Promise/],
    [new WeakMap(), /an instance of WeakMap/],
    [Object(1), /an instance of Number/],
    [{ [Symbol('s')]: 1 }, /symbols as names/],
    [Object.assign([1], { extra: 2 }), /properties of its own/],
    [cyclic, /cyclic/],
    [new Map([[() => 1, 1]]), /an entry of the map/],
    [new Set([() => 1]), /an item of the set/],
  ];
  for (const [value, message] of bad) {
    const error = throwsCode('ERR_INVALID_ARGUMENT', () => keyOf(1, value));
    assert.match(error.message, message);
    assert.match(error.message, /key option/);
  }
});

test.run();
