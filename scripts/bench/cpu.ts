import { readdirSync, readFileSync } from 'node:fs';

/**
 * CPU time of processes so far in microseconds, all threads, user and system; undefined where the system does not tell.
 * (schedstat counts nanoseconds; the ticks of /proc/<pid>/stat are 10 ms each.)
 */
export function cpuUsOf(pids: readonly number[]): number | undefined {
  let ns = 0;
  try {
    for (const pid of pids) {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
      }
    }
  } catch {
    return undefined;
  }
  return ns / 1000;
}

/** Children of a process: the backends of a postmaster. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Resident memory of a process in bytes; undefined where the system does not tell. */
export function rssOf(pid: number): number | undefined {
  try {
    const kb = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kb === undefined ? undefined : Number(kb) * 1024;
  } catch {
    return undefined;
  }
}
