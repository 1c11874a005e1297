/** `npm run bench:near`: what a hit of the near tier costs, shared or unpacked, and what freezing costs once. */
import { NearTier } from '../../client/near.js';
import { pack, unpack } from '../../shared/codec.js';

const NEAR_ROUNDS = 7;
const CALLS = 50_000;

const user = (i: number) => ({
  id: i,
  name: `user ${i}`,
  roles: ['reader', 'writer'],
  address: { city: 'Ulm', zip: '89073' },
});
const trees: Readonly<Record<string, unknown>> = {
  'a string': 'some text of the length that titles have',
  'an object of 4 fields': user(1),
  'a list of 100 objects': Array.from({ length: 100 }, (_, i) => user(i)),
};

function nanoseconds(calls: number, run: () => void): number {
  const rounds = Array.from({ length: NEAR_ROUNDS }, () => {
    const start = performance.now();
    for (let i = 0; i < calls; i++) run();
    return ((performance.now() - start) * 1e6) / calls;
  });
  return rounds.sort((a, b) => a - b)[NEAR_ROUNDS >> 1]!;
}

process.stdout.write(`ns a call, median of ${NEAR_ROUNDS} rounds\n`);
for (const [name, tree] of Object.entries(trees)) {
  const near = new NearTier({ maxEntries: 10, maxBytes: 1e8 }, () => performance.now());
  near.turnOn(performance.now(), 0, Number.POSITIVE_INFINITY);
  const calls = Array.isArray(tree) ? CALLS / 50 : CALLS;
  const packed = pack(tree);
  const withDate = pack([tree, new Date(0)]);
  near.accept('tree', packed, Number.POSITIVE_INFINITY);
  near.accept('date', withDate, Number.POSITIVE_INFINITY);
  const figures = {
    'hit, shared': nanoseconds(CALLS, () => near.peek('tree')),
    'hit, unpacked (a Date beside it)': nanoseconds(calls, () => near.peek('date')),
    'taken from a reply: unpacked alone': nanoseconds(calls, () => unpack(packed)),
    'taken from a reply: unpacked, frozen, kept': nanoseconds(calls, () =>
      near.accept('tree', packed, Number.POSITIVE_INFINITY),
    ),
  };
  process.stdout.write(`${name}, ${packed.length} bytes packed\n`);
  for (const [what, ns] of Object.entries(figures))
    process.stdout.write(`  ${what.padEnd(44)}${ns.toFixed(0).padStart(9)}\n`);
}
