import type { Entries } from './cache.js';
import { CacheError } from './errors.js';
import { given, storedKey } from './key.js';

/**
 * @returns the caller's keys, each with its stored form, in the order asked, each once
 * @throws CacheError ERR_INVALID_ARGUMENT for what is no list of keys (a string, say), ERR_INVALID_KEY for a bad key
 */
export function storedKeys(keys: unknown): Map<string, string> {
  if (!isIterableObject(keys))
    throw new CacheError('ERR_INVALID_ARGUMENT', `${given(keys)} is not a list of keys, such as ['a', 'b']`);
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

/** @throws CacheError ERR_INVALID_ARGUMENT for what cannot be called */
export function checkLoad(load: unknown): void {
  if (typeof load !== 'function')
    throw new CacheError('ERR_INVALID_ARGUMENT', `load is ${given(load)}, not a function`);
}

/** @throws CacheError ERR_INVALID_ARGUMENT for anything but a safe integer */
export function checkDelta(delta: unknown): number {
  if (!Number.isSafeInteger(delta))
    throw new CacheError('ERR_INVALID_ARGUMENT', `delta is ${given(delta)}, not a whole number within ±(2^53−1)`);
  return (delta as number) + 0;
}

function isIterableObject(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}
