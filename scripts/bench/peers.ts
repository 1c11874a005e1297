import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server of somebody else's that this machine has installed. */
export interface Peer {
  readonly socket: string;
  readonly pid: number;
  readonly version: string;
  stop(): Promise<void>;
}

const PEER_READY_MS_MAX = 10_000;
const RETRY_CONNECT_MS = 20;

/** Ends the server when our end of the pipe closes, however this process ends. */
const SHEPHERD = '"$@" >/dev/null 2>&1 & echo $!; read -r line; kill $!; wait';

/** @returns undefined where it is not installed */
export function startRedis(folder: string): Promise<Peer | undefined> {
  const socket = join(folder, 'redis.sock');
  const options = ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no', '--dir', folder];
  return start('redis-server', options, socket);
}

/** @returns undefined where it is not installed */
export function startMemcached(folder: string): Promise<Peer | undefined> {
  const socket = join(folder, 'memcached.sock');
  // It refuses to run as root unless told whom to run as.
  const user = process.getuid?.() === 0 ? ['-u', 'root'] : [];
  return start('memcached', ['-s', socket, '-m', '512', ...user], socket);
}

async function start(command: string, options: readonly string[], socket: string): Promise<Peer | undefined> {
  const asked = spawnSync(command, ['--version'], { encoding: 'utf8' });
  if (asked.error !== undefined) return undefined;
  const shepherd = spawn('sh', ['-c', SHEPHERD, 'sh', command, ...options], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = await once(shepherd.stdout!, 'data');
  await listens(command, socket);
  return {
    socket,
    pid: Number(String(line).trim()),
    version: /\d+\.\d+[.\d]*/.exec(asked.stdout)?.[0] ?? '?',
    stop: () => stop(shepherd),
  };
}

async function stop(shepherd: ChildProcess): Promise<void> {
  const ended = once(shepherd, 'exit');
  shepherd.stdin!.end();
  await ended;
}

async function listens(command: string, socket: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < PEER_READY_MS_MAX; waitedMs += RETRY_CONNECT_MS) {
    const attempt = connect(socket);
    const reached = await once(attempt, 'connect').then(
      () => true,
      () => false,
    );
    attempt.destroy();
    if (reached) return;
    await sleep(RETRY_CONNECT_MS);
  }
  throw new Error(`${command} did not listen on its socket within ${PEER_READY_MS_MAX} ms`);
}
