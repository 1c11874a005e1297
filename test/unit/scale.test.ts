import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { seeded } from '../../scripts/scale/forecast.js';
import { type Costs, type Fleet, simulate } from '../../scripts/scale/simulate.js';

const COSTS: Costs = { lookUs: 100, rowUs: 1, batchUs: 100, writeUs: 10, wakeUpUs: 20, deliveryUs: 5 };
const FLEET: Fleet = { servers: 10, writesPerSecond: 100, cores: 4, wakeUpGapMs: 2, lookGapMs: 0, lookGapFactor: 1 };
const run = (fleet: Partial<Fleet>) => simulate({ ...FLEET, ...fleet }, COSTS, 2, seeded(7));

test('the same seed gives the same fleet', () => assert.equal(run({}), run({})));

test('a quiet fleet costs what its writes, wake-ups and looks add up to', () => {
  const { writeCores, followCores, batchesPerSecond, looksPerSecond, p50Ms } = run({});
  assert.ok(Math.abs(writeCores - batchesPerSecond * 110e-6) < 0.1 * writeCores);
  const expected = looksPerSecond * 101e-6 + batchesPerSecond * 70e-6;
  assert.ok(Math.abs(followCores - expected) < 0.1 * expected, `${followCores} cores instead of ${expected}`);
  // A wake-up, and nine looks on four cores.
  assert.ok(p50Ms > 0.1 && p50Ms < 1, `${p50Ms} ms`);
});

test('a fleet beyond the database is slow, not beyond the cores; a pause between looks makes room', () => {
  const fleet = { servers: 200, writesPerSecond: 1000 };
  const busy = run(fleet);
  assert.ok(busy.followCores + busy.writeCores <= 4.01);
  assert.ok(busy.p99Ms > 10 * run({}).p99Ms);
  const paced = run({ ...fleet, lookGapMs: 200 });
  assert.ok(paced.followCores < 0.8 * busy.followCores, `${paced.followCores} of ${busy.followCores}`);
});

test.run();
