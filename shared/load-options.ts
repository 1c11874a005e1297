import type { GetOrSetOptions, Ttl } from './cache.js';
import { type CheckedSetOptions, setOptions, ttlToMs } from './duration.js';
import { CacheError } from './errors.js';
import { given } from './key.js';
import { checkOptionNames, LOAD_OPTIONS } from './option-names.js';

/** Options of `getOrSet`, checked. */
export interface CheckedLoadOptions extends CheckedSetOptions {
  readonly beta: number;
  readonly inherit: boolean | 'auto';
  readonly isClusterWide: boolean;
  readonly softTimeoutMs: number | undefined;
  readonly hardTimeoutMs: number | undefined;
  readonly onStale: ((reason: unknown) => void) | undefined;
}

/**
 * What `getOrSet` of the client takes.
 * @throws CacheError ERR_INVALID_TTL, ERR_INVALID_TAG, ERR_INVALID_ARGUMENT
 */
export function checkLoadOptions(options: Ttl | GetOrSetOptions | undefined): CheckedLoadOptions {
  const { inherit = false, beta, softTimeout, hardTimeout, coalesce, onStale } = optionsOf<GetOrSetOptions>(options);
  const stored = setOptions(options, LOAD_OPTIONS);
  if (typeof inherit !== 'boolean' && inherit !== 'auto') {
    throw new CacheError('ERR_INVALID_ARGUMENT', `inherit is true, false or 'auto', not ${given(inherit)}`);
  }
  const softTimeoutMs =
    softTimeout === undefined ? undefined : softTimeout === 0 ? 0 : ttlToMs(softTimeout, 'softTimeout');
  if (softTimeoutMs !== undefined && (stored.graceMs ?? 0) === 0) {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'softTimeout is for values under grace: give a grace as well');
  }
  if (onStale !== undefined && typeof onStale !== 'function') {
    throw new CacheError('ERR_INVALID_ARGUMENT', `onStale is ${given(onStale)}, not a function`);
  }
  return {
    ...stored,
    ...checkSharing({ beta, coalesce }),
    inherit,
    softTimeoutMs,
    hardTimeoutMs: hardTimeout === undefined ? undefined : ttlToMs(hardTimeout, 'hardTimeout'),
    onStale,
  };
}

/** @throws CacheError ERR_INVALID_ARGUMENT */
export function checkSharing(options: { beta?: unknown; coalesce?: unknown }): {
  beta: number;
  isClusterWide: boolean;
} {
  checkOptionNames(options, ['beta', 'coalesce']);
  const { beta = 0, coalesce = 'host' } = options;
  if (typeof beta !== 'number' || !Number.isFinite(beta) || beta < 0) {
    throw new CacheError('ERR_INVALID_ARGUMENT', `beta is a number from 0, not ${given(beta)}`);
  }
  if (coalesce !== 'host' && coalesce !== 'cluster') {
    throw new CacheError('ERR_INVALID_ARGUMENT', `coalesce is 'host' or 'cluster', not ${given(coalesce)}`);
  }
  return { beta, isClusterWide: coalesce === 'cluster' };
}

/** Values of options that ask for nothing. */
const OFF: Readonly<Record<string, unknown>> = { grace: 0, inherit: false, beta: 0, coalesce: 'host' };
const OPTIONAL = ['grace', 'inherit', 'beta', 'coalesce', 'softTimeout', 'hardTimeout', 'onStale'] as const;

/**
 * Options for a backend that offers ttl and tags alone: what would be ignored is refused.
 * @param backend its name
 * @param known as for `setOptions`
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL, ERR_INVALID_TAG
 */
export function checkPlainOptions(
  options: Ttl | GetOrSetOptions | undefined,
  backend: string,
  known?: readonly string[],
): CheckedSetOptions {
  const given = optionsOf<GetOrSetOptions>(options);
  for (const name of OPTIONAL) {
    if (given[name] === undefined || given[name] === OFF[name]) continue;
    throw new CacheError('ERR_INVALID_ARGUMENT', `${backend} does not offer the option ${name}`);
  }
  return setOptions(options, known);
}

function optionsOf<O extends object>(options: Ttl | O | undefined): Partial<O> {
  return typeof options === 'object' && options !== null ? options : {};
}
