import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { randomOf, weighted, zipf } from '../../scripts/bench-query/random.js';
import { save } from '../../scripts/bench-query/save.js';
import { StalenessCheck } from '../../scripts/bench-query/staleness.js';

const test = suite('the benchmark of the query cache');

const BOUND_MS = 1;

test('a result that has not seen a write acknowledged longer ago than the bound is stale', () => {
  const shown = (count: number, beganUs: number, counter = 'city 1') => {
    const check = new StalenessCheck();
    check.add(counter, count, beganUs);
    return check.against(
      [
        ['city 1', 5_000],
        ['city 2', 1_000],
        ['city 1', 3_000],
      ],
      BOUND_MS,
    );
  };
  assert.equal(shown(0, 4_001), { checked: 1, stale: 1, stalestMs: 1.001 });
  assert.equal(shown(0, 4_000), { checked: 1, stale: 0, stalestMs: 1 });
  assert.equal(shown(0, 3_000), { checked: 1, stale: 0, stalestMs: 0 });
  assert.equal(shown(1, 9_000), { checked: 1, stale: 1, stalestMs: 4 });
  assert.equal(shown(2, 9_000), { checked: 1, stale: 0, stalestMs: 0 });
  assert.equal(shown(7, 9_000), { checked: 1, stale: 0, stalestMs: 0 }, 'commits that were not acknowledged');
  assert.equal(shown(0, 9_000, 'city 3'), { checked: 1, stale: 0, stalestMs: 0 });
});

test('small numbers come most often, and none beyond the limit', () => {
  const draw = zipf(randomOf(5));
  const counts = [0, 0, 0, 0, 0, 0];
  for (let n = 0; n < 20_000; n++) counts[draw(6)]! += 1;
  assert.equal(
    counts.toSorted((a, b) => b - a),
    counts,
  );
  assert.ok(counts[0]! > 4 * counts[5]! && counts[5]! > 0, counts.join());
  assert.is(zipf(() => 0)(6), 0);
  assert.is(zipf(() => 1 - Number.EPSILON)(6), 5);
});

test('each comes as often as its weight says', () => {
  const [rare, usual] = [{ weight: 1 }, { weight: 3 }];
  const at = (share: number) => weighted([rare, usual], () => share);
  assert.equal([at(0), at(0.2499), at(0.25), at(0.9999)], [rare, rare, usual, usual]);
});

test('tables are put between the markers of a page, again and again', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-page-'));
  const page = join(folder, 'page.md');
  try {
    const around = (text: string) =>
      `# A\n\n<!-- made by npm run bench:query -- --save -->${text}<!-- end -->\n\n## B\n`;
    writeFileSync(page, around('\n'));
    save('| old |\n', page);
    save('| new |\n', page);
    assert.is(readFileSync(page, 'utf8'), around('\n\n| new |\n\n'));
    writeFileSync(page, '# A\n');
    assert.throws(() => save('| new |\n', page), /has no line/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
