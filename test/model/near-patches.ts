import { NearTier } from '../../client/near.js';
import { Loading } from '../../daemon/loading.js';
import { Loads } from '../../daemon/loads.js';
import { Memory } from '../../daemon/memory.js';
import type { Awaitable, LoadOutcome } from '../../daemon/namespace.js';
import { NearRegister } from '../../daemon/near-register.js';
import { type Patch, replace } from './patch.js';

/** Rules of near tiers, of what is made of parts, and of grace, each left out by a method put in a class's place. */
export const NEAR_PATCHES = {
  // Of values of one length, as the model's are, any is then as good as any other.
  'near keeps the very value of memory': () => replace(Buffer, 'compare', () => () => 0),
  'who keeps is told': () => replace(NearRegister.prototype, 'add', () => () => true),
  'a replacement is a drop': () => {
    let isReplacing = false;
    const putBack = [
      replace(
        Memory.prototype,
        'fill',
        (old) =>
          function (this: Memory, ...args) {
            isReplacing = true;
            old.apply(this, args);
            isReplacing = false;
          },
      ),
      replace(
        NearRegister.prototype,
        'drop',
        (old) =>
          function (this: NearRegister, key) {
            if (!isReplacing) old.call(this, key);
          },
      ),
    ];
    return () => {
      for (const one of putBack) one();
    };
  },
  'near tiers count from when they asked': () =>
    replace(
      NearTier.prototype,
      'turnOn',
      (old) =>
        function (this: NearTier, _askedMs, nowMs, freshUntilMs) {
          old.call(this, this.now(), nowMs, freshUntilMs);
        },
    ),
  'a lost connection empties its near tiers': () => replace(NearTier.prototype, 'turnOff', () => () => {}),
  'the read that missed in the base of a load': () =>
    replace(
      Loads.prototype,
      'handOut',
      (old) =>
        function (this: Loads, flight, holder, missed, ...rest) {
          const all = { xmin: 1n << 60n, xmax: 1n << 60n, running: [] };
          return old.call(this, flight, holder, { ...missed, base: { ...missed.base, snapshot: all } }, ...rest);
        },
    ),
  'what is served under grace is marked': () => {
    const unmarked = (outcome: Awaitable<LoadOutcome>): Awaitable<LoadOutcome> => {
      if (outcome instanceof Promise) return outcome.then(unmarked);
      return outcome.kind === 'stale' ? { ...outcome, kind: 'value' } : outcome;
    };
    const putBack = (['load', 'stale'] as const).map((name) =>
      replace(
        Loading.prototype,
        name,
        (old) =>
          function (this: Loading, ...args: unknown[]) {
            return unmarked((old as (...all: unknown[]) => Awaitable<LoadOutcome>).apply(this, args));
          },
      ),
    );
    return () => {
      for (const one of putBack) one();
    };
  },
  'only the grace that the asker takes': () =>
    replace(
      Memory.prototype,
      'stale',
      (old) =>
        function (this: Memory, key) {
          return old.call(this, key, Number.POSITIVE_INFINITY);
        },
    ),
  'only the grace that the value has': () =>
    replace(
      Memory.prototype,
      'fill',
      (old) =>
        function (this: Memory, key, entry, expiresAtMs) {
          old.call(this, key, { ...entry, graceMs: Number.POSITIVE_INFINITY }, expiresAtMs);
        },
    ),
  'what is killed is not served under grace': () =>
    replace(
      Memory.prototype,
      'drop',
      (old) =>
        function (this: Memory, key) {
          if (this.stale(key, Number.POSITIVE_INFINITY) === undefined) old.call(this, key);
          else this.doubt(key);
        },
    ),
} satisfies Record<string, Patch>;
