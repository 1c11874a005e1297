/** Which tables and rows a query reads, by a real catalog; and what can't be known. */
// gate: cost=1 timeout=120
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Classifier } from '../../client/query/index.js';
import { queryCall } from '../../client/query/request.js';
import { rowId } from '../../shared/table-tags.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';

const test = suite<{ db: TestDatabase; pool: pg.Pool; tags: (text: string, values?: unknown[]) => Promise<string> }>(
  'query-classify',
);

const SCHEMA = `
  CREATE SCHEMA shop;
  CREATE TABLE products (id int PRIMARY KEY, name text, price numeric, made date);
  CREATE TABLE shop.products (id int PRIMARY KEY);
  CREATE TABLE orders (id bigint PRIMARY KEY, product int REFERENCES products ON DELETE CASCADE);
  CREATE TABLE lines (a int, b text, n int, PRIMARY KEY (b, a));
  CREATE TABLE things (id uuid PRIMARY KEY);
  CREATE TABLE words (id varchar(20) PRIMARY KEY, n int);
  CREATE TABLE fixed (id char(5) PRIMARY KEY);
  CREATE TABLE keyless (id int);
  CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  CREATE TABLE folded (id text COLLATE ci PRIMARY KEY);
  CREATE TABLE events (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
  CREATE TABLE events_new PARTITION OF events DEFAULT;
  CREATE TABLE base (id int PRIMARY KEY);
  CREATE TABLE derived (x int) INHERITS (base);
  CREATE VIEW cheap AS SELECT * FROM products WHERE price < 10;
  CREATE VIEW cheap_orders AS SELECT o.id, c.name FROM orders AS o JOIN cheap AS c ON c.id = o.product;
  CREATE VIEW recent AS SELECT * FROM products WHERE made > CURRENT_DATE - 7;
  CREATE VIEW called AS SELECT shop_total(id) AS t FROM products_of() AS p (id);
  CREATE MATERIALIZED VIEW stored AS SELECT * FROM products;
  CREATE TABLE secret (id int PRIMARY KEY);
  ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
  CREATE TYPE mood AS ENUM ('sad', 'happy');
  CREATE DOMAIN small AS int CHECK (value < 100);
  CREATE TABLE moods (id int PRIMARY KEY, m mood);
  CREATE FUNCTION label(products) RETURNS text LANGUAGE sql STABLE AS $$ SELECT $1.name $$;
  CREATE FUNCTION lied(int) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT count(*) FROM orders $$;
  CREATE FUNCTION shop.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT name FROM products LIMIT 1 $$;
  CREATE FUNCTION eq(text, int) RETURNS boolean LANGUAGE sql AS $$ SELECT random() > 0.5 $$;
  CREATE OPERATOR === (LEFTARG = text, RIGHTARG = int, FUNCTION = eq);`;

test.before(async (context) => {
  context.db = await testDatabase();
  context.pool = new pg.Pool({ connectionString: context.db.url, max: 1 });
  context.pool.on('error', () => {});
  const functions = `CREATE FUNCTION shop_total(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION products_of() RETURNS SETOF int LANGUAGE sql AS 'SELECT 1';`;
  await context.pool.query(functions + SCHEMA);
  await context.pool.query('CREATE TEMP TABLE passing (id int)');
  const classifier = new Classifier(60_000);
  context.tags = async (text, values) => {
    const { parameters = [] } = queryCall([text, values]).request!;
    const found = await classifier.classify(
      text,
      parameters,
      async (sql, given) => (await context.pool.query(sql, given)).rows,
    );
    if (found.bypass !== undefined) return `not: ${found.bypass}`;
    return [...found.tags].sort().join(' ').replaceAll('public.', '');
  };
});

test.after(async ({ db, pool }) => {
  await pool?.end();
  await db?.close();
});

const TABLES: Readonly<Record<string, string>> = {
  'SELECT 1': '',
  'SELECT * FROM products': 'products',
  'SELECT * FROM shop.products AS p JOIN products USING (id)': 'products shop.products',
  'SELECT * FROM "products"': 'products',
  'SELECT * FROM cheap': 'products',
  'SELECT * FROM cheap WHERE id = 3': 'products',
  'SELECT * FROM cheap_orders': 'orders products',
  "SELECT count(*), max(price), string_agg(name, ',') FROM products": 'products',
  "SELECT lower(name), coalesce(price, 0), to_char(made, 'YYYY'), date_trunc('day', made) FROM products": 'products',
  "SELECT age(made, '2020-01-01') FROM products": 'products',
  'SELECT json_agg(p) FROM products AS p': 'products',
  'SELECT row_number() OVER (ORDER BY id) FROM products': 'products',
  "SELECT extract(year FROM made AT TIME ZONE 'UTC') FROM products": 'products',
  "SELECT 'happy'::mood, m FROM moods": 'moods',
  'SELECT * FROM events': 'events events_new',
  'SELECT * FROM events_new': 'events events_new',
  'SELECT * FROM base WHERE id = 1': 'base derived',
  'SELECT * FROM derived': 'base derived',
  'SELECT * FROM stored': 'stored',
  'SELECT * FROM generate_series(1, 3) AS n': '',
};

test('the tables behind what a query names', async ({ tags }) => {
  for (const [text, expected] of Object.entries(TABLES)) assert.is(await tags(text), expected, text);
});

const UUID = '0123abcd-0000-4000-8000-00000000000a';
const ROWS: readonly [text: string, values: unknown[], expected: string][] = [
  ['SELECT * FROM products WHERE id = $1', [7], 'products/* products/=7'],
  ['SELECT * FROM products WHERE id = $1', ['7'], 'products/* products/=7'],
  ['SELECT * FROM products WHERE id = $1', [7n], 'products/* products/=7'],
  ['SELECT * FROM products WHERE id = -7', [], 'products/* products/=-7'],
  ['SELECT * FROM products WHERE id = 0', [], 'products/* products/=0'],
  ["SELECT * FROM products WHERE id = '7'", [], 'products/* products/=7'],
  ['SELECT * FROM products WHERE id = $1', ['07'], 'products'],
  ['SELECT * FROM products WHERE id = $1', [' 7'], 'products'],
  ['SELECT * FROM products WHERE id = $1', [7.5], 'products'],
  ['SELECT * FROM products WHERE id = $1', ['-0'], 'products'],
  ['SELECT * FROM products WHERE id = $1', [null], 'products'],
  ['SELECT * FROM products WHERE id = $1', [], 'products'],
  ['SELECT * FROM products WHERE id = $1', ['99999999999'], 'products'],
  ['SELECT * FROM orders WHERE id = $1', ['99999999999'], 'orders/* orders/=99999999999'],
  ['SELECT * FROM orders WHERE id = $1 AND $1 > 0.5::float8', ['9007199254740993'], 'orders'],
  ['SELECT * FROM products WHERE id IN ($1, 2) AND price > $2', [1, 9], 'products/* products/=1 products/=2'],
  ['SELECT * FROM products WHERE id = ANY ($1)', [[1, 2]], 'products/* products/=1 products/=2'],
  ['SELECT * FROM products WHERE id = ANY ($1::int[])', [['1']], 'products/* products/=1'],
  ['SELECT * FROM products WHERE id = ANY ($1)', [[]], 'products/*'],
  ['SELECT * FROM products WHERE id = ANY ($1)', ['{1,2}'], 'products'],
  ['SELECT * FROM products WHERE id = ANY ($1)', [[1, null]], 'products'],
  ['SELECT * FROM products WHERE id = ANY ($1)', [Array.from({ length: 65 }, (_, i) => i)], 'products'],
  ['SELECT * FROM products WHERE id = $1::numeric', [1], 'products'],
  ['SELECT * FROM products WHERE name = $1', ['tea'], 'products'],
  ['SELECT * FROM lines WHERE a = $1', [1], 'lines'],
  ['SELECT * FROM lines WHERE a = $1 AND b = $2', [1, 'x,y'], `lines/* lines/=${rowId(['x,y', '1'])}`],
  ['SELECT * FROM things WHERE id = $1', [UUID], `things/* things/=${UUID}`],
  ['SELECT * FROM things WHERE id = $1', [UUID.toUpperCase()], 'things'],
  ['SELECT * FROM words WHERE id = $1', ["it's"], "words/* words/=it's"],
  ['SELECT * FROM words WHERE id = $1', ['x'.repeat(99)], `words/* words/=${rowId(['x'.repeat(99)])}`],
  ['SELECT * FROM words WHERE id = $1 AND $1 <> $2', ['a', 'b'], 'words'],
  ['SELECT * FROM words WHERE id = $1::text', ['a'], 'words/* words/=a'],
  ['SELECT * FROM words WHERE id = $1', ['\ud800'], 'words'],
  ['SELECT * FROM folded WHERE id = $1', ['a'], 'folded'],
  ['SELECT * FROM fixed WHERE id = $1', ['a'], 'fixed'],
  ['SELECT * FROM keyless WHERE id = $1', [1], 'keyless'],
  ['SELECT * FROM events WHERE id = 1 AND at = $1', ['2026-01-01'], 'events events_new'],
  [
    'SELECT * FROM orders AS o JOIN products AS p ON p.id = o.product WHERE o.id = $1',
    [1],
    'orders/* orders/=1 products',
  ],
  ['SELECT * FROM products WHERE id = 1 UNION ALL SELECT * FROM products', [], 'products products/* products/=1'],
];

test('the rows that a query names', async ({ tags }) => {
  for (const [text, values, expected] of ROWS) assert.is(await tags(text, values), expected, `${text} ${values}`);
});

const BYPASSED: Readonly<Record<string, RegExp>> = {
  'SELECT * FROM nowhere': /no relation/,
  'SELECT * FROM pg_class': /system/,
  'SELECT * FROM information_schema.tables': /system/,
  'SELECT * FROM passing': /temporary/,
  'SELECT * FROM secret': /row-level/,
  'SELECT * FROM recent': /view public.recent.*time/,
  'SELECT * FROM called': /volatile/,
  'SELECT now()': /depends on more/,
  'SELECT statement_timestamp()': /depends on more/,
  'SELECT random()': /volatile/,
  "SELECT nextval('x')": /volatile/,
  "SELECT pg_catalog.set_config('a.b', 'c', false)": /volatile/,
  "SELECT current_setting('TimeZone')": /depends on more/,
  'SELECT age(made) FROM products': /depends on more/,
  'SELECT current_database()': /depends on more/,
  "SELECT has_table_privilege('products', 'select')": /depends on more/,
  "SELECT table_to_xml('products', true, true, '')": /depends on more/,
  "SELECT to_regclass('products')": /depends on more/,
  "SELECT 'products'::regclass": /type regclass/,
  'SELECT 5::small': /type small/,
  'SELECT lied(1)': /can't be known/,
  "SELECT shop.lower('A')": /volatile/,
  'SELECT nothing(1)': /no function/,
  'SELECT p.label FROM products AS p': /may be a call/,
  'SELECT (p).label FROM products AS p': /may be a call/,
  'SELECT * FROM products WHERE name === 1': /operator ===/,
};

test('what can not be known, and why', async ({ tags }) => {
  for (const [text, expected] of Object.entries(BYPASSED)) assert.match(await tags(text), expected, text);
  assert.match(await tags('SELECT * FROM products WHERE made = $1', ['today']), /each day/);
  assert.match(await tags('SELECT * FROM products WHERE made = ANY ($1)', [['2020-01-01', 'tomorrow']]), /each day/);
});

test('casts by functions of the application keep everything from being cached', async ({ pool }) => {
  const classifier = new Classifier(60_000);
  const ask = async (sql: string, given: unknown[]) => (await pool.query(sql, given)).rows;
  await pool.query(
    `CREATE FUNCTION of_mood(mood) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE CAST (mood AS int) WITH FUNCTION of_mood(mood) AS IMPLICIT`,
  );
  assert.match((await classifier.classify('SELECT * FROM products', [], ask)).bypass ?? '', /casts/);
  await pool.query('DROP FUNCTION of_mood CASCADE');
  classifier.forget();
  assert.is((await classifier.classify('SELECT * FROM products', [], ask)).bypass, undefined);
});

test.run();
