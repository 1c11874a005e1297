import type { GetOrSetOptions, SetOptions } from './cache.js';
import { CacheError } from './errors.js';
import { suggestion } from './nearest.js';

const ofSet: Readonly<Record<keyof SetOptions, true>> = { ttl: true, tags: true, grace: true };

const ofLoad: Readonly<Record<keyof GetOrSetOptions, true>> = {
  ...ofSet,
  inherit: true,
  beta: true,
  softTimeout: true,
  hardTimeout: true,
  coalesce: true,
  onStale: true,
};

/** The names of SetOptions: one that is missing does not compile. */
export const SET_OPTIONS: readonly string[] = Object.keys(ofSet);

/** The names of GetOrSetOptions. */
export const LOAD_OPTIONS: readonly string[] = Object.keys(ofLoad);

/**
 * A misspelt option would be ignored, and the entry live without it: `{ tag: ['x'] }` is never found by its tag.
 * @param options what the caller gave; own enumerable names alone are looked at, and one that is undefined counts as missing
 * @param call what the error says that it is no option of
 * @throws CacheError ERR_INVALID_ARGUMENT for a name that is not known
 */
export function checkOptionNames(options: object, known: readonly string[], call = 'this call'): void {
  // Makes no list, as Object.keys would: each call of each cache passes here.
  for (const name in options) {
    if (known.includes(name) || !Object.hasOwn(options, name)) continue;
    if ((options as Record<string, unknown>)[name] === undefined) continue;
    const hint = suggestion(name, known) || `; there are ${known.join(', ')}`;
    throw new CacheError('ERR_INVALID_ARGUMENT', `${name} is not an option of ${call}${hint}`);
  }
}
