import type { Cell, Round } from './rounds.js';
import { type Spread, spreadOf } from './statistics.js';
import type { Load } from './workloads.js';

/** A cell and the median of its rounds, measure by measure; `toEcho` is the median of each round's ratio to the echo's. */
export type Result = Cell & { readonly [Measure in keyof Round]: Spread | undefined } & { toEcho: Spread | undefined };

export interface Measured {
  readonly cell: Cell;
  readonly rounds: readonly Round[];
}

export function resultsOf(measured: readonly Measured[]): Result[] {
  return measured.map(({ cell, rounds }) => {
    const echo = measured.find(({ cell: other }) => other.contender === 'echo' && isSameTask(other, cell));
    const spread = (measure: keyof Round) => spreadOf(rounds.map((round) => round[measure]));
    return {
      ...cell,
      opsPerSecond: spread('opsPerSecond'),
      p50Us: spread('p50Us'),
      p99Us: spread('p99Us'),
      clientCpuUs: spread('clientCpuUs'),
      serverCpuUs: spread('serverCpuUs'),
      postgresCpuUs: spread('postgresCpuUs'),
      toEcho: spreadOf(rounds.map((round, index) => ratio(round, echo?.rounds[index]))),
    };
  });
}

type Task = Omit<Cell, 'contender'>;

/** The same work at the same load, whoever does it. */
export function isSameTask(one: Task, other: Task): boolean {
  return one.workload === other.workload && one.size === other.size && loadName(one.load) === loadName(other.load);
}

function ratio(round: Round, echo: Round | undefined): number | undefined {
  return echo === undefined ? undefined : round.opsPerSecond / echo.opsPerSecond;
}

/** Three figures, as many as such a measurement is good for. */
export function figure(value: number | undefined): string {
  if (value === undefined) return '–';
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export const loadName = ({ processes, inFlight }: Load): string => `${processes} × ${inFlight}`;

export function spreadText(spread: Spread | undefined): string {
  return spread === undefined ? '–' : `${figure(spread.low)}–${figure(spread.high)}`;
}

const HEAD = [
  'workload',
  'size',
  'load',
  'contender',
  'ops/s',
  '(spread)',
  'to echo',
  'p50 µs',
  'p99 µs',
  'client',
  'server',
  'Postgres',
];

/** A table in Markdown, to be pasted into a page as it is. The last three columns are CPU time. */
export function table(results: readonly Result[]): string {
  const rows = results.map((result) => [
    result.workload,
    result.size,
    loadName(result.load),
    result.contender,
    figure(result.opsPerSecond?.median),
    spreadText(result.opsPerSecond),
    result.contender === 'echo' ? '1' : figure(result.toEcho?.median),
    figure(result.p50Us?.median),
    figure(result.p99Us?.median),
    figure(result.clientCpuUs?.median),
    figure(result.serverCpuUs?.median),
    figure(result.postgresCpuUs?.median),
  ]);
  return markdown([HEAD, ...rows]);
}

/** Columns whose first row holds a number, or nothing, are set to the right. */
export function markdown(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(3, ...rows.map((row) => row[column]!.length)));
  const isText = (column: number) => !/^([-–]|[\d.,]+([–-][\d.,]+)?)$/.test(rows[1]?.[column] ?? '');
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => (isText(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join(' | ')} |\n`;
  const rule = widths.map((width, column) => (isText(column) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return line(rows[0]!) + line(rule) + rows.slice(1).map(line).join('');
}
