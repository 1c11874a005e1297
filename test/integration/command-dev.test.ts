import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runCommand, startCommand } from '../support/command.js';
import { runSql, testDatabase } from '../support/postgres.js';
import { isRunning, until } from '../support/process.js';

const folder = mkdtempSync(join(tmpdir(), 'pgcached-dev-'));
const database = await testDatabase();
const test = suite('daemon and dev');
test.after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await database.close();
});

interface Doctor {
  readonly ok: boolean;
  readonly findings: { check: string; result: string; found: string }[];
}

test('dev serves on a Postgres of its own, doctor finds all well, and SIGTERM ends both', async () => {
  const environment = { PGCACHED_SOCKET: join(folder, 'dev.sock') };
  const dev = startCommand(['dev', '--data-dir', join(folder, 'data')], { environment });
  try {
    await until('ready', () => dev.seen.stderr.includes('"ready"') || dev.child.exitCode !== null);
    assert.is((await runCommand(['set', 'k', '[1]', '--json'], { environment })).code, 0, dev.seen.stderr);
    assert.is((await runCommand(['get', 'k'], { environment })).stdout, '[ 1 ]\n');
    const { stdout } = await runCommand(['doctor', '--json'], { environment });
    const report = JSON.parse(stdout) as Doctor;
    const wrong = report.findings.filter(({ result, check }) => result !== 'ok' && check !== 'permissions');
    assert.equal([report.ok, wrong], [true, []]);
    const state = JSON.parse((await runCommand(['status', '--json'], { environment })).stdout);
    assert.is(state.fresh, true);
  } finally {
    dev.child.kill('SIGTERM');
  }
  const postmaster = () =>
    Number(readFileSync(join(folder, 'data', 'cluster', 'postmaster.pid'), 'utf8').split('\n')[0]);
  assert.is((await dev.ended).code, 0, dev.seen.stderr);
  assert.throws(postmaster, /ENOENT/);
});

test('migrate makes the tables once', async () => {
  const args = ['migrate', '--json', '--database-url', database.url];
  const first = JSON.parse((await runCommand(args)).stdout);
  assert.is(first.from, 0);
  assert.ok(first.to > 0);
  assert.is(JSON.parse((await runCommand(args)).stdout).from, first.to);
  const { stdout } = await runCommand(['migrate', '--database-url', database.url]);
  assert.match(stdout, 'hyper_cache is up to date');
  const [table] = await runSql(
    database.url,
    "SELECT relpersistence AS kind FROM pg_class WHERE relname = 'hyper_cache'",
  );
  assert.is(table!.kind, 'u');
});

test('the daemon stays up without its database, and shows the password nowhere', async () => {
  const secret = 's3same%23x';
  const environment = {
    PGCACHED_SOCKET: join(folder, 'lonely.sock'),
    PGCACHED_STATE_DIR: join(folder, 'state'),
    PGCACHED_LOG_LEVEL: 'debug',
  };
  const url = `postgres://u:${secret}@127.0.0.1:1/d`;
  const daemon = startCommand(['daemon', '--database-url', url], { environment });
  try {
    await until('ready', () => daemon.seen.stderr.includes('"ready"') || daemon.child.exitCode !== null);
    assert.ok(isRunning(daemon.child.pid!), daemon.seen.stderr);
    const status = await runCommand(['status', '--json'], { environment });
    const get = await runCommand(['get', 'k', '--verbose'], { environment });
    const doctor = await runCommand(['doctor', '--json'], {
      environment: { ...environment, PGCACHED_DATABASE_URL: url },
    });
    assert.is(status.code, 0, status.stderr);
    assert.is(get.code, 3, get.stderr);
    assert.is(doctor.code, 1);
    const commandLine = readFileSync(`/proc/${daemon.child.pid}/cmdline`, 'utf8');
    const all = [status, get, doctor].map(({ stdout, stderr }) => stdout + stderr);
    for (const text of [...all, daemon.seen.stderr, commandLine]) assert.not.match(text, 's3same');
    assert.is(JSON.parse(status.stdout).config.databaseUrl, 'postgres://u:***@127.0.0.1:1/d');
  } finally {
    daemon.child.kill('SIGTERM');
  }
  assert.is((await daemon.ended).code, 0, daemon.seen.stderr);
  assert.not.match(daemon.seen.stderr, 's3same');
});

test('the daemon that finds another on its socket says so and ends with 1', async () => {
  const environment = { PGCACHED_SOCKET: join(folder, 'one.sock'), PGCACHED_DATABASE_URL: database.url };
  const first = startCommand(['daemon', '--state-dir', join(folder, 'one')], { environment });
  try {
    await until('ready', () => first.seen.stderr.includes('"ready"') || first.child.exitCode !== null);
    const second = await runCommand(['daemon', '--state-dir', join(folder, 'two')], { environment });
    assert.is(second.code, 1);
    assert.match(second.stderr, 'ERR_ALREADY_RUNNING');
  } finally {
    first.child.kill('SIGTERM');
  }
  assert.is((await first.ended).code, 0, first.seen.stderr);
});

test.run();
