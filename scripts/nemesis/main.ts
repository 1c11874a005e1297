import { parseArgs } from 'node:util';
import { schedule } from './faults.js';
import { Random } from './random.js';
import { type NemesisReport, runNemesis } from './run.js';

const HELP = `Usage: npm run nemesis -- [options]

Two daemons, eight client processes (half of them with a near tier, two that hide outages) and a Postgres of their own, under kills,
stops, cuts, delays and crashes. Every call is recorded; the history is held against the promises of docs/coherence.md. Ends with 1 if
one was broken, and says which file has the operations in question. Progress goes to standard error.

  --minutes N  how long, from 0.1 to 600 (default 2); checking comes on top
  --seed S     of the faults and of the operations (default: by the clock). What the machine makes of them differs from run to run
  --json       print the report as JSON
  --help       print this
`;
const MINUTES_MAX = 600;
const FAULT_EVERY_MS = 700;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '2' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000_007) },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const minutes = Number(values.minutes);
  const seed = Number(values.seed);
  if (!(minutes >= 0.1 && minutes <= MINUTES_MAX)) throw new Error(`--minutes is a number from 0.1 to ${MINUTES_MAX}`);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error('--seed is a whole number from 0');
  const startedMs = performance.now();
  const progress = (line: string): void => {
    const atS = ((performance.now() - startedMs) / 1_000).toFixed(0).padStart(4);
    process.stderr.write(`${atS} s  ${line}\n`);
  };
  progress(`seed ${seed}`);
  const faults = schedule(new Random(seed));
  const report = await runNemesis({ seconds: minutes * 60, seed, faults, faultEveryMs: FAULT_EVERY_MS, progress });
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : textOf(report));
  if (report.violations > 0 || report.failures.length > 0) process.exitCode = 1;
}

export function textOf(report: NemesisReport): string {
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  const lines = report.examples.flatMap(({ promise, detail, neighbours }) => [
    '',
    `BROKEN: ${promise}: ${detail}`,
    ...neighbours.map((line) => `  ${line}`),
  ]);
  const { operations, reads, writes, faults, failedCalls, staleBoundMs, violations, failures, seed } = report;
  const { queryReads, queries, madeReads, madeHits, graceReads, folder, historyFile } = report;
  const share = (part: number, all: number): string => `${((100 * part) / Math.max(1, all)).toFixed(1)} %`;
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  lines.push(
    '',
    `operations      ${operations} (${reads} reads, ${writes} writes)`,
    `made of others  ${madeReads} of the reads, ${madeHits} of them answered with what another read had made`,
    `faults          ${list(faults)}`,
    `failed calls    ${list(failedCalls)}`,
    `largest stale   ${ms(report.stalestMs)}; of values made of others ${ms(report.stalestMadeMs)} (the bound is ${staleBoundMs} ms)`,
    `under grace     ${graceReads} reads, at most ${ms(report.stalestGraceMs)} behind what the daemon could not know of`,
    `queries         ${queryReads} answers, ${share(queries.hits, queries.hits + queries.misses)} hits; largest stale ${ms(report.stalestQueryMs)}; ${queries.bypasses} not cached`,
    `violations      ${violations}`,
    ...failures.map((failure) => `FAILED          ${failure}`),
    `seed            ${seed} (again: npm run nemesis -- --seed ${seed} --minutes ${report.seconds / 60})`,
  );
  if (historyFile !== undefined) lines.push(`history         ${historyFile}`);
  if (folder !== undefined) lines.push(`logs            ${folder}`);
  return `${lines.join('\n')}\n`;
}

await main();
