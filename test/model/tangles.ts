import { makeForeign, makeOp } from './items.js';
import type { Random } from './random.js';
import type { Item, OpItem, OpName, Plan, Settings } from './schedule.js';

/** Few things, all about one key: statements that stop while others trim, a crash between parts and whole, slow looks. */
export const TANGLES = ['straddle', 'straddle', 'crossing', 'slow'] as const;

/** Writes of one key by several hosts, reads of it, slow answers: what overtakes what. */
export function makeOvertaken(seed: number, random: Random, settings: Settings): Plan {
  const items: Item[] = [];
  const key = random.pick(['a', 'x']);
  const addOp = (op: OpName, atMs: number, its?: Partial<OpItem>) => {
    const plain = makeOp(random, 2, atMs, undefined, 1);
    const patienceMs = random.pick([2, 30, 300]);
    const common = { namespace: 'default', key, tags: ['sx'], ends: 'fill', ttlMs: 1e6, pipelined: true } as const;
    items.push({ ...plain, ...common, op, computeMs: random.pick([0, 0, 20]), patienceMs, ...its });
  };
  const spanMs = random.pick([10, 40, 100]);
  const writes = { set: 5, add: 1, delete: 2, expire: 1, invalidate: 1, load: key === 'x' ? 3 : 0 };
  for (let n = 2 + random.below(4); n > 0; n--) addOp(random.weighted(writes), 10 + random.between(0, spanMs));
  for (let n = 3 + random.below(8); n > 0; n--) addOp('get', 10 + random.between(0, 1.5 * spanMs));
  // A load that begins before its daemon has had its first look has no base.
  const isBlind = key === 'x' && random.chance(0.5);
  if (isBlind) addOp('load', random.between(0, 8), { computeMs: random.pick([50, 100]) });
  items.sort((a, b) => a.atMs - b.atMs);
  const weather = { slow: random.pick([0.2, 0.5]), verySlow: 0, stop: random.pick([0, 0.1]) };
  const broken = random.pick([0, 0.2]);
  const faults = { ...settings.faults, deaf: 1, broken };
  const blindUntilMs = isBlind ? 25 : settings.blindUntilMs;
  const special = { hosts: 2, weather, faults, maxEntries: 100, rowsMax: 50, blindUntilMs };
  return { seed, settings: { ...settings, ...special }, items };
}

/**
 * A crash after which transaction ids are handed out again: what is in memory was made under ids that those who
 * invalidate it afterwards may have too.
 */
export function makeReused(seed: number, random: Random, settings: Settings): Plan {
  const items: Item[] = [];
  const { hosts } = settings;
  const addOp = (op: OpName, atMs: number, key: string, host = random.below(hosts)) => {
    const plain = makeOp(random, hosts, atMs, undefined, 1);
    const common = { namespace: 'default', key, tags: ['sx'], ends: 'fill', ttlMs: 1e6, pipelined: true } as const;
    items.push({ ...plain, ...common, host, op, computeMs: random.pick([0, 0, 10]) });
  };
  for (let n = 1 + random.below(4); n > 0; n--) addOp(random.pick(['set', 'delete']), 5 + 10 * random.next(), 'b');
  const key = random.pick(['a', 'x', 'x']);
  const host = random.below(hosts);
  addOp(key === 'x' ? 'load' : 'set', 15 + 15 * random.next(), key, host);
  if (random.chance(0.5)) addOp('load', 25 + 20 * random.next(), 'z', host);
  items.push({ kind: 'crash', atMs: random.between(25, 60) });
  for (let n = 1 + random.below(3); n > 0; n--) {
    const kill = random.pick<OpName>(['invalidate', 'invalidate', 'delete', 'set', 'clear']);
    addOp(kill, random.between(30, 110), random.pick([key, 'b']), random.chance(0.7) ? host : undefined);
  }
  for (let n = 2 + random.below(5); n > 0; n--) {
    addOp(random.pick(['get', 'load']), random.between(35, 150), random.pick([key, key, 'z']), host);
  }
  for (const [at, item] of items.entries()) {
    if (item.kind === 'op' && item.op === 'load' && item.key === 'a') items[at] = { ...item, op: 'get' };
  }
  items.sort((a, b) => a.atMs - b.atMs);
  const weather = { slow: random.pick([0, 0.1]), verySlow: 0, stop: 0 };
  const faults = { ...settings.faults, deaf: random.pick([0, 1]) };
  return { seed, settings: { ...settings, weather, faults, maxEntries: 100, rowsMax: 50 }, items };
}

/** A load that is handed out while its daemon is blind; meanwhile its key is written, read, and written again elsewhere. */
export function makeBlind(seed: number, random: Random, settings: Settings): Plan {
  const items: Item[] = [];
  const addOp = (op: OpName, host: number, atMs: number, computeMs = 0) => {
    const plain = makeOp(random, 2, atMs, undefined, 1);
    const common = { namespace: 'default', key: 'x', tags: ['sx'], ends: 'fill', ttlMs: 1e6, pipelined: true } as const;
    items.push({ ...plain, ...common, host, op, computeMs });
  };
  addOp('load', 0, 3 * random.next(), random.between(40, 80));
  addOp('set', 1, random.between(16, 25));
  addOp('get', 0, random.between(22, 40));
  addOp(random.pick(['set', 'delete', 'invalidate']), 1, random.between(30, 50));
  for (let n = 3; n > 0; n--) addOp('get', 0, random.between(50, 150));
  items.sort((a, b) => a.atMs - b.atMs);
  const weather = { slow: random.pick([0, 0.1]), verySlow: 0, stop: 0 };
  const faults = { ...settings.faults, deaf: 1 };
  const special = { hosts: 2, weather, faults, pollIntervalMs: 140, rowsMax: 50, maxEntries: 100, blindUntilMs: 20 };
  return { seed, settings: { ...settings, ...special }, items };
}

/** Several keys that one host reads now and then and another writes; looks whose answers take longer than the bound. */
export function makeLate(seed: number, random: Random, settings: Settings): Plan {
  const items: Item[] = [];
  const keys = ['a', 'b', 'x', 'y'];
  const addOp = (op: OpName, host: number, key: string, atMs: number) => {
    const plain = makeOp(random, 2, atMs, undefined, 1);
    const common = { namespace: 'default', key, tags: ['sx'], ttlMs: 1e6, pipelined: true, patienceMs: 3000 } as const;
    items.push({ ...plain, ...common, host, op });
  };
  for (const key of keys) {
    addOp('set', 1, key, 10 * random.next());
    addOp('get', 0, key, random.between(20, 120));
    addOp(random.pick(['set', 'delete']), 1, key, random.between(50, 400));
    for (let n = 2; n > 0; n--) addOp('get', 0, key, random.between(250, 900));
  }
  items.sort((a, b) => a.atMs - b.atMs);
  const weather = { slow: 0.1, verySlow: random.pick([0.1, 0.3]), stop: 0 };
  const faults = { ...settings.faults, deaf: 1 };
  const special = { hosts: 2, weather, faults, pollIntervalMs: 90, rowsMax: 50, maxEntries: 100, blindUntilMs: 0 };
  return { seed, settings: { ...settings, ...special }, items };
}

/** One load, one thing that kills it, one trim: the fill stops after it was judged, and all the rest may pass it. */
export function makePassed(seed: number, random: Random, settings: Settings): Plan {
  const atMs = 20 * random.next();
  const op = { ...makeOp(random, settings.hosts, atMs, undefined, 1), namespace: 'default', key: 'x', tags: ['sx'] };
  const common = { ...op, ends: 'fill', ttlMs: 1e6, pipelined: true, computeMs: random.pick([0, 0, 5]) } as const;
  const killMs = atMs + random.between(2, 15);
  const kill: Item = random.chance(0.5)
    ? { ...common, atMs: killMs, op: 'delete', host: random.below(settings.hosts) }
    : { ...makeForeign(random, killMs), names: ['t:default:sx'], ends: 'commit', lastsMs: 0 };
  const items: Item[] = [{ ...common, op: 'load' }, kill];
  for (let n = 1 + random.below(2); n > 0; n--) {
    const trimMs = killMs + random.between(2, 25);
    items.push({ kind: 'trim', atMs: trimMs, host: random.below(settings.hosts), lagMs: 0 });
  }
  items.sort((a, b) => a.atMs - b.atMs);
  const weather = { slow: random.pick([0.1, 0.3]), verySlow: 0, stop: random.pick([0.1, 0.3]) };
  const special = { weather, pollIntervalMs: random.pick([5, 20]), rowsMax: 50, maxEntries: 100, blindUntilMs: 0 };
  return { seed, settings: { ...settings, ...special }, items };
}

/** A few loads, what kills them, and trims or crashes, of one key: each may fall into any gap of the others. */
export function makeTangle(
  seed: number,
  random: Random,
  settings: Settings,
  theme: 'straddle' | 'crossing' | 'slow',
): Plan {
  const spanMs = random.pick([15, 40, 120]);
  const items: Item[] = [];
  const at = () => 10 + random.between(0, spanMs);
  const key = theme === 'crossing' ? 'z' : random.pick(['x', 'x', 'x', 'a']);
  const addOp = (op: OpName, atMs: number, its: string) => {
    const plain = makeOp(random, settings.hosts, atMs, undefined, 1);
    const common = { namespace: 'default', key: its, tags: ['sx'], ends: 'fill', ttlMs: 1e6 } as const;
    items.push({ ...plain, ...common, op, computeMs: random.pick([0, 10, 40, 80]), pipelined: random.chance(0.8) });
  };
  const reader: OpName = key === 'a' ? 'set' : 'load';
  if (theme !== 'straddle') for (let n = 1 + random.below(3); n > 0; n--) addOp('load', 2 + random.next(), 'x');
  for (let n = 1 + random.below(3); n > 0; n--) addOp(reader, at(), key);
  for (let n = random.below(3); n > 0; n--) {
    addOp(random.weighted<'delete' | 'expire' | 'invalidate' | 'get' | 'set'>(TANGLE_WEIGHTS), at(), key);
  }
  const foreign = random.chance(0.7) ? 1 : 0;
  for (let n = foreign; n > 0; n--)
    items.push({ ...makeForeign(random, at()), names: ['t:default:sx'], ends: 'commit' });
  for (let n = theme === 'straddle' ? 1 + random.below(3) : 0; n > 0; n--) {
    const lagMs = random.pick([0, 0, 5, 30]);
    items.push({ kind: 'trim', atMs: at() + random.next() * spanMs, host: random.below(settings.hosts), lagMs });
  }
  if (theme === 'crossing') items.push({ kind: 'crash', atMs: at() });
  if (theme === 'slow') for (let n = 4 + random.below(8); n > 0; n--) addOp('get', at() + 300 * random.next(), key);
  items.sort((a, b) => a.atMs - b.atMs);
  const weather = {
    slow: random.pick(theme === 'slow' ? [0.2, 0.5] : [0.02, 0.3]),
    verySlow: theme === 'slow' ? 0.1 : 0,
    stop: theme === 'straddle' ? random.pick([0.1, 0.4, 0.7]) : 0.02,
  };
  const pollIntervalMs = theme === 'straddle' ? random.pick([5, 20, 90]) : random.pick([90, 140]);
  const faults = { ...settings.faults, deaf: random.chance(0.7) ? 1 : 0 };
  return { seed, settings: { ...settings, weather, faults, maxEntries: 100, rowsMax: 50, pollIntervalMs }, items };
}

const TANGLE_WEIGHTS = { delete: 3, expire: 1, invalidate: 1, get: 2, set: 1 };
