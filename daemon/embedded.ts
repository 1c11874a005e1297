import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { CacheError } from '../shared/errors.js';
import {
  environment,
  type Home,
  initialise,
  makeFolder,
  prepareHome,
  ROOT_SHELTER,
  TAIL_LINES,
} from './embedded-home.js';
import {
  findPostmaster,
  POLL_MS,
  type Postmaster,
  removeForeignPidFile,
  type StopMode,
  speaks,
  stopPostmaster,
  stopWithParent,
} from './embedded-process.js';

/** The longest path that fits a Unix socket address. */
const SOCKET_PATH_BYTES_MAX = 107;
const PORT_DEFAULT = 5432;
/** From the start of the process to its readiness, recovery after a crash included. */
const START_LIMIT_MS = 60_000;
/** How long the output of a child that has ended may take to be read. */
const LAST_WORDS_MS = 2_000;

export interface EmbeddedOptions {
  /** Folder for the cluster (cluster/), its socket (run/) and, where needed, the binaries; made where missing. */
  readonly dataDir: string;
  /** The number in the socket's name; no TCP port is opened. 1 to 65535, default 5432. */
  readonly port?: number;
  /** Folder of the socket; default: run/ in the data folder where its path is short enough, else a new temporary folder. */
  readonly socketDir?: string;
  /** Is given each line that Postgres logs. */
  readonly log?: (line: string) => void;
  /** Settings of postgresql.conf for this run. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** What happens to Postgres when this process ends without a stop(), however it ends; default 'fast'. */
  readonly onParentDeath?: 'keep' | 'fast' | 'immediate';
  /** Folders that are removed after that. */
  readonly removeOnParentDeath?: readonly string[];
  /**
   * Folder for what user nobody, whom Postgres runs as when we are root, cannot reach where it is: the data, the binaries.
   * Default /var/lib/pgcached-embedded.
   */
  readonly rootShelter?: string;
}

export interface EmbeddedPostgres {
  /** For pg and psql, over the Unix socket. */
  readonly url: string;
  readonly pid: number;
  /** The folder in use: not the one asked for where root's Postgres could not reach that. */
  readonly dataDir: string;
  /** Whether it ran already. */
  readonly adopted: boolean;
  /** Default 'fast'. Resolves when the process is gone. */
  stop(mode?: StopMode): Promise<void>;
}

/** @returns the folder, and whether it is a temporary one that goes at the end */
function socketFolder(home: Home, port: number, asked: string | undefined): { folder: string; temporary: boolean } {
  const folder = resolve(asked ?? join(home.root, 'run'));
  const fits = Buffer.byteLength(join(folder, `.s.PGSQL.${port}`)) <= SOCKET_PATH_BYTES_MAX;
  if (fits) {
    makeFolder(folder, 0o700, home.who);
    return { folder, temporary: false };
  }
  if (asked !== undefined) throw new CacheError('ERR_SOCKET', `${folder} is too long for the path of a socket`);
  const short = mkdtempSync(join(tmpdir(), 'pgcached-'));
  if (home.who) chownSync(short, home.who.uid, home.who.gid);
  return { folder: short, temporary: true };
}

function launch(home: Home, folder: string, port: number, settings: EmbeddedOptions['settings']): ChildProcess {
  const all = {
    listen_addresses: '',
    unix_socket_directories: quoteFolder(folder),
    unix_socket_permissions: '0700',
    port,
  };
  const flags = Object.entries({ ...all, ...settings }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(join(home.native, 'bin', 'postgres'), ['-D', home.cluster, ...flags], {
    ...home.who,
    cwd: home.cluster,
    env: environment(home.native),
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true, // Ctrl-C in a terminal is for the daemon, which then stops Postgres in order
  });
  child.unref();
  return child;
}

/** The setting is a list: a folder with a comma or a quote in its name is written in double quotes. */
function quoteFolder(folder: string): string {
  return `"${folder.replaceAll('"', '""')}"`;
}

/** Lines of a child go to `log`; the last ones are kept for an error message, all of them once `read` has resolved. */
function follow(child: ChildProcess, log: (line: string) => void): { tail: string[]; read: Promise<unknown> } {
  const tail: string[] = [];
  const stream = child.stderr!;
  (stream as unknown as { unref?: () => void }).unref?.();
  const lines = createInterface({ input: stream }).on('line', (line) => {
    tail.push(line);
    if (tail.length > TAIL_LINES) tail.shift();
    log(line);
  });
  return { tail, read: new Promise((resolve) => lines.once('close', resolve)) };
}

/**
 * Resolves with the postmaster when it is ready: the child, or one that another process started in the same moment.
 * After a SIGKILL of an older postmaster its backends hold its shared memory for a moment: then the child ends, and the
 * caller tries again.
 */
async function untilReady(home: Home, child: ChildProcess | undefined, end: number): Promise<Postmaster | undefined> {
  let failed: Error | undefined;
  child?.once('error', (error) => {
    failed = error;
  });
  while (Date.now() < end) {
    const found = findPostmaster(home.cluster);
    if (found?.ready && (await speaks(found))) return found;
    if (failed) throw new CacheError('ERR_DATABASE', `the embedded Postgres cannot be run: ${failed.message}`, failed);
    const ended = child === undefined ? found === undefined : child.exitCode !== null || child.signalCode !== null;
    if (ended && found === undefined) return undefined;
    await sleep(POLL_MS);
  }
  child?.kill('SIGQUIT');
  throw new CacheError('ERR_DATABASE', `the embedded Postgres was not ready after ${START_LIMIT_MS / 1000} s`);
}

function control(home: Home, master: Postmaster, adopted: boolean, onStop: () => void): EmbeddedPostgres {
  const query = `host=${encodeURIComponent(master.socketDir)}&port=${master.port}`;
  return {
    url: `postgres://postgres@/postgres?${query}`,
    pid: master.pid,
    dataDir: home.root,
    adopted,
    async stop(mode = 'fast') {
      await stopPostmaster(home.cluster, master.pid, mode);
      onStop();
    },
  };
}

/**
 * Starts an embedded Postgres of the data folder, or adopts the one that runs on it. Reachable only over a Unix socket in
 * a folder of mode 0700, for its own user and root.
 * @throws CacheError ERR_DATABASE where there is no embedded Postgres for this platform or it does not start; ERR_SOCKET
 * where the socket's folder has too long a path
 */
export async function startPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { port = PORT_DEFAULT, log = () => {}, onParentDeath = 'fast' } = options;
  const home = prepareHome(options.dataDir, options.rootShelter ?? ROOT_SHELTER, log);
  const end = Date.now() + START_LIMIT_MS;
  initialise(home);
  for (let attempt = 1; ; attempt++) {
    const running = await untilReady(home, undefined, end);
    if (running) return control(home, running, true, () => {});
    removeForeignPidFile(home.cluster);
    const { folder, temporary } = socketFolder(home, port, options.socketDir);
    const child = launch(home, folder, port, options.settings);
    const { tail, read } = follow(child, log);
    const master = await untilReady(home, child, end);
    const mine = master !== undefined && master.pid === child.pid;
    if (master && mine) {
      const doomed = [...(temporary ? [folder] : []), ...(options.removeOnParentDeath ?? [])];
      const watcher = onParentDeath === 'keep' ? undefined : stopWithParent(home.cluster, onParentDeath, doomed);
      return control(home, master, false, () => {
        watcher?.kill('SIGKILL');
        if (temporary) rmSync(folder, { recursive: true, force: true });
      });
    }
    if (temporary) rmSync(folder, { recursive: true, force: true });
    // A child may be seen to have ended before its last words have been read.
    if (master === undefined) await Promise.race([read, sleep(LAST_WORDS_MS)]);
    const held = tail.some((line) => line.includes('shared memory block') || line.includes('postmaster.pid'));
    if (master === undefined && !(held && Date.now() < end)) {
      throw new CacheError('ERR_DATABASE', `the embedded Postgres did not start:\n${tail.join('\n')}`);
    }
    await sleep(POLL_MS * attempt);
  }
}
