import type { SetOptions, Ttl } from '../shared/cache.js';
import { setOptions } from '../shared/duration.js';
import { FLAG } from '../shared/protocol.js';
import type { Caller } from './caller.js';
import { LoadSkipped, packThrown } from './failures.js';
import { ABANDON, FILL, type LoadAnswer } from './load-ops.js';
import { refuseInTransaction } from './transaction.js';

export interface LeaseOptions {
  /** As for `getOrSet`. */
  beta?: number;
  /** As for `getOrSet`. */
  coalesce?: 'host' | 'cluster';
}

/**
 * The right to compute the value of one key, which nobody else has meanwhile. It ends with the first call of `fill` or
 * `abandon` that gets through, with the connection, or when the daemon's `loadTimeoutMs` is up: then it passes on to the
 * next who waits, and a fill that still comes is tried like any other.
 */
export interface Lease {
  /** The value that has expired, if there is one that is still kept; undefined else. */
  readonly stale: unknown;
  /**
   * Stores the value, unless something that it may not have seen was written or invalidated since the lease was given.
   * @returns false where it was refused: what was computed is out of date already
   * @throws CacheError ERR_INVALID_TOKEN where the lease was ended before; ERR_INVALID_VALUE, ERR_VALUE_TOO_LARGE,
   *   ERR_INVALID_TTL and ERR_INVALID_TAG leave it as it is; ERR_UNAVAILABLE where the connection was lost
   */
  fill(value: unknown, options?: Ttl | SetOptions): Promise<boolean>;
  /**
   * Gives the lease up.
   * @param error what those who wait are to be told; without one the next of them gets the lease
   * @throws CacheError ERR_INVALID_TOKEN, ERR_UNAVAILABLE
   */
  abandon(error?: unknown): Promise<void>;
}

/** A value, or a lease, or with `beta` at times both: then the value is current, and the lease is there to refresh it. */
export interface Leased<T> {
  readonly value: T | undefined;
  readonly lease: Lease | undefined;
}

/** Where nothing can be stored: the daemon is away, or the value of somebody else's load was not to be shared. */
const NOWHERE: Lease = {
  stale: undefined,
  fill: async () => false,
  abandon: async () => {},
};

/** @throws CacheError, or what somebody else's load threw */
export async function askLease(
  caller: Caller,
  key: string,
  options: { beta: number; isClusterWide: boolean },
): Promise<Leased<unknown>> {
  refuseInTransaction();
  const reader = caller.reader();
  let answer: LoadAnswer;
  try {
    answer = await caller.askLoad(key, options.isClusterWide ? FLAG.cluster : 0, 0, options.beta, reader);
  } catch (error) {
    reader?.lose();
    if (error instanceof LoadSkipped || caller.degrades(error)) return { value: undefined, lease: NOWHERE };
    throw error;
  }
  reader?.keys([key]);
  if (answer.kind === 'nothing') {
    reader?.lose();
    return { value: undefined, lease: undefined };
  }
  if (answer.kind !== 'load') return { value: answer.value, lease: undefined };
  const { value, isCurrent } = answer;
  return { value: isCurrent ? value : undefined, lease: newLease(caller, key, answer) };
}

function newLease(
  caller: Caller,
  key: string,
  { token, epoch, value, isCurrent }: Extract<LoadAnswer, { kind: 'load' }>,
): Lease {
  const givenMs = performance.now();
  return {
    stale: isCurrent ? undefined : value,
    async fill(filling, options) {
      refuseInTransaction();
      const { ttlMs, tags, graceMs = 0 } = setOptions(options);
      const bytes = caller.pack(filling);
      const deltaMs = performance.now() - givenMs;
      caller.reader()?.loaded(key, tags, undefined);
      const args = [FLAG.once, token, bytes, ttlMs, tags, graceMs, deltaMs, [], key, caller.near, undefined] as const;
      const answer = await caller.channel.call(FILL, args, epoch);
      return answer.kind !== 'nothing';
    },
    async abandon(error) {
      const passesOn = error === undefined;
      await caller.channel.call(
        ABANDON,
        [passesOn ? FLAG.passOn : 0, token, passesOn ? undefined : packThrown(error)],
        epoch,
      );
    },
  };
}
