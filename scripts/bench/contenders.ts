import { callEcho } from './contenders/echo.js';
import { callPgcached } from './contenders/pgcached.js';
import { callSeed } from './contenders/seed.js';
import type { Workload } from './workloads.js';

/** Where the servers of a run are. */
export interface Addresses {
  readonly databaseUrl: string;
  /** Sockets of the daemons of two servers over that database. */
  readonly daemonSockets: readonly [string, string];
  readonly echoSocket: string;
}

/** A contender in a client process: one call of each workload that it knows. */
export interface Caller {
  readonly calls: { readonly [Name in Workload]?: (index: number) => Promise<unknown> };
  /** Stores what the reads are to find. Called once, in one process. */
  fill?(): Promise<void>;
  close(): Promise<void>;
}

/** Who runs against whom. A peer to come (an ioredis, a keyv) is a file in contenders/ and a line here. */
export const CONTENDERS = {
  pgcached: callPgcached,
  echo: callEcho,
  seed: callSeed,
} as const satisfies Record<string, (addresses: Addresses) => Promise<Caller>>;

export type ContenderName = keyof typeof CONTENDERS;
export const CONTENDER_NAMES = Object.keys(CONTENDERS) as readonly ContenderName[];
