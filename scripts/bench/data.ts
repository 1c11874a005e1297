/** The keys and values of a run. They are made once: what is measured is the cache, not the making of strings. */

export const SIZES = ['200B', '10kB'] as const;
export type Size = (typeof SIZES)[number];

/** How long a written value lives, in seconds: pgcached's default. */
export const LIFE_S = 300;
const MANY = 10;
const COUNTERS = 1_000;
const VALUES = 256;
/** What a process keeps near: few enough to be hot. */
const NEAR_KEYS = 1_000;
/** Objects in a list of some 10 kB as JSON. */
const LIST_ITEMS = 51;

export interface Data {
  readonly size: Size;
  /** Of the keys that `fill` stores and reads find. */
  readonly keys: readonly string[];
  readonly nearKeys: readonly string[];
  keyAt(index: number): string;
  nearKeyAt(index: number): string;
  /** A key that only `set` uses, so that writing disturbs no reading. */
  writtenAt(index: number): string;
  manyAt(index: number): string[];
  valueAt(index: number): object;
}

/** An object of some 200 bytes, as an application would keep. */
function person(index: number): object {
  return {
    id: index,
    name: `Person Number ${index}`,
    email: `person.${index}@example.org`,
    roles: ['reader', 'editor'],
    settings: { theme: 'dark', language: 'en', beta: index % 2 === 0 },
    seen: 1_760_000_000_000 + index,
  };
}

function page(index: number): object {
  return {
    page: index,
    of: VALUES,
    items: Array.from({ length: LIST_ITEMS }, (_, each) => person(index * 100 + each)),
  };
}

function dataOf(size: Size, count: number, prefix: string, make: (index: number) => object): Data {
  const names = (what: string, length: number) =>
    Array.from({ length }, (_, each) => flat(`${prefix}:${each}:${what}`));
  const keys = names('profile', count);
  const written = names('written', count);
  const nearKeys = keys.slice(0, NEAR_KEYS);
  const values = Array.from({ length: VALUES }, (_, each) => make(each));
  return {
    size,
    keys,
    nearKeys,
    keyAt: (index) => keys[index % count]!,
    nearKeyAt: (index) => nearKeys[index % NEAR_KEYS]!,
    writtenAt: (index) => written[index % count]!,
    manyAt: (index) => Array.from({ length: MANY }, (_, each) => keys[(index + each) % count]!),
    valueAt: (index) => values[index % VALUES]!,
  };
}

/** A string that was put together is a tree until it is first read through. */
function flat(text: string): string {
  return Buffer.from(text).toString();
}

export const DATA: Readonly<Record<Size, Data>> = {
  '200B': dataOf('200B', 10_000, 'user', person),
  '10kB': dataOf('10kB', 1_000, 'page', page),
};

const counters = Array.from({ length: COUNTERS }, (_, each) => flat(`views:${each}`));
export const counterAt = (index: number): string => counters[index % COUNTERS]!;
export const HOT_COUNTER = 'views:hot';
