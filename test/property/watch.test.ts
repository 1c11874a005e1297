// gate: cost=2 timeout=120
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rowId } from '../../shared/table-tags.js';
import { random } from '../support/random.js';
import { tagsOf, WatchedDatabase } from '../support/watched.js';

/**
 * Random statements on random tables, alone and in transactions with savepoints: every row that differs afterwards is
 * among the logged tags (itself, or all rows of its table), every table that differs too, and none that nobody touched.
 */
const ROUNDS = 150;
const { seed, next } = random(7);
const test = suite<{ db: WatchedDatabase }>('watch at random');

test.before(async (context) => {
  context.db = await WatchedDatabase.open();
  await context.db.sql(`CREATE TABLE t0 (id int PRIMARY KEY, n int);
    CREATE TABLE t1 (n int, id text PRIMARY KEY, up int REFERENCES t0 ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE t2 (a int, b text, n int, PRIMARY KEY (b, a));
    CREATE TABLE t3 (a int, b int, n int, PRIMARY KEY (a, b));
    CREATE TABLE t4 (id int PRIMARY KEY, n int) PARTITION BY HASH (id);
    CREATE TABLE t4a PARTITION OF t4 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE t4b PARTITION OF t4 FOR VALUES WITH (MODULUS 2, REMAINDER 1)`);
  await context.db.watch(['t0', 't1', 't2', 't3', 't4'], { rowsMax: 6 });
});
test.after((context) => context.db?.close());

const TABLES: Readonly<Record<string, readonly string[]>> = {
  t0: ['id'],
  t1: ['id'],
  t2: ['b', 'a'],
  t3: ['a', 'b'],
  t4: ['id'],
};
const pick = <T>(list: readonly T[]): T => list[next(list.length)]!;
const number = () => next(12);
const text = () => pick([`'x${number()}'`, `'${'long'.repeat(17)}${number()}'`, `'1:,${number()}'`]);

function row(table: string): string {
  if (table === 't1')
    return `${number()}, ${text()}, ${pick(['NULL::int', `(SELECT max(id) FROM t0 WHERE id <= ${number()})`])}`;
  if (table === 't2') return `${number()}, ${text()}, ${number()}`;
  if (table === 't3') return `${number()}, ${number()}, ${number()}`;
  return `${number()}, ${number()}`;
}

function condition(table: string): string {
  const column = pick([...TABLES[table]!, 'n']);
  const isText = (table === 't1' && column === 'id') || (table === 't2' && column === 'b');
  return pick([
    `${column} = ${isText ? text() : number()}`,
    `n < ${number()}`,
    isText ? `${column} < 'x3'` : `${column} % 4 = ${next(4)}`,
  ]);
}

function statement(): string {
  const table = pick(Object.keys(TABLES));
  const into = table === 't4' && next(3) === 0 ? pick(['t4a', 't4b']) : table;
  const values = Array.from({ length: 1 + next(pick([2, 12])) }, () => `(${row(table)})`).join(', ');
  const key = TABLES[table]!.join(', ');
  return pick([
    `INSERT INTO ${table} VALUES ${values} ON CONFLICT DO NOTHING`,
    `INSERT INTO ${table} SELECT DISTINCT ON (${key}) * FROM (VALUES ${values}) AS v(${columns(table)}) ORDER BY ${key} ON CONFLICT (${key}) DO UPDATE SET n = ${number()}`,
    `UPDATE ${into} SET n = ${number()} WHERE ${condition(table)}`,
    `UPDATE ${into} SET n = n + 1 WHERE ${condition(table)}`,
    `DELETE FROM ${into} WHERE ${condition(table)}`,
    table === 't0' || table === 't4'
      ? `UPDATE ${table} SET id = id + 100 WHERE id = ${number()}`
      : `UPDATE ${table} SET n = 1 WHERE false`,
    next(8) === 0 ? `TRUNCATE ${table} CASCADE` : `DELETE FROM ${into} WHERE ${condition(table)}`,
  ]);
}

function columns(table: string): string {
  return { t1: 'n, id, up', t2: 'a, b, n', t3: 'a, b, n' }[table] ?? 'id, n';
}

type Rows = Map<string, Map<string, string>>;

async function contents(db: WatchedDatabase): Promise<Rows> {
  const all: Rows = new Map();
  for (const [table, key] of Object.entries(TABLES)) {
    const ids = key.map((column) => `${column}::text`).join(', ');
    const rows = await db.sql<{ ids: string[]; whole: string }>(
      `SELECT ARRAY[${ids}] AS ids, t::text AS whole FROM ${table} AS t`,
    );
    all.set(table, new Map(rows.map(({ ids, whole }) => [rowId(ids), whole])));
  }
  return all;
}

/** The rows that are not the same before and after. */
function changes(before: Rows, after: Rows): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [table, old] of before) {
    const now = after.get(table)!;
    const ids = [...new Set([...old.keys(), ...now.keys()])].filter((id) => old.get(id) !== now.get(id));
    if (ids.length > 0) found.set(table, ids);
  }
  return found;
}

/** Statements of one commit; those in an undone savepoint change nothing, and log nothing. */
function work(): string[] {
  if (next(2) === 0) return [statement()];
  const inner = Array.from({ length: 1 + next(4) }, () => {
    const some = Array.from({ length: 1 + next(2) }, statement);
    return pick([some, ['SAVEPOINT s', ...some, 'ROLLBACK TO s'], ['SAVEPOINT s', ...some, 'RELEASE s']]);
  });
  return ['BEGIN', ...inner.flat(), pick(['COMMIT', 'COMMIT', 'ROLLBACK'])];
}

test('what is logged covers what has changed', async ({ db }) => {
  let changed = 0;
  let surplus = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const before = await contents(db);
    const statements = work();
    const told = `seed ${seed}, round ${round}: ${statements.join('; ')}`;
    const tags = new Set(
      await db.logs(() =>
        db.session(async (client) => {
          for (const sql of statements) {
            await client.query(sql).catch((error) => {
              // A key that is there already: the transaction is over, and changes nothing.
              if (error.code !== '23505' && error.code !== '25P02' && error.code !== '3B001')
                throw new Error(`${told}: ${error.message}`);
            });
          }
        }),
      ),
    );
    const found = changes(before, await contents(db));
    for (const [table, ids] of found) {
      // A row of t4 that was changed by way of its partition is logged as the partition's.
      const names = table === 't4' ? ['t4', 't4a', 't4b'] : [table];
      assert.ok(
        names.some((name) => tags.has(`public.${name}`)),
        `${told}: ${table} changed, logged: ${[...tags]}`,
      );
      for (const id of ids) {
        const covered = names.some((name) => tags.has(`public.${name}/*`) || tags.has(`public.${name}/=${id}`));
        assert.ok(covered, `${told}: ${table} ${id} changed, logged: ${[...tags]}`);
      }
      changed += ids.length;
    }
    if (statements.at(-1) === 'ROLLBACK') assert.equal([...tags], [], told);
    const only = statements[0];
    if (statements.length === 1 && only?.startsWith('UPDATE t3 SET n = n + 1')) {
      const ids = found.get('t3') ?? [];
      const exact =
        ids.length === 0
          ? []
          : ids.length > 6
            ? tagsOf('t3', '*')
            : ['public.t3', ...ids.map((id) => `public.t3/=${id}`)].sort();
      assert.equal([...tags], exact, told);
    }
    surplus += [...tags].filter((tag) => tag.includes('/=')).length;
  }
  assert.ok(changed > ROUNDS / 2 && surplus > ROUNDS / 2, `seed ${seed}: ${changed} rows changed, ${surplus} named`);
});

test.run();
