import { parseArgs } from 'node:util';
import { RULE_NAMES } from './ablations.js';
import { makePlan } from './plan.js';
import { run } from './run.js';
import { search, shrink } from './search.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    from: { type: 'string' },
    ablate: { type: 'string' },
    whole: { type: 'boolean', default: false },
  },
});

const without = values.ablate === undefined ? [] : [values.ablate];
const seconds = Number(values.minutes) * 60;

if (values.ablate === 'all') {
  for (const name of RULE_NAMES) {
    const { failed, schedules } = await search({ seconds, without: [name] });
    const what = failed === undefined ? 'not caught' : `seed ${failed.plan.seed}: ${failed.violation.message}`;
    console.log(`'${name}': ${schedules} schedules, ${what}`);
  }
} else if (values.seed !== undefined) {
  const plan = makePlan(Number(values.seed));
  const { violation } = await run(plan, { without });
  console.log(violation?.message ?? 'no violation');
  const small = violation === undefined || values.whole ? plan : await shrink(plan, violation.promise, without);
  console.log(JSON.stringify(small, undefined, 1));
  await run(small, { without, trace: (line) => console.log(line) });
} else {
  const from = Number(values.from ?? Date.now() % 1e9);
  console.log(`from seed ${from}`);
  const { failed, schedules, largestStalenessMs } = await search({
    seconds,
    from,
    without,
    progress: (count, perSecond) => console.log(`${count} schedules, ${perSecond.toFixed(0)}/s`),
  });
  console.log(`${schedules} schedules; largest staleness ${largestStalenessMs.toFixed(0)} ms`);
  if (failed !== undefined) {
    console.log(`seed ${failed.plan.seed}: ${failed.violation.message}`);
    process.exitCode = 1;
  }
}
