import { CacheError } from '../../shared/errors.js';
import { given } from '../../shared/key.js';

export { checkLoad, entryPairs, storedKeys } from '../../shared/arguments.js';

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
