import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { startPostgres } from '../../daemon/embedded.js';
import { SMALL_NAMESPACE } from './contenders/pgcached.js';
import type { Addresses } from './contenders.js';
import { childrenOf, cpuUsOf } from './cpu.js';

const MAIN = fileURLToPath(new URL('../../daemon/cli/main.js', import.meta.url));
const ECHO = fileURLToPath(new URL('./echo-server.js', import.meta.url));
const STARTED_MS_MAX = 30_000;

/** Everything that a run asks: a Postgres, the daemons of two servers over it, and the echo; each a process of its own. */
export interface Servers {
  readonly addresses: Addresses;
  /** CPU time so far, in microseconds, of the first daemon, the echo, and Postgres. */
  cpu(): { daemon: number | undefined; echo: number | undefined; postgres: number | undefined };
  stop(): Promise<void>;
}

export async function startServers(options: { daemonArguments?: readonly string[] } = {}): Promise<Servers> {
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-bench-'));
  const postgres = await startPostgres({
    dataDir: join(folder, 'postgres'),
    onParentDeath: 'immediate',
    removeOnParentDeath: [folder],
  });
  const daemonSockets = [join(folder, 'a', 'a.sock'), join(folder, 'b', 'b.sock')] as const;
  const echoSocket = join(folder, 'echo.sock');
  const daemons = await Promise.all(
    daemonSockets.map((socket, index) =>
      startDaemon(socket, join(folder, `state-${index}`), postgres.url, options.daemonArguments ?? []),
    ),
  );
  const echo = spawn(process.execPath, [ECHO, echoSocket], { stdio: ['pipe', 'pipe', 'inherit'] });
  await says(echo, echo.stdout!, 'ready');
  const addresses: Addresses = { databaseUrl: postgres.url, daemonSockets, echoSocket };
  return {
    addresses,
    cpu: () => ({
      daemon: cpuUsOf([daemons[0]!.pid!]),
      echo: cpuUsOf([echo.pid!]),
      postgres: cpuUsOf([postgres.pid, ...childrenOf(postgres.pid)]),
    }),
    async stop() {
      echo.kill();
      await Promise.all(
        daemons.map(
          (daemon) =>
            new Promise<void>((resolve) => {
              daemon.once('exit', () => resolve());
              daemon.kill('SIGTERM');
            }),
        ),
      );
      await postgres.stop('fast');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startDaemon(
  socket: string,
  stateDir: string,
  databaseUrl: string,
  more: readonly string[],
): Promise<ChildProcess> {
  const { name, ...limits } = SMALL_NAMESPACE;
  const options = { socket, 'state-dir': stateDir, namespaces: JSON.stringify({ [name]: limits }) };
  const flags = Object.entries(options).map(([option, value]) => `--${option}=${value}`);
  const daemon = spawn(process.execPath, [...nodeFlags(), MAIN, 'daemon', ...flags, ...more], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PGCACHED_DATABASE_URL: databaseUrl },
  });
  process.once('exit', () => daemon.kill('SIGKILL'));
  await says(daemon, daemon.stderr!, 'ready');
  return daemon;
}

/** For profiles: BENCH_DAEMON_NODE_FLAGS=--cpu-prof. */
function nodeFlags(): string[] {
  return (process.env.BENCH_DAEMON_NODE_FLAGS ?? '').split(' ').filter(Boolean);
}

/** Waits until a process has written the word. */
async function says(child: ChildProcess, stream: Readable, word: string): Promise<void> {
  let text = '';
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`no '${word}' within ${STARTED_MS_MAX} ms: ${text}`)),
      STARTED_MS_MAX,
    );
    child.once('exit', (code) => reject(new Error(`ended with ${code} before it was ready: ${text}`)));
    stream.on('data', (chunk: Buffer) => {
      if (text.length < 10_000) text += chunk.toString();
      if (!text.includes(word)) return;
      clearTimeout(timer);
      resolve();
    });
  });
}
