import { setTimeout as sleep } from 'node:timers/promises';
import { suite, type Test } from 'uvu';
import type { Cache, CacheAdapter } from '../../shared/cache.js';
import { registerBasics } from './cache-suite/basics.js';
import { registerCounters } from './cache-suite/counters.js';
import { registerExpiry } from './cache-suite/expiry.js';
import { registerGetOrSet } from './cache-suite/get-or-set.js';
import { registerKeys } from './cache-suite/keys.js';
import { registerMany } from './cache-suite/many.js';
import { registerStats } from './cache-suite/stats.js';
import { registerTags } from './cache-suite/tags.js';
import { registerValues } from './cache-suite/values.js';

/** An implementation to try, as a test file makes it. */
export interface Subject {
  cache: CacheAdapter;
  /** Another cache beside it (a namespace, a table) that `clear` must leave alone. */
  other?: CacheAdapter;
  /** Moves the clock of the cache; without it the tests wait in real time. */
  advance?(ms: number): Promise<void> | void;
  close(): Promise<void> | void;
}

/** What an implementation does otherwise than the interface asks. All are false unless given. */
export interface Capabilities {
  /**
   * Values are kept by reference: what comes out is what went in, and only the top of a bad value is seen.
   * `in part`: one of several tiers does so, the others do not.
   */
  byReference?: boolean | 'in part';
  /** Plain trees are shared, and frozen for that. */
  frozen?: boolean;
  /** Without a TTL there is no expiry. */
  eternalByDefault?: boolean;
  /** `invalidateTags` and the `tags` option are not there. */
  withoutTags?: boolean;
  /** `count` and `cleanup` may be off: several tiers, or another party that removes expired entries as well. */
  inexactCleanup?: boolean;
  /** Counters of the statistics may lag behind or count twice. */
  inexactStats?: boolean;
}

export interface SuiteContext {
  /** As an asynchronous cache whatever it is: every call is awaited, and errors are caught by `rejects`. */
  cache: Cache;
  other: Cache | undefined;
  close: () => Promise<void> | void;
  wait: (ms: number) => Promise<void>;
  /** A TTL in seconds that a test may outwait, and the milliseconds after which it is surely over. */
  shortTtl: number;
  shortOverMs: number;
}

export type CacheTest = Test<SuiteContext>;

/**
 * The behaviour of every implementation of the cache interface, as one uvu suite; the caller runs it. One cache is made
 * for the suite, and cleared before each test.
 */
export function cacheSuite(name: string, create: () => Promise<Subject>, capabilities: Capabilities = {}): CacheTest {
  const test: CacheTest = suite<SuiteContext>(name);

  test.before(async (context) => {
    const subject = await create();
    const { advance } = subject;
    context.cache = subject.cache as Cache;
    context.other = subject.other as Cache | undefined;
    context.close = () => subject.close();
    context.wait = async (ms) => void (await (advance === undefined ? sleep(ms) : advance(ms)));
    context.shortTtl = advance === undefined ? 0.1 : 1;
    context.shortOverMs = advance === undefined ? 300 : 1001;
  });
  test.before.each(async ({ cache }) => {
    await cache.clear();
  });
  test.after(async ({ close }) => {
    await close?.(); // absent where `create` failed, whose error says more
  });

  registerBasics(test, capabilities);
  registerValues(test, capabilities);
  registerKeys(test);
  registerExpiry(test, capabilities);
  registerCounters(test);
  registerMany(test);
  registerGetOrSet(test);
  if (!capabilities.withoutTags) registerTags(test);
  registerStats(test, capabilities);
  return test;
}
