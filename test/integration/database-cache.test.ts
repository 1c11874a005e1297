/** What DatabaseCache promises beside the behaviour of every cache. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CacheError, DatabaseCache, type DatabaseCacheOptions, type PoolLike } from '../../client/database.js';
import { eventually, sleep, testServer } from '../support/daemon.js';
import { type TestCluster, terminateBackends, testCluster, urlOfDatabase } from '../support/postgres.js';

interface Context {
  cluster: TestCluster;
  url: string;
  pools: pg.Pool[];
  caches: DatabaseCache[];
  pool(url?: string): pg.Pool;
  cache(options?: DatabaseCacheOptions, pool?: PoolLike): DatabaseCache;
}

const test = suite<Context>('database-cache');
let databases = 0;

test.before(async (context) => {
  context.cluster = await testCluster();
});
test.after(async ({ cluster }) => {
  await cluster?.close();
});
test.before.each(async (context) => {
  const name = `cache_${++databases}`;
  const admin = new pg.Client({ connectionString: context.cluster.url });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  context.url = urlOfDatabase(context.cluster.url, name);
  context.pools = [];
  context.caches = [];
  context.pool = (url = context.url) => {
    const pool = new pg.Pool({ connectionString: url, max: 4 });
    pool.on('error', () => {});
    context.pools.push(pool);
    return pool;
  };
  context.cache = (options = {}, pool = context.pool()) => {
    const cache = new DatabaseCache(pool, options);
    context.caches.push(cache);
    return cache;
  };
});
test.after.each(async ({ pools, caches }) => {
  await Promise.all(caches.map((cache) => cache.close()));
  await Promise.all(pools.map((pool) => pool.end()));
});

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof CacheError, inspect(error));
    return error.code;
  }
  return 'no error';
}

/** The pool, and what was asked of it. */
function recording(pool: pg.Pool): { pool: PoolLike; texts: string[] } {
  const texts: string[] = [];
  const record = (client: pg.Pool | pg.PoolClient) => (statement: { text: string }) => {
    texts.push(statement.text);
    return client.query(statement);
  };
  const connect = async () => {
    const client = await pool.connect();
    return { query: record(client), release: (error?: Error | boolean) => client.release(error) };
  };
  return { pool: { query: record(pool), connect }, texts };
}

test('many keys are one statement', async ({ cache, pool }) => {
  const { pool: recorded, texts } = recording(pool());
  const subject = cache({ trimEveryWrites: Number.POSITIVE_INFINITY }, recorded);
  await subject.ensureTable();
  const entries = new Map(Array.from({ length: 500 }, (_, index) => [`key ${index}`, index]));
  const count = async (work: () => Promise<unknown>) => {
    texts.length = 0;
    await work();
    return texts.filter((text) => !text.includes('pg_notify')).length;
  };
  assert.is(await count(() => subject.setMany(entries)), 1);
  assert.is(await count(() => subject.getMany(entries.keys())), 1);
  assert.is(await count(() => subject.deleteMany(entries.keys())), 1);
  for (const call of [() => subject.get('k'), () => subject.incr('n'), () => subject.clear(), () => subject.ttl('k')]) {
    assert.is(await count(call), 1);
  }
  assert.is(await count(() => subject.getOrSet('k', () => 1)), 2);
});

test('ten that start at once make one table', async ({ cache, pool, url }) => {
  const kinds = await Promise.all(Array.from({ length: 10 }, () => cache().ensureTable()));
  assert.equal(kinds, Array(10).fill({ logged: false }));
  assert.equal(await cache().ensureTable(), { logged: false });
  const { rows } = await pool(url).query(
    "SELECT relpersistence AS kind FROM pg_class WHERE relkind = 'r' AND relname IN ('hyper_cache', 'hyper_cache_log', 'hyper_cache_meta', 'hyper_cache_writers')",
  );
  assert.equal([...new Set(rows.map(({ kind }) => kind))], ['u']);
});

test('the first use makes the table, and one that was dropped is made again', async ({ cache, pool }) => {
  const subject = cache();
  assert.is(await subject.get('k'), undefined);
  await subject.set('k', 1);
  await pool().query('DROP TABLE hyper_cache, hyper_cache_log, hyper_cache_meta, hyper_cache_migrations CASCADE');
  assert.is(await subject.get('k'), undefined);
  await subject.set('k', 2);
  assert.is(await subject.get('k'), 2);
});

test('ten processes race, and all have one value', async ({ cache, url }) => {
  await cache().ensureTable();
  const file = fileURLToPath(new URL('../support/racer.js', import.meta.url));
  const racers = Array.from({ length: 10 }, () =>
    spawn(process.execPath, [file, url], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  await Promise.all(racers.map((racer) => once(racer.stdout, 'data')));
  const answers = racers.map(async (racer) => String((await once(racer.stdout, 'data'))[0]));
  for (const racer of racers) racer.stdin.write('go');
  const values = await Promise.all(answers);
  assert.is(new Set(values).size, 1, values.join(''));
  assert.equal(await cache().get('race'), JSON.parse(values[0]!));
});

test('a load that was refused twice is answered, and not stored', async ({ cache }) => {
  const [subject, other] = [cache(), cache()];
  let loads = 0;
  const value = await subject.getOrSet(
    'k',
    async () => {
      loads += 1;
      await other.invalidateTags(['t']);
      return loads;
    },
    { tags: ['t'] },
  );
  assert.equal([value, loads], [2, 2]);
  assert.is(await other.has('k'), false);
});

test('of two who load at once the later one takes the value of the first', async ({ cache }) => {
  const [one, two] = [cache(), cache()];
  const value = await one.getOrSet('k', async () => {
    assert.is(await two.getOrSet('k', () => 'first'), 'first');
    return 'second';
  });
  assert.is(value, 'first');
});

test('who asks while a load runs waits, and then reads anew', async ({ cache }) => {
  const [subject, other] = [cache(), cache()];
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let begin = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const early = subject.getOrSet('k', async () => {
    begin();
    await gate;
    return 'loaded';
  });
  await begun;
  const late = subject.getOrSet('k', () => 'not needed');
  await other.set('k', 'written');
  release();
  assert.equal(await Promise.all([early, late]), ['written', 'written']);
});

test('a daemon on the same table sees what it writes, and it what the daemon writes', async ({ cache, url }) => {
  const server = await testServer(url, { pollIntervalMs: 5000, staleBoundMs: 20_000 });
  try {
    const client = server.client();
    const subject = cache();
    await client.set('k', 'by the daemon');
    assert.is(await subject.get('k'), 'by the daemon');
    assert.is(await client.get('k'), 'by the daemon');
    // The poll comes too late for these: they arrive by NOTIFY.
    const follows = (what: string, value: unknown) =>
      eventually(what, async () => (await client.get('k')) === value, 4000);
    await subject.set('k', 'by the table', { tags: ['t'] });
    await follows('a set', 'by the table');
    await subject.invalidateTags(['t']);
    await follows('a tag', undefined);
    await subject.set('k', 'again');
    await follows('a set after it', 'again');
    await subject.delete('k');
    await follows('a delete', undefined);
    await subject.setMany({ k: 'many' });
    await follows('many', 'many');
    await subject.clear();
    await follows('a clear', undefined);
    await client.incr('n', 2);
    assert.is(await subject.incr('n'), 3);
    assert.is(await client.incr('n'), 4);
  } finally {
    await server.close();
  }
});

test('namespaces, tables and schemas keep apart, on one pool', async ({ cache, pool }) => {
  const shared = pool();
  await shared.query('CREATE SCHEMA elsewhere');
  const long = 'a'.repeat(40);
  const caches = [
    cache({}, shared),
    cache({ namespace: 'sessions' }, shared),
    cache({ table: 'elsewhere.hyper_cache' }, shared),
    cache({ table: 'second' }, shared),
    cache({ table: long, namespace: 'a_long_name_of_a_namespace_one' }, shared),
    cache({ table: long, namespace: 'a_long_name_of_a_namespace_two' }, shared),
  ];
  for (const [index, each] of caches.entries()) {
    await each.set('k', index);
    await each.incr('n', index);
  }
  assert.equal(await Promise.all(caches.map((each) => each.get('k'))), [0, 1, 2, 3, 4, 5]);
  await caches[0]!.clear();
  assert.equal(await Promise.all(caches.map((each) => each.get('k'))), [undefined, 1, 2, 3, 4, 5]);
  assert.equal(await Promise.all(caches.map((each) => each.count())), [0, 2, 2, 2, 2, 2]);
});

const brief = (count: number, name: string | number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name} ${index}`, 1]));

test('set-and-forget stays bounded, table and log', async ({ cache, pool }) => {
  const subject = cache({ trimEveryWrites: 50, trimLag: 0.05 });
  const rows = async (table: string) => Number((await pool().query(`SELECT count(*) FROM ${table}`)).rows[0].count);
  let most = 0;
  for (let round = 0; round < 120; round++) {
    await subject.setMany(brief(50, round), 0.01);
    if (round % 10 === 0) most = Math.max(most, await rows('hyper_cache'));
    await sleep(3);
  }
  assert.ok(most < 4000, `${most} rows of 6000 at once`);
  await eventually('the rest goes, and the log is cut', async () => {
    await subject.setMany(brief(50, 'more'), 0.001);
    await sleep(20);
    return (await rows('hyper_cache')) < 200 && (await rows('hyper_cache_log')) < 60;
  });
  assert.ok((await subject.stats()).expirations > 5000);
});

test('trims in the background skip locked rows', async ({ cache, pool }) => {
  const subject = cache({ trimEveryWrites: 10, trimLag: 0.05 });
  const lifeSeconds = 1;
  // They have not expired when the one is locked, or a trim might take it before; and they are older than the lock, since
  // a trim takes nothing that is younger than the oldest transaction.
  await subject.setMany({ held: 1, ...brief(100, 'old') }, lifeSeconds);
  const holder = await pool().connect();
  try {
    await holder.query('BEGIN');
    await holder.query("SELECT FROM hyper_cache WHERE key = 'held' FOR UPDATE");
    await sleep(lifeSeconds * 1000);
    await eventually('the others go', async () => {
      await subject.setMany(brief(10, 'more'), 0.001);
      await sleep(20);
      return (await holder.query("SELECT FROM hyper_cache WHERE key LIKE 'old%'")).rowCount === 0;
    });
    assert.is((await holder.query("SELECT FROM hyper_cache WHERE key = 'held'")).rowCount, 1);
  } finally {
    await holder.query('ROLLBACK');
    holder.release();
  }
});

test('cleanup removes all that has expired or was invalidated, and tells how many', async ({ cache }) => {
  const subject = cache({ trimEveryWrites: Number.POSITIVE_INFINITY });
  await subject.setMany({ a: 1, b: 2 }, 0.001);
  await subject.set('tagged', 1, { tags: ['t'] });
  await subject.set('lasting', 1);
  await subject.invalidateTags(['t']);
  await sleep(5);
  assert.is(await subject.cleanup(), 3);
  assert.is(await subject.cleanup(), 0);
  assert.is(await subject.get('lasting'), 1);
});

test('regular tables where UNLOGGED ones are refused, and says why', async ({ cache, pool, url }) => {
  await pool(url).query(`
    CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() AS c JOIN pg_class ON pg_class.oid = c.objid
        WHERE c.classid = 'pg_class'::regclass AND relpersistence = 'u') THEN
        RAISE EXCEPTION 'no unlogged tables here';
      END IF;
    END $$;
    CREATE EVENT TRIGGER refuse ON ddl_command_end EXECUTE FUNCTION refuse()`);
  const subject = cache();
  const kind = await subject.ensureTable();
  assert.is(kind.logged, true);
  assert.match(kind.loggedBecause ?? '', 'no unlogged tables here');
  await subject.set('k', 1, { tags: ['t'] });
  assert.is(await subject.getOrSet('loaded', () => 2), 2);
  assert.equal([await subject.get('k'), await subject.get('loaded')], [1, 2]);
  const { rows } = await pool(url).query(
    "SELECT count(*)::int AS count FROM pg_class WHERE relpersistence = 'u' AND relname LIKE 'hyper%'",
  );
  assert.is(rows[0].count, 0);
});

test('logged: true makes regular tables, which outlive a crash with what is in them', async ({ cache, cluster }) => {
  const subject = cache({ logged: true });
  assert.equal(await subject.ensureTable(), { logged: true });
  const unlogged = cache({ table: 'unlogged_cache' });
  for (const each of [subject, unlogged]) await each.set('k', 'kept', { tags: ['t'] });
  await subject.set('dropped', 1, { tags: ['u'] });
  await subject.invalidateTags(['u']);
  await cluster.restart('immediate');
  assert.is(await subject.get('k'), 'kept');
  assert.is(await subject.get('dropped'), undefined);
  assert.is(await unlogged.get('k'), undefined);
  await unlogged.set('k', 'new');
  assert.equal([await unlogged.get('k'), await unlogged.getOrSet('l', () => 1)], ['new', 1]);
});

test('who may not make tables is told so', async ({ cache, pool, url }) => {
  const owner = pool(url);
  await owner.query(
    "DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN PASSWORD 'sesame opens'; REVOKE CREATE ON SCHEMA public FROM public",
  );
  const subject = cache({}, pool(url.replace(/\/\/[^@]*@/, '//guest:sesame%20opens@')));
  const error = await subject.set('k', 1).catch((e) => e);
  assert.equal([error.code, /tables can't be made: permission denied/.test(error.message)], ['ERR_DATABASE', true]);
  assert.not.match(inspect(error, { depth: 20, showHidden: true }), 'sesame');
});

test('a connection that breaks: a write does not know, a read says so or goes on', async ({ cache, url }) => {
  const subject = cache({ trimEveryWrites: Number.POSITIVE_INFINITY });
  await subject.set('k', 1);
  await sleep(20);
  const holder = new pg.Client({ connectionString: url });
  holder.on('error', () => {});
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query("SELECT FROM hyper_cache WHERE key = 'k' FOR UPDATE");
  const code = codeOf(() => subject.set('k', 2));
  await eventually('the write waits', async () => {
    const { rows } = await holder.query(
      "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    );
    return rows.length > 0;
  });
  await terminateBackends(url);
  assert.is(await code, 'ERR_UNKNOWN_OUTCOME');
  await holder.end().catch(() => {});
  assert.is(await subject.get('k'), 1);
  await subject.set('k', 3);
  await terminateBackends(url);
  assert.is(await subject.get('k'), 3, 'idle connections that died are replaced');
});

test('a backend that is killed under a write ends neither the process nor the cache', async ({ cache, url }) => {
  const subject = cache({ trimEveryWrites: Number.POSITIVE_INFINITY });
  await subject.set('k', 1);
  const holder = new pg.Client({ connectionString: url });
  holder.on('error', () => {});
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query("SELECT FROM hyper_cache WHERE key = 'k' FOR UPDATE");
  const code = codeOf(() => subject.set('k', 2));
  let pid: number | undefined;
  await eventually('the write waits', async () => {
    const waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    pid = (await holder.query(waiting)).rows[0]?.pid;
    return pid !== undefined;
  });
  process.kill(pid!, 'SIGKILL');
  assert.is(await code, 'ERR_UNKNOWN_OUTCOME');
  await holder.end().catch(() => {});
  // Postgres restarts itself, with empty tables.
  await eventually('it is back', async () => (await codeOf(() => subject.set('k', 3))) === 'no error');
  assert.is(await subject.get('k'), 3);
});

test('an unreachable server is told without the password', async ({ cache, pool }) => {
  const nowhere = pool('postgres://user:sesame@127.0.0.1:1/db');
  const subject = cache({}, nowhere);
  const calls = [() => subject.get('k'), () => subject.set('k', 1), () => subject.ensureTable(), () => subject.stats()];
  for (const call of [...calls, () => subject.getOrSet('k', () => assert.unreachable())]) {
    const error = await Promise.resolve(call()).catch((e: unknown) => e);
    assert.is((error as CacheError).code, 'ERR_DATABASE');
    assert.match((error as CacheError).message, 'ECONNREFUSED');
    assert.not.match(inspect(error, { depth: 20, showHidden: true }), 'sesame');
  }
});

test('a row that is locked for a while is waited for', async ({ cache, pool }) => {
  const subject = cache();
  await subject.set('k', 1);
  const holder = await pool().connect();
  await holder.query('BEGIN');
  await holder.query("SELECT FROM hyper_cache WHERE key = 'k' FOR UPDATE");
  const writing = subject.set('k', 2);
  await sleep(700);
  await holder.query('ROLLBACK');
  holder.release();
  await writing;
  assert.is(await subject.get('k'), 2);
});

test('options that cannot be are refused at once', async ({ pool }) => {
  const codes: [DatabaseCacheOptions, string][] = [
    [{ table: 'No Table' }, 'ERR_INVALID_CONFIG'],
    [{ table: 'x; DROP TABLE y' }, 'ERR_INVALID_CONFIG'],
    [{ namespace: 'Not this' }, 'ERR_INVALID_NAMESPACE'],
    [{ defaultTtl: 0 }, 'ERR_INVALID_TTL'],
    [{ trimLag: '5 parsecs' }, 'ERR_INVALID_TTL'],
    [{ storage: 'xml' as 'jsonb' }, 'ERR_INVALID_ARGUMENT'],
    [{ maxValueBytes: 0 }, 'ERR_INVALID_ARGUMENT'],
    [{ trimEveryWrites: 0 }, 'ERR_INVALID_ARGUMENT'],
  ];
  for (const [options, code] of codes)
    assert.is(await codeOf(() => new DatabaseCache(pool(), options)), code, inspect(options));
  assert.is(await codeOf(() => new DatabaseCache({} as PoolLike)), 'ERR_INVALID_ARGUMENT');
});

test('options of getOrSet that are not there are refused, and values beyond the limit', async ({ cache }) => {
  const subject = cache({ maxValueBytes: 1000 });
  const load = () => assert.unreachable();
  for (const options of [
    { grace: 1 },
    { beta: 1 },
    { softTimeout: 1 },
    { hardTimeout: 1 },
    { inherit: true },
    { coalesce: 'cluster' as const },
  ]) {
    assert.is(await codeOf(() => subject.getOrSet('k', load, options)), 'ERR_INVALID_ARGUMENT', inspect(options));
  }
  assert.is(await codeOf(() => subject.set('k', 'x'.repeat(1000))), 'ERR_VALUE_TOO_LARGE');
  assert.is(await codeOf(() => subject.getOrSet('k', () => 'x'.repeat(1000))), 'ERR_VALUE_TOO_LARGE');
  await subject.set('k', 'x'.repeat(900));
});

test('a closed cache refuses, aborts its loads, and leaves the pool open', async ({ cache, pool }) => {
  const shared = pool();
  const subject = cache({}, shared);
  await subject.set('k', 1);
  let signal: AbortSignal | undefined;
  const loading = subject.getOrSet('slow', ({ signal: own }) => {
    signal = own;
    return new Promise((resolve) => own.addEventListener('abort', () => resolve('aborted')));
  });
  await eventually('the load', () => signal !== undefined);
  await subject.close();
  assert.is(await loading, 'aborted');
  assert.is(await codeOf(() => subject.get('k')), 'ERR_CLOSED');
  assert.is(await codeOf(() => subject.set('k', 2)), 'ERR_CLOSED');
  assert.is((await shared.query('SELECT 1 AS one')).rows[0].one, 1);
});

test.run();
