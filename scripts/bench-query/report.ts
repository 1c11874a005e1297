import { Histogram } from '../bench/histogram.js';
import { markdown } from '../bench/report.js';
import type { KindCounts } from './messages.js';
import type { QueryBench, RoundFigures } from './run.js';

/** Both servers and all rounds of one way taken together. */
export interface Totals {
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
  readonly readP50Us: number;
  readonly readP99Us: number;
  readonly writeP50Us: number;
  readonly writeP99Us: number;
  /** CPU time by the calls, in microseconds; undefined where the system does not tell. */
  readonly databaseCpuUs: number | undefined;
  readonly daemonsCpuUs: number | undefined;
  readonly serversCpuUs: number;
  readonly hitRate: number;
  /** Queries that went past the cache, as it did not pay. */
  readonly directShare: number;
  /** Of the queries run anew that the process had run before: those that gave the same. */
  readonly sameShare: number;
  readonly bypasses: number;
  readonly checked: number;
  readonly stale: number;
  readonly stalestMs: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly kinds: ReadonlyMap<string, KindTotals>;
}

/** Of one kind of query. */
export interface KindTotals {
  reads: number;
  hits: number;
  direct: number;
  again: number;
  same: number;
  readonly times: Histogram;
}

export function totalsOf(rounds: readonly RoundFigures[]): Totals {
  const all = rounds.flatMap(({ measured }) => measured);
  const [reads, writes] = [new Histogram(), new Histogram()];
  const kinds = new Map<string, KindTotals>();
  const failures: Record<string, number> = {};
  for (const one of all) {
    writes.add(new Histogram(one.writes));
    for (const [name, count] of Object.entries(one.failures)) failures[name] = (failures[name] ?? 0) + count;
    for (const [kind, counts] of Object.entries(one.kinds)) addKind(kinds, kind, counts);
  }
  const totals = [...kinds.values()];
  for (const { times } of totals) reads.add(times);
  const seconds = sum(rounds.map(({ measured }) => Math.max(...measured.map(({ elapsedMs }) => elapsedMs)))) / 1_000;
  const calls = reads.total + writes.total;
  const perCall = (values: readonly (number | undefined)[]) =>
    values.includes(undefined) ? undefined : sum(values as number[]) / calls;
  const hits = sum(totals.map((one) => one.hits));
  const direct = sum(totals.map((one) => one.direct));
  return {
    readsPerSecond: reads.total / seconds,
    writesPerSecond: writes.total / seconds,
    readP50Us: reads.quantile(0.5),
    readP99Us: reads.quantile(0.99),
    writeP50Us: writes.quantile(0.5),
    writeP99Us: writes.quantile(0.99),
    databaseCpuUs: perCall(rounds.map((one) => one.databaseCpuUs)),
    daemonsCpuUs: perCall(rounds.map((one) => one.daemonsCpuUs)),
    serversCpuUs: sum(all.map(({ cpuUs }) => cpuUs)) / calls,
    hitRate: hits / Math.max(1, reads.total),
    directShare: direct / Math.max(1, reads.total),
    sameShare: sum(totals.map((one) => one.same)) / Math.max(1, sum(totals.map((one) => one.again))),
    bypasses: sum(all.map(({ bypasses }) => bypasses)),
    checked: sum(rounds.map((one) => one.checked.checked)),
    stale: sum(rounds.map((one) => one.checked.stale)),
    stalestMs: Math.max(...rounds.map((one) => one.checked.stalestMs)),
    failures,
    kinds,
  };
}

function addKind(kinds: Map<string, KindTotals>, kind: string, counts: KindCounts): void {
  const known = kinds.get(kind) ?? { reads: 0, hits: 0, direct: 0, again: 0, same: 0, times: new Histogram() };
  kinds.set(kind, known);
  for (const name of ['reads', 'hits', 'direct', 'again', 'same'] as const) known[name] += counts[name];
  known.times.add(new Histogram(counts.latencies));
}

const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);
const whole = (value: number): string => Math.round(value).toLocaleString('en');
const ms = (us: number): string => `${(us / 1_000).toFixed(us < 10_000 ? 2 : 1)} ms`;
const us = (value: number | undefined): string => (value === undefined ? '–' : `${whole(value)} µs`);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Two tables in Markdown: without the cache beside with it, and what became of each kind of query. */
export function textOf({ rounds }: Pick<QueryBench, 'rounds'>): string {
  const plain = totalsOf(rounds.filter(({ isCached }) => !isCached));
  const cached = totalsOf(rounds.filter(({ isCached }) => isCached));
  const row = (name: string, figure: (totals: Totals) => string): string[] => [name, figure(plain), figure(cached)];
  const only = (name: string, text: string): string[] => [name, '–', text];
  const figures = [
    ['', 'without the cache', 'with it'],
    row('queries a second', (one) => whole(one.readsPerSecond)),
    row('of a query: p50, p99', (one) => `${ms(one.readP50Us)}, ${ms(one.readP99Us)}`),
    row('commits a second', (one) => whole(one.writesPerSecond)),
    row('of a commit: p50, p99', (one) => `${ms(one.writeP50Us)}, ${ms(one.writeP99Us)}`),
    row("CPU a call, Postgres's", (one) => us(one.databaseCpuUs)),
    only("CPU a call, the daemons'", us(cached.daemonsCpuUs)),
    row("CPU a call, the servers'", (one) => us(one.serversCpuUs)),
    only('hits', percent(cached.hitRate)),
    only('past the cache, as it did not pay', percent(cached.directShare)),
    row('stale reads, of those held against the commits', (one) => `${whole(one.stale)} of ${whole(one.checked)}`),
    row('the largest staleness', (one) => `${one.stalestMs.toFixed(1)} ms`),
    only('dropped without need: run again, the same result', percent(cached.sameShare)),
  ];
  const kinds = [...cached.kinds].sort(([, a], [, b]) => b.reads - a.reads);
  const all = sum(kinds.map(([, { reads }]) => reads));
  const times = (one: KindTotals | undefined): string =>
    one === undefined ? '–' : `${ms(one.times.quantile(0.5))}, ${ms(one.times.quantile(0.99))}`;
  const byKind = [
    ['query', 'of all', 'without: p50, p99', 'with: p50, p99', 'hits', 'past it', 'run again: same result'],
    ...kinds.map(([kind, one]) => [
      kind,
      percent(one.reads / all),
      times(plain.kinds.get(kind)),
      times(one),
      percent(one.hits / one.reads),
      percent(one.direct / one.reads),
      percent(one.same / Math.max(1, one.again)),
    ]),
  ];
  const failures = [...Object.entries(plain.failures), ...Object.entries(cached.failures)];
  const failed = failures.map(([name, count]) => `FAILED ${count} times: ${name}\n`).join('');
  return `${markdown(figures)}\n${markdown(byKind)}${failed === '' ? '' : `\n${failed}`}`;
}
