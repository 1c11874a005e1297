import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FAULT_KINDS, type FaultKind, schedule } from '../../scripts/nemesis/faults.js';
import { Random } from '../../scripts/nemesis/random.js';
import { runNemesis } from '../../scripts/nemesis/run.js';

// The limit is for the 120 seconds that .ci/run asks for.
// gate: cost=2 timeout=300

const SECONDS_DEFAULT = 20;
const SECONDS_MAX = 240;
const SECONDS = Number(process.env.TEST_NEMESIS_SECONDS || SECONDS_DEFAULT);
const SEED = Number(process.env.TEST_SEED ?? 5);
const FAULT_EVERY_MS = 700;

/** Each kind once, then all of them again and again. */
function* faults(): Generator<FaultKind> {
  yield* FAULT_KINDS;
  if (SECONDS > SECONDS_DEFAULT) yield* schedule(new Random(SEED));
}

test('every kind of fault, one after the other, and no promise is broken', async () => {
  const isFitting = SECONDS >= SECONDS_DEFAULT && SECONDS <= SECONDS_MAX;
  assert.ok(isFitting, `TEST_NEMESIS_SECONDS is a number from ${SECONDS_DEFAULT} to ${SECONDS_MAX}`);
  const report = await runNemesis({ seconds: SECONDS, seed: SEED, faults: faults(), faultEveryMs: FAULT_EVERY_MS });
  const told = JSON.stringify(report, undefined, 1);
  assert.equal([report.violations, report.failures], [0, []], told);
  assert.equal(
    Object.entries(report.faults).filter(([, count]) => count === 0),
    [],
    told,
  );
  assert.ok(report.reads > 500 && report.writes > 200, told);
  assert.ok(report.queryReads > 100 && report.queries.hits > 30, told);
  assert.ok(report.madeHits > 100 && report.graceReads > 0, told);
  console.log(`${report.operations} operations, ${report.violations} violations, seed ${SEED}`);
});

test.run();
