import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { startPostgres } from '../../daemon/embedded.js';
import { MEMORY_NAMESPACE, SMALL_NAMESPACE } from './contenders/pgcached.js';
import type { Addresses, ServerName } from './contenders.js';
import { childrenOf, cpuUsOf, rssOf } from './cpu.js';
import { type Peer, startMemcached, startRedis } from './peers.js';

const MAIN = fileURLToPath(new URL('../../daemon/cli/main.js', import.meta.url));
const ECHO = fileURLToPath(new URL('./echo-server.js', import.meta.url));
const STARTED_MS_MAX = 30_000;

/** Everything that a run asks: a Postgres, the daemons of two servers over it, the echo, and peers; each a process of its own. */
export interface Servers {
  readonly addresses: Addresses;
  /** Of the peers that were started. */
  readonly versions: Readonly<Record<string, string>>;
  /** CPU time so far, in microseconds; the daemon's is the first one's. */
  cpu(): Readonly<Record<ServerName | 'postgres', number | undefined>>;
  /** Resident memory of the first daemon and of a peer, in bytes. */
  rss(of: ServerName): number | undefined;
  /** Takes Postgres down as a crash would, and starts it again; resolves when it accepts connections. */
  crashPostgres(): Promise<void>;
  /** Ends the first daemon with SIGTERM and starts it again; resolves when it is ready. */
  restartDaemon(): Promise<void>;
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly daemonArguments?: readonly string[];
  /** Of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Default: none. One that is not installed is left out. */
  readonly peers?: readonly ('redis' | 'memcached')[];
}

export async function startServers(options: ServerOptions = {}): Promise<Servers> {
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-bench-'));
  const openPostgres = () =>
    startPostgres({
      dataDir: join(folder, 'postgres'),
      onParentDeath: 'immediate',
      removeOnParentDeath: [folder],
      settings: options.settings ?? {},
    });
  let postgres = await openPostgres();
  const daemonSockets = [join(folder, 'a', 'a.sock'), join(folder, 'b', 'b.sock')] as const;
  const echoSocket = join(folder, 'echo.sock');
  const startNth = (index: number) =>
    startDaemon(daemonSockets[index]!, join(folder, `state-${index}`), postgres.url, options.daemonArguments ?? []);
  const daemons = await Promise.all(daemonSockets.map((_, index) => startNth(index)));
  const echo = spawn(process.execPath, [ECHO, echoSocket], { stdio: ['pipe', 'pipe', 'inherit'] });
  await says(echo, echo.stdout!, 'ready');
  const redis = options.peers?.includes('redis') ? await startRedis(folder) : undefined;
  const memcached = options.peers?.includes('memcached') ? await startMemcached(folder) : undefined;
  const pids = () => ({ daemon: daemons[0]!.pid, echo: echo.pid, redis: redis?.pid, memcached: memcached?.pid });
  const of = <T>(name: ServerName, ask: (pid: number) => T) =>
    pids()[name] === undefined ? undefined : ask(pids()[name]!);
  const cpuOf = (name: ServerName) => of(name, (pid) => cpuUsOf([pid]));
  return {
    addresses: {
      databaseUrl: postgres.url,
      daemonSockets,
      echoSocket,
      redisSocket: redis?.socket,
      memcachedSocket: memcached?.socket,
    },
    versions: versionsOf({ redis, memcached }),
    cpu: () => ({
      daemon: cpuOf('daemon'),
      echo: cpuOf('echo'),
      redis: cpuOf('redis'),
      memcached: cpuOf('memcached'),
      postgres: cpuUsOf([postgres.pid, ...childrenOf(postgres.pid)]),
    }),
    rss: (name) => of(name, rssOf),
    async crashPostgres() {
      await postgres.stop('immediate');
      postgres = await openPostgres();
    },
    async restartDaemon() {
      await end(daemons[0]!);
      daemons[0] = await startNth(0);
    },
    async stop() {
      echo.kill();
      await Promise.all([redis?.stop(), memcached?.stop()]);
      await Promise.all(daemons.map(end));
      await postgres.stop('fast');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function end(daemon: ChildProcess): Promise<void> {
  const ended = once(daemon, 'exit');
  daemon.kill('SIGTERM');
  await ended;
}

function versionsOf(peers: Readonly<Record<string, Peer | undefined>>): Record<string, string> {
  const started = Object.entries(peers).filter(([, peer]) => peer !== undefined);
  return Object.fromEntries(started.map(([name, peer]) => [name, peer!.version]));
}

async function startDaemon(
  socket: string,
  stateDir: string,
  databaseUrl: string,
  more: readonly string[],
): Promise<ChildProcess> {
  const own = [SMALL_NAMESPACE, MEMORY_NAMESPACE].map(({ name, ...fields }) => [name, fields]);
  const options = { socket, 'state-dir': stateDir, namespaces: JSON.stringify(Object.fromEntries(own)) };
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
