import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Summary } from '../../scripts/demo/summary.js';
import { isRunning, processesWith, until } from '../support/process.js';
import { projectRoot } from '../support/source.js';

// gate: cost=2 timeout=150

const MAIN = join(projectRoot, 'dist/scripts/demo/main.js');
const test = suite('npm run demo');
/** Where the demo makes its own folder: its processes are known by it. */
let folder = '';

interface DemoRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(...flags: string[]) {
  const child = spawn(process.execPath, [MAIN, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: folder },
  });
  const seen = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    seen.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    seen.stderr += text;
  });
  const ended = new Promise<DemoRun>((resolve) => child.once('close', (code) => resolve({ code, ...seen })));
  return { child, seen, ended };
}

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgcached-demo-test-'));
});
test.after.each(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('every process takes part, nothing stale is seen, and nothing is left behind', async () => {
  const { code, stdout, stderr } = await start('--seconds', '3', '--json').ended;
  assert.is(code, 0, `${stderr}\n${stdout}`);
  const summary = JSON.parse(stdout) as Summary;
  assert.ok(summary.ok);
  assert.is(summary.violations, 0);
  assert.ok(summary.rows >= 100_000, `${summary.rows} rows`);
  assert.is(summary.servers.length, 2);
  for (const { name, memoryHits, tableHits } of summary.servers) {
    assert.ok(memoryHits > 0 && tableHits > 0, `server ${name}: ${memoryHits} and ${tableHits} hits`);
  }
  assert.equal(
    summary.processes.map(({ name }) => name),
    ['A1', 'A2', 'B1', 'B2'],
  );
  for (const one of summary.processes) {
    const { requests, reads, writes, increments, checkedReads, demands, errors } = one;
    const counts = { requests, reads, writes, increments, checkedReads, demands };
    assert.ok(
      Object.values(counts).every((count) => count > 0),
      JSON.stringify(one),
    );
    assert.is(errors, 0);
    assert.not(isRunning(one.pid), `${one.name} is still there`);
  }
  const { city, country } = summary.latency;
  assert.ok(city.hit.p99Ms! > 0 && city.query.p50Ms! > 0 && country.hit.count > 0, JSON.stringify(summary.latency));
  assert.ok(summary.propagation.count > 0 && summary.propagation.p50Ms! > 0);
  assert.ok(summary.counters.keys > 0 && summary.counters.wrong === 0);
  assert.equal(processesWith(folder), []);
  assert.equal(readdirSync(folder), []);
});

test('ends in order on Ctrl-C, and when it is killed everything goes all the same', async () => {
  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGKILL', null],
  ] as const) {
    const demo = start('--seconds', '600');
    await until('all processes', () => / cities; A1 http/.test(demo.seen.stdout), 60_000);
    assert.ok(processesWith(folder).length >= 6, processesWith(folder).join('\n'));
    demo.child.kill(signal);
    const { code } = await demo.ended;
    assert.is(code, expected, demo.seen.stderr);
    await until(`no process after ${signal}`, () => processesWith(folder).length === 0, 30_000);
    await until(`no folder after ${signal}`, () => readdirSync(folder).length === 0, 30_000);
  }
});

test('ends with an error when one of its processes dies', async () => {
  const demo = start('--seconds', '600');
  await until('all processes', () => / cities; A1 http/.test(demo.seen.stdout), 60_000);
  const daemon = processesWith(folder).find((line) => line.includes('pgcached daemon'));
  process.kill(Number.parseInt(daemon ?? '', 10), 'SIGKILL');
  const { code, stderr } = await demo.ended;
  assert.is(code, 1);
  assert.match(stderr, /the daemon of server [AB] ended with SIGKILL/);
  assert.equal(processesWith(folder), []);
  assert.equal(readdirSync(folder), []);
});

test('tells its options, and refuses others', async () => {
  const help = await start('--help').ended;
  assert.is(help.code, 0);
  for (const flag of ['--seconds', '--port', '--json', '--help']) assert.match(help.stdout, flag);
  for (const flags of [['--seconds', '0'], ['--seconds', 'many'], ['--port', '70000'], ['--secnds']]) {
    const { code, stderr } = await start(...flags).ended;
    assert.is(code, 2, stderr);
    assert.match(stderr, flags[0]!);
  }
});

test.run();
