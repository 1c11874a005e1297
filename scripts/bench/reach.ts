import type { Contention } from './contention.js';
import { CONTENTION_GOAL, GOALS, type Goal, VISIBILITY_GOAL } from './goals.js';
import { isSameTask, type Measured, markdown, spreadText } from './report.js';
import type { Round } from './rounds.js';
import { type Spread, spreadOf } from './statistics.js';
import type { VisibilityFound } from './visibility.js';

/** A goal and what this run says of it. */
export interface Reached {
  readonly what: string;
  readonly goal: string;
  /** The ratio, or the time; undefined where this run did not measure it. */
  readonly found: Spread | undefined;
  readonly unit: '×' | 'ms';
  readonly isMet: boolean | undefined;
}

export function reachOf(
  measured: readonly Measured[],
  visibility: readonly VisibilityFound[],
  contention: Contention | undefined,
): Reached[] {
  const limits = GOALS.map((goal) => {
    const found = spreadOf(ratios(goal, measured));
    return goal.of === 'p50' ? atMost(goal.what, goal.factor, found, '×') : atLeast(goal.what, goal.factor, found);
  });
  const busy = visibility.find(({ perSecond }) => perSecond === VISIBILITY_GOAL.perSecond);
  const seen = `from commit to visible on another server, ${VISIBILITY_GOAL.perSecond} other writes/s`;
  const once = (value: number | undefined) => spreadOf([value]);
  return [
    ...limits,
    atMost('p99 of hits while misses run at full rate, against idle', CONTENTION_GOAL.factor, contention?.ratio, '×'),
    atMost(`${seen}, p50`, VISIBILITY_GOAL.p50Ms, once(busy?.fromCommit.p50Ms), 'ms'),
    atMost(`${seen}, p99`, VISIBILITY_GOAL.p99Ms, once(busy?.fromCommit.p99Ms), 'ms'),
  ];
}

function atLeast(what: string, factor: number, found: Spread | undefined): Reached {
  const isMet = found === undefined ? undefined : found.median >= factor;
  return { what, goal: `≥ ${factor} ×`, found, unit: '×', isMet };
}

function atMost(what: string, limit: number, found: Spread | undefined, unit: '×' | 'ms'): Reached {
  const isMet = found === undefined ? undefined : found.median <= limit;
  return { what, goal: `≤ ${limit} ${unit}`, found, unit, isMet };
}

/** Round by round; of several others, the best of the round. */
function ratios(goal: Goal, measured: readonly Measured[]): (number | undefined)[] {
  const roundsOf = (contender: string, workload = goal.workload) =>
    measured.find(({ cell }) => cell.contender === contender && isSameTask(cell, { ...goal, workload }))?.rounds;
  const ours = roundsOf(goal.ours);
  const theirs = goal.theirs.map((name) => roundsOf(name, goal.theirWorkload)).filter((rounds) => rounds !== undefined);
  if (ours === undefined || theirs.length === 0) return [];
  return ours.map((round, index) => {
    const others = theirs.map((rounds) => rounds[index]!);
    return ratio(goal.of, round, others);
  });
}

function ratio(of: Goal['of'], ours: Round, theirs: readonly Round[]): number {
  if (of === 'rate') return ours.opsPerSecond / Math.max(...theirs.map((round) => round.opsPerSecond));
  const bestUs = Math.min(...theirs.map((round) => round.p50Us));
  return of === 'speed' ? bestUs / ours.p50Us : ours.p50Us / bestUs;
}

const verdict = ({ isMet }: Reached) => (isMet === undefined ? 'not measured' : isMet ? 'met' : 'missed');

export function reachTable(reached: readonly Reached[]): string {
  const rows = reached.map((each) => [
    each.what,
    each.goal,
    each.found === undefined ? '–' : `${each.found.median.toFixed(2)} ${each.unit}`,
    each.found === undefined || each.found.low === each.found.high ? '–' : spreadText(each.found),
    verdict(each),
  ]);
  return markdown([['what', 'goal', 'found', '(spread)', ''], ...rows]);
}
