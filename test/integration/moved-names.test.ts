import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Layout, textOf } from '../../shared/layout.js';
import { migrateSpace } from '../../shared/table/migrate.js';
import { movedName, partName, wholeNames } from '../../shared/table/names.js';
import { beginTopology, readTopology, type Topology } from '../../shared/table/topology.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';
import { set, TestTable } from '../support/table.js';

/**
 * What is made of keys that move to another database would not hear of them any more: it dies when any of them move, by a
 * name of its own for the namespace that they are of. Here the change of the layout is all that happens.
 */
const test = suite<{ db: TestDatabase; table: TestTable }>('names of what moved');

test.before.each(async (context) => {
  context.db = await testDatabase();
  context.table = await TestTable.open(context.db.url);
});

test.after.each(async ({ db, table }) => {
  await table.close();
  await db.close();
});

const NODE = 'a:5432/x';
const layoutOf = (weights: Record<string, number>, placement: Layout['placement'], places: Layout['places'] = {}) =>
  textOf({ nodes: Object.entries(weights).map(([name, weight]) => ({ name, weight })), placement, places });

let epochs = 0;

/** Goes over to a layout, which is known to follow the one before. */
async function change({ db, schema }: TestTable, layout: string): Promise<void> {
  const before = await readTopology(db, schema);
  const topology: Topology = { layout, epoch: `epoch ${++epochs}`, follows: before?.epoch ?? '', node: NODE };
  assert.ok(await beginTopology(db, schema, before, before?.layout ?? layout, topology));
}

/** Values made of one key of the namespace `parts`: with all names that an heir has, and with one of them alone. */
async function makeHeirs(table: TestTable): Promise<void> {
  await migrateSpace(table.pool, table.schema, 'parts');
  const all = [...wholeNames('parts'), partName('parts', 'k')];
  await table.done([set('heir', 1, all), set('by name alone', 1, [movedName('parts')]), set('stranger', 1)]);
}

const alive = async (table: TestTable) => {
  const keys = ['heir', 'by name alone', 'stranger'];
  const found = await Promise.all(keys.map((key) => table.read(key)));
  return keys.filter((_, at) => found[at]?.value === 1);
};

test('keys of a spread namespace move: its heirs die, wherever they are themselves', async ({ table }) => {
  const whole = { default: NODE };
  await change(table, layoutOf({ [NODE]: 1, 'b:5432/x': 1 }, 'spread', whole));
  await makeHeirs(table);
  assert.equal(await alive(table), ['heir', 'by name alone', 'stranger']);
  await change(table, layoutOf({ [NODE]: 1, 'b:5432/x': 2 }, 'spread', whole));
  assert.equal(await alive(table), ['stranger'], 'it lies on this database before and after');
});

test('a namespace that lies here whole before and after moves no keys, and its heirs live', async ({ table }) => {
  const whole = { default: NODE, parts: NODE };
  await change(table, layoutOf({ [NODE]: 1, 'b:5432/x': 1 }, 'spread', whole));
  await makeHeirs(table);
  await change(table, layoutOf({ [NODE]: 1, 'b:5432/x': 2 }, 'spread', whole));
  assert.equal(await alive(table), ['heir', 'by name alone', 'stranger']);
});

test('a namespace that leaves as a whole takes its heirs along', async ({ table }) => {
  await change(table, layoutOf({ [NODE]: 1, 'b:5432/x': 1 }, 'spread', { default: NODE, parts: NODE }));
  await makeHeirs(table);
  await change(table, layoutOf({ [NODE]: 1, 'b:5432/x': 1 }, 'spread', { default: NODE, parts: 'b:5432/x' }));
  assert.equal(await alive(table), ['stranger']);
});

test.run();
