import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { RULE_NAMES } from './ablations.js';
import { searchInThreads } from './parallel.js';
import { makePlan } from './plan.js';
import { run } from './run.js';
import { search, shrink } from './search.js';

const HELP = `npm run model -- [options]

Runs random schedules of daemons, processes and near tiers over a modelled Postgres, in virtual time, and checks the
promises of docs/coherence.md. Ends with 1 where one was broken.

  --minutes N      how long (default 1)
  --threads N      threads that share the seeds (default: one for each core, here ${availableParallelism()})
  --from SEED      the first seed (default: of the time of day)
  --seed SEED      replays one schedule, makes it as short as it goes where it breaks a promise, and prints what happens
  --whole          with --seed: does not make it shorter
  --ablate RULE    leaves a rule out; 'all' leaves each out in turn, and tells what notices
  --rules          prints the names of the rules
  --json           prints the result as JSON, and the progress to stderr
  --help
`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    threads: { type: 'string', default: String(availableParallelism()) },
    seed: { type: 'string' },
    from: { type: 'string', default: String(Date.now() % 1e9) },
    ablate: { type: 'string' },
    whole: { type: 'boolean', default: false },
    rules: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const without = values.ablate === undefined ? [] : [values.ablate];
const seconds = numberOf('minutes', Number.MIN_VALUE) * 60;
const tell = values.json ? console.error : console.log;

function numberOf(name: 'minutes' | 'threads' | 'seed' | 'from', least: number): number {
  const number = Number(values[name]);
  if (number >= least && (name === 'minutes' || Number.isSafeInteger(number))) return number;
  console.error(`--${name} ${values[name]}: not a number that it can be; see --help`);
  process.exit(2);
}

if (values.help) console.log(HELP.trimEnd());
else if (values.rules) console.log(RULE_NAMES.join('\n'));
else if (values.ablate === 'all') await ablateAll();
else if (values.ablate !== undefined && !RULE_NAMES.includes(values.ablate)) {
  console.error(`no rule is called '${values.ablate}'; see --rules`);
  process.exitCode = 2;
} else if (values.seed !== undefined) await replay(numberOf('seed', 0));
else await searchAll();

async function ablateAll(): Promise<void> {
  const caught: Record<string, string | null> = {};
  for (const name of RULE_NAMES) {
    const { failed, schedules } = await search({ seconds, without: [name] });
    caught[name] = failed === undefined ? null : `seed ${failed.plan.seed}: ${failed.violation.message}`;
    tell(`'${name}': ${schedules} schedules, ${caught[name] ?? 'not caught'}`);
    if (failed === undefined) process.exitCode = 1;
  }
  if (values.json) console.log(JSON.stringify(caught, undefined, 2));
}

async function replay(seed: number): Promise<void> {
  const plan = makePlan(seed);
  const { violation, largestStalenessMs } = await run(plan, { without });
  const small = violation === undefined || values.whole ? plan : await shrink(plan, violation.promise, without);
  tell(violation?.message ?? 'no violation');
  if (violation !== undefined) process.exitCode = 1;
  if (!values.json) console.log(JSON.stringify(small, undefined, 1));
  const lines: string[] = [];
  await run(small, { without, trace: (line) => lines.push(line) });
  if (values.json) {
    const result = { seed, violation: violation?.message ?? null, largestStalenessMs, plan: small, trace: lines };
    console.log(JSON.stringify(result, undefined, 2));
  } else console.log(lines.join('\n'));
}

async function searchAll(): Promise<void> {
  const from = numberOf('from', 0);
  const threads = numberOf('threads', 1);
  const beganMs = performance.now();
  tell(`from seed ${from}, ${threads} threads`);
  let saidMs = beganMs;
  const progress = (schedules: number) => {
    const nowMs = performance.now();
    if (nowMs - saidMs < 10_000) return;
    saidMs = nowMs;
    tell(`${schedules} schedules, ${((1000 * schedules) / (nowMs - beganMs)).toFixed(0)}/s`);
  };
  const { failed, schedules, largestStalenessMs, ...took } = await searchInThreads({
    seconds,
    from,
    without,
    threads,
    progress,
  });
  const perSecond = Math.round(schedules / took.seconds);
  if (values.json) {
    const broken = failed && { seed: failed.plan.seed, ...failed.violation };
    const result = { from, threads, schedules, seconds: took.seconds, perSecond, largestStalenessMs };
    console.log(JSON.stringify({ ...result, failed: broken ?? null }, undefined, 2));
  } else console.log(`${schedules} schedules, ${perSecond}/s; largest staleness ${largestStalenessMs.toFixed(0)} ms`);
  if (failed === undefined) return;
  process.exitCode = 1;
  tell(`seed ${failed.plan.seed}: ${failed.violation.message}`);
  tell(`npm run model -- --seed ${failed.plan.seed}${values.ablate ? ` --ablate '${values.ablate}'` : ''} replays it`);
}
