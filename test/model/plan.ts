import { makeForeign, makeOp, makeSettings } from './items.js';
import { makeNearPlan } from './nears.js';
import { Random } from './random.js';
import { type Item, LOADED_KEYS, PLAIN_KEYS, type Plan } from './schedule.js';
import { makeBlind, makeLate, makeOvertaken, makePassed, makeReused, makeTangle, TANGLES } from './tangles.js';

/** What a schedule is mostly about: rare faults meet often enough only where others stay away. */
const THEMES = {
  calm: { crash: 0, trim: 0.2, foreign: 0.5, restart: 0, lock: 0, outage: 0, faults: 0 },
  mixed: { crash: 0.15, trim: 0.6, foreign: 1, restart: 0.1, lock: 0.2, outage: 0.15, faults: 0.5 },
  broken: { crash: 0, trim: 0.2, foreign: 0.4, restart: 0.15, lock: 0.2, outage: 0.3, faults: 1.5 },
  crashes: { crash: 1.6, trim: 0.3, foreign: 0.7, restart: 0.05, lock: 0, outage: 0, faults: 0.2 },
  trims: { crash: 0.05, trim: 4, foreign: 1.2, restart: 0, lock: 0.1, outage: 0, faults: 0.1 },
  loads: { crash: 0.05, trim: 0.5, foreign: 1.6, restart: 0, lock: 0, outage: 0.05, faults: 0.1 },
};
type Theme = keyof typeof THEMES;

export function makePlan(seed: number): Plan {
  if (seed % 3 === 2) return makeNearPlan(seed);
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995);
  if (random.chance(0.15)) return makeOvertaken(seed, random, makeSettings(random, 0));
  if (random.chance(0.07)) return makeReused(seed, random, makeSettings(random, 0));
  if (random.chance(0.04)) return makeBlind(seed, random, makeSettings(random, 0));
  if (random.chance(0.04)) return makeLate(seed, random, makeSettings(random, 0));
  if (random.chance(0.1)) return makePassed(seed, random, makeSettings(random, 0));
  if (random.chance(0.35)) return makeTangle(seed, random, makeSettings(random, 0), random.pick(TANGLES));
  const theme = random.pick(Object.keys(THEMES) as Theme[]);
  const shape = THEMES[theme];
  const settings = makeSettings(random, shape.faults);
  const spanMs = random.pick([40, 100, 250, 600]);
  const items: Item[] = [];
  const count = (mean: number) => Math.floor(mean * random.between(0.3, 1.7) + random.next());
  const at = () => random.between(0, spanMs);
  const focus = random.chance(0.6) ? random.pick([...PLAIN_KEYS, ...LOADED_KEYS]) : undefined;
  const loads = theme === 'loads' ? 3 : 1;
  for (let ops = 8 + random.below(22); ops > 0; ops--) items.push(makeOp(random, settings.hosts, at(), focus, loads));
  for (let n = count(3 * shape.foreign); n > 0; n--) items.push(makeForeign(random, at()));
  for (let n = count(shape.crash); n > 0; n--) items.push({ kind: 'crash', atMs: at() });
  for (let n = count(shape.trim); n > 0; n--) {
    items.push({ kind: 'trim', atMs: at(), host: random.below(settings.hosts), lagMs: random.pick([0, 5, 40, 150]) });
  }
  for (let n = count(shape.restart); n > 0; n--) {
    items.push({ kind: 'restart', atMs: at(), host: random.below(settings.hosts) });
  }
  for (let n = count(shape.lock); n > 0; n--) {
    const [namespace, key] = random.pick([...PLAIN_KEYS.map((plain) => ['default', plain]), ['other', 'c']]);
    const lastsMs = random.pick([20, 250, 600]);
    items.push({ kind: 'lock', atMs: at(), namespace: namespace as string, key: key as string, lastsMs });
  }
  for (let n = count(shape.outage); n > 0; n--)
    items.push({ kind: 'outage', atMs: at(), lastsMs: random.between(20, 500) });
  if (random.chance(0.15)) {
    items.push({ kind: 'end', atMs: at(), host: random.below(settings.hosts), process: random.below(2) });
  }
  items.sort((a, b) => a.atMs - b.atMs);
  return { seed, settings, items };
}
