// gate: cost=1 timeout=60
import { spawnSync } from 'node:child_process';
import pg from 'pg';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LeanPool } from '../../daemon/lean-pool.js';
import { BINARY_ARRAYS } from '../../shared/table/binary.js';
import { DatabaseFailure, failingPlainly } from '../../shared/table/failure.js';
import { eventually, sleep } from '../support/daemon.js';
import { backendsOf, type TestDatabase, terminateBackends, testDatabase } from '../support/postgres.js';
import { projectRoot } from '../support/source.js';

let database: TestDatabase;

test.before(async () => {
  database = await testDatabase();
});

test.after(() => database.close());

async function withPool(
  use: (lean: LeanPool, pool: pg.Pool) => Promise<void>,
  options: pg.PoolConfig = {},
): Promise<void> {
  const pool = new pg.Pool({ connectionString: database.url, max: 2, ...options });
  pool.on('error', () => {});
  const lean = new LeanPool(pool);
  try {
    await use(lean, pool);
  } finally {
    lean.close();
    await pool.end();
  }
}

async function failureOf(promise: Promise<unknown>): Promise<DatabaseFailure> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.instance(error, DatabaseFailure);
  return error as DatabaseFailure;
}

const PID = 'SELECT pg_backend_pid()::text';

test('rows come as texts by position, whatever is sent and whether or not it is prepared', () =>
  withPool(async (lean) => {
    const values = [
      'żółć 🙂',
      null,
      undefined,
      42,
      true,
      Buffer.from([0, 255, 65]),
      BINARY_ARRAYS.text(['a', '', '"'], (item) => item),
    ];
    const text = `SELECT $1::text, $2::text, $3::text, $4::int + 1, $5::boolean, $6::bytea, $7::text[] UNION ALL
      SELECT '', repeat('x', 100000), NULL, NULL, NULL, NULL, NULL`;
    const expected = [
      ['żółć 🙂', null, null, '43', 't', '\\x00ff41', '{a,"","\\""}'],
      ['', 'x'.repeat(100_000), null, null, null, null, null],
    ];
    for (const name of [undefined, 'all', 'all', undefined, 'all']) {
      const statement = name === undefined ? { text, values } : { name, text, values };
      assert.equal(await lean.rows(statement), expected);
    }
    assert.equal(await lean.rows({ text: 'SELECT WHERE false' }), []);
    assert.equal(await lean.rows({ name: 'none', text: 'SET jit = off' }), []);
    const prepared = 'SELECT name, (generic_plans + custom_plans)::text FROM pg_prepared_statements ORDER BY name';
    assert.equal(await lean.rows({ text: prepared }), [
      ['all', '3'],
      ['none', '1'],
    ]);
  }));

test('one that the driver has prepared by its own query object is known here, and the other way round', () =>
  withPool(async (lean) => {
    const statement = { name: 'both', text: 'SELECT $1::int AS n', values: [1] };
    const plain = failingPlainly(lean);
    assert.equal(await lean.rows(statement), [['1']]);
    assert.equal((await plain.query(statement)).rows, [{ n: 1 }]);
    assert.equal(await lean.rows(statement), [['1']]);
    assert.equal(await plain.query({ ...statement, name: 'plain' }).then(({ rows }) => rows), [{ n: 1 }]);
    assert.equal(await lean.rows({ ...statement, name: 'plain' }), [['1']]);
  }));

test('what Postgres refuses is told apart from what nobody knows, and leaves the connection as it was', () =>
  withPool(async (lean) => {
    const [[pid]] = (await lean.rows({ text: PID })) as [[string]];
    const refused = [
      { text: 'SELECT 1 / $1::int', values: [0], state: '22012' },
      { name: 'broken', text: 'SELECT FROM nowhere', state: '42P01' },
      { name: 'broken', text: 'SELECT FROM nowhere', state: '42P01' },
      { name: 'late', text: 'SELECT 1 / (3 - i) FROM generate_series(1, 5) AS i', state: '22012' },
    ];
    for (const { state, ...statement } of refused) {
      const failure = await failureOf(lean.rows(statement));
      assert.is(failure.kind, 'refused');
      assert.is(failure.sqlState, state);
    }
    assert.equal(await lean.rows({ text: PID }), [[pid]]);
    assert.is((await failureOf(lean.rows({ text: 'SELECT pg_terminate_backend(pg_backend_pid())' }))).kind, 'unknown');
    assert.is.not(String(await lean.rows({ text: PID })), pid);
  }));

test('a connection whose prepared statements are gone fails one statement, and is left', () =>
  withPool(
    async (lean, pool) => {
      const statement = { name: 'pid', text: PID };
      for (const ask of [() => lean.rows(statement), () => failingPlainly(lean).query(statement)]) {
        await ask();
        const [[before] = []] = await lean.rows({ text: PID });
        await lean.rows({ text: 'DEALLOCATE ALL' });
        const failure = await failureOf(ask());
        assert.equal([failure.kind, failure.sqlState], ['refused', '26000']);
        assert.match(failure.message, 'pooler', 'what to do about it');
        await ask();
        assert.is.not((await lean.rows({ text: PID }))[0]?.[0], before);
        assert.is(pool.totalCount, 1);
      }
    },
    { max: 1 },
  ));

test('a statement that takes too long fails, and its connection goes', () =>
  withPool(
    async (lean) => {
      const [[pid]] = (await lean.rows({ text: PID })) as [[string]];
      assert.is((await failureOf(lean.rows({ text: 'SELECT pg_sleep(60)' }))).kind, 'unknown');
      assert.is.not(String(await lean.rows({ text: PID })), pid);
    },
    { query_timeout: 3000 },
  ));

test('a connection that breaks while nobody uses it is not used again', () =>
  withPool(async (lean, pool) => {
    await lean.rows({ text: PID });
    await terminateBackends(database.url);
    await eventually('the end of the connection', () => pool.totalCount === 0);
    assert.is((await lean.rows({ text: PID })).length, 1);
  }));

test('nor is one whose end is told together with its last answer, while somebody waits for it', () =>
  withPool(
    async (lean) => {
      const [[pid] = []] = await lean.rows({ text: PID });
      const first = lean.rows({ text: 'SELECT pg_sleep(0.1), pg_backend_pid()::text' });
      const second = lean.rows({ text: PID });
      // Both are sent by this process before it stops to read: until the backend has answered, and has been ended.
      await sleep(20);
      const script = `import pg from 'pg';
        const client = new pg.Client({ connectionString: process.argv[1] });
        await client.connect();
        const answered = "SELECT 1 FROM pg_stat_activity WHERE state = 'idle' AND pid = " + process.argv[2];
        while ((await client.query(answered)).rows.length === 0);
        await client.query('SELECT pg_terminate_backend(' + process.argv[2] + ', 5000)');
        await client.end();`;
      const args = ['--input-type=module', '-e', script, database.url, String(pid)];
      assert.is(spawnSync(process.execPath, args, { cwd: projectRoot }).status, 0);
      assert.is((await first)[0]?.[1], pid);
      assert.is.not((await second)[0]?.[0], pid);
    },
    { max: 1 },
  ));

test('nor is one that breaks between two statements of a transaction', () =>
  withPool(async (lean, pool) => {
    const client = await lean.connect();
    await client.query({ text: 'SELECT 1' });
    // Another, in whose end the test sees that Postgres has ended both.
    await lean.rows({ text: PID });
    await terminateBackends(database.url);
    await eventually('the end of the one that is held', () => pool.totalCount === 1);
    await sleep(50);
    client.release();
    assert.is((await lean.rows({ text: PID })).length, 1);
  }));

test('who cannot reach Postgres is told so', () =>
  withPool(async (lean) => assert.is((await failureOf(lean.rows({ text: PID }))).kind, 'unreachable'), {
    connectionString: 'postgres://localhost:1/none',
  }));

test('what is held is shared by all who ask, and more than there is waits its turn', () =>
  withPool(async (lean, pool) => {
    const plain = failingPlainly(lean);
    const asked = Array.from({ length: 40 }, (_, each) =>
      each % 2 === 0
        ? lean.rows({ text: `${PID} FROM pg_sleep(0.001)` }).then(([row]) => row?.[0])
        : plain.query({ text: `${PID} AS pid` }).then(({ rows }) => rows[0]?.pid),
    );
    assert.is(new Set(await Promise.all(asked)).size, 2);
    assert.is(pool.totalCount, 2);
    assert.is(pool.idleCount, 0, 'both are held');
    const client = await lean.connect();
    client.release();
    assert.is(pool.idleCount, 0);
    const broken = await lean.connect();
    broken.release(true);
    await eventually('the end of the connection', () => pool.totalCount === 1);
  }));

test('what nobody has used for a while goes back to the pool', async () => {
  const pool = new pg.Pool({ connectionString: database.url, max: 2 });
  pool.on('error', () => {});
  const lean = new LeanPool(pool, 20);
  // The second may connect so much later that the first has gone back by then.
  await Promise.all([lean.rows({ text: PID }), lean.rows({ text: PID })]);
  await eventually('the return of both', () => pool.idleCount === 2);
  assert.is((await lean.rows({ text: PID })).length, 1);
  assert.is(pool.idleCount, 1, 'the other is held');
  lean.close();
  await pool.end();
});

test('closing gives back what is held, and what is at work when it is done', async () => {
  let late: Promise<unknown> | undefined;
  await withPool(async (lean) => {
    await Promise.all([lean.rows({ text: PID }), lean.rows({ text: PID })]);
    late = lean.rows({ text: 'SELECT pg_sleep(0.1)' });
  });
  await late;
  // The pool has ended when it has said so to Postgres, which takes its time.
  await eventually('the end of all', async () => (await backendsOf(database.url)).length === 0);
});

test.run();
