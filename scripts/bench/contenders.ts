import type { Data } from './data.js';
import type { Workload } from './workloads.js';

/** Where the servers of a run are; those that are not installed here, or not wanted, are undefined. */
export interface Addresses {
  readonly databaseUrl: string;
  /** Sockets of the daemons of two servers over that database. */
  readonly daemonSockets: readonly [string, string];
  readonly echoSocket: string;
  readonly redisSocket: string | undefined;
  readonly memcachedSocket: string | undefined;
}

/** One call; undefined or null as its answer is a value that was not found, which ends the run. */
export type Call = (index: number, data: Data) => unknown;

/** A contender in a client process: one call of each workload that it knows. */
export interface Caller {
  readonly calls: { readonly [Name in Workload]?: Call };
  /** Stores what the reads are to find. Called once a size, in one process. */
  fill?(data: Data): Promise<void>;
  /** Brings the hot keys into this process. Called before a workload that is answered there. */
  warm?(data: Data): Promise<void>;
  close(): Promise<void>;
}

/** Whose CPU counts as the server's. Postgres has a column of its own. */
export type ServerName = 'daemon' | 'echo' | 'redis' | 'memcached';

export interface Contender {
  readonly what: string;
  /** Undefined where there is none, or where it is Postgres alone. */
  readonly server?: ServerName;
  readonly asksPostgres?: true;
  open(addresses: Addresses): Promise<Caller>;
}

const pgcached = () => import('./contenders/pgcached.js');
const ioredis = () => import('./contenders/ioredis.js');
const nodeRedis = () => import('./contenders/node-redis.js');

/** Who runs against whom: a file in contenders/ and a line here. Each is loaded only where it runs. */
export const CONTENDERS = {
  pgcached: {
    what: 'the client, the daemon, Postgres',
    server: 'daemon',
    asksPostgres: true,
    open: async (at) => (await pgcached()).callPgcached(at),
  },
  'pgcached-near': {
    what: 'the same with the near tier on',
    server: 'daemon',
    asksPostgres: true,
    open: async (at) => (await pgcached()).callPgcachedNear(at),
  },
  'pgcached-memory': {
    what: "a namespace of the daemon's memory alone",
    server: 'daemon',
    open: async (at) => (await pgcached()).callPgcachedMemory(at),
  },
  echo: {
    what: "a bare Unix socket between two Node processes, with pgcached's very bytes",
    server: 'echo',
    open: async (at) => (await import('./contenders/echo.js')).callEcho(at),
  },
  seed: {
    what: "the statements that pgcached's table began as, prepared, on a pg pool of ten",
    asksPostgres: true,
    open: async (at) => (await import('./contenders/seed.js')).callSeed(at),
  },
  ioredis: {
    what: 'Redis, JSON values',
    server: 'redis',
    open: async (at) => (await ioredis()).callIoredis(at, { msgpackr: false, pipelined: false }),
  },
  'ioredis-msgpackr': {
    what: "Redis, values of msgpackr's defaults, as buffers",
    server: 'redis',
    open: async (at) => (await ioredis()).callIoredis(at, { msgpackr: true, pipelined: false }),
  },
  'ioredis-pipelined': {
    what: 'Redis, JSON values, enableAutoPipelining',
    server: 'redis',
    open: async (at) => (await ioredis()).callIoredis(at, { msgpackr: false, pipelined: true }),
  },
  'ioredis-pipelined-msgpackr': {
    what: 'both',
    server: 'redis',
    open: async (at) => (await ioredis()).callIoredis(at, { msgpackr: true, pipelined: true }),
  },
  'node-redis': {
    what: 'Redis, JSON values',
    server: 'redis',
    open: async (at) => (await nodeRedis()).callNodeRedis(at),
  },
  'node-redis-cached': {
    what: 'the same with clientSideCache (RESP3), whose copies are JSON text',
    server: 'redis',
    open: async (at) => (await nodeRedis()).callNodeRedisCached(at),
  },
  bentocache: {
    what: 'memory and Redis, as it comes: its memory keeps JSON text',
    server: 'redis',
    open: async (at) => (await import('./contenders/bentocache.js')).callBentocache(at, true),
  },
  'bentocache-shared': {
    what: 'its memory with serialize: false, which hands the same object to everybody',
    server: 'redis',
    open: async (at) => (await import('./contenders/bentocache.js')).callBentocache(at, false),
  },
  cacheable: {
    what: 'memory as it comes, and Redis through a Keyv store on ioredis',
    server: 'redis',
    open: async (at) => (await import('./contenders/cacheable.js')).callCacheable(at),
  },
  'keyv-postgres': {
    what: '@keyv/postgres with an UNLOGGED table',
    asksPostgres: true,
    open: async (at) => (await import('./contenders/keyv-postgres.js')).callKeyvPostgres(at),
  },
  memcached: {
    what: 'memjs, JSON values',
    server: 'memcached',
    open: async (at) => (await import('./contenders/memcached.js')).callMemcached(at),
  },
  'lru-cache': {
    what: "a Map's worth in the process, for nobody else",
    open: async () => (await import('./contenders/lru-cache.js')).callLruCache(),
  },
} as const satisfies Record<string, Contender>;

export type ContenderName = keyof typeof CONTENDERS;
export const CONTENDER_NAMES = Object.keys(CONTENDERS) as readonly ContenderName[];
export const contenderOf = (name: ContenderName): Contender => CONTENDERS[name];
