// gate: cost=1 timeout=240
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runHttpTests, type TestResult } from '../../scripts/http-tests/run.js';
import { projectRoot } from '../support/source.js';

const test = suite('http-cache-tests');
const page = readFileSync(join(projectRoot, 'docs', 'http-cache-tests.md'), 'utf8');
const KINDS: readonly TestResult['kind'][] = ['required', 'optimal'];

/** The tests that the first column of the page's tables names: those that are known not to pass. */
function named(): string[] {
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  return rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!));
}

test('just the tests that the documentation names do not pass, and as many pass as it says', async () => {
  const results = (await runHttpTests()).filter(({ kind }) => KINDS.includes(kind));
  const others = results.filter(({ outcome }) => outcome !== 'pass');
  const unexpected = others.filter(({ id }) => !named().includes(id));
  assert.equal(
    unexpected.map(({ id, problem }) => `${id}: ${problem}`),
    [],
  );
  assert.equal(
    named().filter((id) => !others.some((other) => other.id === id)),
    [],
    'these pass now',
  );
  for (const one of KINDS) {
    const all = results.filter(({ kind }) => kind === one);
    const passed = all.filter(({ outcome }) => outcome === 'pass').length;
    assert.match(page, new RegExp(`\\| ${one} \\| ${passed} \\| ${all.length} \\|`));
  }
});

test.run();
