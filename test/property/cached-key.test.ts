import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { argumentsKey } from '../../client/cached-key.js';

const SEED = 20_191;

/** Strings near the renderings of other values, and the values themselves. */
const awkward = fc.constantFrom<unknown>(
  ...['1', 'true', 'null', '-0', 'a:b', 'a=1', '{a=1}', '[1]', '"', '\\', 'NaN', '1n', ',', '=>', 'undefined', ''],
  ...[1, -0, 0, true, null, undefined, Number.NaN, 1n],
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    awkward,
    fc.string({ unit: 'binary', maxLength: 4 }),
    fc.double(),
    fc.bigInt(),
    fc.date(),
    fc.uint8Array({ maxLength: 3 }),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.oneof(fc.constantFrom('a', 'b', 'a=1', 'a,b', '"'), fc.string({ maxLength: 3 })), tie('value'), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
    fc.array(tie('value'), { maxLength: 2 }).map((items) => new Set(items)),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 2 }).map((entries) => new Map(entries)),
  ),
}));
const args = fc.array(value, { maxLength: 3 });

/** Maps and sets in another order are told apart by keys, and are alike for isDeepStrictEqual: only one way counts. */
test('argument lists that differ have keys that differ', () => {
  fc.assert(
    fc.property(args, args, (a, b) => {
      if (!isDeepStrictEqual(a, b)) assert.is.not(argumentsKey('p', a), argumentsKey('p', b));
    }),
    { numRuns: 3000, seed: SEED },
  );
});

test('a list has one key, however its objects were put together', () => {
  const reversed = (item: unknown): unknown => {
    if (Array.isArray(item)) return item.map(reversed);
    if (typeof item !== 'object' || item === null || Object.getPrototypeOf(item) !== Object.prototype) return item;
    return Object.fromEntries(
      Object.entries(item)
        .reverse()
        .map(([name, member]) => [name, reversed(member)]),
    );
  };
  fc.assert(
    fc.property(args, (list) => {
      assert.is(argumentsKey('p', list), argumentsKey('p', list.map(reversed)));
    }),
    { numRuns: 1000, seed: SEED },
  );
});

test.run();
