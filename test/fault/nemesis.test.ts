import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FAULT_KINDS } from '../../scripts/nemesis/faults.js';
import { runNemesis } from '../../scripts/nemesis/run.js';

// gate: cost=2 timeout=120

const SECONDS = 20;
const SEED = Number(process.env.TEST_SEED ?? 5);

test('every kind of fault, one after the other, and no promise is broken', async () => {
  const report = await runNemesis({ seconds: SECONDS, seed: SEED, faults: FAULT_KINDS, faultEveryMs: 700 });
  const told = JSON.stringify(report, undefined, 1);
  assert.equal([report.violations, report.failures], [0, []], told);
  assert.equal(
    Object.entries(report.faults).filter(([, count]) => count === 0),
    [],
    told,
  );
  assert.ok(report.reads > 500 && report.writes > 200, told);
});

test.run();
