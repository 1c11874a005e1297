import assert from 'node:assert/strict';
import fc from 'fast-check';
import pg from 'pg';
import { test } from 'uvu';
import { jsonToPacked, pack, packedToJson, unpack } from '../../shared/codec.js';
import { LIMIT } from '../../shared/protocol.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';
import { assertSame } from '../support/same.js';

let database: TestDatabase | undefined;
let client: pg.Client;

test.before(async () => {
  database = await testDatabase();
  client = new pg.Client({ connectionString: database.url });
  client.on('error', () => {});
  await client.connect();
});

test.after(async () => {
  await client?.end();
  await database?.close();
});

/** Many values through JSONB in one statement, each as the text that Postgres prints. */
async function throughJsonb(texts: readonly string[]): Promise<string[]> {
  const sql = 'SELECT t::jsonb::text AS text FROM unnest($1::text[]) WITH ORDINALITY AS u(t, n) ORDER BY n';
  return (await client.query<{ text: string }>(sql, [texts])).rows.map(({ text }) => text);
}

async function check(values: readonly unknown[]): Promise<{ carried: number; unordered: number }> {
  const carried = values.flatMap((value) => {
    const form = packedToJson(pack(value));
    return form === undefined ? [] : [{ value, form }];
  });
  const back = await throughJsonb(carried.map(({ form }) => form.json));
  let unordered = 0;
  for (const [i, { value, form }] of carried.entries()) {
    const got = unpack(jsonToPacked(back[i]!));
    assert.deepStrictEqual(got, value);
    if (form.ordered) {
      assertSame(got, value);
    } else {
      unordered++;
      assert.notEqual(JSON.stringify(got), JSON.stringify(value));
    }
  }
  return { carried: carried.length, unordered };
}

test('random values come back from a real JSONB the same, in order where it is said', async () => {
  const key = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 3 }),
    fc.constantFrom('a', 'b', 'aa', '0', '10', '9', '4294967294', '4294967295', 'é', '漢', '🙂', '\uffee\u0061'),
  );
  const scalar = fc.oneof(fc.double(), fc.maxSafeInteger(), fc.string({ unit: 'binary' }), fc.constantFrom(null, true));
  const tree = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      scalar,
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(key, tie('value'), { maxKeys: 6, noNullPrototype: true }),
    ),
  })).value;
  const seed = Date.now() % 1_000_000_007;
  try {
    const { carried, unordered } = await check(fc.sample(tree, { seed, numRuns: 4000 }));
    assert.ok(carried > 1000 && unordered > 50, `${carried} carried, ${unordered} of them unordered`);
  } catch (error) {
    throw new Error(`with seed ${seed}`, { cause: error });
  }
});

test('the ends of the number range', async () => {
  const numbers = [5e-324, 2.2250738585072014e-308, 1e-7, 0.1, 9007199254740991, -9007199254740991, 4503599627370495.5];
  assert.equal((await check(numbers)).carried, numbers.length);
});

test('nesting up to the limit', async () => {
  let value: unknown = 1;
  for (let i = 0; i < LIMIT.valueDepthMax; i++) value = i % 2 ? { a: value } : [value];
  assert.equal((await check([value])).carried, 1);
});

test('integers that other programs wrote are not rounded', async () => {
  const [text] = await throughJsonb(['{"id": 9223372036854775807, "e": 1e20, "n": -0, "f": 1.50, "g": 1e400}']);
  const value = unpack(jsonToPacked(text!));
  assertSame(value, { e: 10n ** 20n, f: 1.5, g: 10n ** 400n, n: 0, id: 9223372036854775807n });
});

test.run();
