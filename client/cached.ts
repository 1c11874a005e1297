import { ttlToMs } from '../shared/duration.js';
import { CacheError } from '../shared/errors.js';
import { checkOptionNames, LOAD_OPTIONS } from '../shared/option-names.js';
import { type Callable, makeCached, type Options, type Prefix } from './cached-call.js';
import { claimName, methodName, requireName } from './cached-names.js';
import type {
  AnyFunction,
  CacheChoice,
  CachedDecorator,
  CachedFunction,
  CachedOptions,
  KindOf,
} from './cached-types.js';

export type { CacheChoice, CachedDecorator, CachedFunction, CachedOptions } from './cached-types.js';
export { getCache, setCache } from './global-cache.js';

/**
 * Wraps a function so that a call answers with the cached result of an earlier call with the same arguments. Calls
 * that come while one is computing wait for it; what the function throws reaches them all and is not cached; `null` is
 * cached, `undefined` is not. With a synchronous cache a synchronous function stays synchronous; with any other it
 * answers with a promise.
 *
 * Three forms: `cached(fn, options)`, `cached(options)(fn)`, and `@cached(options)` before a method, in TC39's or in
 * TypeScript's legacy style. Keys are `prefix:arguments`, see docs/cached.md.
 *
 * @returns the wrapped function, with `invalidate(...args)` and `key(...args)`
 * @throws CacheError ERR_INVALID_TTL; ERR_INVALID_ARGUMENT for an unknown option, or where a prefix is missing or taken; a call throws
 *   it (or rejects) for arguments that no key can be made of; and whatever `getOrSet` of the cache throws
 */
export function cached<F extends AnyFunction, const C extends CacheChoice | undefined = undefined>(
  fn: F,
  options?: CachedOptions<C, Parameters<F>>,
): CachedFunction<F, KindOf<C>>;
export function cached<const C extends CacheChoice | undefined = undefined>(
  options?: CachedOptions<C>,
): CachedDecorator<KindOf<C>>;
export function cached(first?: AnyFunction | CachedOptions, second?: unknown): unknown {
  if (typeof first === 'function') return wrapFunction(first, checkOptions(second));
  if (second !== undefined) {
    throw new CacheError(
      'ERR_INVALID_ARGUMENT',
      'write cached(fn, options) or cached(options)(fn), not cached(options, fn)',
    );
  }
  const options = checkOptions(first);
  return (target: unknown, place?: unknown, descriptor?: unknown) => {
    if (place === undefined) return wrapFunction(target, options);
    if (typeof place === 'object') return decorate(target, place as ClassMethodDecoratorContext, options);
    return decorateLegacy(target as object, place as string | symbol, descriptor, options);
  };
}

const OPTION_NAMES = ['keyPrefix', 'cache', 'key', ...LOAD_OPTIONS];

function checkOptions(options: unknown = {}): Options {
  if (typeof options !== 'object' || options === null) {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'cached takes a function, or an object of options');
  }
  if ('kind' in options) {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'as a decorator, write @cached() with parentheses');
  }
  checkOptionNames(options, OPTION_NAMES, 'cached');
  const { keyPrefix, ttl } = options as Options;
  if (ttl !== undefined) ttlToMs(ttl);
  if (keyPrefix !== undefined && (typeof keyPrefix !== 'string' || keyPrefix === '')) {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'keyPrefix is a non-empty string');
  }
  return options as Options;
}

function wrapFunction(fn: unknown, options: Options): Callable {
  if (typeof fn !== 'function') throw new CacheError('ERR_INVALID_ARGUMENT', 'cached wraps functions and methods');
  const text = options.keyPrefix ?? requireName(fn.name, 'the function');
  if (options.keyPrefix === undefined) claimName(options.cache, text, fn);
  return makeCached(fn as Callable, options, { text });
}

function decorate(method: unknown, context: ClassMethodDecoratorContext, options: Options): Callable {
  if (context.kind !== 'method')
    throw new CacheError('ERR_INVALID_ARGUMENT', `cached decorates methods, not a ${context.kind}`);
  const prefix: Prefix = { text: options.keyPrefix };
  const wrapper = makeCached(method as Callable, options, prefix);
  if (prefix.text !== undefined) return wrapper;
  const name = context.private ? '' : plainName(context.name);
  requireName(name, `the method ${String(context.name)}`);
  context.addInitializer(function settlePrefix(this: unknown) {
    if (prefix.text !== undefined) return;
    const text = methodName(this as object, name, context.static, wrapper);
    claimName(options.cache, text, wrapper);
    prefix.text = text;
  });
  return wrapper;
}

function decorateLegacy(
  target: object,
  property: string | symbol,
  descriptor: unknown,
  options: Options,
): PropertyDescriptor {
  const given = descriptor as PropertyDescriptor | undefined;
  if (typeof given?.value !== 'function') throw new CacheError('ERR_INVALID_ARGUMENT', 'cached decorates methods');
  const prefix: Prefix = { text: options.keyPrefix };
  const wrapper = makeCached(given.value as Callable, options, prefix);
  if (prefix.text === undefined) {
    const owner = typeof target === 'function' ? target : target.constructor;
    const className = requireName(owner.name, `the class of the method ${String(property)}`);
    prefix.text = `${className}.${requireName(plainName(property), 'the method')}`;
    claimName(options.cache, prefix.text, wrapper);
  }
  return { ...given, value: wrapper };
}

function plainName(name: string | symbol): string {
  return typeof name === 'string' ? name : '';
}
