import { makePlan } from './plan.js';
import { run } from './run.js';
import type { Plan } from './schedule.js';
import type { Violation } from './truth.js';

export interface SearchResult {
  readonly schedules: number;
  readonly seconds: number;
  readonly largestStalenessMs: number;
  readonly failed: { readonly plan: Plan; readonly violation: Violation } | undefined;
}

/** Runs schedules of one seed after another until one fails or the time is up. */
export async function search(options: {
  seconds: number;
  from?: number;
  most?: number;
  without?: readonly string[];
  progress?: (count: number, perSecond: number) => void;
}): Promise<SearchResult> {
  const { from = 1, most = Number.POSITIVE_INFINITY, without = [], progress } = options;
  // Failed statements are part of nearly every schedule; nobody reads their stacks.
  Error.stackTraceLimit = 0;
  const beganMs = performance.now();
  const seconds = () => (performance.now() - beganMs) / 1000;
  let largestStalenessMs = 0;
  let schedules = 0;
  let saidAt = 0;
  while (schedules < most && seconds() < options.seconds) {
    const plan = makePlan(from + schedules);
    const result = await run(plan, { without }).catch((error: unknown) => {
      throw new Error(`seed ${plan.seed} threw`, { cause: error });
    });
    schedules += 1;
    largestStalenessMs = Math.max(largestStalenessMs, result.largestStalenessMs);
    if (result.violation !== undefined) {
      return { schedules, seconds: seconds(), largestStalenessMs, failed: { plan, violation: result.violation } };
    }
    if (progress !== undefined && seconds() - saidAt > 10) {
      saidAt = seconds();
      progress(schedules, schedules / saidAt);
    }
  }
  return { schedules, seconds: seconds(), largestStalenessMs, failed: undefined };
}

/** Other ways through the same plan that are tried for each thing left out. */
const TRIES = 25;

/** A smaller plan that breaks the same promise: leaves out one thing after another while it still does. */
export async function shrink(plan: Plan, promise: string, without: readonly string[] = []): Promise<Plan> {
  let smallest = plan;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (let at = smallest.items.length - 1; at >= 0; at--) {
      const items = smallest.items.filter((_, index) => index !== at);
      for (let add = 0; add < TRIES; add++) {
        const candidate = { ...smallest, seed: smallest.seed + add, items };
        const { violation } = await run(candidate, { without }).catch(() => ({ violation: undefined }));
        if (violation?.promise !== promise) continue;
        smallest = candidate;
        isSmaller = true;
        break;
      }
    }
  }
  return smallest;
}
