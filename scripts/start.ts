#!/usr/bin/env node
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HELP = `Usage: ./scripts/start [--data-dir FOLDER] [--stop] [-- options of pgcached dev]

Installs what is missing, builds, and starts the daemon in the background on a Postgres that it brings along.

  --data-dir FOLDER  where its data, socket and log live (default .pgcached in the checkout)
  --stop             stop the daemon that runs on this folder
  --help             print this
`;

/** The longest path that fits a Unix socket address. */
const SOCKET_BYTES = 107;
const READY_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 100;
const LOG_LINES_SHOWN = 25;

const projectRoot = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const command = join(projectRoot, 'dist/daemon/cli/main.js');

/** Written beside the data, so that a later call finds the daemon, and does not take another process for it. */
interface Running {
  readonly pid: number;
  /** When the process began, in whatever form the system tells it: process ids are given out again. */
  readonly began: string;
  readonly socket: string;
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** @returns undefined where no such process runs */
function beganOf(pid: number): string | undefined {
  if (process.platform !== 'linux') {
    return spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim() || undefined;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function isAlive({ pid, began }: Running): boolean {
  return beganOf(pid) === began;
}

const stateFile = (dataDir: string): string => join(dataDir, 'dev.json');
const logFile = (dataDir: string): string => join(dataDir, 'dev.log');

function findRunning(dataDir: string): Running | undefined {
  try {
    const state = JSON.parse(readFileSync(stateFile(dataDir), 'utf8')) as Running;
    return isAlive(state) ? state : undefined;
  } catch {
    return undefined;
  }
}

function forget(dataDir: string, socket: string): void {
  rmSync(stateFile(dataDir), { force: true });
  if (dirname(socket) !== dataDir) rmSync(dirname(socket), { recursive: true, force: true });
}

/** Where the folder's path is too long for a socket, one in a new temporary folder. */
function socketFor(dataDir: string): string {
  const socket = join(dataDir, 'pgcached.sock');
  if (Buffer.byteLength(socket) <= SOCKET_BYTES) return socket;
  return join(mkdtempSync(join(tmpdir(), 'pgcached-')), 'pgcached.sock');
}

function launch(dataDir: string, options: readonly string[]): Running {
  const socket = socketFor(dataDir);
  if (existsSync(logFile(dataDir))) renameSync(logFile(dataDir), `${logFile(dataDir)}.1`);
  const log = openSync(logFile(dataDir), 'w', 0o600);
  const args = [command, 'dev', '--socket', socket, '--data-dir', dataDir, ...options];
  const child = spawn(process.execPath, args, { cwd: projectRoot, stdio: ['ignore', log, log], detached: true });
  closeSync(log);
  child.unref();
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${process.execPath} cannot be run`);
  const running = { pid, began: beganOf(pid) ?? '', socket };
  writeFileSync(stateFile(dataDir), JSON.stringify(running));
  return running;
}

/** What `pgcached status --json` prints; undefined where nobody answers. */
function statusOf(socket: string): string | undefined {
  if (!existsSync(socket)) return undefined;
  const flags = [command, 'status', '--json', '--socket', socket];
  const { status, stdout } = spawnSync(process.execPath, flags, { encoding: 'utf8', timeout: 10_000 });
  return status === 0 ? stdout : undefined;
}

/** A word of a shell's command line: the URL has an `&`. */
const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** For applications and commands: the same database under the names that they read. */
function exportsOf(socket: string): string {
  const { config } = JSON.parse(statusOf(socket) ?? '{}') as { config?: { databaseUrl?: string } };
  const url = config?.databaseUrl;
  const lines = [`  export PGCACHED_SOCKET=${quoted(socket)}`];
  if (url) lines.push(`  export DATABASE_URL=${quoted(url)}`, '  export PGCACHED_DATABASE_URL="$DATABASE_URL"');
  return lines.join('\n');
}

async function untilReady(running: Running): Promise<boolean> {
  for (const end = Date.now() + READY_LIMIT_MS; Date.now() < end; await sleep(LOOK_EVERY_MS)) {
    if (!isAlive(running)) return false;
    if (statusOf(running.socket) !== undefined) return true;
  }
  return false;
}

/** The daemon says where its data is: for root it may have to be elsewhere than asked. */
function dataOf(dataDir: string): string {
  const log = readFileSync(logFile(dataDir), 'utf8');
  return JSON.parse(/"dataDir":("(?:[^"\\]|\\.)*")/.exec(log)?.[1] ?? 'null') ?? dataDir;
}

function introduce({ pid, socket }: Running, dataDir: string, how: string): void {
  const where = dataDir === join(projectRoot, '.pgcached') ? '' : ` --data-dir ${dataDir}`;
  print(`pgcached ${how} (process ${pid})

  socket  ${socket}
  data    ${dataOf(dataDir)}
  log     ${logFile(dataDir)}
  stop    ${join(projectRoot, 'scripts/start')}${where} --stop

To try it, start node in ${projectRoot} and paste:

  const { connect } = await import('pgcached');
  const cache = connect({ socket: ${JSON.stringify(socket)} });
  await cache.set('greeting', 'hello', '5m').then(() => cache.get('greeting')).then(console.log);

For your own programs, psql "$DATABASE_URL", and commands such as pgcached watch:

${exportsOf(socket)}
`);
}

/** A line of the log for people: what happened, and the error's own words. */
function readable(line: string): string {
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    return [msg, err?.message].filter(Boolean).join(': ') || line;
  } catch {
    return line;
  }
}

async function start(dataDir: string, options: readonly string[]): Promise<boolean> {
  const earlier = findRunning(dataDir);
  if (earlier) {
    const ready = await untilReady(earlier);
    if (ready) introduce(earlier, dataDir, 'is running already');
    else
      print(`process ${earlier.pid} is there, but does not answer on ${earlier.socket}; its log: ${logFile(dataDir)}`);
    return ready;
  }
  mkdirSync(dataDir, { recursive: true, mode: 0o755 });
  const running = launch(dataDir, options);
  if (await untilReady(running)) {
    introduce(running, dataDir, 'is running');
    return true;
  }
  const lines = readFileSync(logFile(dataDir), 'utf8').trimEnd().split('\n').slice(-LOG_LINES_SHOWN).map(readable);
  await stop(dataDir);
  forget(dataDir, running.socket);
  print(`pgcached did not start. The end of ${logFile(dataDir)}:\n\n${lines.join('\n')}`);
  return false;
}

async function stop(dataDir: string): Promise<boolean> {
  const running = findRunning(dataDir);
  if (running === undefined) return false;
  process.kill(running.pid, 'SIGTERM');
  const end = Date.now() + STOP_LIMIT_MS;
  while (isAlive(running) && Date.now() < end) await sleep(LOOK_EVERY_MS);
  if (isAlive(running)) process.kill(running.pid, 'SIGKILL'); // its Postgres sees that, and ends in order
  forget(dataDir, running.socket);
  return true;
}

async function main(): Promise<boolean> {
  const { values, positionals } = parseArgs({
    options: { 'data-dir': { type: 'string' }, stop: { type: 'boolean' }, help: { type: 'boolean' } },
    allowPositionals: true,
  });
  const dataDir = resolve(values['data-dir'] ?? join(projectRoot, '.pgcached'));
  if (values.help) print(HELP.trimEnd());
  else if (values.stop) print((await stop(dataDir)) ? 'pgcached has stopped' : `no pgcached runs on ${dataDir}`);
  else return start(dataDir, positionals);
  return true;
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  process.stderr.write(`start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
