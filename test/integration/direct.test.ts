// gate: cost=1 timeout=60
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BYTES_MAX, Direct, KEYS_MAX, WRITES_MAX } from '../../daemon/direct.js';
import { toBytes } from '../../daemon/packed.js';
import { pack, unpack } from '../../shared/codec.js';
import { BINARY_ARRAYS, PLAIN_ARRAYS } from '../../shared/table/binary.js';
import { parseTextArray } from '../../shared/table/queryable.js';
import type { WriteBatch } from '../../shared/table/write.js';
import { eventually } from '../support/daemon.js';
import { testDatabase } from '../support/postgres.js';
import { set, TestTable } from '../support/table.js';

const SPACE = { namespace: 'default', table: undefined, storage: 'jsonb' } as const;
const LOCK_TIMEOUT_MS = 10_000;
const database = await testDatabase();
const table = await TestTable.open(database.url);

function open(): Direct {
  const settings = {
    table: 'hyper_cache',
    logged: false,
    pooler: false,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
    lookTimeoutMs: 5000,
  };
  return new Direct({ ...settings, connection: { connectionString: database.url } }, () => {});
}

function batchOf(...items: WriteBatch['items']): WriteBatch {
  return { number: undefined, again: false, ageMs: 0, lockTimeoutMs: LOCK_TIMEOUT_MS, invalidated: [], items };
}

const keys = (length: number) => Array.from({ length }, (_, index) => `key:${index}`);

test('small statements are sent, what holds too much is declined before it is', async () => {
  const direct = open();
  const small = keys(WRITES_MAX).map((key) => set(key, key));
  assert.is((await direct.write(SPACE, batchOf(...small)))?.state, 'done');
  const read = await direct.read(SPACE, keys(KEYS_MAX));
  assert.equal(read?.found.map((entry) => unpack(toBytes(entry.bytes))).sort(), keys(KEYS_MAX).sort());
  assert.is(direct.read(SPACE, keys(KEYS_MAX + 1)), undefined);
  assert.is(direct.write(SPACE, batchOf(...keys(WRITES_MAX + 1).map((key) => set(key, 1)))), undefined);
  assert.is(direct.write(SPACE, batchOf(set('big', 'x'.repeat(BYTES_MAX)))), undefined);
  await direct.close();
});

test('a read that finds big values is left to the workers, and some of those after it', async () => {
  const direct = open();
  // Random digits: a value that compresses well is a small one.
  const digits = Array.from({ length: BYTES_MAX }, () => String(Math.random()).slice(2)).join('');
  await table.done([set('big', digits), set('small', 1)]);
  assert.is(await direct.read(SPACE, ['small', 'big']), undefined);
  assert.is(direct.read(SPACE, ['small']), undefined);
  let declined = 1;
  let sent = direct.read(SPACE, ['small']);
  for (; sent === undefined; sent = direct.read(SPACE, ['small'])) declined += 1;
  assert.is((await sent)?.found.length, 1);
  assert.ok(declined > 10 && declined < 1000, `${declined} were declined`);
  await direct.close();
});

test('a read that was planned while the table was empty finds its keys by index when there are many', async () => {
  const space = { namespace: 'grown', table: 'grown', storage: 'jsonb' } as const;
  const direct = open();
  const few = keys(KEYS_MAX);
  assert.equal((await direct.read(space, few))?.found, []);
  // Neither this nor ANALYZE may come later: both throw plans away. One is kept after five reads.
  await table.sql('ALTER TABLE grown SET (autovacuum_enabled = off)');
  for (let round = 0; round < 10; round += 1) assert.equal((await direct.read(space, few))?.found, []);
  await table.sql(`INSERT INTO grown (key, value, expires_at)
    SELECT 'key:' || i, '1', 'infinity' FROM generate_series(0, 9999) AS i`);
  assert.is((await direct.read(space, few))?.found.length, KEYS_MAX);
  // Its connections tell what they read when they end.
  await direct.close();
  const scans = () =>
    table.sql('SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_user_tables WHERE relname = $1', ['grown']);
  await eventually(
    'the figures',
    async () => Number((await scans())[0]?.idx_tup_fetch) >= KEYS_MAX || Number((await scans())[0]?.seq_tup_read) > 0,
  );
  assert.is(Number((await scans())[0]?.seq_tup_read), 0);
});

test('what finds all connections taken is declined, and closing does not wait for what is stuck', async () => {
  const direct = open();
  await table.done([set('locked', 1)]);
  const holder = await table.pool.connect();
  await holder.query('BEGIN');
  await holder.query(`UPDATE hyper_cache SET value = '2' WHERE key = 'locked'`);
  try {
    const sent = [direct.write(SPACE, batchOf(set('locked', 3))), direct.write(SPACE, batchOf(set('locked', 3)))];
    const failures = Promise.allSettled(sent);
    assert.is(direct.write(SPACE, batchOf(set('free', 3))), undefined);
    assert.is((await direct.read(SPACE, ['locked']))?.found.length, 1, 'reads have connections of their own');
    const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
    while ((await table.sql(waiting)).length < sent.length);
    const beganMs = performance.now();
    await direct.close();
    const ends = await failures;
    assert.ok(performance.now() - beganMs < LOCK_TIMEOUT_MS / 2, 'before the lock timeout');
    assert.equal(
      ends.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
  } finally {
    await holder.query('ROLLBACK');
    holder.release();
  }
});

const same = <T>(item: T): T => item;

test('arrays arrive the same in the binary format as in the plain one', async () => {
  const texts = ['', 'a', '"quoted", {braced}', 'back\\slash', 'NULL', null, 'żółć 🙂', "it's"];
  const values = [{ a: 1, b: ['"x"\n', 0.5] }, { bb: 1, a: 'żółć' }, -0, 'a\0', ['x'.repeat(20_000)], 7n].map(pack);
  const numbers = [0, -1, 1.5, 300_000, Number.POSITIVE_INFINITY, null];
  const integers = [0, -1, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, null];
  for (const empty of [false, true]) {
    const rows = [];
    for (const arrays of [PLAIN_ARRAYS, BINARY_ARRAYS]) {
      const some = <T>(items: T[]) => (empty ? [] : items);
      const json = arrays.values(some([...values, undefined]), same, 'jsonb');
      const packed = arrays.values(some(values), same, 'packed');
      assert.equal([packed.value, json.value === null], [empty ? packed.value : null, false]);
      const parameters = [
        arrays.text(some(texts), same),
        arrays.float8(some(numbers), same),
        arrays.int8(some(integers), same),
        arrays.int2(some([0, 1, -5, null]), same),
        json.value,
        json.packed,
        packed.packed,
      ];
      rows.push(
        await table.sql(
          'SELECT $1::text[] AS a, $2::float8[] AS b, $3::int8[] AS c, $4::int2[] AS d, $5::text[] AS e, $6::bytea[] AS f, $7::bytea[] AS g',
          parameters,
        ),
      );
    }
    assert.equal(rows[0], rows[1]);
    if (!empty) assert.equal(rows[0]?.[0]?.a, texts);
    if (!empty)
      assert.equal(
        rows[0]?.[0]?.g,
        values.map((bytes) => Buffer.from(bytes)),
      );
  }
});

test('an array that Postgres prints is read as what it holds', async () => {
  const keys = [
    'user:1',
    'a b',
    '',
    'NULL',
    'null',
    '"',
    '\\',
    '{},',
    'zwei\nZeilen',
    '\\"\\',
    'żółć 🙂',
    "it's",
    '\t',
  ];
  for (const items of [[], keys.slice(0, 1), ['a', 'b'], keys]) {
    const [row] = await table.sql('SELECT $1::text[]::text AS printed', [items]);
    assert.equal(parseTextArray(String(row?.printed)), items);
  }
});

test.after(async () => {
  await table.close();
  await database.close();
});

test.run();
