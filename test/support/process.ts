import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Whether the process runs: one that has ended and that nobody has waited for (a zombie) does not. */
export function isRunning(pid: number): boolean {
  if (process.platform === 'linux') {
    try {
      return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return false; // also where it goes between two looks
    }
  }
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() !== '' && !stdout.trim().startsWith('Z');
}

/** The processes that have the text in their arguments or environment, as `pid arguments` (Linux; elsewhere by arguments alone). */
export function processesWith(text: string): string[] {
  if (process.platform !== 'linux') {
    const { stdout } = spawnSync('ps', ['-axo', 'pid=,command='], { encoding: 'utf8' });
    return stdout.split('\n').filter((line) => line.includes(text));
  }
  const read = (pid: string, file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8').replaceAll('\0', ' ');
    } catch {
      return ''; // it has gone, or is not ours to look at
    }
  };
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isRunning(Number(name)));
  return pids
    .filter((pid) => read(pid, 'cmdline').includes(text) || read(pid, 'environ').includes(text))
    .map((pid) => `${pid} ${read(pid, 'cmdline')}`);
}

/** Polls until the condition holds. @throws Error with `what` where it does not within the limit */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 20_000,
): Promise<void> {
  for (const end = Date.now() + limitMs; Date.now() < end; await sleep(20)) if (await condition()) return;
  throw new Error(`${what}: not within ${limitMs / 1000} s`);
}

/**
 * Stops a Postgres with all its processes, on Linux: the postmaster first, so that it makes no other meanwhile, and none of
 * those that end is gone before it is stopped. @returns what lets them go on
 */
export function freeze(postmaster: number): () => void {
  process.kill(postmaster, 'SIGSTOP');
  while (!/^\d+ \(.*\) T/s.test(readFileSync(`/proc/${postmaster}/stat`, 'utf8')));
  const all = [...childrenOf(postmaster), postmaster];
  for (const pid of all) process.kill(pid, 'SIGSTOP');
  return () => {
    for (const pid of all) process.kill(pid, 'SIGCONT');
  };
}

/** The processes whose parent it is, on Linux. */
export function childrenOf(pid: number): number[] {
  const parentOf = (child: string) => {
    try {
      return Number(readFileSync(`/proc/${child}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]);
    } catch {
      return undefined;
    }
  };
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return all.filter((child) => parentOf(child) === pid).map(Number);
}
