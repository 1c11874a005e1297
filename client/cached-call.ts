import { types } from 'node:util';
import type { CacheAdapter, GetOrSetOptions } from '../shared/cache.js';
import { CacheError } from '../shared/errors.js';
import { DEFAULT_TTL_SECONDS } from '../shared/protocol.js';
import { checkAdapter, getAdapter } from './backends/registry.js';
import { argumentsKey, givenKey } from './cached-key.js';
import type { CacheChoice, CachedOptions } from './cached-types.js';
import { PgCachedClient } from './client.js';
import { getCache } from './global-cache.js';

export type Callable = (this: unknown, ...args: unknown[]) => unknown;
export type Options = CachedOptions<CacheChoice | undefined, unknown[]>;

/** What the keys begin with; unknown for a method until its class has an instance. */
export interface Prefix {
  text: string | undefined;
}

/** @returns `fn` behind its cache, with `key` and `invalidate` */
export function makeCached(fn: Callable, options: Options, prefix: Prefix): Callable {
  const keyOf = (self: unknown, args: unknown[]): string => {
    if (prefix.text === undefined) {
      throw new CacheError(
        'ERR_INVALID_ARGUMENT',
        `the class of ${fn.name} has no instance yet: make one first, or give cached a keyPrefix`,
      );
    }
    const chosen = options.key === undefined ? args : options.key.apply(self as undefined, args);
    return typeof chosen === 'string' ? givenKey(prefix.text, chosen) : argumentsKey(prefix.text, chosen);
  };
  const optionsOf = callOptions(options);
  const run = (self: unknown, args: unknown[]): unknown => {
    const cache = cacheOf(options.cache);
    const load = (): unknown => {
      const result = fn.apply(self, args);
      if (!isThenable(result)) return result;
      rememberPromises(cache, prefix.text!);
      return Promise.resolve(result);
    };
    const result = cache.getOrSet(keyOf(self, args), load, optionsOf(cache, self, args));
    return answersPromises(cache, prefix.text!) ? Promise.resolve(result) : result;
  };
  const wrapper: Callable = types.isAsyncFunction(fn)
    ? async function (this: unknown, ...args: unknown[]) {
        return run(this, args);
      }
    : function (this: unknown, ...args: unknown[]) {
        return run(this, args);
      };
  // Called as `obj.method.invalidate(…)`, `this` is the wrapper, which is nothing that a key option could use.
  const selfOf = (self: unknown): unknown => (self === wrapper ? undefined : self);
  return Object.defineProperties(wrapper, {
    name: { value: fn.name, configurable: true },
    length: { value: fn.length, configurable: true },
    key: {
      value(this: unknown, ...args: unknown[]): string {
        return keyOf(selfOf(this), args);
      },
    },
    invalidate: {
      value(this: unknown, ...args: unknown[]): boolean | Promise<boolean> {
        return cacheOf(options.cache).delete(keyOf(selfOf(this), args));
      },
    },
  });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

function cacheOf(choice: CacheChoice | undefined): CacheAdapter {
  if (choice === undefined) return getCache();
  if (typeof choice === 'string') return getAdapter(choice);
  return checkAdapter(typeof choice === 'function' ? choice() : choice, 'the cache option of cached');
}

/** @returns what the options of a call are: the same for all calls but for the tags, and for what the cache is at the time */
function callOptions(options: Options): (cache: CacheAdapter, self: unknown, args: unknown[]) => GetOrSetOptions {
  const { cache: _, key, keyPrefix, tags, ...rest } = options;
  const plain: GetOrSetOptions = { ttl: DEFAULT_TTL_SECONDS, ...present(rest) };
  const inheriting: GetOrSetOptions = { inherit: 'auto', ...plain };
  return (cache, self, args) => {
    const base = cache instanceof PgCachedClient ? inheriting : plain;
    if (tags === undefined) return base;
    return { ...base, tags: typeof tags === 'function' ? tags.apply(self as undefined, args) : tags };
  };
}

/** Without what is undefined, which counts as missing. */
function present<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/**
 * A synchronous cache answers a hit with the value itself. A function that is not declared `async` and yet returns
 * promises must do so on a hit as well: which prefixes have ever loaded a promise is remembered here.
 */
const promised = new WeakMap<object, Set<string>>();

function rememberPromises(cache: CacheAdapter, prefix: string): void {
  const prefixes = promised.get(cache) ?? new Set<string>();
  promised.set(cache, prefixes.add(prefix));
}

function answersPromises(cache: CacheAdapter, prefix: string): boolean {
  return promised.get(cache)?.has(prefix) ?? false;
}
