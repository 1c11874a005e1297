import type { Places } from './schema.js';

/** What an application process is started with, as JSON in its arguments; `places` come by message. */
export interface ServerSetup {
  readonly databaseUrl: string;
  /** The socket of its host's daemon; missing where it runs without the cache. */
  readonly socket?: string;
  readonly seed: number;
  readonly near: boolean;
  readonly adaptive: boolean;
  /** Calls under way at any time. */
  readonly loops: number;
  /** Of all calls, from 0 to 1. */
  readonly writeShare: number;
  readonly staleBoundMs: number;
}

/** Writes that were acknowledged: the counter, and when, in microseconds of the machine's monotonic clock. */
export type Acknowledged = readonly [counter: string, atUs: number][];

export type ToServer =
  | { readonly type: 'places'; readonly places: Places }
  /** Runs the load for so long; what happens in the first part is not counted. */
  | { readonly type: 'run'; readonly warmMs: number; readonly ms: number }
  /** All servers' writes, to hold the reads against. */
  | { readonly type: 'check'; readonly writes: Acknowledged };

export interface KindCounts {
  reads: number;
  hits: number;
  /** Calls that went past the cache, since caching does not pay. */
  direct: number;
  /** Queries run anew that the process had run before, and those of them that gave the same. */
  again: number;
  same: number;
  /** Buckets of the histogram of latencies. */
  latencies: readonly number[];
}

export interface Measured {
  readonly kinds: Readonly<Record<string, KindCounts>>;
  readonly bypasses: number;
  readonly failures: Readonly<Record<string, number>>;
  /** Buckets of the histogram of latencies. */
  readonly writes: readonly number[];
  readonly elapsedMs: number;
  /** CPU of the process, in microseconds. */
  readonly cpuUs: number;
}

export interface Checked {
  /** Reads that had a counter to be held against. */
  readonly checked: number;
  readonly stale: number;
  /** How long before a read began a write that it did not show had been acknowledged. */
  readonly stalestMs: number;
}

export type FromServer =
  | { readonly type: 'ready' }
  | { readonly type: 'ran'; readonly measured: Measured; readonly writes: Acknowledged }
  | ({ readonly type: 'checked' } & Checked);
