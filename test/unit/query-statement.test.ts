/** What the text of a statement says by itself: which relations it names, what it writes, and what keeps it from being cached. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadParser } from '../../client/query/parser.js';
import { factsOf } from '../../client/query/statement.js';

const test = suite('query-statement');
test.before(loadParser);

const reads = (text: string) => {
  const { bypass, read } = factsOf(text);
  if (bypass !== undefined) return `not: ${bypass}`;
  const named = read!.occurrences.map(({ schema, name, pins }) => {
    const pinned = [...pins.keys()].sort().join(',');
    return `${schema === undefined ? '' : `${schema}.`}${name}${pinned === '' ? '' : `(${pinned})`}`;
  });
  return named.sort().join(' ');
};

const READS: Readonly<Record<string, string>> = {
  'SELECT 1': '',
  'SELECT * FROM a': 'a',
  'TABLE a': 'a',
  'VALUES (1), (2)': '',
  'SELECT * FROM a;': 'a',
  'SELECT * FROM s.a, b': 'b s.a',
  'SELECT * FROM "A b"."c""d"': 'A b.c"d',
  'SELECT * FROM ONLY a': 'a',
  "/* FROM x */ SELECT 'FROM y' FROM a -- FROM z": 'a',
  'SELECT (SELECT x FROM b) FROM a': 'a b',
  'SELECT * FROM a WHERE EXISTS (SELECT FROM b WHERE b.x = a.x)': 'a b',
  'SELECT * FROM a ORDER BY (SELECT 1 FROM b) LIMIT (SELECT 1 FROM c) OFFSET (SELECT 1 FROM d)': 'a b c d',
  'SELECT * FROM a GROUP BY x HAVING count(*) > (SELECT n FROM b)': 'a b',
  'SELECT sum(x) FILTER (WHERE y IN (SELECT z FROM b)) OVER (PARTITION BY (SELECT 1 FROM c)) FROM a': 'a b c',
  'SELECT CASE WHEN EXISTS (SELECT FROM b) THEN 1 ELSE (SELECT 2 FROM c) END FROM a': 'a b c',
  'SELECT ARRAY(SELECT x FROM b) FROM a': 'a b',
  'SELECT * FROM a LEFT JOIN LATERAL (SELECT * FROM b WHERE b.x = a.x) AS l ON true': 'a b',
  'SELECT * FROM a JOIN b ON a.x = (SELECT max(x) FROM c)': 'a b c',
  'SELECT * FROM a UNION SELECT * FROM b EXCEPT (SELECT * FROM c INTERSECT SELECT * FROM d)': 'a b c d',
  'SELECT * FROM generate_series(1, (SELECT max(x) FROM a))': 'a',
  'SELECT DISTINCT ON ((SELECT 1 FROM b)) * FROM a': 'a b',
  'SELECT count(*) FROM a GROUP BY GROUPING SETS ((x), (y), ())': 'a',
  // The names of WITH hide tables: from the next query on, in all of them where it is recursive, never with a schema.
  'WITH a AS (SELECT * FROM b) SELECT * FROM a': 'b',
  'WITH a AS (SELECT * FROM a) SELECT * FROM a': 'a',
  'WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a, b': 'b',
  'WITH RECURSIVE a AS (SELECT * FROM b UNION ALL SELECT * FROM a), b AS (SELECT 1) SELECT * FROM a': '',
  'WITH RECURSIVE t(n) AS (SELECT x FROM a UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT * FROM t': 'a',
  'WITH a AS (SELECT 1) SELECT * FROM public.a, a': 'public.a',
  'SELECT * FROM (WITH a AS (SELECT * FROM c) SELECT * FROM a) AS x, a': 'a c',
  'WITH a AS (SELECT 1) SELECT (SELECT x FROM (SELECT * FROM a) AS y) FROM b': 'b',
  'WITH a AS (SELECT * FROM c) SELECT * FROM a UNION SELECT * FROM a': 'c',
  // What WHERE says of columns.
  'SELECT * FROM a WHERE id = $1': 'a(id)',
  'SELECT * FROM a WHERE $1 = id AND x > 2': 'a(id)',
  'SELECT * FROM a WHERE a.id = 1': 'a(id)',
  'SELECT * FROM s.a AS o WHERE o.id IN ($1, 2, 3)': 's.a(id)',
  'SELECT * FROM a WHERE id = ANY ($1)': 'a(id)',
  'SELECT * FROM a WHERE id = ANY ($1::int[]) AND y = $2::text': 'a(id,y)',
  'SELECT * FROM a WHERE id = ANY (ARRAY[$1, $2])': 'a(id)',
  'SELECT * FROM a WHERE id = 1 OR x = 2': 'a',
  'SELECT * FROM a WHERE NOT id = 1': 'a',
  'SELECT * FROM a WHERE id <> 1': 'a',
  'SELECT * FROM a WHERE id > ANY ($1)': 'a',
  'SELECT * FROM a WHERE id = ALL ($1)': 'a',
  'SELECT * FROM a WHERE id NOT IN (1, 2)': 'a',
  'SELECT * FROM a WHERE id = $1 + 1': 'a',
  'SELECT * FROM a WHERE id = x': 'a',
  'SELECT * FROM a WHERE id = $1::varchar(3)': 'a',
  'SELECT * FROM a WHERE id OPERATOR(s.=) $1': 'a',
  'SELECT * FROM a WHERE (id = 1 AND y = 2) AND z = 3': 'a(id,y,z)',
  'SELECT * FROM a AS x (id, b) WHERE id = 1': 'a',
  'SELECT * FROM a, b WHERE id = 1': 'a b',
  'SELECT * FROM a JOIN b ON a.x = b.x WHERE a.id = $1': 'a(id) b',
  'SELECT * FROM a LEFT JOIN b ON b.id = 7 WHERE a.id = $1': 'a(id) b',
  'SELECT * FROM a JOIN a AS c ON true WHERE a.id = $1 AND c.id = $2': 'a(id) a(id)',
  'SELECT * FROM s.a, t.a WHERE a.id = 1': 's.a t.a',
  'SELECT (SELECT 1 FROM (a JOIN b ON true) AS j WHERE c.id = 1) FROM c': 'a b c',
  'SELECT * FROM a WHERE id = (SELECT id FROM b WHERE b.id = 1)': 'a b(id)',
  'SELECT * FROM a WHERE EXISTS (SELECT FROM b WHERE a.id = 1)': 'a b',
  'SELECT * FROM a WHERE id = 1 UNION SELECT * FROM a': 'a a(id)',
};

test('the relations that a query names, and the columns that it holds to values', () => {
  for (const [text, expected] of Object.entries(READS)) assert.is(reads(text), expected, text);
});

const BYPASSED: Readonly<Record<string, RegExp>> = {
  '': /empty/,
  ' -- nothing': /empty/,
  'SELECT 1; SELECT 2': /more than one/,
  'SELEC 1': /parse/,
  'SELECT * FROM a FOR UPDATE': /locks/,
  'SELECT * FROM (SELECT * FROM a FOR SHARE) AS x': /locks/,
  'SELECT * INTO b FROM a': /makes a table/,
  'CREATE TABLE b AS SELECT * FROM a': /no query/,
  'SELECT CURRENT_DATE': /time/,
  'SELECT * FROM a WHERE x < LOCALTIMESTAMP(2)': /time/,
  'SELECT current_user': /user/,
  "SELECT * FROM a WHERE d > 'today'": /each day/,
  "SELECT 'now'::timestamptz": /each day/,
  "SELECT * FROM a WHERE d = 'Yesterday 05:00'": /each day/,
  'SELECT * FROM a TABLESAMPLE system (10)': /samples/,
  'SELECT ctid FROM a': /system column/,
  'SELECT a.xmin FROM a': /system column/,
  'WITH d AS (DELETE FROM a RETURNING *) SELECT * FROM d': /writes/,
  'EXPLAIN SELECT * FROM a': /no query/,
  'LISTEN x': /no query/,
  'SET search_path = x': /no query/,
  'SHOW search_path': /no query/,
  'DECLARE c CURSOR FOR SELECT 1': /no query/,
  'FETCH c': /no query/,
  'COPY a TO STDOUT': /no query/,
  'CALL p()': /no query/,
  'DO $$ BEGIN END $$': /no query/,
  'EXECUTE p': /no query/,
  "SELECT xmlelement(name a, 'x')": /XmlExpr/,
  "SELECT * FROM JSON_TABLE('[]', '$[*]' COLUMNS (a int)) AS j": /JsonTable/,
  'SELECT * FROM other.s.a': /another database/,
  'SELECT 1 \0': /NUL/,
};

test('what is not cached, and why', () => {
  for (const [text, expected] of Object.entries(BYPASSED)) assert.match(reads(text), expected, JSON.stringify(text));
});

const written = (text: string) =>
  factsOf(text)
    .written.map(({ schema, name, cascade }) => `${schema === undefined ? '' : `${schema}.`}${name}:${cascade}`)
    .join(' ');

const WRITTEN: Readonly<Record<string, string>> = {
  'INSERT INTO a VALUES (1)': 'a:none',
  'INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING': 'a:none',
  'INSERT INTO a VALUES (1) ON CONFLICT (x) DO UPDATE SET x = 2': 'a:actions',
  'UPDATE s."A" SET x = 1': 's.A:actions',
  'DELETE FROM a USING b': 'a:actions',
  'MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN DELETE': 'a:actions',
  'TRUNCATE a, s.b': 'a:none s.b:none',
  'TRUNCATE a CASCADE': 'a:all',
  'COPY a FROM STDIN': 'a:none',
  'COPY a TO STDOUT': '',
  'COPY (DELETE FROM a RETURNING *) TO STDOUT': 'a:actions',
  'REFRESH MATERIALIZED VIEW CONCURRENTLY a': 'a:none',
  'WITH d AS (DELETE FROM a RETURNING *), i AS (INSERT INTO b SELECT * FROM d) SELECT 1': 'a:actions b:none',
  'WITH a AS (SELECT 1) INSERT INTO a SELECT * FROM a': 'a:none',
  'EXPLAIN ANALYZE DELETE FROM a': 'a:actions',
  'PREPARE p AS DELETE FROM a': 'a:actions',
  'CREATE TABLE x AS WITH d AS (DELETE FROM a RETURNING *) SELECT * FROM d': 'a:actions',
  'INSERT INTO a VALUES (1); DELETE FROM b; SELECT * FROM c': 'a:none b:actions',
  'SELECT * FROM a': '',
};

test('what a statement writes', () => {
  for (const [text, expected] of Object.entries(WRITTEN)) assert.is(written(text), expected, text);
});

test('definitions change everything, and steps of a transaction are told apart', () => {
  for (const text of [
    'ALTER TABLE a ADD x int',
    'CREATE OR REPLACE VIEW v AS SELECT 1',
    'DROP TABLE a',
    'SELECT 1; DROP TABLE a',
  ]) {
    assert.ok(factsOf(text).changesAll, text);
    assert.ok(factsOf(text).changesCatalog, text);
  }
  for (const text of ['SELECT 1', 'INSERT INTO a VALUES (1)', 'BEGIN']) assert.not(factsOf(text).changesCatalog, text);
  const steps = [
    'BEGIN',
    'START TRANSACTION',
    'COMMIT',
    'END',
    'ROLLBACK',
    'ABORT',
    'SAVEPOINT x',
    'ROLLBACK TO x',
    "COMMIT PREPARED 'x'",
  ];
  assert.equal(
    steps.map((text) => factsOf(text).step),
    ['begin', 'begin', 'commit', 'commit', 'rollback', 'rollback', 'savepoint', 'savepoint', 'commit'],
  );
  for (const text of ['SELECT 1', 'UPDATE a SET x = 1', 'COMMIT']) assert.ok(factsOf(text).keepsSession, text);
  for (const text of [
    'SET x.y = 1',
    'CREATE TEMP TABLE t (x int)',
    'SELECT 1; SET x.y = 1',
    'DISCARD ALL',
    'CALL p()',
    "SELECT set_config('a.b', 'c', false)",
    'UPDATE a SET x = f()',
  ]) {
    assert.not(factsOf(text).keepsSession, text);
  }
});

test('a text that may nest too deep is not parsed, and of an unparsed write the worst is assumed', () => {
  const deep = `${'1+'.repeat(30_000)}1`;
  for (const text of [
    `SELECT ${deep}`,
    `SELECT ${'('.repeat(9000)}1${')'.repeat(9000)}`,
    `SELECT 1${'::int'.repeat(9000)}`,
  ]) {
    assert.match(reads(text), /deep/);
    assert.not(factsOf(text).changesAll);
  }
  assert.match(reads(`SELECT '${'x'.repeat(70_000)}'`), /longer/);
  assert.ok(factsOf(`UPDATE a SET x = ${deep}`).changesAll);
  assert.ok(factsOf(`WITH d AS (DELETE FROM a) SELECT ${deep}`).changesAll);
  assert.is(reads('SELECT * FROM a'), 'a', 'and the parser is still whole');
});

test.run();
