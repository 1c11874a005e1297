import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type EmbeddedOptions, type EmbeddedPostgres, startPostgres } from '../../daemon/embedded.js';
import { prepareHome } from '../../daemon/embedded-home.js';
import { findNative } from '../../daemon/embedded-native.js';
import { placeCluster } from '../../scripts/test-cluster.js';
import { CacheError } from '../../shared/errors.js';
import { backendsOf, runSql, testCluster, testDatabase } from '../support/postgres.js';
import { isRunning, until } from '../support/process.js';

const test = suite('embedded');
const isRoot = process.getuid?.() === 0;
let folder = '';
let started: EmbeddedPostgres[] = [];

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgcached-embedded-'));
  chmodSync(folder, 0o711);
  started = [];
});
test.after.each(async () => {
  for (const postgres of started) await postgres.stop('immediate');
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: Partial<EmbeddedOptions> = {}): Promise<EmbeddedPostgres> {
  const all = {
    dataDir: join(folder, 'data'),
    settings: { fsync: 'off' },
    onParentDeath: 'immediate',
    ...options,
  } as const;
  const postgres = await startPostgres(all);
  started.push(postgres);
  return postgres;
}

/** The same on a copy of a cluster that is initialised already, which is faster. */
async function startCopy(options: Partial<EmbeddedOptions> = {}): Promise<EmbeddedPostgres> {
  await placeCluster(options.dataDir ?? join(folder, 'data'));
  return start(options);
}

test('starts from nothing, over a socket that only its own user can reach, and logs to us', async () => {
  const lines: string[] = [];
  const postgres = await start({ log: (line) => lines.push(line) });
  const [row] = await runSql(
    postgres.url,
    "SELECT current_setting('listen_addresses') AS tcp, current_setting('server_encoding') AS code",
  );
  assert.equal({ ...row }, { tcp: '', code: 'UTF8' });
  assert.is(statSync(join(postgres.dataDir, 'run')).mode & 0o777, 0o700);
  assert.not(postgres.adopted);
  await until('the line', () => lines.some((line) => line.includes('ready to accept connections')));
  await postgres.stop();
  assert.not(isRunning(postgres.pid));
});

test('keeps its data over a stop, and starts again', async () => {
  const first = await startCopy();
  await runSql(first.url, 'CREATE TABLE kept AS SELECT 7 AS n');
  await first.stop();
  const second = await start();
  assert.is.not(second.pid, first.pid);
  assert.equal({ ...(await runSql(second.url, 'SELECT n FROM kept'))[0] }, { n: 7 });
});

test('adopts one that runs already, and stops it', async () => {
  const first = await startCopy();
  const second = await start();
  assert.equal([second.adopted, second.pid, second.url], [true, first.pid, first.url]);
  await second.stop();
  assert.not(isRunning(first.pid));
});

test('recovers from a killed postmaster, also with clients connected', async () => {
  const first = await startCopy();
  const sleeper = runSql(first.url, 'SELECT pg_sleep(60)').catch((error: Error) => error);
  await until('a second session', async () => (await backendsOf(first.url)).length > 0);
  process.kill(first.pid, 'SIGKILL');
  const second = await start();
  assert.not(second.adopted);
  await runSql(second.url, 'SELECT 1');
  assert.instance(await sleeper, Error);
});

test('a pid file that names a process of somebody else is stale', async () => {
  const first = await startCopy();
  await first.stop();
  const file = join(first.dataDir, 'cluster', 'postmaster.pid');
  writeFileSync(file, `${process.pid}\n${join(first.dataDir, 'cluster')}\n0\n5432\n/nowhere\n\n0 0\nready\n`);
  const second = await start();
  assert.not(second.adopted);
  await runSql(second.url, 'SELECT 1');
});

test('the URL works for a folder with spaces, quotes, commas and percent signs', async () => {
  const postgres = await startCopy({ dataDir: join(folder, `a b,c"d'e%20f+g&h=i#jü?k`) });
  await runSql(postgres.url, 'SELECT 1');
});

test('a folder too deep for a socket gets a short temporary one, which goes at the end', async () => {
  const deep = join(folder, ...Array.from({ length: 6 }, () => 'x'.repeat(20)));
  const postgres = await startCopy({ dataDir: deep });
  await runSql(postgres.url, 'SELECT 1');
  const short = new URL(postgres.url.replace('@/', '@x/')).searchParams.get('host')!;
  assert.ok(short.startsWith(tmpdir()) && existsSync(short));
  await postgres.stop();
  assert.not(existsSync(short));
});

if (isRoot) {
  test('as root, an empty folder of mode 0700, as mkdtemp makes it, is used where it is', async () => {
    const dataDir = mkdtempSync(join(folder, 'own-'));
    assert.is((await start({ dataDir })).dataDir, dataDir);
  });
}

test('what it makes is kept out of git, and a folder of the user is left as it is', async () => {
  const ignored = (data: string) => existsSync(join(folder, data, '.gitignore'));
  const prepare = (data: string) => prepareHome(join(folder, data), join(folder, 'shelter'), () => {});
  prepare('made');
  assert.match(readFileSync(join(folder, 'made', '.gitignore'), 'utf8'), /^\*$/m);
  mkdirSync(join(folder, 'mine'));
  writeFileSync(join(folder, 'mine', 'letter.txt'), '');
  prepare('mine');
  assert.not(ignored('mine'));
  // As ./scripts/start has made it already, for its log.
  mkdirSync(join(folder, '.pgcached'));
  writeFileSync(join(folder, '.pgcached', 'dev.log'), '');
  prepare('.pgcached');
  assert.ok(ignored('.pgcached'));
  writeFileSync(join(folder, 'made', '.gitignore'), 'cluster\n');
  prepare('made');
  assert.is(readFileSync(join(folder, 'made', '.gitignore'), 'utf8'), 'cluster\n', 'one that is there stays');
});

test('tells what Postgres said when it does not start', async () => {
  try {
    await startCopy({ settings: { shared_buffers: 'nonsense' } });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, CacheError);
    assert.is((error as CacheError).code, 'ERR_DATABASE');
    assert.match((error as CacheError).message, /invalid value for parameter "shared_buffers"/);
  }
});

test('tells where there is no embedded Postgres, and what to do', () => {
  const isClear = (error: unknown): boolean =>
    error instanceof CacheError && error.code === 'ERR_DATABASE' && error.message.includes('--database-url');
  assert.throws(() => findNative('plan9', 'x64'), isClear);
  assert.throws(() => findNative('linux', 'ppc64'), isClear);
});

test('test databases are apart from each other, and gone in the end', async () => {
  const [one, other] = await Promise.all([testDatabase(), testDatabase()]);
  await runSql(one.url, 'CREATE TABLE t AS SELECT 1 AS n');
  assert.is((await runSql(other.url, "SELECT to_regclass('t') AS t"))[0]!.t, null);
  await Promise.all([one.close(), other.close()]);
  const gone = await runSql(one.url, 'SELECT 1').catch((error: Error) => error);
  assert.instance(gone, Error);
});

test('a test cluster restarts: immediate empties UNLOGGED tables, fast keeps them', async () => {
  const cluster = await testCluster();
  const count = async () => (await runSql<{ n: number }>(cluster.url, 'SELECT count(*)::int AS n FROM u'))[0]!.n;
  await runSql(cluster.url, 'CREATE UNLOGGED TABLE u AS SELECT 1 AS n');
  await cluster.restart('fast');
  assert.is(await count(), 1);
  await cluster.restart('immediate');
  assert.is(await count(), 0);
  await cluster.close();
  assert.not(existsSync(cluster.dataDir));
});

test.run();
