import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chartsOf } from '../../scripts/bench/charts.js';
import { GOALS } from '../../scripts/bench/goals.js';
import { reachOf } from '../../scripts/bench/reach.js';
import { type Measured, resultsOf } from '../../scripts/bench/report.js';
import type { Cell, Round } from '../../scripts/bench/rounds.js';
import { jsonOf } from '../../scripts/bench/save.js';
import { bar, chart } from '../../scripts/bench/svg.js';

const round = (opsPerSecond: number, p50Us: number): Round => ({
  opsPerSecond,
  p50Us,
  p99Us: 2 * p50Us,
  clientCpuUs: 1,
  serverCpuUs: undefined,
  postgresCpuUs: undefined,
});

/** What every goal asks for, ours and theirs, with rates of `ours` and 1, and p50s of `p50Us` and 1, in three rounds. */
function measuredAs(ours: number, p50Us: number): Measured[] {
  return GOALS.flatMap((goal) => {
    const cell = (contender: Cell['contender']): Cell => ({ contender, ...goal });
    return [
      { cell: cell(goal.ours), rounds: new Array<Round>(3).fill(round(ours, p50Us)) },
      ...goal.theirs.map((name) => ({ cell: cell(name), rounds: new Array<Round>(3).fill(round(1, 1)) })),
    ];
  });
}

const verdicts = (measured: readonly Measured[]) => reachOf(measured, [], undefined).slice(0, GOALS.length);

test('goals are met by whoever is a hundred times as fast, missed by whoever is as slow, and open where nothing was measured', () => {
  for (const { what, isMet } of verdicts(measuredAs(100, 0.01))) assert.is(isMet, true, what);
  for (const { what, isMet } of verdicts(measuredAs(0.01, 100))) assert.is(isMet, false, what);
  for (const { what, isMet } of verdicts([])) assert.is(isMet, undefined, what);
});

test('of several others the best one of each round counts', () => {
  const goal = GOALS.find(({ theirs, of }) => theirs.length > 1 && of === 'rate')!;
  const rates = [
    [10, 1, 5],
    [1, 10, 5],
  ];
  const measured = [
    { cell: { contender: goal.ours, ...goal }, rounds: [10, 20, 30].map((rate) => round(rate, 1)) },
    ...rates.map((own, index) => ({
      cell: { contender: goal.theirs[index]!, ...goal },
      rounds: own.map((rate) => round(rate, 1)),
    })),
  ];
  const { found } = verdicts(measured)[GOALS.indexOf(goal)]!;
  assert.equal(found, { median: 2, low: 1, high: 6 });
});

test('a chart holds every row, escapes what it writes, and leaves the echo out', () => {
  const svg = chart(
    'a < b & c',
    [{ title: 'ops', scale: 'linear' }],
    new Map([['g', [{ name: '<x>', isOurs: true, marks: [bar([3, 4], '7')] }]]]),
  );
  assert.match(svg, /aria-label="a &#60; b &#38; c"/);
  assert.not.match(svg, /<x>/);
  const results = resultsOf(measuredAs(2, 1));
  for (const { svg: each } of chartsOf(results)) assert.not.match(each, /NaN|undefined|Infinity/);
  assert.is(chartsOf(results.filter(({ contender }) => contender === 'echo')).length, 0);
});

test('the saved figures can be read again', () => {
  const results = resultsOf(measuredAs(1 / 3, 1));
  const run = {
    machine: 'm',
    absent: [],
    rounds: 3,
    durationMs: 1,
    results,
    reach: [],
    contention: undefined,
    visibility: [],
  };
  const read = JSON.parse(jsonOf(run)) as typeof run;
  assert.is(read.results.length, results.length);
  assert.is(read.machine, 'm');
});

test.run();
