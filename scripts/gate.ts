#!/usr/bin/env node
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type FileResult, runFile } from './gate-file.js';
import { type Plan, type Planned, planFolder, planSources, schedule } from './gate-plan.js';
import { cacheFolder, testCluster } from './test-cluster.js';

const JOBS_DEFAULT = 2;
const TIMEOUT_S_DEFAULT = 120;
const SLOWEST_SHOWN = 5;

const HELP = `Usage: scripts/test [options]     (or, without installing and building: node dist/scripts/gate.js [options])

Runs each test file as a process of its own and fails on all that can go wrong with it: a failed test, a throw in a
hook, no tests, no summary, an exit code, an unexplained skip, a hang. The last line is "N passed, N failed".

  --filter TEXT    only files whose path holds TEXT, such as unit/ or gate
  --list           print the files and end
  --json           print one JSON document instead of text
  --jobs N         files at a time (default ${JOBS_DEFAULT})
  --timeout S      seconds until a file is killed (default ${TIMEOUT_S_DEFAULT})
  --dir FOLDER     run the *.test.js and *.test.mjs files below FOLDER instead of this project's
  --no-postgres    start no Postgres to share
  --help           print this

All files share one embedded Postgres, a fresh database each; TEST_POSTGRES_URL names another one.
A test file may say what it needs in a comment of its own line: // gate: cost=2 timeout=240 skips=1 (why)
`;

const OPTIONS = {
  filter: { type: 'string', default: '' },
  list: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  jobs: { type: 'string', default: String(JOBS_DEFAULT) },
  timeout: { type: 'string', default: String(TIMEOUT_S_DEFAULT) },
  dir: { type: 'string' },
  'no-postgres': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

type Flags = ReturnType<typeof readFlags>;

function readFlags() {
  return parseArgs({ options: OPTIONS, strict: true }).values;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new Error(`--${name} takes a positive number`);
  return value;
}

const compiledRoot = dirname(dirname(fileURLToPath(import.meta.url)));
const projectRoot = dirname(compiledRoot);

function makePlan(flags: Flags): Plan {
  if (flags.dir !== undefined) return planFolder(flags.dir, flags.filter);
  return planSources(join(projectRoot, 'test'), join(compiledRoot, 'test'), flags.filter);
}

/** Settings of the machine must not change what a test does; what it leaves in the temporary folder goes with the run. */
function testEnvironment(postgresUrl: string | undefined, temporary: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|PGCACHED_|FORCE_COLOR$)/.test(name));
  return {
    ...Object.fromEntries(kept),
    NO_COLOR: '1',
    TMPDIR: temporary,
    TEST_CACHE_DIR: cacheFolder(),
    ...(postgresUrl && { TEST_POSTGRES_URL: postgresUrl }),
  };
}

function describe({ name }: Planned, result: FileResult): string {
  const seconds = `${(result.durationMs / 1000).toFixed(1)} s`.padStart(8);
  const counts = `${result.passed} passed${result.skipped > 0 ? `, ${result.skipped} skipped` : ''}`;
  if (result.problems.length === 0) return `ok   ${seconds}  ${name}: ${counts}`;
  const output = result.output.trimEnd().replace(/^/gm, '     | ');
  return `FAIL ${seconds}  ${name}: ${counts}, ${result.failed} failed: ${result.problems.join('; ')}\n${output}`;
}

function conclude(results: readonly FileResult[], missing: readonly string[]): { passed: number; failed: number } {
  const sum = (part: (result: FileResult) => number): number => results.reduce((total, one) => total + part(one), 0);
  const nothing = results.length + missing.length === 0 ? 1 : 0;
  return { passed: sum((one) => one.passed), failed: sum((one) => one.failed) + missing.length + nothing };
}

async function runAll(plan: Plan, flags: Flags, print: (text: string) => void): Promise<FileResult[]> {
  const given = process.env.TEST_POSTGRES_URL;
  const cluster = flags['no-postgres'] || given || plan.files.length === 0 ? undefined : await testCluster();
  const temporary = mkdtempSync(join(tmpdir(), 'pgcached-run-'));
  chmodSync(temporary, 0o1777); // tests that run as another user need it too
  const env = testEnvironment(given ?? cluster?.url, temporary);
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const timeoutS = positive('timeout', flags.timeout);
  try {
    return await schedule(plan.files, Math.max(1, Math.floor(positive('jobs', flags.jobs))), async (file) => {
      const result = await runFile(file.path, (file.wishes.timeoutS ?? timeoutS) * 1000, env, stop.signal);
      print(describe(file, result));
      return result;
    });
  } finally {
    await cluster?.close();
    rmSync(temporary, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const flags = readFlags();
  if (flags.help) return void process.stdout.write(HELP);
  const plan = makePlan(flags);
  if (flags.list) return void process.stdout.write(plan.files.map(({ name }) => `${name}\n`).join(''));
  const print = (text: string): void => void (flags.json || process.stdout.write(`${text}\n`));
  const started = performance.now();
  const results = await runAll(plan, flags, print);
  const totals = conclude(results, plan.missing);
  process.exitCode = totals.failed > 0 ? 1 : 0;
  if (flags.json)
    return void process.stdout.write(`${JSON.stringify({ ...totals, missing: plan.missing, files: results })}\n`);
  for (const name of plan.missing) print(`FAIL  ${name}: not compiled`);
  if (results.length === 0) print('FAIL  no test file matches');
  const slowest = [...results].sort((a, b) => b.durationMs - a.durationMs).slice(0, SLOWEST_SHOWN);
  const named = slowest.map((one) => `${relative(compiledRoot, one.file)} ${(one.durationMs / 1000).toFixed(1)} s`);
  print(
    `\n${results.length} files in ${((performance.now() - started) / 1000).toFixed(1)} s; slowest: ${named.join(', ')}`,
  );
  print(`${totals.passed} passed, ${totals.failed} failed`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`gate: ${error instanceof Error ? error.message : String(error)}\n`);
  process.stdout.write('0 passed, 1 failed\n');
  process.exitCode = 1;
}
