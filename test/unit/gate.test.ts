import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseSummaries } from '../../scripts/gate-file.js';
import { isRunning } from '../support/process.js';

const gate = fileURLToPath(new URL('../../scripts/gate.js', import.meta.url));
const uvu = import.meta.resolve('uvu');
const assertions = import.meta.resolve('uvu/assert');
const test = suite('gate');
let folder = '';

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgcached-gate-'));
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly status: number | null;
  readonly last: string;
  readonly out: string;
}

/** Runs the gate on files given by name and body; `test` and `assert` are imported for them. */
function runGate(files: Record<string, string>, ...flags: string[]): Outcome {
  for (const [name, body] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(
      join(folder, name),
      `import { test } from '${uvu}';\nimport * as assert from '${assertions}';\n${body}`,
    );
  }
  const all = [gate, '--dir', folder, '--no-postgres', ...flags];
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: 'utf8', timeout: 60_000 });
  return { status, last: stdout.trimEnd().split('\n').at(-1) ?? '', out: stdout + stderr };
}

const GOOD = "test('a', () => {}); test('b', () => assert.is(1, 1)); test.run();";

test('counts the tests of good files, and exits with 0', () => {
  const { status, last, out } = runGate({ 'x.test.mjs': GOOD, 'deep/y.test.mjs': GOOD });
  assert.is(last, '4 passed, 0 failed');
  assert.is(status, 0, out);
});

test('runs only files named .test., and says so when there is none', () => {
  const { status, last } = runGate({ 'helper.mjs': 'process.exit(3);' });
  assert.is(last, '0 passed, 1 failed');
  assert.is(status, 1);
});

test('fails on a failing test and shows the output of its file only', () => {
  const bad = "test('fine', () => {}); test('wrong', () => assert.is(1, 2)); console.log('LOUD'); test.run();";
  const { status, last, out } = runGate({ 'bad.test.mjs': bad, 'good.test.mjs': `console.log('QUIET'); ${GOOD}` });
  assert.is(last, '3 passed, 1 failed');
  assert.is(status, 1);
  assert.match(out, /LOUD/);
  assert.not.match(out, /QUIET/);
});

const TRAPS: Record<string, [body: string, reason: RegExp, last: string]> = {
  'a throw in before': [
    `test.before(() => { throw new Error('x'); }); ${GOOD}`,
    /2 of 2 tests failed/,
    '0 passed, 2 failed',
  ],
  'a failing test with a throwing after.each': [
    "test.after.each(() => { throw new Error('x'); }); test('a', () => assert.is(1, 2)); test.run();",
    /1 of 1 tests failed/,
    '0 passed, 1 failed',
  ],
  'a forgotten run()': ["test('a', () => {});", /no summary/, '0 passed, 1 failed'],
  'no tests': ['test.run();', /no tests/, '0 passed, 1 failed'],
  'process.exit(0) before the tests': [`${GOOD} process.exit(0);`, /no summary/, '0 passed, 1 failed'],
  'process.exit(0) in a test': ["test('a', () => process.exit(0)); test.run();", /no summary/, '0 passed, 1 failed'],
  'a crash after the summary': [
    `${GOOD} setTimeout(() => { throw new Error('late'); }, 300);`,
    /exit code 1/,
    '2 passed, 1 failed',
  ],
  'a signal': [
    "test('a', () => process.kill(process.pid, 'SIGKILL')); test.run();",
    /killed by SIGKILL/,
    '0 passed, 1 failed',
  ],
  'a skipped test': [`test.skip('c', () => {}); ${GOOD}`, /1 skipped, 0 allowed/, '2 passed, 1 failed'],
  'a skip without a reason': [
    `// gate: skips=1\ntest.skip('c', () => {}); ${GOOD}`,
    /1 skipped, 0 allowed/,
    '2 passed, 1 failed',
  ],
  'a syntax error': ['test(', /exit code 1/, '0 passed, 1 failed'],
};

for (const [name, [body, reason, last]] of Object.entries(TRAPS)) {
  test(`fails on ${name}`, () => {
    const outcome = runGate({ 'trap.test.mjs': body });
    assert.match(outcome.out, reason);
    assert.is(outcome.last, last);
    assert.is(outcome.status, 1);
  });
}

test('kills a file that hangs after its tests, with the processes it started', () => {
  const body = `import { spawn } from 'node:child_process';
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
    console.log('child', child.pid); ${GOOD}`;
  const { out, last, status } = runGate({ 'hang.test.mjs': body }, '--timeout', '2');
  assert.match(out, /time limit of 2 s passed/);
  assert.is(last, '2 passed, 1 failed');
  assert.is(status, 1);
  const pid = Number(/child (\d+)/.exec(out)?.[1]);
  assert.ok(pid > 1);
  assert.not(isRunning(pid));
});

test('a file may allow skips with a reason, and set its own time limit', () => {
  const skip = `// gate: skips=1 (needs a printer)\ntest.skip('c', () => {}); ${GOOD}`;
  assert.is(runGate({ 'skip.test.mjs': skip }).status, 0);
  const slow = `// gate: timeout=1\nsetInterval(() => {}, 1000); ${GOOD}`;
  assert.match(runGate({ 'slow.test.mjs': slow }).out, /time limit of 1 s/);
});

test('--filter, --list and --json say what they should', () => {
  const files = { 'x.test.mjs': GOOD, 'y.test.mjs': 'test.run();' };
  assert.is(runGate(files, '--filter', 'x.').last, '2 passed, 0 failed');
  assert.is(runGate(files, '--list').out, 'x.test.mjs\ny.test.mjs\n');
  const report = JSON.parse(runGate(files, '--json').out) as { passed: number; failed: number; files: unknown[] };
  assert.equal([report.passed, report.failed, report.files.length], [2, 1, 2]);
});

test('what a file leaves in the temporary folder goes with the run', () => {
  const body = `import { mkdtempSync } from 'node:fs'; import { tmpdir } from 'node:os';
    test('x', () => { console.log('left', mkdtempSync(tmpdir() + '/left-')); assert.unreachable(); }); test.run();`;
  const left = /left (\S+)/.exec(runGate({ 'litter.test.mjs': body }).out)?.[1];
  assert.ok(left && !existsSync(left), left);
});

test('an unknown option fails', () => {
  const { status, last } = runGate({}, '--nonsense');
  assert.is(last, '0 passed, 1 failed');
  assert.is(status, 1);
});

test('reads a summary through colours', () => {
  const coloured =
    '\n  Total:     3\u001b[32m\n  Passed:    2\u001b[39m\n  Skipped:   \u001b[33m1\u001b[39m\n  Duration:  1ms\n';
  assert.equal(parseSummaries(coloured), [{ total: 3, passed: 2, skipped: 1 }]);
});

test.run();
