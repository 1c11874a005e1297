import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CacheError } from '../shared/errors.js';

/** smart waits for clients to leave, fast cuts them off, immediate skips the last checkpoint (tables that are UNLOGGED end empty). */
export type StopMode = 'smart' | 'fast' | 'immediate';

const SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const satisfies Record<StopMode, string>;

/** How long each kind of stop may take before the next, harder one. */
const STOP_LIMIT_MS = { smart: 60_000, fast: 30_000, immediate: 10_000 } as const satisfies Record<StopMode, number>;

export const POLL_MS = 10;
const SPEAK_LIMIT_MS = 5_000;

/** What a running postmaster says of itself in postmaster.pid. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly socketDir: string;
  readonly ready: boolean;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A zombie answers to signals, but holds nothing any more. */
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) === 'Z';
  } catch {
    return false;
  }
}

/** Process ids are given out again: a postmaster is one whose working directory is its cluster, or that is named so. */
function isPostmasterOf(cluster: string, pid: number): boolean {
  if (!isAlive(pid) || isZombie(pid)) return false;
  if (process.platform === 'linux') {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(cluster);
    } catch {
      return false;
    }
  }
  const { stdout } = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.includes('postgres') && stdout.includes(cluster);
}

/** @returns the living postmaster of the cluster; undefined where none runs, also where a stale file says otherwise */
export function findPostmaster(cluster: string): Postmaster | undefined {
  let lines: string[];
  try {
    lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return undefined;
  }
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 1 || !isPostmasterOf(cluster, pid)) return undefined;
  const ready = (lines[7] ?? '').trim() === 'ready';
  return { pid, port: Number(lines[3]), socketDir: lines[4] ?? '', ready };
}

/** The question of Postgres's protocol that is answered by one byte, before anybody has said who they are. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/**
 * Whether the postmaster answers. One that has just been killed looks alive for a moment: in the process table, in its
 * file, and with its socket listening.
 */
export function speaks({ socketDir, port }: Postmaster): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(join(socketDir, `.s.PGSQL.${port}`), () => socket.write(SSL_REQUEST));
    const end = (answered: boolean) => (): void => {
      socket.destroy();
      resolve(answered);
    };
    socket
      .setTimeout(SPEAK_LIMIT_MS, end(false))
      .once('data', end(true))
      .once('error', end(false))
      .once('close', end(false));
  });
}

/**
 * Postgres replaces the stale file of a dead process by itself, but refuses to start while the number in it belongs to
 * anybody: only then the file must go. (Removing more would race with another start that has just replaced it.)
 */
export function removeForeignPidFile(cluster: string): void {
  const file = join(cluster, 'postmaster.pid');
  if (!existsSync(file) || findPostmaster(cluster) !== undefined) return;
  if (isAlive(Number.parseInt(readFileSync(file, 'utf8'), 10))) rmSync(file, { force: true });
}

async function waitUntilGone(pid: number, limitMs: number): Promise<boolean> {
  for (const end = Date.now() + limitMs; Date.now() < end; await sleep(POLL_MS)) {
    if (!isAlive(pid) || isZombie(pid)) return true;
  }
  return !isAlive(pid);
}

/**
 * Stops a postmaster and waits until it is gone, harder where the mode's time limit has passed.
 * @throws CacheError ERR_DATABASE where even SIGKILL did not help
 */
export async function stopPostmaster(cluster: string, pid: number, mode: StopMode): Promise<void> {
  const order: StopMode[] = ['smart', 'fast', 'immediate'];
  for (const step of order.slice(order.indexOf(mode))) {
    if (!isPostmasterOf(cluster, pid)) return;
    process.kill(pid, SIGNALS[step]);
    if (await waitUntilGone(pid, STOP_LIMIT_MS[step])) return;
  }
  process.kill(pid, 'SIGKILL');
  if (await waitUntilGone(pid, STOP_LIMIT_MS.immediate)) return;
  throw new CacheError('ERR_DATABASE', `the embedded Postgres with process id ${pid} does not end`);
}

/**
 * Starts a small process that stops the postmaster when this process ends in any way, also by SIGKILL: the kernel closes
 * the pipe that it reads. `$1` is the cluster, `$2` the signal, the others are folders to remove in the end.
 */
export function stopWithParent(cluster: string, mode: StopMode, removeAfter: readonly string[]): ChildProcess {
  const script = `read -r _
pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null) && kill -"$2" "$pid" 2>/dev/null
shift 2
[ $# -gt 0 ] || exit 0
n=0; while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done
rm -rf -- "$@"`;
  const signal = SIGNALS[mode].slice(3);
  const watcher = spawn('/bin/sh', ['-c', script, 'pgcached-watch', cluster, signal, ...removeAfter], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // Ctrl-C in a terminal is for the parent: the watcher must outlive it
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
  });
  watcher.on('error', () => {}); // without a shell there is nobody to watch; Postgres runs all the same
  watcher.unref();
  (watcher.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  return watcher;
}
