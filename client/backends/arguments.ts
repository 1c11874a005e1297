import type { Entries } from '../../shared/cache.js';
import { CacheError } from '../../shared/errors.js';
import { given, storedKey } from '../../shared/key.js';

/**
 * @returns the caller's keys, each with its stored form, in the order asked, each once
 * @throws CacheError ERR_INVALID_ARGUMENT for what is no list of keys (a string, say), ERR_INVALID_KEY for a bad key
 */
export function storedKeys(keys: unknown): Map<string, string> {
  if (!isIterableObject(keys)) throw new CacheError('ERR_INVALID_ARGUMENT', `${given(keys)} is not a list of keys`);
  const stored = new Map<string, string>();
  for (const key of keys) stored.set(key as string, storedKey(key));
  return stored;
}

/** @throws CacheError ERR_INVALID_ARGUMENT for anything but a Map or a plain object */
export function entryPairs(entries: Entries): [string, unknown][] {
  if (entries instanceof Map) return [...entries];
  if (typeof entries !== 'object' || entries === null || isIterableObject(entries)) {
    throw new CacheError('ERR_INVALID_ARGUMENT', `${given(entries)} is neither a Map nor an object of entries`);
  }
  return Object.entries(entries);
}

/**
 * Only the top of the value is looked at; for a backend that keeps references.
 * @throws CacheError ERR_INVALID_VALUE for undefined, a function or a symbol
 */
export function checkReference(value: unknown): unknown {
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') {
    throw new CacheError('ERR_INVALID_VALUE', `the value is ${given(value)}`);
  }
  return value;
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function isIterableObject(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

/** @throws CacheError ERR_INVALID_ARGUMENT for what cannot be called */
export function checkLoad(load: unknown): void {
  if (typeof load !== 'function') throw new CacheError('ERR_INVALID_ARGUMENT', `load is ${given(load)}`);
}
