/** Every kind of value that a cache carries, by name. A function makes each, so that no test can spoil another's. */
export const VALUES: Readonly<Record<string, () => unknown>> = {
  null: () => null,
  true: () => true,
  false: () => false,
  zero: () => 0,
  'minus zero': () => -0,
  integer: () => 42,
  'greatest safe integer': () => Number.MAX_SAFE_INTEGER,
  'integer beyond the safe ones': () => 2 ** 64,
  fraction: () => 0.1 + 0.2,
  'smallest number': () => Number.MIN_VALUE,
  'greatest number': () => Number.MAX_VALUE,
  NaN: () => Number.NaN,
  Infinity: () => Number.POSITIVE_INFINITY,
  '-Infinity': () => Number.NEGATIVE_INFINITY,
  'empty string': () => '',
  string: () => 'Grüße, 世界, 😀',
  'string with NUL': () => 'a\0b',
  'string with a lone surrogate': () => 'a\ud800b',
  'string that looks like JSON': () => '{"a":1}',
  'long string': () => 'x'.repeat(100_000),
  bigint: () => 2n ** 80n,
  'negative bigint': () => -1n,
  Date: () => new Date(Date.UTC(2024, 1, 29, 12, 30, 15, 123)),
  'invalid Date': () => new Date(Number.NaN),
  RegExp: () => /a(b+)\/c/giu,
  Map: () =>
    new Map<unknown, unknown>([
      ['a', 1],
      [2, new Map([[null, -0]])],
    ]),
  Set: () => new Set<unknown>([1, '1', null, new Date(0)]),
  Buffer: () => Buffer.from([0, 1, 254, 255]),
  'empty Buffer': () => Buffer.alloc(0),
  Uint8Array: () => new Uint8Array([1, 2, 3]),
  Float64Array: () => new Float64Array([0.5, -0, Number.NaN]),
  BigInt64Array: () => new BigInt64Array([-1n, 2n ** 62n]),
  ArrayBuffer: () => new Uint8Array([9, 8, 7]).buffer,
  'empty array': () => [],
  array: () => [1, 'two', null, [3, [4]], { five: 5 }],
  'array with undefined': () => [undefined, 1],
  cycle: makeCycle,
  'empty object': () => ({}),
  object: () => ({ b: 1, a: { list: [true, null], text: 'x' }, 'a key with spaces': 2 }),
  'object with undefined': () => ({ a: undefined, b: 1 }),
  'object with many kinds': () => ({
    when: new Date(1),
    big: 10n,
    not: Number.NaN,
    bytes: Buffer.from('x'),
    set: new Set([1]),
  }),
  'object with integer keys': () => ({ 10: 'ten', 2: 'two', '-1': 'minus one' }),
  'object with an own __proto__ key': () => JSON.parse('{"__proto__":{"admin":true},"constructor":1}'),
};

/** An Error with a class, a cause and a message: told apart by these, not by its stack. */
export function makeError(): Error {
  return new TypeError('wrong kind', { cause: new RangeError('too far') });
}

/** An object that holds itself, directly and through an array. */
export function makeCycle(): { name: string; self: unknown; list: unknown[] } {
  const cycle: { name: string; self: unknown; list: unknown[] } = { name: 'cycle', self: undefined, list: [] };
  cycle.self = cycle;
  cycle.list.push(cycle, { back: cycle });
  return cycle;
}

/** What no cache stores. */
export const BAD_VALUES: Readonly<Record<string, unknown>> = {
  undefined,
  function: () => 1,
  symbol: Symbol('s'),
};

/** Refused by the backends that pack values; a backend that keeps references looks only at the top. */
export const BAD_NESTED_VALUES: Readonly<Record<string, unknown>> = {
  'nested function': { a: [() => 1] },
  'nested symbol': { a: { b: Symbol('s') } },
};

export const BAD_KEYS: Readonly<Record<string, unknown>> = {
  'empty string': '',
  NUL: 'a\0b',
  number: 1,
  null: null,
  undefined,
  object: {},
  array: ['a'],
  symbol: Symbol('k'),
  'over the limit': 'k'.repeat(64 * 1024 + 1),
};

export const BAD_TTLS: Readonly<Record<string, unknown>> = {
  zero: 0,
  negative: -1,
  NaN: Number.NaN,
  '-Infinity': Number.NEGATIVE_INFINITY,
  'unknown unit': '5 parsecs',
  'empty string': '',
  'zero with a unit': '0s',
  null: null,
  boolean: true,
  array: [1],
};

export const BAD_TAGS: Readonly<Record<string, unknown>> = {
  string: 'tag',
  'empty tag': [''],
  NUL: ['a\0b'],
  number: [1],
  'too long': ['t'.repeat(256)],
  'too many': Array.from({ length: 65 }, (_, each) => `t${each}`),
};

/** Keys that trip caches: each is a key of its own. */
export const STRANGE_KEYS: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  ' ',
  ' a',
  'a ',
  'A',
  'a',
  'ä',
  'a\u0308',
  '😀',
  '%',
  '_',
  "'; DROP TABLE hyper_cache; --",
  '\\',
  '"',
  '\n',
  '0',
  '00',
  'null',
  'undefined',
  `${'k'.repeat(255)}`,
  `${'k'.repeat(299)}1`,
  `${'k'.repeat(299)}2`,
  `${'ü'.repeat(149)}1`,
  `${'ü'.repeat(149)}2`,
];
