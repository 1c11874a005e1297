import type { Random } from './random.js';
import { type ForeignItem, LOADED_KEYS, type OpItem, type OpName, PLAIN_KEYS, type Settings } from './schedule.js';

const OP_WEIGHTS: Record<OpName, number> = {
  get: 10,
  getMany: 2,
  load: 7,
  set: 5,
  add: 1.5,
  delete: 2,
  expire: 1,
  incr: 2,
  invalidate: 2,
  clear: 0.4,
  cleanup: 0.3,
};

export function makeSettings(random: Random, faults: number): Settings {
  const slow = random.pick([0, 0.02, 0.1, 0.3]);
  return {
    hosts: Number(random.weighted({ 1: 1, 2: 8, 3: 1 })),
    staleBoundMs: 200,
    pollIntervalMs: random.pick([90, 140]),
    maxEntries: random.chance(0.2) ? 2 : 100,
    rowsMax: random.chance(0.2) ? 2 : 50,
    blindUntilMs: random.chance(0.1) ? random.between(10, 100) : 0,
    weather: {
      slow,
      verySlow: random.pick([0, 0, 0.01, 0.05]),
      stop: random.pick([0, 0.02, 0.15, 0.4]),
    },
    faults: {
      unreachable: random.pick([0, 0.05]) * faults,
      lostRequest: random.pick([0, 0.02, 0.1]) * faults,
      broken: random.pick([0, 0.03, 0.2]) * faults,
      killed: random.pick([0, 0.02]) * faults,
      deaf: random.pick([0, 0.2, 1]),
      twice: random.pick([0, 0.3]),
    },
  };
}

export function makeOp(random: Random, hosts: number, atMs: number, focus: string | undefined, loads: number): OpItem {
  const op = random.weighted({ ...OP_WEIGHTS, load: OP_WEIGHTS.load * loads });
  const isLoad = op === 'load';
  const keys = isLoad ? LOADED_KEYS : random.chance(0.7) ? PLAIN_KEYS : LOADED_KEYS;
  let [namespace, key] = ['default', random.pick(keys)];
  if (focus !== undefined && keys.includes(focus) && random.chance(0.7)) key = focus;
  if (!isLoad && op !== 'invalidate' && op !== 'clear' && random.chance(0.1)) [namespace, key] = ['other', 'd'];
  if (op === 'incr' || (op === 'get' && random.chance(0.1))) [namespace, key] = ['other', 'c'];
  const tags = ['ta', 'sx', 'sy'].filter(() => random.chance(op === 'invalidate' ? 0.4 : 0.3));
  if (op === 'invalidate' && tags.length === 0) tags.push('sx');
  return {
    kind: 'op',
    atMs,
    host: random.below(hosts),
    process: random.below(2),
    op,
    namespace,
    key,
    tags,
    ttlMs: random.chance(0.15) ? random.pick([5, 30, 120]) : 1e6,
    pipelined: random.chance(0.3),
    patienceMs: random.pick([30, 300, 3000]),
    computeMs: random.pick([0, 1, 10, 60, 250]),
    ends: random.chance(0.9) ? 'fill' : random.pick(['throw', 'undefined'] as const),
    nested: random.chance(0.5),
    beta: random.chance(0.15) ? 1e6 : 0,
    cluster: random.chance(0.1),
  };
}

export function makeForeign(random: Random, atMs: number): ForeignItem {
  const names = ['t:default:sx', 't:default:sy', 't:default:ta', 'k:default:a', 'n:default', '*'];
  const chosen = names.filter((_, index) => random.chance(index < 2 ? 0.4 : 0.08));
  return {
    kind: 'foreign',
    atMs,
    names: chosen.length > 0 ? chosen : ['t:default:sx'],
    lastsMs: random.pick([0, 2, 20, 100, 300]),
    ends: random.chance(0.8) ? 'commit' : random.pick(['abort', 'prepare'] as const),
    preparedMs: random.pick([5, 50, 300]),
  };
}
