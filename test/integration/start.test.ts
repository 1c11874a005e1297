import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isRunning, until } from '../support/process.js';
import { projectRoot } from '../support/source.js';

const test = suite('scripts/start');
let folder = '';

interface Outcome {
  readonly status: number | null;
  readonly out: string;
}

function run(program: string, args: string[], cwd: string): Outcome {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8', timeout: 90_000 });
  return { status, out: stdout + stderr };
}

/** Without installing and building, which the first test does. */
function start(dataDir: string, ...flags: string[]): Outcome {
  const script = join(projectRoot, 'dist/scripts/start.js');
  return run(process.execPath, [script, '--data-dir', dataDir, ...flags], folder);
}

function pidIn({ out }: Outcome): number {
  const pid = Number(/process (\d+)/.exec(out)?.[1]);
  assert.ok(pid > 1, out);
  return pid;
}

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgcached-start-'));
  chmodSync(folder, 0o711);
});
test.after.each(() => {
  start(folder, '--stop');
  rmSync(folder, { recursive: true, force: true });
});

test('one command gives a cache, the lines that it prints work, a second says so, and it stops', () => {
  const first = run(join(projectRoot, 'scripts/start'), ['--data-dir', folder], tmpdir());
  assert.is(first.status, 0, first.out);
  for (const part of [join(folder, 'pgcached.sock'), join(folder, 'dev.log'), '--stop']) assert.match(first.out, part);
  const lines = first.out.slice(first.out.indexOf('const { connect }')).split('\n').slice(0, 3).join('\n');
  const pasted = run(process.execPath, ['--input-type=module', '-e', lines], projectRoot);
  assert.is(pasted.out, 'hello\n');
  const exported = first.out.match(/^ {2}export .*$/gm)!.join('\n');
  const ask =
    'const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL }); console.log((await pool.query("SELECT 7 AS n")).rows[0].n); await pool.end()';
  const bin = join(projectRoot, 'dist/daemon/cli/main.js');
  const script = `${exported}\n"$1" --input-type=module -e "$2" && "$1" "$3" watch`;
  const used = run('sh', ['-c', script, 'sh', process.execPath, `import pg from 'pg'; ${ask}`, bin], projectRoot);
  assert.is(used.out, '7\nno table is watched\n');
  const second = start(folder);
  assert.is(second.status, 0, second.out);
  assert.match(second.out, 'is running already');
  assert.is(pidIn(second), pidIn(first));
  const stopped = start(folder, '--stop');
  assert.is(stopped.out, 'pgcached has stopped\n');
  assert.not(isRunning(pidIn(first)));
  assert.not(existsSync(join(folder, 'cluster', 'postmaster.pid')));
  assert.match(start(folder, '--stop').out, 'no pgcached runs');
});

test('starts again after the daemon was killed', async () => {
  const first = start(folder);
  const postmaster = Number.parseInt(readFileSync(join(folder, 'cluster', 'postmaster.pid'), 'utf8'), 10);
  process.kill(pidIn(first), 'SIGKILL');
  await until('the end of its Postgres', () => !isRunning(postmaster));
  const second = start(folder);
  assert.is(second.status, 0, second.out);
  assert.is.not(pidIn(second), pidIn(first));
});

test('does not take another process for the daemon', () => {
  const state = { pid: process.pid, began: '1', socket: join(folder, 'pgcached.sock') };
  writeFileSync(join(folder, 'dev.json'), JSON.stringify(state));
  assert.match(start(folder, '--stop').out, 'no pgcached runs');
});

test('a start that fails shows the end of the log', () => {
  const { status, out } = start(folder, '--', '--log-level', 'nonsense');
  assert.is(status, 1);
  assert.match(out, /did not start[\s\S]*log-?level/i);
  assert.not(existsSync(join(folder, 'dev.json')));
});

test('a folder too deep for a socket gets one elsewhere', () => {
  const deep = join(folder, ...Array.from({ length: 5 }, () => 'x'.repeat(24)));
  const { status, out } = start(deep);
  assert.is(status, 0, out);
  const socket = /socket {2}(\S+)/.exec(out)![1]!;
  assert.ok(existsSync(socket) && socket.length < 100, socket);
  assert.is(start(deep, '--stop').status, 0);
  assert.not(existsSync(socket));
});

test.run();
