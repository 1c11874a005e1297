import { makeForeign, makeOp, makeSettings } from './items.js';
import { Random } from './random.js';
import type { Item, OpItem, OpName, Plan, Settings } from './schedule.js';

// Schedules of the parts that came later: near tiers, loads three deep, grace.

const NEAR = [
  [true, true],
  [true, false],
  [false, true],
] as const;
const WRITES = { set: 4, add: 1, delete: 2, expire: 0.5, invalidate: 2, clear: 0.3, incr: 0.3 };

/** How one of them leans. */
type Lean = 'near' | 'deep' | 'grace';

export function makeNearPlan(seed: number): Plan {
  const random = new Random(Math.imul(seed, 0x85ebca6b) ^ 0x27d4eb2f);
  if (random.chance(0.06)) return makeEdge(seed, random);
  if (random.chance(0.06)) return makeBatches(seed, random);
  const lean = random.weighted<Lean>({ near: 5, deep: 3, grace: 2 });
  const plain = makeSettings(random, random.pick([0, 0, 0.5]));
  const near = lean === 'near' || random.chance(0.5) ? random.pick(NEAR) : undefined;
  const blindUntilMs = random.chance(0.05) ? random.between(10, 60) : 0;
  const settings = { ...plain, blindUntilMs, ...(near !== undefined && { near }) };
  const items: Item[] = [];
  if (lean === 'near') addNear(items, random, settings);
  else if (lean === 'deep') addDeep(items, random, settings);
  else addGrace(items, random, settings);
  if (random.chance(0.2)) items.push({ kind: 'crash', atMs: 10 + random.between(0, 120) });
  if (random.chance(0.15))
    items.push({ kind: 'restart', atMs: random.between(20, 150), host: random.below(settings.hosts) });
  if (random.chance(0.2))
    items.push({ kind: 'trim', atMs: random.between(20, 150), host: 0, lagMs: random.pick([0, 5, 40]) });
  items.sort((a, b) => a.atMs - b.atMs);
  return { seed, settings, items };
}

function adder(items: Item[], random: Random, { hosts }: Settings) {
  return (op: OpName, atMs: number, its: Partial<OpItem>) => {
    const plain = makeOp(random, hosts, atMs, undefined, 1);
    const common = { namespace: op === 'incr' ? 'other' : 'default', ttlMs: 1e6, ends: 'fill', tags: ['sx'] } as const;
    const patienceMs = random.pick([30, 300, 3000]);
    const computeMs = random.pick([0, 1, 10, 40]);
    items.push({ ...plain, ...common, patienceMs, computeMs, pipelined: random.chance(0.5), op, ...its });
  };
}

/** Many reads of few keys, which near tiers answer; writes of them by all; connections that break. */
function addNear(items: Item[], random: Random, settings: Settings): void {
  const add = adder(items, random, settings);
  const keys = random.pick([['a'], ['a', 'b'], ['a', 'x'], ['x', 'z']]);
  const spanMs = random.pick([15, 60, 200, 500]);
  const at = () => 10 + random.between(0, spanMs);
  for (let n = 4 + random.below(12); n > 0; n--) {
    const key = random.pick(keys);
    const isLoaded = key === 'x' || key === 'z';
    const ttlMs = random.chance(0.1) ? random.pick([5, 30, 120]) : 1e6;
    add(isLoaded && random.chance(0.5) ? 'load' : 'get', at(), { key, ttlMs, beta: random.chance(0.1) ? 1e6 : 0 });
  }
  for (let n = 1 + random.below(5); n > 0; n--) {
    const op = random.weighted(WRITES);
    add(op, at(), { key: op === 'incr' ? 'c' : random.pick(keys) });
  }
  if (random.chance(0.3)) items.push({ ...makeForeign(random, at()), names: ['t:default:sx'] });
  for (let n = random.pick([0, 0, 1, 2]); n > 0; n--) {
    items.push({ kind: 'cut', atMs: at(), host: random.below(settings.hosts), process: random.below(2) });
  }
  // Who does not wait for an invalidation reads all from the table after it, while others of the host have it near.
  if (random.chance(0.3)) add('invalidate', at(), { tags: ['ta'], patienceMs: 0.01 });
  for (let n = random.pick([0, 0, 1, 2]); n > 0; n--) add('getMany', at(), {});
}

/** A daemon that loses sight of the log, and what it and its near tiers go on to answer as the bound comes near. */
function makeEdge(seed: number, random: Random): Plan {
  const blindMs = [random.between(30, 90), random.between(300, 700)] as const;
  const weather = { slow: random.pick([0, 0.2]), verySlow: random.pick([0, 0.1, 0.3]), stop: 0 };
  const faults = { deaf: 1, twice: 0, unreachable: 0, lostRequest: 0, broken: 0, killed: 0 };
  const special = { hosts: 2, near: [true, true], weather, faults, maxEntries: 100, rowsMax: 50 } as const;
  const settings: Settings = { ...makeSettings(random, 0), ...special, blindUntilMs: 0, blindMs };
  const items: Item[] = [];
  const add = adder(items, random, settings);
  const keys = ['a', 'b', 'x'];
  for (const key of keys) {
    add('set', random.between(5, 20), { key, host: 1 });
    add('get', random.between(20, blindMs[0]), { key, host: 0 });
    add(random.pick<OpName>(['set', 'delete', 'invalidate']), random.between(20, 200), { key, host: 1 });
    for (let n = 8; n > 0; n--) add('get', random.between(150, blindMs[0] + 400), { key, host: 0, pipelined: true });
  }
  items.sort((a, b) => a.atMs - b.atMs);
  return { seed, settings, items };
}

/** Writes of the same keys by two hosts at the same time, in whatever order each has them. */
function makeBatches(seed: number, random: Random): Plan {
  const plain = makeSettings(random, 0);
  const settings = { ...plain, hosts: 2, weather: { slow: 0, verySlow: 0, stop: random.pick([0.2, 0.5]) } };
  const items: Item[] = [];
  const add = adder(items, random, settings);
  const atMs = random.between(10, 20);
  for (let n = 6 + random.below(8); n > 0; n--) {
    const op = random.pick<OpName>(['set', 'set', 'delete', 'add']);
    add(op, atMs + random.next(), { key: random.pick(['a', 'b', 'x', 'y']), host: n % 2, pipelined: true });
  }
  items.sort((a, b) => a.atMs - b.atMs);
  return { seed, settings, items };
}

/** Values made of values made of values, on several hosts, and what kills one of their parts while they are made or kept. */
function addDeep(items: Item[], random: Random, settings: Settings): void {
  const add = adder(items, random, settings);
  const spanMs = random.pick([30, 100, 300]);
  const at = () => 10 + random.between(0, spanMs);
  for (let n = 2 + random.below(4); n > 0; n--)
    add('load', at(), { key: random.pick(['w', 'w', 'z']), nested: random.chance(0.8) });
  for (let n = random.below(4); n > 0; n--)
    add('load', at(), { key: random.pick(['x', 'z']), nested: random.chance(0.5) });
  for (let n = 2 + random.below(6); n > 0; n--) {
    add(random.pick(['get', 'load']), at() + random.next() * spanMs, {
      key: random.pick(['w', 'w', 'z']),
      nested: true,
    });
  }
  for (let n = 1 + random.below(3); n > 0; n--) {
    const op = random.pick<OpName>(['delete', 'invalidate', 'delete', 'set', 'clear']);
    add(op, at(), { key: random.pick(['x', 'x', 'z', 'a']), tags: random.pick([['sx'], ['sy']]) });
  }
  if (random.chance(0.3)) add('delete', at(), { key: 'd', namespace: 'other' });
  if (random.chance(0.4))
    items.push({ ...makeForeign(random, at()), names: [random.pick(['t:default:sx', 't:default:sy'])] });
}

/** Values that expire soon and may be served for a while after it, to those who take such; loads that throw; outages. */
function addGrace(items: Item[], random: Random, settings: Settings): void {
  const add = adder(items, random, settings);
  const spanMs = random.pick([60, 200, 500]);
  const at = () => 10 + random.between(0, spanMs);
  const key = random.pick(['x', 'x', 'a']);
  const graceMs = () => random.pick([0, 20, 100, 100, 1000]);
  const ttlMs = () => random.pick([5, 20, 60, 1e6]);
  for (let n = 1 + random.below(3); n > 0; n--) {
    add(key === 'a' || random.chance(0.3) ? 'set' : 'load', 10 + random.between(0, 20), {
      key,
      ttlMs: ttlMs(),
      graceMs: graceMs(),
    });
  }
  for (let n = 4 + random.below(8); n > 0; n--) {
    const ends = random.chance(0.5) ? 'throw' : random.pick(['fill', 'undefined'] as const);
    const its = { key, ends, ttlMs: ttlMs(), graceMs: graceMs() } as const;
    if (key === 'x') add(random.pick(['load', 'load', 'get']), at(), its);
    else add('get', at(), its);
  }
  for (let n = random.below(4); n > 0; n--) {
    add(random.pick<OpName>(['delete', 'invalidate', 'set', 'expire']), at(), {
      key,
      ttlMs: ttlMs(),
      graceMs: graceMs(),
    });
  }
  if (random.chance(0.5)) items.push({ kind: 'outage', atMs: at(), lastsMs: random.between(20, 300) });
}
