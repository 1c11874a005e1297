/** What a client process did, as the checker sees it. All instants are microseconds of the machine's monotonic clock. */

/** Writes of registers and counters, and what kills: the process that makes them logs their beginning, then their end. */
export type WriteKind = 'set' | 'delete' | 'expire' | 'add' | 'incr' | 'invalidateTags' | 'clear' | 'update' | 'load';
export type ReadKind = 'get' | 'getMany' | 'peek' | 'getOrSet' | 'query';

export interface Actor {
  /** One life of one client process. */
  readonly process: string;
  readonly host: number;
  /** Whether it reads through a near tier. */
  readonly near: boolean;
  /** Whether it hides that the daemon or Postgres is away: `onUnavailable: 'degrade'`. */
  readonly degrades: boolean;
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
  /** Made in SQL, past the client's daemon: of an invalidation; an update always is. */
  readonly sql?: boolean;
  /** Of what is made in SQL: whether its own process may read nothing older once it is acknowledged (withTransaction). */
  readonly own?: boolean;
  /** Of what is made in SQL: its transaction was given up on purpose. */
  readonly rolledBack?: boolean;
  /** Of a set of unknown outcome that was acknowledged all the same, since its client degrades: when that was. */
  readonly droppedUs?: number;
  /** Of a load: what its value is known by. */
  readonly id?: string;
  /** Of a load: how long its value may be served after its ttl. */
  readonly graceUs?: number;
}

/** What a read came to. */
export interface Seen {
  /** undefined: a miss. */
  readonly version: number | undefined;
  /** The versions that it was made of, by key; of several versions of one key the oldest. */
  readonly parts?: Readonly<Record<string, number>>;
  /** Of a query that sees all accounts: what they add up to. */
  readonly total?: number;
  /** Of the load that made it. */
  readonly id?: string;
  /** Why it was served under grace, if it was. */
  readonly stale?: string;
  /** How old a value the call was content with, after its ttl. */
  readonly graceUs?: number;
}

export interface Read extends Actor, Seen {
  readonly kind: ReadKind;
  readonly key: string;
  readonly inv: number;
  readonly resp: number;
}

/** From before Postgres was killed until after it took connections again, its UNLOGGED tables empty. */
export interface Crash {
  readonly start: number;
  readonly end: number;
}

/** A host's daemon had looked at the log, as it said itself. */
export interface Look {
  readonly host: number;
  /** Not before this the look was sent. */
  readonly sentUs: number;
  /** Before this it was answered. */
  readonly knownUs: number;
}

export interface History {
  readonly writes: readonly Write[];
  readonly reads: readonly Read[];
  readonly crashes: readonly Crash[];
  readonly looks: readonly Look[];
}

export interface Violation {
  /** The promise that was broken. */
  readonly promise: string;
  readonly detail: string;
  readonly operation: Read | Write;
  /** What it contradicts. */
  readonly because?: Read | Write;
  /** Of a value that was made of others: the key that it was made of. */
  readonly part?: string;
}

export interface End {
  readonly resp: number;
  readonly outcome: Write['outcome'];
  readonly version?: number;
  readonly droppedUs?: number;
}

/** One line of a process's file: a write begins, a write ends, or a read has ended. */
export type Line =
  | { readonly b: number; readonly w: Omit<Write, keyof Actor | 'resp' | 'outcome' | 'droppedUs'> }
  | ({ readonly e: number } & End)
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
      const { e, ...end } = line;
      const resp = end.outcome === 'unknown' ? Number.POSITIVE_INFINITY : end.resp;
      writes.set(e, { ...writes.get(e)!, ...end, resp });
    }
  }
  return { writes: [...writes.values()], reads };
}

export const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);
