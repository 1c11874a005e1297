/** The rule in SQL: which values the log kills, which fills are refused, and that neither trims nor crashes change it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { incarnate } from '../../shared/table/look.js';
import { readEntries } from '../../shared/table/read.js';
import { trim } from '../../shared/table/trim.js';
import { type TestCluster, testCluster } from '../support/postgres.js';
import { expire, incr, remove, set, TestTable } from '../support/table.js';

interface Context {
  cluster: TestCluster;
  table: TestTable;
}

const test = suite<Context>('table-rule');
const TAG = 't:default:tag';

test.before(async (context) => {
  context.cluster = await testCluster();
  context.table = await TestTable.open(context.cluster.url);
});
test.after(async ({ table, cluster }) => {
  await table?.close();
  await cluster?.close();
});

const floorOf = (snapshot: string) => snapshot.split(':')[0] as string;
const logRows = async (table: TestTable) =>
  (await table.sql<{ count: number }>('SELECT count(*)::int AS count FROM hyper_cache_log'))[0]!.count;

test('a read skips what the log kills, by tag, by key, by namespace, by everything', async ({ table }) => {
  for (const name of [TAG, 'k:default:key', 'n:default', '*']) {
    await table.done([set('key', 'old', [TAG]), set('other', 'stays')]);
    await table.invalidate('t:default:another', 'k:default:another', 'n:another', 'k:another:key');
    assert.is((await table.read('key')).value, 'old', name);
    await table.invalidate(name);
    assert.is((await table.read('key')).value, undefined, name);
    assert.is((await table.read('other')).value, name.length > 1 && !name.startsWith('n:') ? 'stays' : undefined, name);
    await table.done([set('key', 'new', [TAG])]);
    assert.is((await table.read('key')).value, 'new', 'what is written after it lives');
  }
});

test('a fill is stored where nothing came between', async ({ table }) => {
  const missed = await table.read('fill');
  assert.is(await table.offer('fill', 1, missed, [TAG]), true);
  assert.equal(await table.read('fill').then(({ value, names }) => [value, names]), [1, [TAG]]);
});

test('a fill is refused by a name that it does not see', async ({ table }) => {
  for (const name of [TAG, 'k:default:late', 'n:default', '*']) {
    const missed = await table.read('late');
    await table.invalidate(name);
    assert.is(await table.offer('late', 1, missed, [TAG]), false, name);
    assert.is(await table.offer('late', 1, await table.read('late'), [TAG]), true, 'asked anew it is stored');
    await table.done([remove('late')]);
  }
});

test('a fill is refused by a row that it does not see, alive, deleted or expired', async ({ table }) => {
  for (const items of [[set('row', 2)], [remove('row')], [set('row', 2, [], 1)], [incr('row')]]) {
    const missed = await table.read('row');
    await table.done(items);
    assert.is(await table.offer('row', 1, missed), false, items[0]!.op);
    await table.done([remove('row')]);
  }
});

test('a fill is refused below the floor, and in another incarnation', async ({ table }) => {
  const missed = await table.read('floor');
  assert.is(await table.offer('floor', 1, { ...missed, incarnation: '00000000-0000-0000-0000-000000000000' }), false);
  await table.done([set('unrelated', 1)]);
  const { base, incarnation } = await table.read('floor');
  await trim(table.db, table.schema, { floor: floorOf(base), incarnation });
  assert.is(await table.offer('floor', 1, missed), false);
  assert.is(await table.offer('floor', 1, await table.read('floor')), true);
});

test('an invalidation counts when its transaction has committed, and not if it does not', async ({ table }) => {
  const client = await table.pool.connect();
  try {
    for (const [end, value] of [
      ['ROLLBACK', 'v'],
      ['COMMIT', undefined],
    ] as const) {
      await table.done([set('tx', 'v', [TAG])]);
      await client.query('BEGIN');
      await client.query('INSERT INTO hyper_cache_log (name) VALUES ($1)', [TAG]);
      assert.is((await table.read('tx')).value, 'v', 'not before');
      const during = await table.read('absent in the transaction');
      await client.query(end);
      assert.is((await table.read('tx')).value, value, end);
      const stored = await table.offer('absent in the transaction', 1, during, [TAG]);
      assert.is(stored, end === 'ROLLBACK', 'a load that began before the commit');
    }
  } finally {
    client.release();
  }
});

test('a write whose snapshot is older than an invalidation does not come alive when the log is trimmed', async ({
  table,
}) => {
  // L invalidates and commits while a write that does not see it is under way, and has the greater xid.
  await table.done([set('young', 'v', [TAG])]);
  const invalidation = await table.pool.connect();
  const write = await table.pool.connect();
  try {
    await invalidation.query('BEGIN');
    await invalidation.query('INSERT INTO hyper_cache_log (name) VALUES ($1)', [TAG]);
    await table.done([expire('young', 7_200_000)]);
    await invalidation.query('COMMIT');
    assert.is((await table.read('young')).value, undefined);
    const [row] = await table.sql<{ xid: string; killer: string }>(
      `SELECT e.xid::text, (SELECT max(l.xid::text::bigint) FROM hyper_cache_log AS l WHERE name = $1) AS killer
       FROM hyper_cache AS e WHERE key = 'young'`,
      [TAG],
    );
    assert.ok(BigInt(row!.xid) > BigInt(row!.killer));
    // The floor lies between the two.
    const { incarnation } = await table.read('young');
    await trim(table.db, table.schema, { floor: row!.xid, incarnation });
    assert.is((await table.read('young')).value, undefined, 'the log stays as long as the row');
    const later = await table.read('young');
    await trim(table.db, table.schema, { floor: floorOf(later.base), incarnation });
    assert.is((await table.sql('SELECT 1 FROM hyper_cache_log WHERE name = $1', [TAG])).length, 0, 'the log was cut');
    assert.is((await table.read('young')).value, undefined);
  } finally {
    invalidation.release();
    write.release();
  }
});

test('a trim removes what expired and what was killed, and then cuts the log', async ({ table }) => {
  await table.done([set('brief', 1, [], 1), set('tagged', 1, [TAG]), set('stays', 1), remove('deleted')]);
  await table.invalidate(TAG);
  const present = await table.read('stays');
  assert.ok((await logRows(table)) > 0);
  assert.is(await trim(table.db, table.schema, { floor: '0', incarnation: 'another' }), 0);
  assert.ok((await logRows(table)) > 0, 'not in another incarnation');
  await trim(table.db, table.schema, { floor: floorOf(present.base), incarnation: present.incarnation });
  const keys = await table.sql<{ key: string }>(
    "SELECT key FROM hyper_cache WHERE key IN ('brief', 'tagged', 'stays', 'deleted')",
  );
  assert.equal(keys, [{ key: 'stays' }]);
  assert.is(await logRows(table), 0);
  const { logFloor } = await table.look(undefined);
  assert.is(logFloor, floorOf(present.base));
});

test('a trim waits for grace, but not where the log has killed the row', async ({ table }) => {
  const graced = (key: string, graceMs: number, names: string[] = []) => ({ ...set(key, 1, names, 1), graceMs });
  await table.done([graced('in grace', 60_000), graced('past', 1), graced('for ever', Number.POSITIVE_INFINITY)]);
  await table.done([graced('killed', 60_000, [TAG]), graced('deleted', 60_000), graced('replaced', 60_000)]);
  await table.done([remove('deleted'), set('replaced', 2, [], 1)]);
  const stale = async () => {
    const keys = ['in grace', 'past', 'for ever', 'killed', 'deleted', 'replaced'];
    const { found } = await readEntries(table.db, table.schema, table.space, keys, true, true);
    assert.ok(found.every(({ leftMs }) => leftMs <= 0));
    return found.map(({ key }) => key).sort();
  };
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(await stale(), ['for ever', 'in grace', 'killed']);
  assert.is((await table.read('in grace')).value, undefined, 'others do not see it');
  await table.invalidate(TAG);
  assert.equal(await stale(), ['for ever', 'in grace']);
  const present = await table.read('none');
  await trim(table.db, table.schema, { floor: floorOf(present.base), incarnation: present.incarnation });
  assert.equal(await stale(), ['for ever', 'in grace'], 'the killed one does not come back with the end of the log');
  const left = await table.sql<{ key: string }>(
    "SELECT key FROM hyper_cache WHERE key IN ('past', 'killed', 'deleted', 'replaced')",
  );
  assert.equal(left, []);
  await table.done([expire('in grace', 1)]);
  assert.equal(await stale(), ['for ever', 'in grace'], 'what has expired is not expired again');
  await table.sql("UPDATE hyper_cache SET value = '3' WHERE key = 'in grace'");
  assert.equal(await stale(), ['for ever'], 'another value has a grace of its own');
});

test('a trim skips locked rows, and then leaves the log', async ({ table }) => {
  for (const key of ['brief', 'tagged']) {
    await table.done([set('brief', 1, [], 1), set('tagged', 1, [TAG]), set('free', 1, [], 1)]);
    await table.invalidate(TAG);
    const { base, incarnation } = await table.read('x');
    const floor = floorOf(base);
    const holder = await table.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM hyper_cache WHERE key = $1 FOR UPDATE', [key]);
      await trim(table.db, table.schema, { floor, incarnation });
      const left = await table.sql("SELECT key FROM hyper_cache WHERE key IN ('brief', 'tagged', 'free')");
      assert.equal(left, [{ key }]);
      assert.ok((await logRows(table)) > 0, 'the log stays');
    } finally {
      await holder.query('ROLLBACK');
      holder.release();
    }
    await trim(table.db, table.schema, { floor, incarnation });
    assert.is((await table.sql('SELECT FROM hyper_cache WHERE key = $1', [key])).length, 0);
    assert.is(await logRows(table), 0);
  }
});

test('rows of prepared transactions count once these have committed', async ({ table }) => {
  const client = await table.pool.connect();
  try {
    await table.done([set('prepared', 'v', [TAG])]);
    await client.query('BEGIN');
    await client.query('INSERT INTO hyper_cache_log (name) VALUES ($1)', [TAG]);
    await client.query("PREPARE TRANSACTION 'p1'");
    assert.is((await table.read('prepared')).value, 'v');
    const { snapshot } = await table.look(undefined);
    await client.query("COMMIT PREPARED 'p1'");
    assert.is((await table.read('prepared')).value, undefined);
    const { rows } = await table.look(snapshot);
    assert.is(rows?.filter((row) => 'name' in row && row.name === TAG).length, 1);
  } finally {
    client.release();
  }
});

test('after a crash there is another incarnation, and what was prepared before it kills everything', async ({
  cluster,
  table,
}) => {
  const before = await table.read('x');
  const client = await table.pool.connect();
  client.on('error', () => {});
  await client.query('BEGIN');
  await client.query('INSERT INTO hyper_cache_log (name) VALUES ($1)', [TAG]);
  await client.query("PREPARE TRANSACTION 'p2'");
  await cluster.restart('immediate');
  client.release(true);
  const again = await TestTable.open(cluster.url);
  try {
    assert.is(await incarnate(again.db, again.schema), false, 'one incarnation is enough');
    const after = await again.read('x');
    assert.is.not(after.incarnation, before.incarnation);
    assert.is(await again.offer('x', 1, before), false, 'a load from before the crash');
    await again.done([set('after', 'v')]);
    const { snapshot } = await again.look(undefined);
    assert.is((await again.read('after')).value, 'v');
    await again.sql("COMMIT PREPARED 'p2'");
    assert.is((await again.read('after')).value, undefined, 'its names are lost, so it kills all that does not see it');
    const { rows } = await again.look(snapshot);
    assert.equal(
      rows?.map((row) => 'name' in row && row.name),
      ['*'],
    );
    await again.done([set('after', 'new')]);
    assert.is((await again.read('after')).value, 'new');
  } finally {
    await again.close();
  }
});

test('without the meta row nothing is written or read', async ({ cluster }) => {
  const table = await TestTable.open(cluster.url, { table: 'lost' });
  try {
    await table.done([set('k', 1)]);
    await table.sql('DELETE FROM lost_meta');
    assert.is((await table.write([set('k', 2)])).state, 'lost');
    assert.equal(await table.read('k').then(({ value, incarnation }) => [value, incarnation]), [undefined, '']);
    assert.equal(await table.sql('SELECT value FROM lost'), [{ value: 1 }]);
    assert.is(await incarnate(table.db, table.schema), true);
    assert.is((await table.write([set('k', 2)])).state, 'done');
  } finally {
    await table.close();
  }
});

test.run();
