/** What a client process did, as the checker sees it. All instants are microseconds of the machine's monotonic clock. */

/** Writes of registers and counters, and what kills: the process that makes them logs their beginning, then their end. */
export type WriteKind = 'set' | 'delete' | 'expire' | 'add' | 'incr' | 'invalidateTags' | 'clear' | 'update';
export type ReadKind = 'get' | 'getMany' | 'peek' | 'getOrSet';

export interface Actor {
  /** One life of one client process. */
  readonly process: string;
  readonly host: number;
  /** Whether it reads through a near tier. */
  readonly near: boolean;
}

export interface Write extends Actor {
  readonly kind: WriteKind;
  readonly key: string;
  readonly inv: number;
  /** Infinity where no answer came. */
  readonly resp: number;
  /** `no`: it has certainly not taken effect. */
  readonly outcome: 'ok' | 'no' | 'unknown';
  /** Of a set or delete, its number among its writer's; of an update, the row's version; of an incr or add, what it returned. */
  readonly version: number;
  /** Of a set: what can invalidate it. Of invalidateTags: what it invalidates. */
  readonly tag?: string;
  /** Of a set or expire, if it is short. */
  readonly ttlUs?: number;
  /** Of an update: whether its own process may read nothing older once it is acknowledged (withTransaction). */
  readonly own?: boolean;
}

export interface Read extends Actor {
  readonly kind: ReadKind;
  readonly key: string;
  readonly inv: number;
  readonly resp: number;
  /** undefined: a miss. */
  readonly version: number | undefined;
}

/** From before Postgres was killed until after it took connections again, its UNLOGGED tables empty. */
export interface Crash {
  readonly start: number;
  readonly end: number;
}

export interface History {
  readonly writes: readonly Write[];
  readonly reads: readonly Read[];
  readonly crashes: readonly Crash[];
}

export interface Violation {
  /** The promise that was broken. */
  readonly promise: string;
  readonly detail: string;
  readonly operation: Read | Write;
  /** What it contradicts. */
  readonly because?: Read | Write;
}

/** One line of a process's file: a write begins, a write ends, or a read has ended. */
export type Line =
  | { readonly b: number; readonly w: Omit<Write, keyof Actor | 'resp' | 'outcome'> }
  | { readonly e: number; readonly resp: number; readonly outcome: Write['outcome']; readonly version?: number }
  | { readonly r: Omit<Read, keyof Actor> };

/** @param text of a file whose last line may be torn: its writer may have been killed */
export function parseHistory(text: string, actor: Actor): { writes: Write[]; reads: Read[] } {
  const writes = new Map<number, Write>();
  const reads: Read[] = [];
  const lines = text.split('\n');
  lines.pop(); // empty, or torn
  for (const one of lines) {
    const line = JSON.parse(one) as Line;
    if ('r' in line) {
      reads.push({ ...actor, ...line.r, version: line.r.version });
    } else if ('b' in line) {
      writes.set(line.b, { ...actor, ...line.w, resp: Number.POSITIVE_INFINITY, outcome: 'unknown' });
    } else {
      const { e, resp, outcome, version } = line;
      const begun = writes.get(e)!;
      const ended = outcome === 'unknown' ? Number.POSITIVE_INFINITY : resp;
      writes.set(e, { ...begun, resp: ended, outcome, version: version ?? begun.version });
    }
  }
  return { writes: [...writes.values()], reads };
}

export const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);
