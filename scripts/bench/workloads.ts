/** What is measured. Every contender answers the same calls over the same keys and values, or says that it cannot. */
export const WORKLOADS = {
  'get-hit': 'a value that the daemon has in memory',
  'get-miss': 'a value that only the table has',
  set: 'a value written through to the table',
  'getMany(10)': 'ten values that the daemon has in memory, in one call',
  incr: 'counters, 1,000 of them in turn',
  'incr-hot': 'one counter for all callers',
} as const;

export type Workload = keyof typeof WORKLOADS;

/** How hard it is asked: by how many processes, and how many calls each has in flight. */
export interface Load {
  readonly processes: number;
  readonly inFlight: number;
}

export const LOADS: readonly Load[] = [
  { processes: 1, inFlight: 1 },
  { processes: 1, inFlight: 64 },
  { processes: 4, inFlight: 1 },
  { processes: 4, inFlight: 64 },
];

export const KEYS = 10_000;
const COUNTERS = 1_000;
const MANY = 10;

export const keyAt = (index: number): string => `user:${index % KEYS}:profile`;
export const counterAt = (index: number): string => `views:${index % COUNTERS}`;
export const HOT_COUNTER = 'views:hot';

export function manyAt(index: number): string[] {
  return Array.from({ length: MANY }, (_, each) => keyAt(index + each));
}

/** An object of some 200 bytes, as an application would keep. */
export function valueAt(index: number): object {
  return {
    id: index % KEYS,
    name: `Person Number ${index % KEYS}`,
    email: `person.${index % KEYS}@example.org`,
    roles: ['reader', 'editor'],
    settings: { theme: 'dark', language: 'en', beta: index % 2 === 0 },
    seen: 1_760_000_000_000 + index,
  };
}
