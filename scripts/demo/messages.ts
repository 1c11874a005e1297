import type { Reason, Violation } from './checker.js';

/** Patient: on a machine that is busy with other things, slow is no error. */
export const CALL_TIMEOUT_MS = 15_000;

/** What an application process is told on its command line. */
export interface AppSetup {
  readonly databaseUrl: string;
  readonly socket: string;
  readonly port: number;
}

/** From this instant on, whoever begins to read the key is to see this version or a newer one. */
export interface KeyDemand {
  readonly key: string;
  readonly version: number;
  readonly fromNs: number;
  readonly reason: Reason;
}

/** A write whose promise resolved. */
export interface Acknowledged {
  readonly key: string;
  readonly version: number;
  readonly atNs: number;
}

export type HistogramCounts = [bucket: number, count: number][];
export const PAGES = ['city', 'country'] as const;
export type Page = (typeof PAGES)[number];

export interface PageLatency {
  /** Reads for which this process did not have to run the query. */
  readonly hit: HistogramCounts;
  /** All reads through the cache. */
  readonly all: HistogramCounts;
  /** The same query without the cache. */
  readonly query: HistogramCounts;
}

/** What a process has counted since its start. */
export interface Figures {
  readonly requests: number;
  readonly reads: number;
  readonly loads: number;
  readonly writes: Readonly<Record<WriteStyle, number>>;
  readonly increments: number;
  readonly errors: number;
  readonly errorExamples: readonly string[];
  readonly latency: Readonly<Record<Page, PageLatency>>;
  readonly checkedReads: number;
  readonly demands: number;
  readonly violations: number;
  readonly violationExamples: readonly Violation[];
}

/** The three ways to make the cache follow a row. */
export const WRITE_STYLES = ['set', 'delete', 'invalidateTags'] as const;
export type WriteStyle = (typeof WRITE_STYLES)[number];

/** What the demo asks of an application process, and what it answers. */
export interface Calls {
  /** Read the city's page, so that this server's memory holds it. */
  warm: { ask: { city: number }; answer: { version: number } };
  /** Read it over and over until it is newer; undefined where it does not become so. */
  until: { ask: { city: number; above: number }; answer: { version: number; seenNs: number } | undefined };
  write: { ask: { city: number }; answer: { version: number; committedNs: number } };
  /** Answered after all acknowledgements so far have been told. */
  flush: { ask: null; answer: null };
  /** Forget the latencies so far. */
  measure: { ask: null; answer: null };
  /** Read once more all that was written, and tell what was counted. */
  finish: { ask: null; answer: { figures: Figures; increments: [key: string, count: number][] } };
}
export type CallName = keyof Calls;

export type ToApp =
  | { [Name in CallName]: { kind: 'call'; id: number; name: Name; ask: Calls[Name]['ask'] } }[CallName]
  | { kind: 'demands'; demands: readonly KeyDemand[] };

export type FromApp =
  | { kind: 'ready'; port: number }
  | { kind: 'answer'; id: number; answer: Calls[CallName]['answer'] }
  | { kind: 'failed'; id: number; problem: string }
  | { kind: 'acknowledged'; writes: readonly Acknowledged[] }
  | { kind: 'figures'; figures: Figures };

/** The one clock of all processes of this machine: nanoseconds, never going back. */
export function nowNs(): number {
  return Number(process.hrtime.bigint());
}
