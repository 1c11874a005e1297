import type { Faults } from './connection.js';
import type { Weather } from './world.js';

export interface Settings {
  readonly hosts: number;
  readonly staleBoundMs: number;
  readonly pollIntervalMs: number;
  readonly maxEntries: number;
  readonly rowsMax: number;
  /** Looks fail until then: followers are blind while other statements work. */
  readonly blindUntilMs: number;
  /** And from when to when they fail again. */
  readonly blindMs?: readonly [number, number];
  /** Which of a host's two processes are connected by a wire and have near tiers; none in most schedules. */
  readonly near?: readonly [boolean, boolean];
  readonly weather: Weather;
  readonly faults: Faults;
}

interface At {
  readonly atMs: number;
}

export const OPS = [
  'get',
  'getMany',
  'load',
  'set',
  'add',
  'delete',
  'expire',
  'incr',
  'invalidate',
  'clear',
  'cleanup',
] as const;
export type OpName = (typeof OPS)[number];

/** A call of one process. A later one of the same process waits for it, unless `pipelined`. */
export interface OpItem extends At {
  readonly kind: 'op';
  readonly host: number;
  readonly process: number;
  readonly op: OpName;
  readonly namespace: string;
  readonly key: string;
  readonly tags: readonly string[];
  readonly ttlMs: number;
  readonly pipelined: boolean;
  /** How long the caller waits before it goes on without an answer. */
  readonly patienceMs: number;
  /** Of a load: how long it computes, and how it ends. */
  readonly computeMs: number;
  readonly ends: 'fill' | 'throw' | 'undefined';
  readonly nested: boolean;
  /** Eagerness of early refreshes. */
  readonly beta: number;
  /** Whether one host is to load for all. */
  readonly cluster: boolean;
  /** Of a set: how long past its expiry it may be served; of a load: how long past it is taken. */
  readonly graceMs?: number;
}

/** A transaction of somebody else: it changes sources, and logs that what was made of them is invalid. */
export interface ForeignItem extends At {
  readonly kind: 'foreign';
  readonly names: readonly string[];
  readonly lastsMs: number;
  readonly ends: 'commit' | 'abort' | 'prepare';
  readonly preparedMs: number;
}

export type Item =
  | OpItem
  | ForeignItem
  | (At & { readonly kind: 'lock'; readonly namespace: string; readonly key: string; readonly lastsMs: number })
  | (At & { readonly kind: 'crash' })
  | (At & { readonly kind: 'trim'; readonly host: number; readonly lagMs: number })
  | (At & { readonly kind: 'restart'; readonly host: number })
  | (At & { readonly kind: 'cut'; readonly host: number; readonly process: number })
  | (At & { readonly kind: 'end'; readonly host: number; readonly process: number })
  | (At & { readonly kind: 'outage'; readonly lastsMs: number });

export interface Plan {
  readonly seed: number;
  readonly settings: Settings;
  readonly items: readonly Item[];
}

export const PLAIN_KEYS = ['a', 'b'];
export const LOADED_KEYS = ['x', 'y', 'z'];
/** Loads that read other keys: z is made of x and d, w of z and a. */
export const MADE_KEYS = ['z', 'w'];
