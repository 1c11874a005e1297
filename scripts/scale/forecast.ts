import { WAKEUP_GAP_MS_MIN } from '../../daemon/wakeups.js';
import type { ByFollowers, Throughput } from './measure.js';
import { type Costs, type Simulated, simulate } from './simulate.js';

/** A fleet, and what the simulation says of it: looking as built, and with more of a pause between two looks. */
export interface Forecast {
  readonly servers: number;
  readonly writesPerSecond: number;
  readonly built: Simulated;
  readonly paced: Simulated;
}

const SERVERS = [10, 100, 1_000] as const;
const WRITES = [100, 1_000, 10_000] as const;
/** Of the database server. */
export const CORES = 8;
const SECONDS = 2;
const SEED = 42;

/** What a row more costs a look, and one more in a batch: of 64 and 1, see docs/performance.md; too little to show in a table. */
const ROW_US = 3;
const WRITE_US = 13;
/** As built: one look at a time, the next right after it where something was written meanwhile. */
const BUILT = { lookGapMs: 0, lookGapFactor: 1 } as const;
/** As wake-ups are paced: not before this, nor before so many times as long as the last one took. */
export const PACED = { lookGapMs: 20, lookGapFactor: 8 } as const;

/** Costs of the simulation from the measurement with the most followers that was not starved, at 64 or fewer. */
export function costsOf(followers: readonly ByFollowers[], throughput: readonly Throughput[]): Costs {
  const alone = followers.find((row) => row.followers === 0)!;
  const many = followers.filter((row) => row.followers > 0 && row.followers <= 64).at(-1)!;
  const seconds = many.followers * Math.max(many.looksPerSecond, 1);
  const lookUs = Math.max(many.lookCpu / seconds - many.rowsPerLook * ROW_US, 1);
  // A wake-up reaches every listener; there are as many wake-ups as a follower that is woken by each and keeps up has looks.
  const deliveryUs = many.listenCpu / seconds;
  const batchUs = Math.max((alone.postgresCpu / alone.writes) * 1, throughput[0]!.postgresCpuUs ?? 0);
  return { lookUs, rowUs: ROW_US, batchUs, writeUs: WRITE_US, wakeUpUs: batchUs / 4, deliveryUs };
}

export function forecast(costs: Costs): Forecast[] {
  return SERVERS.flatMap((servers) =>
    WRITES.map((writesPerSecond) => {
      const fleet = { servers, writesPerSecond, cores: CORES, wakeUpGapMs: WAKEUP_GAP_MS_MIN };
      const run = (gap: typeof BUILT | typeof PACED) => simulate({ ...fleet, ...gap }, costs, SECONDS, seeded(SEED));
      return { servers, writesPerSecond, built: run(BUILT), paced: run(PACED) };
    }),
  );
}

/** mulberry32: the same fleet gives the same figures again. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
