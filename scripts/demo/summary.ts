import type { CacheStatistics } from '../../shared/cache.js';
import type { Application } from './application.js';
import type { Violation } from './checker.js';
import { Histogram } from './histogram.js';
import { type Figures, PAGES, type Page, type PageLatency } from './messages.js';
import type { Propagation } from './propagation.js';

/** Milliseconds; missing where nothing was measured. */
export interface Percentiles {
  readonly count: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

export interface ServerSummary {
  readonly name: string;
  /** Reads answered by the daemon's memory. */
  readonly memoryHits: number;
  /** Reads answered by the table in Postgres. */
  readonly tableHits: number;
  readonly misses: number;
}

export interface ProcessSummary {
  readonly name: string;
  readonly server: string;
  readonly pid: number;
  readonly requests: number;
  readonly reads: number;
  readonly loads: number;
  readonly writes: number;
  readonly increments: number;
  readonly errors: number;
  /** Reads held against what had been acknowledged. */
  readonly checkedReads: number;
  readonly demands: number;
  readonly violations: number;
}

export interface Summary {
  readonly seconds: number;
  readonly rows: number;
  readonly servers: readonly ServerSummary[];
  readonly processes: readonly ProcessSummary[];
  readonly latency: Readonly<Record<Page, Readonly<Record<keyof PageLatency, Percentiles>>>>;
  readonly propagation: Percentiles & { readonly unseen: number };
  readonly counters: { readonly keys: number; readonly increments: number; readonly wrong: number };
  readonly violations: number;
  readonly violationExamples: readonly (Violation & { readonly process: string })[];
  readonly errors: number;
  readonly errorExamples: readonly string[];
  /** No violation, no error, no write unseen, no counter wrong. */
  readonly ok: boolean;
}

export function percentiles(histogram: Histogram): Percentiles {
  return { count: histogram.total, p50Ms: histogram.percentileMs(0.5), p99Ms: histogram.percentileMs(0.99) };
}

export function summarizeServer(name: string, { tiers }: CacheStatistics): ServerSummary {
  const { memory, table } = tiers;
  return { name, memoryHits: memory?.hits ?? 0, tableHits: table?.hits ?? 0, misses: table?.misses ?? 0 };
}

export function summarizeProcess({ name, server, pid }: Application, figures: Figures): ProcessSummary {
  const { requests, reads, loads, increments, errors, checkedReads, demands, violations } = figures;
  const writes = Object.values(figures.writes).reduce((sum, count) => sum + count, 0);
  return { name, server, pid, requests, reads, loads, writes, increments, errors, checkedReads, demands, violations };
}

/** The latencies of all processes together. */
export function summarizeLatency(all: readonly Figures[]): Summary['latency'] {
  const merge = (page: Page, kind: keyof PageLatency): Percentiles => {
    const histogram = new Histogram();
    for (const { latency } of all) histogram.add(latency[page][kind]);
    return percentiles(histogram);
  };
  const ofPage = (page: Page) => ({
    hit: merge(page, 'hit'),
    all: merge(page, 'all'),
    query: merge(page, 'query'),
  });
  return Object.fromEntries(PAGES.map((page) => [page, ofPage(page)])) as Summary['latency'];
}

export function summarize(
  seconds: number,
  rows: number,
  servers: readonly ServerSummary[],
  applications: readonly Application[],
  all: readonly Figures[],
  propagation: Propagation,
  counters: Summary['counters'],
): Summary {
  const processes = applications.map((application, at) => summarizeProcess(application, all[at]!));
  const sum = (name: 'violations' | 'errors'): number => processes.reduce((total, one) => total + one[name], 0);
  const violations = sum('violations');
  const errors = sum('errors');
  const { delays, unseen } = propagation;
  return {
    seconds,
    rows,
    servers,
    processes,
    latency: summarizeLatency(all),
    propagation: { ...percentiles(delays), unseen },
    counters,
    violations,
    violationExamples: all.flatMap(({ violationExamples }, at) =>
      violationExamples.map((example) => ({ ...example, process: processes[at]!.name })),
    ),
    errors,
    errorExamples: all.flatMap(({ errorExamples }) => errorExamples),
    ok: violations === 0 && errors === 0 && unseen === 0 && counters.wrong === 0,
  };
}
