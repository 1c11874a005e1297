import { figure, loadName, type Result } from './report.js';
import type { Spread } from './statistics.js';
import { bar, type Column, chart, type Row, range } from './svg.js';

export interface Chart {
  readonly file: string;
  readonly title: string;
  readonly svg: string;
}

/** One picture a workload and size: a row a contender, by load; columns for rate, times and CPU. The echo would dwarf all. */
export function chartsOf(all: readonly Result[]): Chart[] {
  const results = all.filter(({ contender }) => contender !== 'echo');
  const charts: Chart[] = [];
  for (const task of new Set(results.map(({ workload, size }) => `${workload} ${size}`))) {
    const own = results.filter(({ workload, size }) => `${workload} ${size}` === task);
    const title = `${own[0]!.workload}, values of ${own[0]!.size.replace(/(\d)([a-z])/i, '$1 $2')}`;
    charts.push({ file: `${fileName(task)}.svg`, title, svg: chart(title, COLUMNS, groupsOf(own)) });
  }
  return charts;
}

const fileName = (task: string) => task.toLowerCase().replace(/[^a-z0-9]+/g, '-');

const COLUMNS: readonly Column[] = [
  { title: 'operations a second', scale: 'linear' },
  { title: 'p50 to p99, µs', scale: 'log' },
  { title: 'CPU µs an operation: client, server, Postgres', scale: 'linear' },
];

function groupsOf(results: readonly Result[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const result of results) {
    const name = `${loadName(result.load)} (processes × calls in flight)`;
    const rows = groups.get(name) ?? [];
    groups.set(name, rows);
    rows.push(rowOf(result));
  }
  return groups;
}

function rowOf(result: Result): Row {
  const median = (spread: Spread | undefined) => spread?.median ?? 0;
  const { opsPerSecond, p50Us, p99Us } = result;
  const cpu = [median(result.clientCpuUs), median(result.serverCpuUs), median(result.postgresCpuUs)];
  const total = cpu.reduce((sum, each) => sum + each, 0);
  return {
    name: result.contender,
    isOurs: result.contender.startsWith('pgcached'),
    marks: [
      bar([median(opsPerSecond)], figure(median(opsPerSecond)), opsPerSecond),
      range(median(p50Us), median(p99Us), `${figure(median(p50Us))} – ${figure(median(p99Us))}`),
      bar(cpu, figure(total)),
    ],
  };
}
