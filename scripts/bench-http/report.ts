import { figure, markdown, spreadText } from '../bench/report.js';
import { type Spread, spreadOf } from '../bench/statistics.js';
import { type ContenderName, constantOf, contenderOf, isOurs } from './contenders.js';
import { type Cell, loadName, type Round } from './measure.js';

export type Result = Cell & { readonly [Measure in keyof Round]: Spread | undefined } & {
  readonly rounds: readonly Round[];
};

export interface Run {
  readonly machine: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly absent: readonly ContenderName[];
  readonly results: readonly Result[];
}

export function resultOf(cell: Cell, rounds: readonly Round[]): Result {
  const spread = (measure: keyof Round) => spreadOf(rounds.map((round) => round[measure]));
  return {
    ...cell,
    rounds,
    requestsPerSecond: spread('requestsPerSecond'),
    p50Ms: spread('p50Ms'),
    p99Ms: spread('p99Ms'),
    serverCpuUs: spread('serverCpuUs'),
    storeCpuUs: spread('storeCpuUs'),
    allCpuUs: spread('allCpuUs'),
  };
}

/** Requests a second beside another's in the same round: the median of the rounds. */
function ratio(one: Result | undefined, other: Result | undefined): Spread | undefined {
  if (one === undefined || other === undefined) return undefined;
  return spreadOf(one.rounds.map((round, at) => round.requestsPerSecond / other.rounds[at]!.requestsPerSecond));
}

const HEAD = [
  'load',
  'contender',
  'requests/s',
  '(spread)',
  'to the constant',
  'p50 ms',
  'p99 ms',
  'server',
  'store',
  'all',
];

function table({ results }: Run): string {
  const rows = results.map((result) => {
    const constant = results.find(
      (other) => other.contender === constantOf(result.contender) && loadName(other.load) === loadName(result.load),
    );
    return [
      loadName(result.load),
      result.contender,
      figure(result.requestsPerSecond?.median),
      spreadText(result.requestsPerSecond),
      figure(ratio(result, constant)?.median),
      figure(result.p50Ms?.median),
      figure(result.p99Ms?.median),
      figure(result.serverCpuUs?.median),
      figure(result.storeCpuUs?.median),
      figure(result.allCpuUs?.median),
    ];
  });
  return markdown([HEAD, ...rows]);
}

export const GOALS = { toPeerMin: 3, toConstantMin: 0.75 } as const;

interface Goal {
  readonly load: string;
  readonly contender: ContenderName;
  readonly beside: ContenderName;
  readonly wanted: number;
  readonly found: Spread | undefined;
}

/** Ours with the near tier beside the best peer that shares its pages between processes, and beside the constant. */
export function goalsOf({ results }: Run): Goal[] {
  const ours = results.filter(({ contender }) => isOurs(contender) && contender.endsWith('-near'));
  return ours.flatMap((own) => {
    const { framework } = contenderOf(own.contender);
    const near = results.filter(
      ({ contender, load }) => contenderOf(contender).framework === framework && loadName(load) === loadName(own.load),
    );
    const peers = near
      .filter(({ contender }) => !isOurs(contender) && contenderOf(contender).sharing === 'processes')
      .toSorted((a, b) => b.requestsPerSecond!.median - a.requestsPerSecond!.median);
    const constant = near.find(({ contender }) => contender === constantOf(own.contender));
    const goal = (other: Result | undefined, wanted: number): Goal[] =>
      other === undefined
        ? []
        : [
            {
              load: loadName(own.load),
              contender: own.contender,
              beside: other.contender,
              wanted,
              found: ratio(own, other),
            },
          ];
    return [...goal(peers[0], GOALS.toPeerMin), ...goal(constant, GOALS.toConstantMin)];
  });
}

function goalTable(run: Run): string {
  const rows = goalsOf(run).map(({ load, contender, beside, wanted, found }) => [
    load,
    contender,
    beside,
    figure(wanted),
    figure(found?.median),
    spreadText(found),
    (found?.median ?? 0) >= wanted ? 'yes' : 'no',
  ]);
  if (rows.length === 0) return '';
  return `\n${markdown([['load', 'contender', 'beside', 'wanted', 'found', '(spread)', 'reached'], ...rows])}`;
}

export function textOf(run: Run): string {
  const absent =
    run.absent.length === 0 ? '' : `Not measured, because Redis is not installed here: ${run.absent.join(', ')}.\n`;
  return `${run.machine}; medians of ${run.rounds} rounds of ${run.seconds} s.\n${absent}
${table(run)}
The last three columns are CPU time in microseconds a request: of the server processes, of the daemon or Redis, of these with Postgres.
${goalTable(run)}`;
}

export function jsonOf(run: Run): string {
  const short = (_key: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
  return `${JSON.stringify({ ...run, goals: goalsOf(run) }, short, 2)}\n`;
}
