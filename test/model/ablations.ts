import { type Lease, Leases } from '../../daemon/leases.js';
import { Loads } from '../../daemon/loads.js';
import { Memory } from '../../daemon/memory.js';
import { type Asker, Reads } from '../../daemon/reads.js';
import { NEAR_PATCHES } from './near-patches.js';
import { type Patch, replace } from './patch.js';
import { togetherInOneBatch } from './together.js';

/**
 * The rules that the model can do without, one at a time. `postgres` ones are left out by the modelled statements, `host`
 * ones by what the daemon is given in place of its follower, database or near tiers, or by what a process does, `patched`
 * and `near` ones by a method put in a class's place.
 */
export const RULES = {
  postgres: [
    'names on read',
    'names of a fill',
    'row of a fill',
    'floor of a fill',
    'incarnation of a fill',
    'dead rows',
    'numbers',
    'kept answers',
    'shared floor lock',
    'floor of a trim',
    'rows above the floor keep the log',
    'only a whole trim cuts the log',
    'transactions that ran at the last look',
    'everything under prepared transactions',
    'no counters in memory',
    'sorted upserts',
  ],
  host: [
    'reset below the floor of the log',
    'reset on too many rows',
    'incarnations',
    'one incarnation of read and sight',
    'another incarnation met by a write',
    'the bound',
    'the bound counts from sending',
    'own writes seen before a load',
    'own rows applied at the acknowledgement',
    'names of the parts',
    "the follower's sight in a load's base",
    'reset on the first look',
    'names that the parts carry',
    'parts are not read near',
    'kept near is decided as the reply is written',
    'drops before what is said next',
    'the bound of near tiers',
    'only who keeps is told',
  ],
  patched: [
    'the end of a lease voids the others',
    'a reset voids leases',
    'rows learned during a lease',
    'a lease that fills nothing drops',
    'own transaction seen',
    'late-comers of a read ask again',
    'late-comers of a load ask again',
    'a baseless load drops its key',
    'invalidations in batches of their own',
  ],
  near: Object.keys(NEAR_PATCHES) as (keyof typeof NEAR_PATCHES)[],
} as const;

export const RULE_NAMES: readonly string[] = [...RULES.postgres, ...RULES.host, ...RULES.patched, ...RULES.near];

/** Leases whose `void` heeds only a reset, or only the end of another lease. */
function deafToVoid(heeds: 'reset' | 'end'): () => void {
  let resetting = false;
  const putBack = [
    replace(
      Leases.prototype,
      'voidAll',
      (old) =>
        function (this: Leases) {
          resetting = true;
          old.call(this);
          resetting = false;
        },
    ),
    replace(
      Leases.prototype,
      'grant',
      (old) =>
        function (this: Leases, key: string) {
          const lease = old.call(this, key);
          let isVoid = false;
          Object.defineProperty(lease, 'void', {
            get: () => isVoid,
            set: (value: boolean) => {
              if (resetting === (heeds === 'reset')) isVoid = value;
            },
          });
          return lease;
        },
    ),
  ];
  return () => {
    for (const one of putBack.reverse()) one();
  };
}

const PATCHES: Record<(typeof RULES.patched)[number] | keyof typeof NEAR_PATCHES, Patch> = {
  ...NEAR_PATCHES,
  'invalidations in batches of their own': togetherInOneBatch,
  'the end of a lease voids the others': () => deafToVoid('reset'),
  'a reset voids leases': () => deafToVoid('end'),
  'rows learned during a lease': () =>
    replace(
      Leases.prototype,
      'grant',
      (old) =>
        function (this: Leases, key: string): Lease {
          const lease = old.call(this, key);
          Object.defineProperty(lease, 'written', { get: () => undefined, set: () => {} });
          return Object.assign(lease, { journalFrom: Number.POSITIVE_INFINITY });
        },
    ),
  'a lease that fills nothing drops': () => {
    let ending = false;
    const putBack = [
      replace(
        Leases.prototype,
        'end',
        (old) =>
          function (this: Leases, ...args) {
            ending = true;
            old.apply(this, args);
            ending = false;
          },
      ),
      replace(
        Memory.prototype,
        'drop',
        (old) =>
          function (this: Memory, key) {
            if (!ending) old.call(this, key);
          },
      ),
    ];
    return () => {
      for (const one of putBack) one();
    };
  },
  'own transaction seen': () =>
    replace(
      Leases.prototype,
      'end',
      (old) =>
        function (this: Leases, lease, entry, expiresAtMs) {
          old.call(this, lease, entry && { ...entry, base: { ...entry.base, ownXid: undefined } }, expiresAtMs);
        },
    ),
  'late-comers of a read ask again': () => {
    const out = new WeakMap<Reads, Map<string, Asker[]>>();
    const putBack = [
      replace(
        Reads.prototype,
        'ask',
        (old) =>
          function (this: Reads, key, asker) {
            const mine = out.get(this) ?? new Map<string, Asker[]>();
            out.set(this, mine);
            const together = mine.get(key);
            if (together !== undefined) {
              together.push(asker);
              return;
            }
            const askers = [asker];
            mine.set(key, askers);
            const tell = (one: (asker: Asker) => void) => {
              mine.delete(key);
              askers.forEach(one);
            };
            old.call(this, key, {
              answered: (answer) => tell((each) => each.answered(answer)),
              failed: (error) => tell((each) => each.failed(error)),
            });
          },
      ),
      replace(Reads.prototype, 'isOut', () => () => false),
      replace(Reads.prototype, 'landed', () => () => undefined),
    ];
    return () => {
      for (const one of putBack) one();
    };
  },
  'a baseless load drops its key': () => {
    // Its lease ends before it is waited for: in the same turn, and in nothing.
    const putBack: (() => void)[] = [];
    let isBaseless = false;
    putBack.push(
      replace(
        Leases.prototype,
        'end',
        (old) =>
          function (this: Leases, ...args) {
            if (!isBaseless) old.apply(this, args);
          },
      ),
      replace(
        Loads.prototype,
        'fill',
        (old) =>
          function (this: Loads, ...args) {
            isBaseless = true;
            const outcome = old.apply(this, args);
            isBaseless = false;
            return outcome;
          },
      ),
    );
    return () => {
      for (const one of putBack) one();
    };
  },
  'late-comers of a load ask again': () =>
    replace(
      Loads.prototype,
      'handOut',
      (old) =>
        async function (this: Loads, flight, ...args) {
          const outcome = await old.call(this, flight, ...args);
          flight.beganAt = Number.POSITIVE_INFINITY;
          return outcome;
        },
    ),
};

/** Leaves rules out until the returned function is called. */
export function ablate(without: ReadonlySet<string>): () => void {
  const putBack: (() => void)[] = [];
  for (const name of without) {
    if (!RULE_NAMES.includes(name)) throw new Error(`no rule is called '${name}': ${RULE_NAMES.join(', ')}`);
    const patch = (PATCHES as Record<string, Patch>)[name];
    if (patch !== undefined) putBack.push(patch());
  }
  return () => {
    for (const one of putBack.reverse()) one();
  };
}
