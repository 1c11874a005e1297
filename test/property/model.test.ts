import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RULE_NAMES } from '../model/ablations.js';
import { searchInThreads } from '../model/parallel.js';
import { makePlan } from '../model/plan.js';
import { run } from '../model/run.js';
import { search, shrink } from '../model/search.js';
import { WITNESSES } from '../model/witnesses.js';

// gate: cost=2 timeout=300

const SECONDS = Number(process.env.PGCACHED_MODEL_SECONDS ?? 60);
const THREADS = 2;
const FROM = Number(process.env.PGCACHED_MODEL_SEED ?? 1);

const test = suite('model');

test(`keeps its promises in as many schedules as fit in ${SECONDS} s`, async () => {
  const { failed, schedules, seconds, largestStalenessMs } = await searchInThreads({
    seconds: SECONDS,
    from: FROM,
    threads: THREADS,
  });
  const rate = `${schedules} schedules from seed ${FROM}, ${(schedules / seconds).toFixed(0)}/s`;
  console.log(`${rate}; largest staleness ${largestStalenessMs.toFixed(0)} ms of 200`);
  assert.ok(schedules > 0);
  if (failed === undefined) return;
  const { plan, violation } = failed;
  const small = await shrink(plan, violation.promise);
  const lines: string[] = [];
  await run(small, { trace: (line) => lines.push(line) });
  const how = `npm run model -- --seed ${plan.seed} replays it`;
  assert.unreachable(`seed ${plan.seed}: ${violation.message}\n${how}\n${lines.join('\n')}`);
});

for (const rule of RULE_NAMES) {
  test(`misses the rule: ${rule}`, async () => {
    const { failed, schedules } = await search({ seconds: 60, from: WITNESSES[rule] ?? 1, without: [rule] });
    assert.ok(failed !== undefined, `${schedules} schedules end well without it`);
    const whole = await run(failed.plan);
    assert.is(whole.violation?.message, undefined, `seed ${failed.plan.seed} ends well with it`);
  });
}

test('is the same in every run of a seed', async () => {
  const traces: string[][] = [];
  for (const _ of [1, 2]) {
    const lines: string[] = [];
    await run(makePlan(4318), { trace: (line) => lines.push(line) });
    traces.push(lines);
  }
  assert.ok((traces[0] as string[]).length > 50);
  assert.equal(traces[0], traces[1]);
});

test.run();
