/** What is measured. Every contender answers the same calls over the same keys and values, as far as it has them. */

export interface WorkloadPlan {
  readonly what: string;
  /** Only of the usual size: the value has little to do with it. */
  readonly smallOnly?: true;
  /** Answered inside the process: one caller, many calls between two looks at the clock, and hot keys. */
  readonly near?: true;
}

export const WORKLOADS = {
  'get-hit': { what: 'a value that the server has in memory' },
  'get-miss': { what: 'a value that only the table has', smallOnly: true },
  set: { what: 'a value written, with pgcached through to the table' },
  'getMany(10)': { what: 'ten values that the server has in memory, in one call' },
  incr: { what: 'counters, 1,000 of them in turn', smallOnly: true },
  'incr-hot': { what: 'one counter for all callers', smallOnly: true },
  'getOrSet-hit': { what: 'a value that is there, asked for with the function that would compute it', smallOnly: true },
  'near-hit': { what: 'a value that the process itself has, awaited', near: true },
  peek: { what: 'the same, without waiting', near: true },
} as const satisfies Record<string, WorkloadPlan>;

export type Workload = keyof typeof WORKLOADS;
export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as readonly Workload[];
export const planOf = (workload: Workload): WorkloadPlan => WORKLOADS[workload];

/** How hard it is asked: by how many processes, and how many calls each has in flight. */
export interface Load {
  readonly processes: number;
  readonly inFlight: number;
}

export const ALONE: Load = { processes: 1, inFlight: 1 };
export const LOADS: readonly Load[] = [ALONE, { processes: 1, inFlight: 64 }, { processes: 4, inFlight: 16 }];

export const loadsOf = (workload: Workload): readonly Load[] => (planOf(workload).near ? [ALONE] : LOADS);
