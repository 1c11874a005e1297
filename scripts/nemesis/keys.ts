/** Who writes what: the names carry it, so that every process and the checker know it without being told. */

export const SLOTS = 8;
export const LOOPS = 3;
const KEYS_PER_LOOP = 2;
const TAGS = 4;
/** The first ones are updated all the time, the rest now and then: values are made mostly of these, to live a while. */
export const SOURCES = 14;
const HOT_SOURCES = 6;
const GRACED = 3;
/** How deep values are made of values. */
export const MADE_LEVELS = 3;
const MADE_PER_LEVEL = 3;
/** The lives of a slot's clients are counted on through the rounds; each round begins with a multiple of this, and 1. */
export const LIVES_PER_ROUND = 10_000;
const COUNTERS_PER_ROUND = 3;

/** `r:slot:life:loop:number`: written by one loop of one life of the client in that slot. */
export function registersOf(slot: number, life: number, loop: number): string[] {
  return Array.from({ length: KEYS_PER_LOOP }, (_, at) => `r:${slot}:${life}:${loop}:${at}`);
}

export function registersOfSlot(slot: number, life: number): string[] {
  return Array.from({ length: LOOPS }, (_, loop) => registersOf(slot, life, loop)).flat();
}

export function tagOf(register: string): string {
  const [, slot, , loop, at] = register.split(':');
  return tagNumber(Number(slot) + Number(loop) + Number(at));
}

export const tagNumber = (number: number): string => `tag:${number % TAGS}`;

/** `l:round:number`: made of a row of the source that has this name; the row's tag too. */
export const loadedKey = (round: number, number: number): string => `l:${round}:${number % SOURCES}`;
export const hotKey = (round: number, number: number): string => loadedKey(round, number % HOT_SOURCES);
export const calmKey = (round: number, number: number): string =>
  loadedKey(round, HOT_SOURCES + (number % (SOURCES - HOT_SOURCES)));
/** `g:round:number`: loaded as those, for a short time, and served under grace after it. */
export const gracedKey = (round: number, number: number): string => `g:${round}:${number % GRACED}`;
/** `m:round:level:number`: made of values of the level below it, and of some others; those of level 1 of these alone. */
export const madeKey = (round: number, level: number, number: number): string =>
  `m:${round}:${level}:${number % MADE_PER_LEVEL}`;
export const levelOf = (made: string): number => Number(made.split(':')[2]);
export const counterKey = (round: number, number: number): string => `c:${round}:${number % COUNTERS_PER_ROUND}`;
export const addKey = (round: number, number: number): string => `a:${round}:${number}`;

/** The accounts are the same in all rounds; `b:id` is what updates of one are recorded under, `q:…` a query of some. */
export const ACCOUNTS = 8;
export const ACCOUNTS_TOTAL = 8_000;
export const accountKey = (id: number): string => `b:${id}`;

export const isRegister = (key: string): boolean => key.startsWith('r:');
export const isLoaded = (key: string): boolean => key.startsWith('l:');
export const isGraced = (key: string): boolean => key.startsWith('g:');
export const isMade = (key: string): boolean => key.startsWith('m:');
export const isQuery = (key: string): boolean => key.startsWith('q:');
export const isCounter = (key: string): boolean => key.startsWith('c:');

/** What the rows of the source are named after. */
export function sourceKeys(round: number): string[] {
  const loaded = Array.from({ length: SOURCES }, (_, at) => loadedKey(round, at));
  return [...loaded, ...Array.from({ length: GRACED }, (_, at) => gracedKey(round, at))];
}
