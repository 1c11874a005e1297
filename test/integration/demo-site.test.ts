// gate: cost=2 timeout=150
/** `npm run demo -- --site`, in short: two servers, two daemons, a proxy, an editor in psql (or a plain connection), two browsers. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GuideSummary } from '../../scripts/demo/guide/summary.js';
import { processesWith } from '../support/process.js';
import { projectRoot } from '../support/source.js';

const MAIN = join(projectRoot, 'dist/scripts/demo/main.js');
const test = suite('npm run demo -- --site');

test('no page is older than the bound, none shows two versions of a row, and nothing is left behind', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-demo-test-'));
  const child = spawn(process.execPath, [MAIN, '--site', '--seconds', '4', '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: folder },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  assert.is(code, 0, `${stderr}\n${stdout}`);
  const found = JSON.parse(stdout) as GuideSummary;
  assert.ok(found.ok);
  assert.equal(found.faults, { stale: 0, mixed: 0, torn: 0, uncommitted: 0 });
  assert.is(found.given.length, 2);
  const { pages, commits, dropped, notModified, hitRate } = found;
  assert.ok(
    pages > 300 && commits > 5 && dropped > 0 && notModified > 0 && hitRate > 0,
    JSON.stringify({ pages, commits, dropped, notModified, hitRate }),
  );
  assert.equal(processesWith(folder), []);
  assert.equal(readdirSync(folder), []);
  rmSync(folder, { recursive: true });
});

test.run();
