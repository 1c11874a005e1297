import { makePlan } from './plan.js';
import { run } from './run.js';
import type { Plan } from './schedule.js';
import type { Violation } from './truth.js';

/** A schedule that broke a promise. */
export interface Failure {
  readonly plan: Plan;
  readonly violation: Pick<Violation, 'promise' | 'message'>;
}

export interface SearchResult {
  readonly schedules: number;
  readonly seconds: number;
  readonly largestStalenessMs: number;
  readonly failed: Failure | undefined;
}

export interface SearchOptions {
  readonly seconds: number;
  /** The first seed, and how far apart they are. */
  readonly from?: number;
  readonly step?: number;
  readonly without?: readonly string[];
}

/** How often a search tells how far it is. */
export const PROGRESS_SECONDS = 5;

/** Runs schedules of one seed after another until one fails or the time is up. */
export async function search(
  options: SearchOptions & { readonly progress?: (schedules: number) => void },
): Promise<SearchResult> {
  const { from = 1, step = 1, without = [], progress } = options;
  // Failed statements are part of nearly every schedule; nobody reads their stacks.
  Error.stackTraceLimit = 0;
  const beganMs = performance.now();
  const seconds = () => (performance.now() - beganMs) / 1000;
  let largestStalenessMs = 0;
  let schedules = 0;
  let saidAt = 0;
  let failed: Failure | undefined;
  while (failed === undefined && seconds() < options.seconds) {
    const plan = makePlan(from + schedules * step);
    const result = await run(plan, { without }).catch((error: unknown) => {
      throw new Error(`seed ${plan.seed} threw: ${error instanceof Error ? error.message : error}`, { cause: error });
    });
    schedules += 1;
    largestStalenessMs = Math.max(largestStalenessMs, result.largestStalenessMs);
    if (result.violation !== undefined) {
      const { promise, message } = result.violation;
      failed = { plan, violation: { promise, message } };
    }
    if (progress !== undefined && seconds() - saidAt > PROGRESS_SECONDS) {
      saidAt = seconds();
      progress(schedules);
    }
  }
  return { schedules, seconds: seconds(), largestStalenessMs, failed };
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
