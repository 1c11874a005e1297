import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Checker } from '../../scripts/demo/checker.js';
import { Histogram } from '../../scripts/demo/histogram.js';

const test = suite("the demo's checker");

function violations(checker: Checker): string[] {
  return checker.figures.examples.map(
    ({ key, reason, seen, wanted }) => `${key}: ${seen} instead of ${wanted} (${reason})`,
  );
}

test('finds a read that began after the write was acknowledged on its host, and saw less', () => {
  const checker = new Checker();
  checker.demand('a', 2, 100, 'host');
  checker.observe('a', 1, 101, 150);
  assert.equal(violations(checker), ['a: 1 instead of 2 (host)']);
});

test('finds it also when the read came before the news of the write', () => {
  const checker = new Checker();
  checker.observe('a', 1, 101, 150);
  assert.is(checker.figures.violations, 0);
  checker.demand('a', 2, 100, 'host');
  assert.equal(violations(checker), ['a: 1 instead of 2 (host)']);
});

test('lets a read see the old value that began before the acknowledgement, however late it ends', () => {
  const checker = new Checker();
  checker.demand('a', 2, 100, 'host');
  checker.observe('a', 1, 99, 500);
  checker.observe('a', 1, 100, 500);
  checker.observe('b', 1, 200, 300);
  checker.observe('a', 2, 101, 150);
  checker.observe('a', 3, 102, 160);
  assert.equal(violations(checker), []);
});

test('finds one read among many that are right, whichever order they are told in', () => {
  for (const early of [true, false]) {
    const checker = new Checker();
    if (early) checker.demand('a', 5, 1_000, 'bound');
    for (let at = 0; at < 1_000; at += 10) checker.observe('a', 4, at, 2_000);
    checker.observe('a', 4, 1_001, 2_000);
    for (let at = 500; at < 990; at += 10) checker.observe('a', 4, at, 2_000);
    if (!early) checker.demand('a', 5, 1_000, 'bound');
    assert.equal(violations(checker), ['a: 4 instead of 5 (bound)'], `early: ${early}`);
  }
});

test('finds a process that goes back', () => {
  const checker = new Checker();
  checker.observe('a', 3, 10, 20);
  checker.observe('a', 2, 15, 25); // began while the newer one was not there yet
  assert.equal(violations(checker), []);
  checker.observe('a', 2, 21, 30);
  assert.equal(violations(checker), ['a: 2 instead of 3 (monotonic)']);
});

test('keeps to the newest demand where demands arrive out of order', () => {
  const checker = new Checker();
  checker.demand('a', 4, 400, 'host');
  checker.demand('a', 2, 200, 'host');
  checker.demand('a', 3, 500, 'bound'); // 4 was asked for before: nothing new
  checker.observe('a', 2, 300, 301);
  assert.equal(violations(checker), []);
  checker.observe('a', 1, 300, 301);
  checker.observe('a', 3, 600, 601);
  assert.equal(violations(checker), ['a: 1 instead of 2 (host)', 'a: 3 instead of 4 (host)']);
});

test('agrees with a naive checker on random histories', () => {
  const seed = 20_251_122;
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let broken = 0;
  for (let round = 0; round < 2_000; round++) {
    const checker = new Checker();
    const demands: { version: number; fromNs: number }[] = [];
    const reads: { version: number; startedNs: number }[] = [];
    for (let step = 0; step < 8; step++) {
      if (random(2) === 0) {
        const demand = { version: random(5), fromNs: random(40) };
        demands.push(demand);
        checker.demand('a', demand.version, demand.fromNs, 'host');
      } else {
        const read = { version: random(5), startedNs: random(40) };
        reads.push(read);
        checker.observe('a', read.version, read.startedNs, Number.MAX_SAFE_INTEGER);
      }
    }
    const isBroken = reads.some((read) =>
      demands.some(({ version, fromNs }) => read.startedNs > fromNs && read.version < version),
    );
    if (isBroken) broken++;
    assert.is(checker.figures.violations > 0, isBroken, `seed ${seed}, round ${round}`);
  }
  assert.ok(broken > 200 && broken < 1_800, `${broken} of the histories are broken`);
});

test('percentiles of durations, merged from several processes', () => {
  const one = new Histogram();
  const two = new Histogram();
  for (let ms = 1; ms <= 50; ms++) one.record(ms * 1e6);
  for (let ms = 51; ms <= 100; ms++) two.record(ms * 1e6);
  const both = new Histogram(one.counts);
  both.add(two.counts);
  assert.is(both.total, 100);
  assert.ok(Math.abs(both.percentileMs(0.5)! - 50) < 3, String(both.percentileMs(0.5)));
  assert.ok(Math.abs(both.percentileMs(0.99)! - 99) < 5, String(both.percentileMs(0.99)));
  assert.is(new Histogram().percentileMs(0.5), undefined);
});

test.run();
