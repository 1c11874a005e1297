import type { GetOrSetOptions, SetOptions, Ttl } from './cache.js';
import { type CheckedSetOptions, setOptions } from './duration.js';
import { CacheError } from './errors.js';

/**
 * What `set`, `setMany` and `add` of the client and of DatabaseCache take so far.
 * @throws CacheError ERR_INVALID_TTL, ERR_INVALID_TAG, ERR_INVALID_ARGUMENT
 */
export function checkSetOptions(options: Ttl | SetOptions | undefined): CheckedSetOptions {
  const checked = setOptions(options);
  if (checked.graceMs !== undefined) throw notYet('grace');
  return checked;
}

/** What `getOrSet` takes so far; an option that would be ignored is refused. */
export function checkLoadOptions(options: Ttl | GetOrSetOptions | undefined): CheckedSetOptions {
  if (typeof options === 'object' && options !== null) {
    const { inherit = false, beta = 0, softTimeout, hardTimeout, coalesce = 'host' } = options;
    if (inherit !== false) throw notYet('inherit');
    if (beta !== 0) throw notYet('beta');
    if (softTimeout !== undefined) throw notYet('softTimeout');
    if (hardTimeout !== undefined) throw notYet('hardTimeout');
    if (coalesce !== 'host') throw notYet('coalesce');
  }
  return checkSetOptions(options);
}

function notYet(option: string): CacheError {
  return new CacheError('ERR_INVALID_ARGUMENT', `the option ${option} is not implemented yet`);
}
