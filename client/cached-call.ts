import { types } from 'node:util';
import type { CacheAdapter, GetOrSetOptions } from '../shared/cache.js';
import { CacheError } from '../shared/errors.js';
import { given } from '../shared/key.js';
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
    if (options.key === undefined) return argumentsKey(prefix.text, args);
    const chosen: unknown = options.key.apply(self as undefined, args);
    if (typeof chosen === 'string') return givenKey(prefix.text, chosen);
    if (Array.isArray(chosen)) return argumentsKey(prefix.text, chosen);
    throw new CacheError(
      'ERR_INVALID_ARGUMENT',
      `the key option of cached gave ${given(chosen)}: no string, and no list`,
    );
  };
  const optionsOf = callOptions(options);
  const isAsync = types.isAsyncFunction(fn) || asyncWrappers.has(fn);
  const run = (self: unknown, args: unknown[]): unknown => {
    const cache = cacheOf(options.cache);
    // A client answers with a promise each time, and each caller with one of his own: there is nothing to see to.
    if (cache instanceof PgCachedClient) {
      return cache.getOrSet(keyOf(self, args), () => fn.apply(self, args), optionsOf(true, self, args));
    }
    const load = (): unknown => {
      const result = fn.apply(self, args);
      if (!isThenable(result)) return result;
      rememberPromises(cache, prefix.text!);
      return Promise.resolve(result);
    };
    const result = cache.getOrSet(keyOf(self, args), load, optionsOf(false, self, args));
    if (isAsync) return ownPromise(result);
    return answersPromises(cache, prefix.text!) ? Promise.resolve(result) : result;
  };
  // Not declared `async`, which would make a hit wait for a promise of a promise.
  const wrapper: Callable = isAsync
    ? function (this: unknown, ...args: unknown[]) {
        try {
          return run(this, args);
        } catch (error) {
          return Promise.reject(error);
        }
      }
    : function (this: unknown, ...args: unknown[]) {
        return run(this, args);
      };
  if (isAsync) asyncWrappers.add(wrapper);
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

/** Wrappers of functions that are declared `async`: they can be wrapped again, and do not look it. */
const asyncWrappers = new WeakSet<object>();

async function ownPromise(result: unknown): Promise<unknown> {
  return result;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

function cacheOf(choice: CacheChoice | undefined): CacheAdapter {
  if (choice instanceof PgCachedClient) return choice;
  if (choice === undefined) return getCache();
  if (typeof choice === 'string') return getAdapter(choice);
  return checkAdapter(typeof choice === 'function' ? choice() : choice, 'the cache option of cached');
}

/**
 * @returns what the options of a call are: the same for all calls but for the tags, and for whether the cache is, at the time, a
 *   client of the daemon
 */
function callOptions(options: Options): (isClient: boolean, self: unknown, args: unknown[]) => GetOrSetOptions {
  const { cache: _, key, keyPrefix, tags, ...rest } = options;
  // A place for the tags is there from the start: to copy an object and replace a property is ten times as fast as to add one.
  const place = tags === undefined ? {} : { tags: [] };
  const plain: GetOrSetOptions = { ttl: DEFAULT_TTL_SECONDS, ...present(rest), ...place };
  const inheriting: GetOrSetOptions = { inherit: 'auto', ...plain };
  return (isClient, self, args) => {
    const base = isClient ? inheriting : plain;
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
