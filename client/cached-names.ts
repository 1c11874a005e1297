import { CacheError } from '../shared/errors.js';

/**
 * Which function has which default prefix in which cache. Two functions that happen to have one name would answer with
 * each other's results; so the second is refused. A `keyPrefix` of the caller's is not watched: the same function may
 * be loaded, or wrapped, twice.
 */

const claims = new WeakMap<object, Map<string, unknown>>();
const scopesByName = new Map<string, object>();
const GLOBAL_SCOPE = {};

/**
 * @param cache the choice of cache as the caller made it
 * @throws CacheError ERR_INVALID_ARGUMENT where another function has the name in that cache
 */
export function claimName(cache: object | string | undefined, name: string, fn: unknown): void {
  const scope = scopeOf(cache);
  const names = claims.get(scope) ?? new Map<string, unknown>();
  claims.set(scope, names);
  const owner = names.get(name);
  if (owner !== undefined && owner !== fn) {
    throw new CacheError(
      'ERR_INVALID_ARGUMENT',
      `two functions named '${name}' are cached in one cache and would share their results: give one a keyPrefix`,
    );
  }
  names.set(name, fn);
}

function scopeOf(cache: object | string | undefined): object {
  if (cache === undefined) return GLOBAL_SCOPE;
  if (typeof cache !== 'string') return cache;
  const scope = scopesByName.get(cache) ?? {};
  scopesByName.set(cache, scope);
  return scope;
}

export function requireName(name: string, what: string): string {
  if (name === '') {
    throw new CacheError('ERR_INVALID_ARGUMENT', `${what} has no name to begin its keys with: give cached a keyPrefix`);
  }
  return name;
}

/**
 * `Class.method` of a method that a decorator has wrapped: the class that holds it, not the subclass of an instance.
 * @param self an instance; for a static method, the class
 */
export function methodName(self: object, method: string, isStatic: boolean, wrapper: unknown): string {
  let holder: object | null = isStatic ? self : (Object.getPrototypeOf(self) as object | null);
  let found: object = holder ?? self;
  for (; holder !== null; holder = Object.getPrototypeOf(holder) as object | null) {
    const descriptor = Object.getOwnPropertyDescriptor(holder, method);
    if (descriptor === undefined) continue;
    found = holder;
    if (descriptor.value === wrapper) break;
  }
  const owner = isStatic ? found : found.constructor;
  return `${requireName((owner as { name?: string }).name ?? '', `the class of the method ${method}`)}.${method}`;
}
