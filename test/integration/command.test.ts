import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMANDS } from '../../daemon/cli/commands.js';
import { helpOf } from '../../daemon/cli/help.js';
import { type Ended, runCommand } from '../support/command.js';
import { testDatabase, urlOfDatabase } from '../support/postgres.js';

const folder = mkdtempSync(join(tmpdir(), 'pgcached-command-'));
const database = await testDatabase();
const test = suite('command as a process');
test.after(async () => {
  rmSync(folder, { recursive: true });
  await database.close();
});

interface Doctor {
  readonly ok: boolean;
  readonly findings: { check: string; result: string; found: string; advice?: string }[];
}

async function doctor(...args: string[]): Promise<Doctor & { code: number | null; of: Record<string, string> }> {
  const nowhere = ['--socket', join(folder, 'none.sock'), '--state-dir', folder];
  const { code, stdout, stderr } = await runCommand(['doctor', '--json', ...nowhere, ...args]);
  assert.is(stderr, '');
  const report = JSON.parse(stdout) as Doctor;
  return { ...report, code, of: Object.fromEntries(report.findings.map(({ check, result }) => [check, result])) };
}

test('prints help and version to stdout', async () => {
  const all = await Promise.all(COMMANDS.map(({ name }) => runCommand([name, '--help'])));
  for (const [n, { code, stdout, stderr }] of all.entries()) {
    assert.equal([code, stdout, stderr], [0, `${helpOf(COMMANDS[n]!)}\n`, '']);
  }
  assert.match((await runCommand(['--version'])).stdout, /^pgcached \d+\.\d+\.\d+\n$/);
  assert.match((await runCommand(['help', 'get'])).stdout, 'pgcached get: ');
});

test('ends with 2 for wrong arguments and wrong configuration, before anything is started', async () => {
  const wrong: [args: string[], text: string][] = [
    [[], 'Usage: pgcached COMMAND'],
    [['stauts'], 'did you mean status?'],
    [['get'], 'too few arguments'],
    [['clear'], '--yes'],
    [['incr', 'k', '1.5'], 'whole number'],
    [['set', 'k', '{', '--json'], 'not JSON'],
    [['get', 'k', '--timeout-ms', '0'], '--timeout-ms'],
    [['daemon'], 'pgcached dev'],
    [['daemon', '--workers', 'many'], '--workers'],
    [['dev', '--database-url', 'postgres://h/d'], 'not an option of pgcached dev'],
    [['migrate', '--config', join(folder, 'none.json')], 'ENOENT'],
  ];
  const all = await Promise.all(wrong.map(([args]) => runCommand(args)));
  for (const [n, { code, stdout, stderr }] of all.entries()) {
    assert.is(code, 2, `${wrong[n]![0]}: ${stderr}`);
    assert.is(stdout, '');
    assert.match(stderr, wrong[n]![1]);
    assert.not.match(stderr, '    at ');
  }
  const misspelt = await runCommand(['daemon'], { environment: { PGCACHED_SOKCET: '/x' } });
  assert.is(misspelt.code, 2);
  assert.match(misspelt.stderr, 'did you mean PGCACHED_SOCKET?');
});

test('doctor finds a database that is well, and what is missing', async () => {
  const { code, ok, of, findings } = await doctor('--database-url', database.url);
  assert.equal([code, ok], [1, false]);
  const wanted = {
    versions: 'ok',
    socket: 'fail',
    permissions: 'skip',
    database: 'ok',
    'server version': 'ok',
    primary: 'ok',
    writable: 'ok',
    tables: 'warn',
    LISTEN: 'ok',
    'prepared statements': 'ok',
    connections: 'ok',
    'state folder': 'ok',
  };
  for (const [check, result] of Object.entries(wanted)) assert.is(of[check], result, check);
  for (const { result, advice } of findings) assert.is(advice !== undefined, result === 'warn' || result === 'fail');
});

test('doctor tells what stands where the socket should be', async () => {
  const plain = join(folder, 'plain');
  writeFileSync(plain, '');
  const { findings } = await doctor('--socket', plain, '--database-url', database.url);
  assert.match(findings.find(({ check }) => check === 'socket')!.found, 'is not a socket');
});

test('doctor and migrate tell a database that does not exist, and one that is not there', async () => {
  const missing = urlOfDatabase(database.url, 'no_such_database');
  const report = await doctor('--database-url', missing);
  const finding = report.findings.find(({ check }) => check === 'database')!;
  assert.is(finding.result, 'fail');
  assert.match(finding.advice!, 'create the database');
  assert.is(report.of.LISTEN, 'skip');
  const refused = await doctor('--database-url', 'postgres://u:sesame@127.0.0.1:1/d');
  assert.match(refused.findings.find(({ check }) => check === 'database')!.advice!, 'start Postgres');
});

test('no password in any output, whatever refuses', async () => {
  // Not Postgres: it answers every client with what that has sent, and closes.
  const echo = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (data) => socket.end(data));
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const { port } = echo.address() as { port: number };
  const secret = 's3same%40w/o';
  const urls = [
    `postgres://u:${encodeURIComponent(secret)}@127.0.0.1:${port}/d`,
    `postgres://u:${encodeURIComponent(secret)}@127.0.0.1:1/d`,
    `postgres://127.0.0.1:1/d?user=u&password=${encodeURIComponent(secret)}`,
    `postgres://u:${secret}@127.0.0.1:1/d`,
    `mysql://u:${secret}@127.0.0.1:1/d`,
  ];
  const runs: Promise<Ended>[] = urls.flatMap((url) => [
    runCommand(['doctor', '--verbose', '--database-url', url]),
    runCommand(['doctor', '--json'], { environment: { PGCACHED_DATABASE_URL: url } }),
    runCommand(['migrate', '--verbose', '--database-url', url]),
    runCommand(['daemon', '--workers', '0', '--verbose'], { environment: { PGCACHED_DATABASE_URL: url } }),
  ]);
  for (const { code, stdout, stderr } of await Promise.all(runs)) {
    assert.not.ok(code === 0, stdout);
    for (const form of [secret, encodeURIComponent(secret), decodeURIComponent(secret), 's3same']) {
      assert.not.ok((stdout + stderr).includes(form), stdout + stderr);
    }
  }
  echo.close();
});

test.run();
