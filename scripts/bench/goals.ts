import type { ContenderName } from './contenders.js';
import type { Size } from './data.js';
import { ALONE, type Load, type Workload } from './workloads.js';

/**
 * What pgcached is to reach, as ratios within one round of one run: of rates (how many times theirs), of p50s (how many times
 * theirs, so that less is better), or of speeds, which are p50s too, the other way round: inside a process nothing queues, and a
 * rate would tell of whoever else wanted the core. Of several others the best one of the round counts.
 */
export interface Goal {
  readonly what: string;
  readonly of: 'rate' | 'p50' | 'speed';
  readonly factor: number;
  readonly workload: Workload;
  /** Where the other does it under another name. */
  readonly theirWorkload?: Workload;
  readonly size: Size;
  readonly load: Load;
  readonly ours: ContenderName;
  readonly theirs: readonly ContenderName[];
}

const DEEP: Load = { processes: 1, inFlight: 64 };
const WIDE: Load = { processes: 4, inFlight: 16 };
const IOREDIS = ['ioredis', 'ioredis-msgpackr', 'ioredis-pipelined', 'ioredis-pipelined-msgpackr'] as const;

const near = (what: string, theirs: ContenderName): Goal => ({
  what: `near hit, awaited, against ${what}`,
  of: 'speed',
  factor: 15,
  workload: 'near-hit',
  size: '200B',
  load: ALONE,
  ours: 'pgcached-near',
  theirs: [theirs],
});

const hit = (what: string, factor: number, load: Load, workload: Workload = 'get-hit', size: Size = '200B'): Goal => ({
  what: `${what}, against the best ioredis mode`,
  of: 'rate',
  factor,
  workload,
  size,
  load,
  ours: 'pgcached',
  theirs: IOREDIS,
});

const seed = (what: string, factor: number, workload: Workload): Goal => ({
  what: `${what}, 64 in flight, against the plain SQL`,
  of: 'rate',
  factor,
  workload,
  size: '200B',
  load: DEEP,
  ours: 'pgcached',
  theirs: ['seed'],
});

export const GOALS: readonly Goal[] = [
  near("node-redis's clientSideCache", 'node-redis-cached'),
  near("bentocache's memory", 'bentocache'),
  near("cacheable's memory", 'cacheable'),
  {
    what: "peek, p50, against lru-cache's get",
    of: 'p50',
    factor: 1.5,
    workload: 'peek',
    size: '200B',
    load: ALONE,
    ours: 'pgcached-near',
    theirs: ['lru-cache'],
  },
  {
    what: 'hit through the socket, one at a time, p50, against ioredis',
    of: 'p50',
    factor: 1.05,
    workload: 'get-hit',
    size: '200B',
    load: ALONE,
    ours: 'pgcached',
    theirs: ['ioredis'],
  },
  hit('hit, 64 in flight', 1.5, DEEP),
  hit('hit, 4 × 16', 1.7, WIDE),
  hit('getMany(10), 64 in flight', 1.5, DEEP, 'getMany(10)'),
  hit('hit of 10 kB, 64 in flight', 2, DEEP, 'get-hit', '10kB'),
  seed('set through to Postgres', 5, 'set'),
  {
    what: 'set through to Postgres, one at a time, p50, against the plain SQL',
    of: 'p50',
    factor: 1.5,
    workload: 'set',
    size: '200B',
    load: ALONE,
    ours: 'pgcached',
    theirs: ['seed'],
  },
  seed('incr of one hot key', 10, 'incr-hot'),
  {
    ...hit('set in a namespace of memory alone, 64 in flight', 1.5, DEEP, 'set'),
    what: 'set in a namespace of memory alone, 64 in flight, against ioredis',
    ours: 'pgcached-memory',
    theirs: ['ioredis'],
  },
  seed('miss that Postgres answers', 3, 'get-miss'),
];

/** From commit on one server to visible on another, with so many other writes a second going on. */
export const VISIBILITY_GOAL = { perSecond: 1000, p50Ms: 2, p99Ms: 10 } as const;
/** The p99 of hits while misses run at full rate, beside that of idle. */
export const CONTENTION_GOAL = { factor: 2 } as const;
