/** What one batch promises: its results, its number, its order of locks; and that a look finds each committed row once. */
import { randomUUID } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DatabaseFailure } from '../../shared/table/failure.js';
import { NUMBER_TAKEN } from '../../shared/table/space-sql.js';
import type { WriteItem } from '../../shared/table/write.js';
import { eventually, sleep } from '../support/daemon.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';
import { random as randomOf } from '../support/random.js';
import { add, expire, incr, remove, set, TestTable } from '../support/table.js';

interface Context {
  database: TestDatabase;
  table: TestTable;
}

const test = suite<Context>('table-write');

test.before(async (context) => {
  context.database = await testDatabase();
  context.table = await TestTable.open(context.database.url);
});
test.after(async ({ table, database }) => {
  await table?.close();
  await database?.close();
});

const keyNames = (count: number) => Array.from({ length: count }, (_, index) => `key ${index}`);

test('a batch tells what became of each item', async ({ table }) => {
  await table.done([set('there', 1), incr('n', 4), set('brief', 1, [], 1)]);
  await sleep(5);
  const { results, refused } = await table.done([
    set('plain', 1),
    add('there', 2),
    add('brief', 2),
    remove('absent'),
    incr('n', 3),
    incr('plain'.repeat(2), 2),
    expire('gone', 1000),
  ]);
  assert.equal(Object.fromEntries(results.map(({ key, existed, counter }) => [key, counter ?? existed])), {
    brief: true,
    absent: false,
    n: 7,
    plainplain: 2,
  });
  assert.equal(refused, {});
  assert.is((await table.read('there')).value, 1);
  assert.is((await table.read('brief')).value, 2);
});

test('a delete says whether there was something alive, and stays as a dead row', async ({ table }) => {
  await table.done([set('alive', 1), set('expired', 1, [], 1), set('killed', 1, ['t:default:d'])]);
  await table.invalidate('t:default:d');
  await sleep(5);
  for (const [key, existed] of [
    ['alive', true],
    ['alive', false],
    ['expired', false],
    ['killed', false],
    ['never', false],
  ] as const) {
    const { results } = await table.done([remove(key)]);
    assert.equal(results, [{ key, existed, counter: undefined }], key);
    assert.is((await table.sql('SELECT FROM hyper_cache WHERE key = $1', [key])).length, 1);
  }
});

test('an increment starts over where the counter is expired, killed or deleted', async ({ table }) => {
  await table.done([incr('expired n', 5, 1), incr('killed n', 5), incr('deleted n', 5), incr('alive n', 5)]);
  await table.invalidate('k:default:killed n');
  await table.done([remove('deleted n')]);
  await sleep(5);
  const { results } = await table.done(['expired n', 'killed n', 'deleted n', 'alive n'].map((key) => incr(key, 2)));
  assert.equal(Object.fromEntries(results.map(({ key, counter }) => [key, counter])), {
    'expired n': 2,
    'killed n': 2,
    'deleted n': 2,
    'alive n': 7,
  });
});

test('an increment is refused over another value and beyond the safe integers, and leaves both', async ({ table }) => {
  const max = Number.MAX_SAFE_INTEGER;
  await table.done([set('text', 'no counter'), incr('full', max), incr('empty', -max)]);
  const { results, refused } = await table.done([incr('text'), incr('full', 1), incr('empty', -1), incr('fine')]);
  assert.equal(refused, { text: 'not a counter', full: 'overflow', empty: 'overflow' });
  assert.equal(results, [{ key: 'fine', existed: true, counter: 1 }]);
  assert.is((await table.read('text')).value, 'no counter');
  assert.is((await table.read('full')).value, max);
  assert.is((await table.read('empty')).value, -max);
});

test('an expire keeps the value, its names and a counter, and finds only what is alive', async ({ table }) => {
  await table.done([set('e', new Date(0), ['t:default:e']), incr('e n', 3), set('e brief', 1, [], 1)]);
  await sleep(5);
  const { results } = await table.done([
    expire('e', 1e7),
    expire('e n', 1e7),
    expire('e brief', 1e7),
    expire('no', 1e7),
  ]);
  assert.equal(results.map(({ key }) => key).sort(), ['e', 'e n']);
  const { value, names } = await table.read('e');
  assert.equal([value, names], [new Date(0), ['t:default:e']]);
  assert.is((await table.done([incr('e n')])).results[0]?.counter, 4);
  await table.invalidate('t:default:e');
  assert.is((await table.read('e')).value, undefined, 'it is no younger than it was');
});

test('the same number is taken once, and answered twice', async ({ table }) => {
  const number = { host: randomUUID(), start: 1, batch: 1 };
  const items = [incr('once', 5), add('once added', 1), remove('once absent')];
  const first = await table.done(items, { number });
  const again = await table.done(items, { number, again: true });
  assert.equal([again.xid, again.snapshot, again.results], [first.xid, first.snapshot, first.results]);
  assert.is((await table.read('once')).value, 5);
  const next = await table.done([incr('once', 1)], { number: { ...number, batch: 2 } });
  assert.is(next.results[0]?.counter, 6);
});

/** Whether the base is younger than a snapshot that was taken after all that was before. Other databases' transactions are in both. */
const IS_OWN = (snapshot: string) => `pg_snapshot_xmax(base) >= pg_snapshot_xmax(${snapshot}::pg_snapshot) AS own`;

test('a set by itself does what it does among others, and is answered again under its number', async ({ table }) => {
  const values = [1, { b: 1, a: [null] }, new Date(0), 'text'];
  for (const [index, value] of values.entries()) {
    const ttlMs = index === 0 ? Number.POSITIVE_INFINITY : 60_000;
    const graceMs = index === 1 ? 700 : undefined;
    const of = (key: string) => ({
      ...set(key, value, index > 1 ? ['t:default:"q"', 't:default:b'] : [], ttlMs),
      graceMs,
    });
    for (const before of [remove, (key: string) => incr(key, 2)]) {
      await table.done([before(`alone ${index}`), before(`among ${index}`)]);
      const number = { host: randomUUID(), start: 1, batch: 1 };
      const last = (await table.look(undefined)).snapshot;
      const done = await table.done([of(`alone ${index}`)], { number, ageMs: 300 });
      assert.equal(await table.done([of(`alone ${index}`)], { number, again: true }), done);
      assert.equal((await table.look(last)).rows, [
        { xid: BigInt(done.xid), namespace: 'default', keys: [`alone ${index}`] },
      ]);
      await table.done([of(`among ${index}`), set('other', 1)], { ageMs: 300 });
      const columns =
        'value, counter, packed, names, op, grace, delta_ms, expires_at - now() BETWEEN $2 AND $3 AS timely';
      const rows = await table.sql(
        `SELECT ${columns}, ${IS_OWN('$4')}, xid::text FROM hyper_cache WHERE key = ANY ($1) ORDER BY key`,
        [
          [`alone ${index}`, `among ${index}`],
          index === 0 ? 'infinity' : '30 s',
          index === 0 ? 'infinity' : '59.7 s',
          last,
        ],
      );
      const [{ xid, ...alone } = {}, { xid: _, ...among } = {}] = rows;
      assert.equal(alone, among);
      assert.is(alone.timely, true);
      assert.is(xid, done.xid);
    }
  }
  const gone = await TestTable.open(table.pool.options.connectionString ?? '', { table: 'gone' });
  await gone.sql('DELETE FROM gone_meta');
  assert.equal(await gone.write([set('k', 1)]), { state: 'lost' });
  assert.is((await gone.sql('SELECT FROM gone')).length, 0);
  await gone.close();
});

test('an increment by itself does what it does among others, and is answered again under its number', async ({
  table,
}) => {
  const max = Number.MAX_SAFE_INTEGER;
  const carrying = (key: string) => ({ ...set(key, { a: 1 }, ['t:default:carried'], 1), graceMs: 1 });
  const cases: Record<string, readonly ((key: string) => WriteItem)[]> = {
    absent: [],
    counting: [(key) => incr(key, 5)],
    'from zero': [(key) => incr(key, 2), (key) => incr(key, -2)],
    expired: [(key) => incr(key, 5, 1)],
    'of a value that expired': [carrying],
    killed: [(key) => incr(key, 5)],
    deleted: [(key) => incr(key, 5), remove],
    value: [(key) => set(key, 'no counter', ['t:default:carried'])],
    full: [(key) => incr(key, max)],
    'full, and expired': [(key) => incr(key, max, 1)],
    'nearly full': [(key) => incr(key, max - 3)],
    negative: [(key) => incr(key, -max)],
  };
  for (const [name, before] of Object.entries(cases)) {
    const keys = [`alone ${name}`, `among ${name}`, `peer ${name}`] as const;
    for (const item of before) await table.done(keys.map(item));
    if (name === 'killed') await table.invalidate(...keys.map((key) => `k:default:${key}`));
    await sleep(5);
    const number = { host: randomUUID(), start: 1, batch: 1 };
    const last = (await table.look(undefined)).snapshot;
    const item = (key: string) => incr(`${key} ${name}`, 3, 60_000);
    const done = await table.done([item('alone')], { number, ageMs: 300 });
    assert.equal(await table.done([item('alone')], { number, again: true }), done, name);
    const news = (await table.look(last)).rows;
    const { results, refused } = await table.done([item('among'), set('other', 1)], { ageMs: 300 });
    const beside = { ...incr(`beside ${name}`), ttlMs: 1 };
    const between = (await table.look(undefined)).snapshot;
    const peers = await table.done([beside, item('peer')], { ageMs: 300 });
    const told = (await table.look(between)).rows?.flatMap((row) => ('keys' in row ? row.keys : []));
    assert.equal(told?.toSorted(), [beside.key, ...(results[0]?.counter === 3 ? [`peer ${name}`] : [])], name);
    assert.equal(peers.results.find(({ key }) => key === beside.key)?.counter, 1, name);
    assert.equal(
      [peers.results.find(({ key }) => key === `peer ${name}`)?.counter, Object.values(peers.refused)],
      [results[0]?.counter, Object.values(refused)],
      name,
    );
    assert.equal(
      [done.results.map((result) => ({ ...result, key: '' })), Object.values(done.refused)],
      [results.map((result) => ({ ...result, key: '' })), Object.values(refused)],
      name,
    );
    const starts = done.results[0]?.counter === 3;
    assert.equal(news, starts ? [{ xid: BigInt(done.xid), namespace: 'default', keys: [`alone ${name}`] }] : [], name);
    const columns = `value, counter, packed, names, op, grace, delta_ms, ${IS_OWN('$2')},
      CASE WHEN expires_at - now() BETWEEN '30 s' AND '59.7 s' THEN 'new' WHEN expires_at > now() THEN 'old' END AS expiry`;
    const [{ xid, ...alone } = {}, { xid: _, ...among } = {}, { xid: __, ...peer } = {}] = await table.sql(
      `SELECT ${columns}, xid::text FROM hyper_cache WHERE key = ANY ($1) ORDER BY key`,
      [keys, last],
    );
    assert.equal(alone, among, name);
    assert.equal(peer, among, name);
    if (done.results.length > 0) assert.is(xid, done.xid, name);
  }
  const gone = await TestTable.open(table.pool.options.connectionString ?? '', { table: 'gone_too' });
  await gone.sql('DELETE FROM gone_too_meta');
  assert.equal(await gone.write([incr('k')]), { state: 'lost' });
  assert.is((await gone.sql('SELECT FROM gone_too')).length, 0);
  await gone.close();
});

test('an increment that waits for the row of its counter asks all again of what it finds then', async ({ table }) => {
  const ends: readonly [string, string, number | string][] = [
    ['counts on', `UPDATE hyper_cache SET counter = 40, xid = pg_current_xact_id() WHERE key = $1`, 41],
    [
      'refuses',
      `UPDATE hyper_cache SET counter = NULL, value = '1', xid = pg_current_xact_id() WHERE key = $1`,
      'not a counter',
    ],
    ['starts over', `UPDATE hyper_cache SET expires_at = '-infinity', xid = pg_current_xact_id() WHERE key = $1`, 1],
    ['starts', `DELETE FROM hyper_cache WHERE key = $1`, 1],
    ['is not the first', `INSERT INTO hyper_cache (key, counter, expires_at) VALUES ($1, 40, 'infinity')`, 41],
  ];
  for (const [key, sql, expected] of ends) {
    if (!sql.startsWith('INSERT')) await table.done([incr(key, 7)]);
    const holder = await table.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query(sql, [key]);
      const asked = table.done([incr(key)]);
      await eventually('a statement that waits', async () => {
        const waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        return (await table.sql(waiting)).length === 1;
      });
      await holder.query('COMMIT');
      const { results, refused } = await asked;
      assert.is(results[0]?.counter ?? refused[key], expected, key);
    } finally {
      holder.release();
    }
  }
});

test('a later number, or a later start, shuts out what is earlier', async ({ table }) => {
  const host = randomUUID();
  await table.done([set('late', 'kept')], { number: { host, start: 2, batch: 5 } });
  for (const number of [
    { host, start: 2, batch: 4 },
    { host, start: 1, batch: 9 },
  ]) {
    assert.equal(await table.write([set('late', 'no')], { number, again: true }), { state: 'superseded' });
    for (const items of [[set('late', 'no')], [incr('late n')], [set('late', 'no'), incr('late n')]]) {
      const error = await table.write(items, { number }).catch((e) => e);
      assert.ok(error instanceof DatabaseFailure && error.sqlState === NUMBER_TAKEN, String(error));
    }
    assert.is((await table.sql("SELECT FROM hyper_cache WHERE key = 'late n'")).length, 0);
    assert.is((await table.read('late')).value, 'kept');
  }
  await table.done([set('late', 'next')], { number: { host, start: 3, batch: 1 } });
  assert.is((await table.read('late')).value, 'next');
});

test('of two statements of one number one waits for the other, and one takes effect', async ({ table }) => {
  const number = { host: randomUUID(), start: 1, batch: 1 };
  await table.done([set('held', 0)]);
  const holder = await table.pool.connect();
  try {
    await holder.query('BEGIN');
    await holder.query("SELECT FROM hyper_cache WHERE key = 'held' FOR UPDATE");
    const items = [incr('both', 1), set('held', 1)];
    const lost = table.write(items, { number }).catch((error) => error);
    await eventually('a statement that waits', async () => {
      const waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
      return (await table.sql(waiting)).length === 1;
    });
    const resent = table.write(items, { number, again: true }).catch((error) => error);
    await sleep(50);
    await holder.query('COMMIT');
    const ends = await Promise.all([lost, resent]);
    const done = ends.filter((end) => !(end instanceof Error) && end.state === 'done');
    const taken = ends.filter((end) => end instanceof DatabaseFailure && end.sqlState === NUMBER_TAKEN);
    assert.is(done.length + taken.length, 2, String(ends));
    assert.ok(done.length >= 1);
    assert.is((await table.read('both')).value, 1, 'never twice');
    const settled = await table.done(items, { number, again: true });
    assert.is(settled.results.find(({ key }) => key === 'both')?.counter, 1);
  } finally {
    holder.release();
  }
});

test('a batch that meets a locked row gives up in its time, with nothing done', async ({ table }) => {
  await table.done([set('locked', 1)]);
  const holder = await table.pool.connect();
  try {
    await holder.query('BEGIN');
    await holder.query("SELECT FROM hyper_cache WHERE key = 'locked' FOR UPDATE");
    const error = await table.write([set('free', 2), set('locked', 2)], { lockTimeoutMs: 50 }).catch((e) => e);
    assert.ok(
      error instanceof DatabaseFailure && error.kind === 'refused' && error.sqlState === '55P03',
      String(error),
    );
    assert.is((await table.read('free')).value, undefined);
  } finally {
    await holder.query('ROLLBACK');
    holder.release();
  }
  const [setting] = await table.sql<{ lock_timeout: string }>('SHOW lock_timeout');
  assert.is(setting?.lock_timeout, '0', 'nothing is left behind');
});

test('batches of the same keys in opposite orders do not deadlock', async ({ table }) => {
  const keys = keyNames(40);
  const writer = async (order: readonly string[], round: (key: string) => ReturnType<typeof set>) => {
    for (let count = 0; count < 40; count++) await table.done(order.map(round));
  };
  await Promise.all([
    writer(keys, (key) => set(key, 1)),
    writer(keys.toReversed(), (key) => (key.endsWith('3') ? remove(key) : incr(`n ${key}`))),
    writer(keys.toReversed(), (key) => set(key, 2)),
    writer(keys, (key) => (key.endsWith('3') ? remove(key) : incr(`n ${key}`))),
  ]);
  assert.is((await table.read('n key 0')).value, 80);
});

test('a look finds each committed row once, under writers with savepoints, rollbacks and delays', async ({ table }) => {
  const { seed, next } = randomOf();
  const random = () => next(1e6) / 1e6;
  const committed: string[] = [];
  let working = true;
  const writer = async (id: number) => {
    const client = await table.pool.connect();
    for (let round = 0; round < 60; round++) {
      const names = [`t:look:${id}:${round}:a`, `t:look:${id}:${round}:b`] as const;
      const isKept = random() < 0.7;
      const innerIsKept = random() < 0.5;
      await client.query('BEGIN');
      await client.query('INSERT INTO hyper_cache_log (name) VALUES ($1)', [names[0]]);
      if (random() < 0.3) await sleep(random() * 8);
      await client.query('SAVEPOINT s');
      await client.query('INSERT INTO hyper_cache_log (name) VALUES ($1)', [names[1]]);
      await client.query(innerIsKept ? 'RELEASE s' : 'ROLLBACK TO s');
      if (random() < 0.3) await sleep(random() * 8);
      await client.query(isKept ? 'COMMIT' : 'ROLLBACK');
      if (isKept) committed.push(names[0], ...(innerIsKept ? [names[1]] : []));
    }
    client.release();
  };
  const seen: string[] = [];
  let { snapshot } = await table.look(undefined);
  const follow = async () => {
    const sight = await table.look(snapshot);
    snapshot = sight.snapshot;
    seen.push(...sight.rows!.flatMap((row) => ('name' in row && row.name.startsWith('t:look:') ? [row.name] : [])));
  };
  const follower = (async () => {
    while (working) await follow();
  })();
  await Promise.all([1, 2, 3, 4].map(writer));
  working = false;
  await follower;
  await follow();
  assert.equal(seen.sort(), committed.sort(), `seed ${seed}`);
});

test('a look with more rows than its limit brings none', async ({ table }) => {
  const { snapshot } = await table.look(undefined);
  await table.invalidate('t:x:1', 't:x:2', 't:x:3');
  // One more says that anything was invalidated at all.
  assert.is((await table.look(snapshot, 3)).rows, undefined);
  assert.is((await table.look(snapshot, 4)).rows?.length, 4);
});

test.run();
