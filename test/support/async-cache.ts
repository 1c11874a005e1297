import { LocMemCache, type LocMemCacheOptions } from '../../client/backends/loc-mem-cache.js';
import type { Cache, SyncCache } from '../../shared/cache.js';

/** What may happen around a call of an asynchronous cache: waits, failures, records. `act` reaches the cache. */
export type Around = (call: string, args: readonly unknown[], act: () => unknown) => Promise<unknown>;

const inTheNextTurn: Around = async (_call, _args, act) => {
  await new Promise(setImmediate);
  return act();
};

/** A real in-process cache behind promises, as a remote one would be, with a say in when and whether each call arrives. */
export function asyncCache(
  options: LocMemCacheOptions = {},
  around: Around = inTheNextTurn,
): Cache & { behind: LocMemCache } {
  const behind = new LocMemCache(options);
  return new Proxy(behind, {
    get(target, name) {
      if (name === 'behind') return behind;
      const method = target[name as keyof SyncCache] as (...args: unknown[]) => unknown;
      if (typeof method !== 'function') return method;
      return async (...args: unknown[]) => await around(String(name), args, () => method.apply(target, args));
    },
  }) as unknown as Cache & { behind: LocMemCache };
}
