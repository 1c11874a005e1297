/** `npm run bench:ring`: lookups of ConsistentHashRing beside npm's `hashring`, in turns, as ratios. */
import HashRing from 'hashring';
import { ConsistentHashRing } from '../../client/backends/consistent-hash-ring.js';

const NODES = 10;
const LOOKUPS = 200_000;
const ROUNDS = 7;
const names = Array.from({ length: NODES }, (_, i) => `10.0.0.${i + 1}:11211`);

interface Contender {
  readonly name: string;
  /** A fresh ring, so that no round profits from what an earlier one left in a ring's own memory. */
  readonly make: () => (key: string) => unknown;
}

const contenders: readonly Contender[] = [
  {
    name: 'pgcached',
    make: () => {
      const ring = new ConsistentHashRing({ nodes: Object.fromEntries(names.map((name) => [name, name])) });
      return (key) => ring.getNode(key);
    },
  },
  {
    name: 'hashring',
    make: () => {
      const ring = new HashRing(names);
      return (key) => ring.get(key);
    },
  },
];

function nanosecondsPerLookup(lookUp: (key: string) => unknown, keys: readonly string[]): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < LOOKUPS; i++) lookUp(keys[i % keys.length]!);
  return Number(process.hrtime.bigint() - start) / LOOKUPS;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

process.stdout.write(`${NODES} nodes, ${LOOKUPS} lookups, median of ${ROUNDS} rounds, ns a lookup\n`);
for (const distinct of [1, 1000, 6000, LOOKUPS]) {
  const keys = Array.from({ length: distinct }, (_, i) => `user:${i}:profile`);
  const measured = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, make } of contenders) measured.get(name)!.push(nanosecondsPerLookup(make(), keys));
  }
  const [ours, theirs] = contenders.map(({ name }) => median(measured.get(name)!));
  process.stdout.write(
    `${String(distinct).padStart(7)} distinct keys: pgcached ${ours!.toFixed(0).padStart(5)}, ` +
      `hashring ${theirs!.toFixed(0).padStart(5)}, ${(theirs! / ours!).toFixed(1)} times as fast\n`,
  );
}
